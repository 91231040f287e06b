"""The gRPC door as the process opens it: where grpc is missing or the port is taken, whoever asked for it is told."""

import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.generated import incident_pb2_grpc as calls
from llm_incident_manager.app.config import read_environment
from llm_incident_manager.app.grpc_door import INSTALL, INSTALL_OTLP
from tests.authority import Authority
from tests.process import ServerProcess

WITHOUT = """
import sys
sys.modules["{package}"] = None  # as where the extra was not installed
sys.argv = ["llm-incident-manager", "serve"]
from llm_incident_manager.app.cli.main import main
main()
"""


def without(package: str, tmp_path: Path, **env: str | None) -> ServerProcess:
    """Return a server on a Python that lacks a package; a variable that is ``None`` is not set at all."""
    tmp_path.mkdir(exist_ok=True)
    program = tmp_path / "without.py"
    program.write_text(WITHOUT.format(package=package), encoding="utf-8")
    named = {name: value for name, value in env.items() if value is not None}
    server = ServerProcess(tmp_path, env=named, before=[sys.executable, str(program)])
    for name in env.keys() - named.keys():
        server.env.pop(name, None)
    return server


@pytest.mark.requirement("ING-02")
def test_without_the_extra_it_starts_and_says_what_to_install(tmp_path: Path) -> None:
    with without("grpc", tmp_path, GRPC_PORT=None, OTLP_GRPC_PORT=None) as server:
        assert server.get("/health").status == 200
        assert INSTALL in server.log
        assert "gRPC        off;" in server.log
        assert server.stop() == 0


def test_whoever_names_the_port_without_the_extra_is_told_what_to_install(tmp_path: Path) -> None:
    server = without("grpc", tmp_path, GRPC_PORT="0").start(wait=False)
    assert server.wait_ended() == 1
    assert f"GRPC_PORT: gRPC needs its extra: {INSTALL}" in server.log


@pytest.mark.requirement("ING-02")
def test_a_port_that_is_taken_is_an_error_for_whoever_named_it_only(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = ServerProcess(tmp_path / "named", env={"GRPC_PORT": str(port)}).start(wait=False)
        assert server.wait_ended() == 1
        assert f"cannot listen on 127.0.0.1:{port}; set GRPC_PORT to another port" in server.log
    assert read_environment({"GRPC_PORT": "9090"}).grpc_wanted
    assert not read_environment({}).grpc_wanted


@pytest.mark.requirement("ING-02", "DEP-01")
def test_two_servers_that_name_no_port_both_start(tmp_path: Path) -> None:
    one, two = ServerProcess(tmp_path / "one"), ServerProcess(tmp_path / "two")
    for server in (one, two):
        del server.env["GRPC_PORT"]
    with one, two:
        said = [
            line.split(None, 1)[1] for server in (one, two) for line in server.log.splitlines() if "  gRPC  " in line
        ]
        assert len(said) == 2
        assert said[1].startswith("off; cannot listen on 127.0.0.1:9090")


@pytest.mark.requirement("ING-02", "SEC-04")
def test_the_process_serves_over_tls_with_the_same_settings_as_rest(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    key_file, certificate_file = authority.server_files()
    env = {"TLS_CERT_FILE": certificate_file, "TLS_KEY_FILE": key_file, "TLS_CLIENT_CA_FILE": authority.file}
    config = "sources: {llm-shield: {client_certificate: 'spiffe://example.com/shield'}}\n"
    key, certificate = authority.pair("x", x509.UniformResourceIdentifier("spiffe://example.com/shield"))
    with ServerProcess(tmp_path, config, env={name: str(path) for name, path in env.items()}) as server:
        credentials = grpc.ssl_channel_credentials(authority.pem, key, certificate)
        with grpc.secure_channel(server.grpc, credentials) as channel:
            stub = calls.IncidentServiceStub(channel)  # type: ignore[no-untyped-call]
            with pytest.raises(grpc.RpcError) as wrong:
                stub.CreateIncident(pb.IncidentRequest(event_id="x"), timeout=20)
            assert wrong.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


@pytest.mark.requirement("SEC-04")
@pytest.mark.parametrize(
    ("broken", "named"),
    [("server.pem", "TLS_CERT_FILE, TLS_KEY_FILE"), ("server.key", "TLS_CERT_FILE"), ("ca.pem", "TLS_CLIENT_CA_FILE")],
)
def test_a_certificate_that_cannot_be_used_is_named_before_anything_starts(
    tmp_path: Path, broken: str, named: str
) -> None:
    authority = Authority(tmp_path)
    key_file, certificate_file = authority.server_files()
    (tmp_path / broken).write_text("no certificate", encoding="utf-8")
    env = {"TLS_CERT_FILE": certificate_file, "TLS_KEY_FILE": key_file, "TLS_CLIENT_CA_FILE": authority.file}
    server = ServerProcess(tmp_path / "server", env={name: str(path) for name, path in env.items()}).start(wait=False)
    assert server.wait_ended() == 1
    assert f"{named}" in server.log
    assert "cannot be used" in server.log
    assert "Traceback" not in server.log


def test_nothing_of_grpc_is_loaded_before_the_door_is_opened() -> None:
    look = "import sys, llm_incident_manager.app.serve; print('grpc' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "False"


@pytest.mark.requirement("ING-02", "ING-12")
def test_without_the_extra_of_otlp_the_rest_of_grpc_starts_and_says_what_to_install(tmp_path: Path) -> None:
    with without("opentelemetry.proto", tmp_path, OTLP_GRPC_PORT=None) as server:
        assert server.get("/health").status == 200
        assert f"gRPC off; OTLP over gRPC needs its extra: {INSTALL_OTLP}" in server.log
        assert server.grpc
    server = without("opentelemetry.proto", tmp_path / "named", OTLP_GRPC_PORT="0").start(wait=False)
    assert server.wait_ended() == 1
    assert f"OTLP_GRPC_PORT: OTLP over gRPC needs its extra: {INSTALL_OTLP}" in server.log


@pytest.mark.requirement("ING-02", "ING-12")
def test_otlp_s_port_is_4317_may_be_left_out_and_is_an_error_where_it_was_named_and_is_taken(tmp_path: Path) -> None:
    assert (read_environment({}).otlp_grpc_port, read_environment({}).otlp_wanted) == (4317, False)
    assert read_environment({"OTLP_GRPC_PORT": ""}).otlp_grpc_port is None
    assert read_environment({"OTLP_GRPC_PORT": "4317"}).otlp_wanted
    with ServerProcess(tmp_path / "off") as server:  # whose OTLP_GRPC_PORT is blank
        assert "gRPC off; OTLP_GRPC_PORT is set to nothing" in server.log
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = ServerProcess(tmp_path / "named", env={"OTLP_GRPC_PORT": str(port)}).start(wait=False)
        assert server.wait_ended() == 1
        assert f"cannot listen on 127.0.0.1:{port}; set OTLP_GRPC_PORT to another port" in server.log
