"""OpenTelemetry logs over HTTP: which records become events, and OTLP's own answers (ING-12)."""

import builtins
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from llm_incident_manager.domain.events.document import MAX_BATCH
from llm_incident_manager.sources.log_records import MAX_RECORDS
from tests.contract.sources.rig import Sender, of, sending

pytestmark = pytest.mark.requirement("ING-12")

PATH = "/v1/logs"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}
AT = 1_793_442_600_000_000_000


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(tmp_path, "otlp") as sender:
        yield sender


def a_value(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [a_value(each) for each in value]}}
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {kind: str(value)}


def pairs(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": a_value(value)} for name, value in values.items()]


def a_record(number: int = 17, body: Any = "The model does not answer", at: int = AT, **more: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"timeUnixNano": str(at), "severityNumber": number, "severityText": "ERROR"}
    return record | {"body": a_value(body)} | more


def export(*records: dict[str, Any], **resource: str) -> dict[str, Any]:
    service = {"service.name": "chat", "service.version": "1.2", "deployment.environment.name": "production"} | resource
    logs = {"scope": {"name": "app.models"}, "logRecords": list(records)}
    return {"resourceLogs": [{"resource": {"attributes": pairs(service)}, "scopeLogs": [logs]}]}


GEN_AI = {
    "gen_ai.request.model": "gpt-4o", "gen_ai.tool.name": "search", "error.type": "timeout",
    "gen_ai.usage.input_tokens": 812, "gen_ai.input.messages": "my secret prompt",
}  # fmt: skip


async def test_an_error_is_the_incident_of_its_service_model_and_error(app: Sender) -> None:
    answer = await app.send(export(a_record(attributes=pairs(GEN_AI), traceId="5b8e")), path=PATH, headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    incident = await app.incident()
    assert of(incident) == ("The model does not answer", "performance", "P1", "service", "chat")
    assert incident["environment"] == "production"
    tags = incident["tags"]
    assert (tags["gen_ai.request.model"], tags["error.type"], tags["logger"]) == ("gpt-4o", "timeout", "app.models")
    kept = await app.kept()
    assert "my secret prompt" not in kept
    assert '"gen_ai.usage.input_tokens":812' in kept
    again = a_record(body="Other words for it", at=AT + 1, attributes=pairs(GEN_AI))
    other = a_record(at=AT + 2, attributes=pairs(GEN_AI | {"gen_ai.request.model": "o1"}))
    await app.send(export(again, other), path=PATH, headers=JSON)
    assert [each["event_count"] for each in await app.incidents()] == [2, 1]


async def test_records_without_a_type_are_one_problem_if_only_numbers_differ(app: Sender) -> None:
    first, second = (
        a_record(body="Request 17 of 0a1b2c3d4e took 9 s"),
        a_record(body="Request 4 of ffeeddccbb took 8 s"),
    )
    await app.send(export(first, second), path=PATH, headers=JSON)
    assert (await app.incident())["event_count"] == 2


@pytest.mark.parametrize(
    ("number", "severity"), [(1, None), (9, None), (16, None), (17, "P1"), (20, "P1"), (21, "P0"), (24, "P0")]
)
async def test_logs_are_no_incidents_unless_they_are_errors(app: Sender, number: int, severity: str | None) -> None:
    await app.send(export(a_record(number)), path=PATH, headers=JSON)
    assert [each["severity"] for each in await app.incidents()] == ([severity] if severity else [])


async def test_a_logger_that_only_says_the_word_is_understood(app: Sender) -> None:
    for word in ("Information", "fatal", "odd"):
        await app.send(export(a_record(0, severityText=word)), path=PATH, headers=JSON)
    assert (await app.incident())["severity"] == "P0"


async def test_rules_of_the_settings_say_which_records_become_events(app: Sender) -> None:
    rules = [
        {"min_severity": 21},
        {"min_severity": 13, "attributes": {"error.type": "RATE*"}},
        {"body": "*out of memory*"},
    ]
    made = await app.api.client.post("/api/v1/sources", json={"name": "otlp", "log_rules": rules})
    assert made.status_code == 201, made.text
    records = [
        a_record(17, "An error that no rule names"),
        a_record(13, "Slow down", attributes=pairs({"error.type": "rate_limit"})),
        a_record(9, "Slow down, please", attributes=pairs({"error.type": "rate_limit"})),
        a_record(5, "Worker 3: Out of memory"),
    ]
    await app.send(export(*records), path=PATH, headers=JSON)
    assert [(each["title"], each["severity"]) for each in await app.incidents()] == [
        ("Slow down", "P2"), ("Worker 3: Out of memory", "P4"),
    ]  # fmt: skip


async def test_a_rule_that_names_nothing_is_refused(app: Sender) -> None:
    many = await app.api.client.post("/api/v1/sources", json={"name": "otlp", "log_rules": [{"min_severity": 9}] * 51})
    assert (many.status_code, "at most 50" in many.text) == (422, True)
    for rule in ({}, {"min_severity": 25}, {"attributes": {"a": 1.5}}, {"serverity": 17}, "ERROR"):
        answer = await app.api.client.post("/api/v1/sources", json={"name": "otlp", "log_rules": [rule]})
        assert answer.status_code == 422, (rule, answer.text)


async def test_protobuf_says_the_same_as_json_and_is_answered_in_kind(app: Sender) -> None:
    request = ExportLogsServiceRequest()
    per_resource = request.resource_logs.add()
    per_resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="chat")))
    record = per_resource.scope_logs.add().log_records.add()
    record.time_unix_nano, record.severity_number, record.severity_text = AT, 17, "ERROR"
    record.trace_id = bytes.fromhex("5b8efff798038103d269b633813fc60c")
    body = KeyValueList(values=[KeyValue(key="message", value=AnyValue(string_value="The model does not answer"))])
    record.body.CopyFrom(AnyValue(kvlist_value=body))
    listed = ArrayValue(values=[AnyValue(int_value=1), AnyValue(bytes_value=b"ab"), AnyValue()])
    record.attributes.append(KeyValue(key="several", value=AnyValue(array_value=listed)))
    packed = gzip.compress(request.SerializeToString())
    answer = await app.send(packed, path=PATH, headers=PROTOBUF | {"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert of(await app.incident()) == ("The model does not answer", "other", "P1", "service", "chat")
    assert '"several":[1,"2 bytes",null]' in await app.kept()
    again = await app.send(packed, path=PATH, headers=PROTOBUF | {"Content-Encoding": "gzip"})
    assert again.status_code == 200
    assert (await app.incident())["event_count"] == 1


async def test_what_people_and_models_said_is_not_kept(app: Sender) -> None:
    spoken = a_record(body={"content": "my secret prompt"}, eventName="gen_ai.user.message")
    value = a_record(
        attributes=pairs({"llm.prompts": ["my secret prompt"], "gen_ai.prompt.0.content": "my secret prompt"})
    )
    older = a_record(body="my secret prompt", at=AT + 1, attributes=pairs({"event.name": "gen_ai.choice"}))
    await app.send(export(spoken, value, older), path=PATH, headers=JSON)
    assert len(await app.incidents()) == 3
    for incident in await app.incidents():
        kept = (await app.api.client.get(f"/api/v1/incidents/{incident['id']}/events")).text
        assert "secret" not in kept + json.dumps(incident)


async def test_no_problem_is_left_out_for_the_repeats_of_another(app: Sender) -> None:
    many = [a_record(body=f"Loop {number}", at=AT + number) for number in range(MAX_BATCH + 20)]
    answer = await app.send(export(*many, a_record(body="Something else")), path=PATH, headers=JSON)
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "21"
    assert str(MAX_BATCH) in answer.json()["partialSuccess"]["errorMessage"]
    await app.api.story.fast_forward(seconds=30)
    assert {each["title"]: each["event_count"] for each in await app.incidents()} == {
        "Loop 0": 999,
        "Something else": 1,
    }
    packed = ExportLogsServiceRequest()
    logs = packed.resource_logs.add().scope_logs.add()
    for number in range(MAX_BATCH + 300):
        logs.log_records.add(time_unix_nano=AT + number, severity_number=17)
    answer = await app.send(packed.SerializeToString(), path=PATH, headers=PROTOBUF)
    partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
    assert (partial.rejected_log_records, partial.error_message[:12]) == (300, "send at most")
    app.api.story.pages.clear()


async def test_refusals_are_google_s_status_in_the_encoding_of_the_request(app: Sender) -> None:
    broken = await app.send(b"\xff\xff\xff", path=PATH, headers=PROTOBUF)
    assert (broken.status_code, broken.headers["content-type"]) == (400, "application/x-protobuf")
    status = Status.FromString(broken.content)
    assert (status.code, status.message) == (3, "it is no ExportLogsServiceRequest")
    written = await app.send(b"{", path=PATH, headers=JSON)
    assert (written.status_code, written.json()["code"]) == (400, 3)
    other = await app.send(b"<xml/>", path=PATH, headers={"Content-Type": "text/xml"})
    assert other.status_code == 415
    nobody = await app.api.of(None).post(PATH, content=b"", headers=PROTOBUF)
    assert (nobody.status_code, Status.FromString(nobody.content).code) == (401, 16)


@pytest.mark.requirement("ING-06")
async def test_an_exporter_that_is_too_fast_is_told_when_to_come_back(app: Sender) -> None:
    made = await app.api.client.post("/api/v1/sources", json={"name": "otlp", "events_per_minute": 1})
    assert made.status_code == 201
    records = [a_record(body=f"Problem {letter}") for letter in "abcdef"]
    answer = await app.send(export(*records), path=PATH, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (429, 8)
    assert int(answer.headers["retry-after"]) > 0
    await app.api.story.fast_forward(minutes=10)
    app.api.story.pages.clear()


async def test_without_the_extra_protobuf_is_refused_with_what_to_install(
    app: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith(("opentelemetry", "google")):
            raise ImportError(name)
        return load(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    answer = await app.send(b"", path=PATH, headers=PROTOBUF)
    monkeypatch.undo()
    assert answer.status_code == 415
    assert "pip install 'llm-incident-manager[otel]'" in Status.FromString(answer.content).message
    assert (await app.send(export(a_record()), path=PATH, headers=JSON)).status_code == 200
    assert (await app.incident())["title"] == "The model does not answer"


async def test_more_records_than_may_be_looked_at_are_refused_for_good(app: Sender) -> None:
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add().scope_logs.add()
    for _ in range(MAX_RECORDS + 1):
        logs.log_records.add(severity_number=1)
    answer = await app.send(request.SerializeToString(), path=PATH, headers=PROTOBUF)
    assert answer.status_code == 400
    assert "send at most 10000" in Status.FromString(answer.content).message
    logs.log_records.pop()
    assert (await app.send(request.SerializeToString(), path=PATH, headers=PROTOBUF)).status_code == 200


async def test_records_without_a_time_are_told_apart_by_their_arrival(app: Sender) -> None:
    timeless = export(a_record(at=0))
    for _ in range(2):
        await app.send(timeless, path=PATH, headers=JSON)
    assert (await app.incident())["event_count"] == 1
    await app.api.story.fast_forward(minutes=1)
    await app.send(timeless, path=PATH, headers=JSON)
    assert (await app.incident())["event_count"] == 2


async def test_values_that_cannot_be_stored_are_replaced(app: Sender) -> None:
    odd = a_record(body="Half a \ud800 character", attributes=pairs({"a\x00b": "\ud800", "deep": {"x": ["\ud800"]}}))
    odd["attributes"].append({"key": "nan", "value": {"doubleValue": "NaN"}})
    assert (await app.send(export(odd), path=PATH, headers=JSON)).status_code == 200
    assert (await app.incident())["title"] == "Half a ? character"
