"""Every set-up that docs/sources.md shows is tried as written: copied from the page, its address and key filled in.

Commands are run, settings of ours are a server's config file, settings of other tools are read by these tools where
they are installed, and every address of ours takes the sender's own payload. What can't be run here (another tool's web
page or environment) is only checked for its shape and its address, and the page says so.
"""

import http.client
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from starlette.routing import compile_path

from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.spec import SourceSpec
from scripts.write_sources import KEY, PAGE, URL
from tests.process import ServerProcess

pytestmark = [pytest.mark.requirement("ING-12"), pytest.mark.timeout(300)]
SPECS = source_specs(entries=())
HEALTH = """
{"status": "degraded", "timestamp": "2026-10-21T10:40:00+00:00", "version": "0.1.0",
 "cache": {"l1_healthy": true, "l2_healthy": false, "l2_configured": true},
 "providers": {"openai": {"configured": true, "healthy": false}}}
"""
OURS = re.compile(rf"{re.escape(URL)}[^\s\"'()]*")
SECONDS = 60


def block(spec: SourceSpec) -> str:
    """Return what the page shows for a sender."""
    found = re.search(rf"^## {re.escape(spec.title)}$.*?^```\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.M)
    assert found is not None, f"the page has no block for {spec.title}"
    return found[1]


def commands(text: str) -> list[str]:
    """Return the commands of curl in a block, each with the lines that belong to it."""
    found: list[str] = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.startswith("curl "):
            continue
        while line.endswith("\\") or line.count("'") % 2:
            line += "\n" + next(lines)
        found.append(line)
    return found


def settings(text: str) -> dict[str, Any]:
    """Return the settings of ours in a block: what stands under ``sources:``, to the block's end."""
    found = re.search(r"^sources:.*\Z", text, re.DOTALL | re.MULTILINE)
    return dict(yaml.safe_load(found[0])["sources"]) if found else {}


class AgentHealth(http.server.BaseHTTPRequestHandler):
    """The edge agent's ``/health``."""

    def do_GET(self) -> None:
        """Answer as the agent does."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(HEALTH.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def agent() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), AgentHealth) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server"), env={"OTLP_GRPC_PORT": "0"}) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: ServerProcess) -> str:
    """An ingest key as PagerDuty's clients want them: 32 characters."""
    made = server.post("/api/v1/api_keys", {"name": "senders", "scopes": ["ingest"], "format": 32})
    assert made.status == 201, made.body
    return str(made.json["key"])


def filled(text: str, server: ServerProcess, key: str) -> str:
    where = urlsplit(URL)
    address = urlsplit(server.url).netloc
    return text.replace(URL, server.url).replace(f"{where.netloc}:3000", address).replace(KEY, key)


def counted(server: ServerProcess) -> int:
    return sum(each["event_count"] for each in server.get("/api/v1/incidents?limit=100").json["incidents"])


def test_the_page_has_one_block_of_at_most_ten_lines_for_every_sender() -> None:
    titles = re.findall(r"^## (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(titles) == sorted(spec.title for spec in SPECS.values())
    for spec in SPECS.values():
        assert 0 < len(block(spec).splitlines()) <= 10, spec.title


@pytest.mark.parametrize("spec", [spec for spec in SPECS.values() if "curl " in spec.setup], ids=lambda spec: spec.name)
def test_every_command_is_run_and_brings_what_it_says(
    spec: SourceSpec, server: ServerProcess, key: str, agent: str, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for command in commands(block(spec)):
        named = re.search(r"@(\w+\.json)", command)
        if named:
            (tmp_path / named[1]).write_text(_payload(spec, named[1], command), encoding="utf-8")
        written = filled(command, server, key).replace("127.0.0.1:8080", agent)
        written = re.sub(r"\bcurl (-s )?", "curl -sS --fail-with-body ", written)
        env = {"PATH": os.environ["PATH"], "USER_ID": "5f0c8d6e-2f57-4f2c-9d2b-6d6f3c1b7a11"}
        ran = subprocess.run(
            ["sh", "-c", f"set -e\n{written}"],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        assert "error" not in ran.stdout.lower(), (command, ran.stdout)


def _payload(spec: SourceSpec, file: str, command: str) -> str:
    """Return the golden payload that belongs to a file's name: a row of the audit log, a signal, a response."""
    path = urlsplit(re.search(OURS, command)[0]).path  # type: ignore[index]
    doors = [example for example in spec.examples if example.path == path]
    word = {"signal.json": "principal", "response.json": '"result"', "anomaly.json": "anomaly_type"}.get(file)
    fitting = [example for example in spec.examples if word and word in example.body]
    return (fitting or doors or list(spec.examples))[0].body


def test_our_settings_are_a_server_s_config_file_as_they_stand(tmp_path: Path) -> None:
    together: dict[str, Any] = {}
    for spec in SPECS.values():
        shown = settings(block(spec))
        for name, document in shown.items():
            # What would be asked from here is somebody else's: the settings are read, and nobody is asked.
            asked = {"enabled": False} if document.get("mode") == "pull" else {}
            together.setdefault(name, {}).update(document | asked)
    assert {"otlp", "sentry", "langfuse", "langsmith", "litellm"} <= together.keys()
    text = yaml.safe_dump({"sources": together})
    env = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "a-secret-of-theirs-0123")
    with ServerProcess(tmp_path, text, env=env) as server:
        found = {each["name"]: each for each in server.get("/api/v1/sources?limit=100").json["sources"]}
        for name, document in together.items():
            assert document.keys() <= found[name].keys(), name


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_every_address_of_ours_takes_the_sender_s_own_payload(
    spec: SourceSpec, server: ServerProcess, key: str
) -> None:
    """Addresses that a tool adds a path to are tried with the paths of its door."""
    shown = sorted(set(re.findall(OURS, block(spec))))
    assert shown, f"{spec.title} names no address"
    tried = 0
    for address in shown:
        path = address.removeprefix(URL).replace(KEY, key)
        for example in spec.examples:
            full = _full(spec, path.rstrip("/"), (example.path or f"/api/v1/sources/{spec.name}").replace("{key}", key))
            if full is None:
                continue
            headers = {name: value.replace("{key}", key) for name, value in example.headers.items()}
            if key not in full + example.body and "{key}" not in example.body:
                headers |= {"Authorization": f"Bearer {key}"}
            status, said = _sent(server, example.method, full, example.body.replace("{key}", key), headers)
            assert status == example.status, (address, full, said)
            tried += 1
    assert tried, f"no example goes to {shown}"


def _sent(server: ServerProcess, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=SECONDS)
    try:
        connection.request(method, path, body.encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _full(spec: SourceSpec, shown: str, wanted: str) -> str | None:
    """Return the path to send to where the shown address leads to the example's, with what the tool adds to it."""
    bare, _, query = shown.partition("?")
    path, _, own = wanted.partition("?")
    joined = "&".join(filter(None, (query, own)))
    doors = [compile_path(door.path)[0] for door in spec.doors]
    if any(door.match(bare) and door.match(path) for door in doors):
        path = bare
    if path == bare or path.startswith(f"{bare}/") or not bare:
        return f"{path}?{joined}" if joined else path
    return None


OTLP_PROGRAM = """
import logging
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.{protocol}._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
provider = LoggerProvider(shutdown_on_exit=False)
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
provider.get_logger("app").emit(severity_number=SeverityNumber.ERROR, body="It fails by {protocol}")
assert provider.force_flush(30_000)
provider.shutdown()
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_opentelemetry_s_sdk_reads_the_environment_as_it_is_exported(
    server: ServerProcess, key: str, protocol: str
) -> None:
    """It gets nothing but what the page says to export; for gRPC the port and the protocol, as the comment says."""
    exports = [line for line in block(SPECS["otlp"]).splitlines() if line.startswith("export ")]
    assert exports
    written = filled("\n".join(exports), server, key)
    if protocol == "grpc":
        written = written.replace(f"{server.url}/v1/logs", f"http://{server.otlp}").replace("http/protobuf", "grpc")
    program = OTLP_PROGRAM.replace("{protocol}", protocol)
    ran = subprocess.run(
        ["sh", "-c", f'{written}\nexec "$0" -c "$1"', sys.executable, program],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    title = f"It fails by {protocol}"
    server.until("it is an incident", lambda: title in str(server.get("/api/v1/incidents?limit=100").json))


def receivers(spec: SourceSpec, server: ServerProcess, key: str) -> dict[str, Any]:
    """Return the receivers in a block, as Alertmanager's whole config file."""
    found = re.search(r"^receivers:\n(?:[ -].*\n)+", filled(block(spec), server, key), re.MULTILINE)
    assert found is not None
    document = yaml.safe_load(found[0])
    return {"route": {"receiver": document["receivers"][0]["name"]}, **document}


@pytest.mark.parametrize("name", ["alertmanager", "pagerduty", "opsgenie", "victorops"])
def test_alertmanager_takes_its_receivers_as_they_stand(
    server: ServerProcess, key: str, tmp_path: Path, name: str
) -> None:
    config = receivers(SPECS[name], server, key)
    (receiver,) = config["receivers"]
    (kind,) = (each for each in receiver if each.endswith("_configs"))
    assert kind == {"alertmanager": "webhook_configs"}.get(name, f"{name}_configs")
    if shutil.which("amtool") is None:
        pytest.skip("amtool is not installed; the shape was checked")
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    ran = subprocess.run(
        ["amtool", "check-config", "alertmanager.yml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_prometheus_takes_its_alerting_section_as_it_stands(server: ServerProcess, key: str, tmp_path: Path) -> None:
    found = re.search(r"^alerting:.*\Z", filled(block(SPECS["alertmanager"]), server, key), re.DOTALL | re.MULTILINE)
    assert found is not None
    (alertmanager,) = yaml.safe_load(found[0])["alerting"]["alertmanagers"]
    assert alertmanager["static_configs"] == [{"targets": [urlsplit(server.url).netloc]}]
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed; the shape was checked")
    (tmp_path / "prometheus.yml").write_text(found[0], encoding="utf-8")
    ran = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_page_says_what_could_only_be_checked_for_its_shape() -> None:
    """A block is run where it is commands, our settings, or the file or environment of a tool that is here."""
    read_by_its_tool = {"alertmanager", "pagerduty", "opsgenie", "victorops", "otlp", "litellm", "slack"}
    shape_only = {name for name, spec in SPECS.items() if not commands(block(spec)) and name not in read_by_its_tool}
    said = re.search(r"^\*\*Tried as written\.\*\* .*?(?=^$)", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert said is not None
    named = said[0].partition("Only for its shape")[2]
    assert {name for name, spec in SPECS.items() if spec.title in " ".join(named.split())} == shape_only
