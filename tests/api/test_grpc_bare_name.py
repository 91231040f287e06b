"""The proto text of specification §6.2, completed and compiled without a package, calls the server (ING-02)."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import grpc.aio
import pytest

from tests.api.app import PLATFORM_KEY, a_document
from tests.api.grpc_app import Grpc, refused

TEXT = """
syntax = "proto3";

service IncidentService {
  rpc CreateIncident(IncidentRequest) returns (IncidentResponse);
  rpc UpdateIncident(UpdateRequest) returns (IncidentResponse);
  rpc GetIncident(GetRequest) returns (Incident);
}

message IncidentRequest {
  string event_id = 1;
  string source = 2;
  string timestamp = 3;
  string event_type = 4;
  string category = 5;
  string title = 6;
  string description = 7;
  string severity = 8;
  Resource resource = 9;
  map<string, double> metrics = 10;
  map<string, string> tags = 11;
  map<string, string> payload = 12;
}

message Resource {
  string type = 1;
  string id = 2;
  string name = 3;
  map<string, string> metadata = 4;
}

message IncidentResponse {
  string status = 1;
  string event_id = 2;
  string incident_id = 3;
  string message = 4;
}

message GetRequest {
  string incident_id = 1;
}

message UpdateRequest {
  string incident_id = 1;
  string action = 2;
  map<string, string> fields = 3;
}

message Incident {
  string id = 1;
  string severity = 2;
  string status = 3;
  string category = 4;
  string title = 5;
  string description = 6;
  string source = 7;
  string created_at = 8;
  string updated_at = 9;
  string assigned_to = 10;
  string assigned_team = 11;
  int32 escalation_level = 12;
}
"""


def compiled(folder: Path) -> tuple[ModuleType, ModuleType]:
    """Compile the text as a team that reads the specification would, and return its two modules."""
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed")
    (folder / "shield_incident.proto").write_text(TEXT, encoding="utf-8")
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=."]
    subprocess.run([*protoc, "shield_incident.proto"], cwd=folder, check=True, timeout=60)
    modules = []
    for name in ("shield_incident_pb2", "shield_incident_pb2_grpc"):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        modules.append(module)
    return modules[0], modules[1]


@pytest.mark.requirement("ING-02", "ING-11")
async def test_a_client_made_from_the_specification_is_answered(rpc: Grpc, tmp_path: Path) -> None:
    messages, calls = compiled(tmp_path)
    assert messages.DESCRIPTOR.package == ""
    document = a_document(rpc.api.story)
    event = messages.IncidentRequest(
        **{name: value for name, value in document.items() if name != "resource"},
        resource=messages.Resource(**document["resource"]),
        metrics={"confidence_score": 0.95},
        payload={"attack_type": "prompt_injection"},
    )
    metadata = (("authorization", f"Bearer {PLATFORM_KEY}"),)
    async with grpc.aio.insecure_channel(rpc.address) as channel:
        stub = calls.IncidentServiceStub(channel)
        answer = await stub.CreateIncident(event, metadata=metadata, timeout=20)
        assert (answer.status, answer.event_id) == ("accepted", document["event_id"])
        found = await stub.GetIncident(
            messages.GetRequest(incident_id=answer.incident_id), metadata=metadata, timeout=20
        )
        assert (found.id, found.title, found.status) == (answer.incident_id, document["title"], "NEW")
        update = messages.UpdateRequest(incident_id=answer.incident_id, action="acknowledge", fields={"note": "mine"})
        assert (await stub.UpdateIncident(update, metadata=metadata, timeout=20)).status == "ACKNOWLEDGED"
        nobody = await refused(stub.GetIncident(messages.GetRequest(incident_id="x"), timeout=20))
        assert nobody.code is grpc.StatusCode.UNAUTHENTICATED
