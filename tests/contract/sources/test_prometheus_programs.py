"""The real Prometheus, Alertmanager and amtool, unmodified, with a running server in the Alertmanager's place."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llm_incident_manager.domain.events.label_set import label_fingerprint
from tests.process import ServerProcess
from tests.servers import free_port

COMMAND_SECONDS = 60
STOP_SECONDS = 20


def program(*names: str) -> str:
    """Return a program of this machine; skips where there is none."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{names[0]} is not installed (Debian packages prometheus and prometheus-alertmanager)")
    return found


@contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[None]:
    """Run a program beside the test, what it says in a file."""
    with (folder / "program.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_SECONDS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "server") as found:
        yield found


class Amtool:
    """amtool against the server, its key as the password in the address."""

    def __init__(self, server: ServerProcess) -> None:
        self._path = program("amtool")
        self.url = f"http://amtool:{server.key}@{urlsplit(server.url).netloc}"

    def __call__(self, *words: str, given: str | None = None, fails: bool = False) -> str:
        done = subprocess.run(
            [self._path, f"--alertmanager.url={self.url}", *words],
            input=given,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert (done.returncode != 0) is fails, f"amtool {words}: {done.stdout}{done.stderr}"
        assert fails or "Warning" not in done.stderr, done.stderr
        return (done.stderr if fails else done.stdout).strip()

    def read(self, *words: str) -> Any:
        """Return what it answers as JSON."""
        return json.loads(self(*words, "-o", "json"))


@pytest.fixture
def amtool(server: ServerProcess) -> Amtool:
    return Amtool(server)


def incidents(server: ServerProcess) -> list[dict[str, Any]]:
    """Return all of them, oldest first."""
    found: list[dict[str, Any]] = server.get("/api/v1/incidents?sort=created_at").json["incidents"]
    return found


def states(server: ServerProcess) -> list[tuple[str, str]]:
    return [(each["title"], each["status"]) for each in incidents(server)]


@pytest.mark.requirement("ING-12")
def test_amtool_adds_and_queries_alerts(server: ServerProcess, amtool: Amtool) -> None:
    amtool(
        "alert", "add", "GatewaySlow", "severity=critical", "model=gpt-x", "--annotation=summary=The gateway is slow"
    )
    amtool(
        "alert", "add", "GatewaySlow", "severity=critical", "model=gpt-x", "--annotation=summary=The gateway is slow"
    )
    amtool("alert", "add", "Other", "model=m2")
    server.until("both are incidents", lambda: len(incidents(server)) == 2)
    slow = next(each for each in incidents(server) if each["title"] == "The gateway is slow")
    assert (slow["severity"], slow["event_count"], slow["tags"]["model"]) == ("P0", 1, "gpt-x")
    found = amtool.read("alert", "query", "GatewaySlow")
    assert [each["labels"]["model"] for each in found] == ["gpt-x"]
    assert found[0]["fingerprint"] == label_fingerprint(found[0]["labels"])
    assert [each["labels"]["alertname"] for each in amtool.read("alert", "query", "model!=gpt-x")] == ["Other"]
    assert [each["labels"]["alertname"] for each in amtool.read("alert", "query", "model=~gpt-.*")] == ["GatewaySlow"]
    assert len(amtool.read("alert")) == 2
    assert "GatewaySlow" in amtool("alert", "query", "--active", "-o", "extended")
    amtool("alert", "add", "GatewaySlow", "severity=critical", "model=gpt-x", "--end=2026-01-01T00:00:00Z")
    server.until("it is over", lambda: ("The gateway is slow", "RESOLVED") in states(server))
    assert [each["labels"]["alertname"] for each in amtool.read("alert", "query")] == ["Other"]


@pytest.mark.requirement("ING-12", "NTF-06")
def test_every_command_of_amtool_on_silences(server: ServerProcess, amtool: Amtool, tmp_path: Path) -> None:
    silence_id = amtool(
        "silence", "add", "alertname=Muted", "model=~gpt-.*", "--author=ana", "--comment=deploying", "-d", "2h"
    )
    (made,) = amtool.read("silence", "query")
    assert (made["id"], made["createdBy"], made["status"]["state"]) == (silence_id, "ana", "active")
    assert amtool("silence", "query", "-q") == silence_id
    amtool("alert", "add", "Muted", "model=gpt-x", "severity=critical")
    server.until("it is an incident", lambda: len(incidents(server)) == 1)
    assert incidents(server)[0]["silenced_by"] == [silence_id]
    assert amtool.read("alert", "query", "--active") == []
    assert [each["status"]["silencedBy"] for each in amtool.read("alert", "query", "--silenced")] == [[silence_id]]

    amtool("silence", "update", silence_id, "--comment=longer", "-d", "3h")
    (changed,) = amtool.read("silence", "query")
    assert (changed["id"], changed["comment"]) == (silence_id, "longer")
    assert changed["endsAt"] > made["endsAt"]
    assert incidents(server)[0]["silenced_by"] == [silence_id]

    exported = tmp_path / "silences.json"
    exported.write_text(amtool("silence", "query", "-o", "json"))
    amtool("silence", "expire", silence_id)
    assert amtool.read("silence", "query") == []
    assert [each["id"] for each in amtool.read("silence", "query", "--expired")][:1] == [silence_id]
    server.until("its ladder starts", lambda: incidents(server)[0]["silenced_by"] == [])

    amtool("silence", "import", str(exported))
    (imported,) = amtool.read("silence", "query")
    assert (imported["comment"], imported["matchers"]) == ("longer", changed["matchers"])
    server.until("it is silenced again", lambda: incidents(server)[0]["silenced_by"] == [imported["id"]])
    amtool("silence", "import", given=exported.read_text())
    assert amtool("silence", "expire", "00000000-0000-0000-0000-000000000000", fails=True)
    assert amtool("silence", "add", "alertname=~(a+)+", "--author=ana", "--comment=x", fails=True)


def test_amtool_sees_a_status_and_a_config_that_it_can_read(
    server: ServerProcess, amtool: Amtool, tmp_path: Path
) -> None:
    assert "receiver: incidents" in amtool("config", "show")
    assert amtool("config", "routes", "test", "severity=critical") == "incidents"
    assert "disabled" in amtool("cluster", "show")
    local = tmp_path / "alertmanager.yml"
    local.write_text(receiving(server))
    assert "SUCCESS" in amtool("check-config", str(local))


class Trouble(BaseHTTPRequestHandler):
    """A target whose only metric says whether there is trouble."""

    there_is = False

    def do_GET(self) -> None:
        body = f"trouble {int(type(self).there_is)}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture
def target() -> Iterator[tuple[int, type[Trouble]]]:
    handler = type("TroubleHere", (Trouble,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield listening.server_address[1], handler
        listening.shutdown()
        thread.join(STOP_SECONDS)


@pytest.mark.requirement("ING-12")
def test_prometheus_fires_a_rule_and_resolves_it(
    server: ServerProcess, target: tuple[int, type[Trouble]], tmp_path: Path
) -> None:
    path = program("prometheus")
    port, trouble = target
    (tmp_path / "rules.yml").write_text(
        "groups:\n- name: llm\n  rules:\n  - alert: TokenSpendTooHigh\n    expr: trouble == 1\n"
        "    labels: {severity: critical, service: gateway}\n"
        "    annotations: {summary: Token spend is too high, description: 'Of {{ $labels.instance }}'}\n"
    )
    (tmp_path / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s, external_labels: {cluster: c1}}\n"
        "rule_files: [rules.yml]\n"
        f"scrape_configs: [{{job_name: llm, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
        f"alerting: {{alertmanagers: [{{authorization: {{credentials: {server.key}}}, "
        f"static_configs: [{{targets: ['{urlsplit(server.url).netloc}']}}]}}]}}\n"
    )
    command = [
        path,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        f"--web.listen-address=127.0.0.1:{free_port()}",
        "--rules.alert.resend-delay=1s",
    ]
    trouble.there_is = True
    with running(command, tmp_path):
        server.until("it fires", lambda: states(server) == [("Token spend is too high", "NEW")], 60)
        (incident,) = incidents(server)
        assert (incident["severity"], incident["category"], incident["resource"]["id"]) == ("P0", "cost", "gateway")
        assert incident["tags"]["cluster"] == "c1"
        trouble.there_is = False
        server.until("it is over", lambda: states(server) == [("Token spend is too high", "RESOLVED")], 60)
        (incident,) = incidents(server)
        assert incident["event_count"] == 1, "it was sent every second, and counted once"


def receiving(server: ServerProcess) -> str:
    """Return the configuration of an Alertmanager that tells the server everything at once."""
    return (
        "route: {receiver: incidents, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"
        "receivers:\n- name: incidents\n  webhook_configs:\n"
        f"  - url: {server.url}/api/v1/sources/alertmanager\n    send_resolved: true\n"
        f"    http_config: {{authorization: {{credentials: {server.key}}}}}\n"
    )


@pytest.mark.requirement("ING-12")
def test_alertmanager_tells_by_its_webhook_what_fires_and_what_is_over(server: ServerProcess, tmp_path: Path) -> None:
    path = program("prometheus-alertmanager", "alertmanager")
    port = free_port()
    (tmp_path / "alertmanager.yml").write_text(receiving(server))
    command = [
        path,
        "--config.file=alertmanager.yml",
        "--storage.path=state",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    amtool = [program("amtool"), f"--alertmanager.url=http://127.0.0.1:{port}", "alert", "add"]
    alert = ["CircuitBreakerOpen", "severity=warning", "job=edge-agent", "--annotation=summary=Circuit breaker is open"]

    def added(*more: str) -> bool:
        return subprocess.run([*amtool, *alert, *more], capture_output=True, timeout=60, check=False).returncode == 0

    with running(command, tmp_path):
        server.until("the alertmanager takes it", added, 60)
        server.until("it fires", lambda: states(server) == [("Circuit breaker is open", "NEW")], 60)
        (incident,) = incidents(server)
        assert (incident["severity"], incident["category"]) == ("P2", "availability")
        kept = server.get(f"/api/v1/incidents/{incident['id']}/events").json["events"][0]
        assert label_fingerprint(
            {"alertname": "CircuitBreakerOpen", "severity": "warning", "job": "edge-agent"}
        ) in json.dumps(kept)
        assert added("--start=2026-01-01T00:00:00Z", "--end=2026-01-01T00:00:01Z")
        server.until("it is over", lambda: states(server) == [("Circuit breaker is open", "RESOLVED")], 60)
