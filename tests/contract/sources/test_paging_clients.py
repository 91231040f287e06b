"""The paging tools' own clients, unmodified, against the real server: PagerDuty's, Opsgenie's, and Alertmanager."""

import http.client
import importlib.util
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from llm_incident_manager.sources.registry import source_specs
from scripts.write_sources import URL
from tests.process import ServerProcess
from tests.servers import free_port

pytestmark = pytest.mark.requirement("ING-12")
SECONDS = 60.0


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the client {module} is not installed; it is in requirements-dev.lock")


def run(script: str, *arguments: str, **environment: str) -> Any:
    """Run a script that uses a client in a process of its own, and return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def ask(server: ServerProcess, method: str, path: str, document: object = None, ca: Path | None = None) -> Any:
    """Ask the server with the admin key, over TLS where there is a certificate."""
    where = urlsplit(server.url)
    host, port = where.hostname or "", where.port
    connection = (
        http.client.HTTPConnection(host, port, timeout=30)
        if ca is None
        else http.client.HTTPSConnection(host, port, timeout=30, context=ssl.create_default_context(cafile=ca))
    )
    try:
        body = None if document is None else json.dumps(document)
        headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        assert answer.status < 300, found
        return found
    finally:
        connection.close()


def ingest_key(server: ServerProcess, ca: Path | None = None) -> str:
    wanted = {"name": "pages", "scopes": ["ingest"], "format": 32}
    return str(ask(server, "POST", "/api/v1/api_keys", wanted, ca)["key"])


def incidents(server: ServerProcess, ca: Path | None = None) -> list[dict[str, Any]]:
    return list(ask(server, "GET", "/api/v1/incidents?sort=created_at&limit=100", None, ca)["incidents"])


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, and return the files of it and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "tls.pem", folder / "tls.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


PAGERDUTY = """
import json, sys, pagerduty
url, key = sys.argv[1:]
client = pagerduty.EventsApiV2Client(key, base_url=url)
first = client.trigger("Answers are slow", "chat-api", severity="warning", custom_details={"p95": 9})
second = client.trigger("Disk is full", "db01", dedup_key="db01/disk")
client.acknowledge("db01/disk")
client.resolve(first)
client.submit("Build 42 deployed", source="ci", timestamp="2026-10-21T10:30:00Z")
try:
    client.send_event("trigger", payload={"summary": "no severity", "source": "x"})
    refused = ""
except pagerduty.Error as error:
    refused = str(error)
print(json.dumps({"first": first, "second": second, "refused": refused}))
"""


def test_pagerduty_s_client_over_tls(tmp_path: Path) -> None:
    needs("pagerduty")
    ca, key_file = certificate(tmp_path)
    with ServerProcess(tmp_path, env={"TLS_CERT_FILE": str(ca), "TLS_KEY_FILE": str(key_file)}) as server:
        assert server.url.startswith("https://")
        key = ingest_key(server, ca)
        said = run(PAGERDUTY, server.url, key, SSL_CERT_FILE=str(ca))
        assert said["first"]
        assert said["second"] == "db01/disk"
        assert "400" in said["refused"]
        server.until("both are triaged", lambda: len(incidents(server, ca)) == 2)
        server.until("the first is resolved", lambda: incidents(server, ca)[0]["status"] == "RESOLVED")
        first, second = incidents(server, ca)
        assert (first["title"], first["severity"], second["title"]) == ("Answers are slow", "P2", "Disk is full")
        assert (second["severity"], second["status"]) == ("P0", "ACKNOWLEDGED")
        program = Path(sys.executable).with_name("pagerduty")
        command = [program, "trigger", "-k", key, "--description", "By hand", "--base-url", server.url]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False,
            env=os.environ | {"SSL_CERT_FILE": str(ca)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        server.until("the command's is triaged", lambda: incidents(server, ca)[-1]["title"] == "By hand")


PDPYRAS = """
import json, sys, pdpyras
url, key = sys.argv[1:]
session = pdpyras.EventsAPISession(key)
session.url = url
made = session.trigger("Answers are slow", "chat-api", severity="critical")
session.acknowledge(made)
session.resolve(made)
again = session.trigger("Answers are slow", "chat-api", dedup_key=made, severity="critical")
changes = pdpyras.ChangeEventsAPISession(key)
changes.url = url
changes.submit("Build 42 deployed", source="ci", timestamp="2026-10-21T10:30:00Z")
print(json.dumps([made, again]))
"""


def test_pdpyras(tmp_path: Path) -> None:
    needs("pdpyras")
    with ServerProcess(tmp_path) as server:
        made, again = run(PDPYRAS, server.url, ingest_key(server))
        assert made == again
        server.until("the second is triaged", lambda: len(incidents(server)) == 2)
        first, second = incidents(server)
        assert (first["status"], second["status"], second["recurrence_of"]) == ("RESOLVED", "NEW", first["id"])


OPSGENIE = """
import json, sys, time, opsgenie_sdk
url, key, step = sys.argv[1:4]
conf = opsgenie_sdk.Configuration()
conf.host = url
conf.api_key["Authorization"] = key
client = opsgenie_sdk.ApiClient(configuration=conf)
alerts, hearts = opsgenie_sdk.AlertApi(client), opsgenie_sdk.HeartbeatApi(client)

def came_of(request_id):
    for _ in range(200):
        try:
            found = alerts.get_request_status(request_id=request_id).data
            if found.is_success:
                return found
        except opsgenie_sdk.ApiException as error:
            if error.status != 404:
                raise
        time.sleep(0.05)
    raise SystemExit("nothing came of " + request_id)

if step == "first":
    payload = opsgenie_sdk.CreateAlertPayload(
        message="Answers are slow", alias="chat/slow", description="p95 is 9 s", tags=["chat"], priority="P1",
        details={"region": "eu"}, entity="chat-api", responders=[{"type": "team", "name": "platform"}])
    made = alerts.create_alert(create_alert_payload=payload)
    found = came_of(made.request_id)
    alias = {"identifier": "chat/slow", "identifier_type": "alias"}
    alerts.add_note(add_note_to_alert_payload=opsgenie_sdk.AddNoteToAlertPayload(note="Seen", user="ana"), **alias)
    alerts.add_tags(add_tags_to_alert_payload=opsgenie_sdk.AddTagsToAlertPayload(tags=["urgent"]), **alias)
    alerts.acknowledge_alert(acknowledge_alert_payload=opsgenie_sdk.AcknowledgeAlertPayload(user="ana"), **alias)
    alerts.update_alert_message(
        update_alert_message_payload=opsgenie_sdk.UpdateAlertMessagePayload(message="Answers are very slow"), **alias)
    alert = alerts.get_alert(identifier=found.alert_id, identifier_type="id").data
    listed = alerts.list_alerts(query="status: open AND tag: urgent", limit=5).data
    counted = alerts.count_alerts(query="status: open").data
    alerts.create_alert(create_alert_payload=opsgenie_sdk.CreateAlertPayload(message="At once", alias="now"))
    at_once = alerts.get_alert(identifier="now", identifier_type="alias").data
    notes = alerts.list_notes(**alias).data
    logs = alerts.list_logs(**alias).data
    told = alerts.list_recipients(**alias).data
    hearts.create_heartbeat(create_heartbeat_payload=opsgenie_sdk.CreateHeartbeatPayload(
        name="nightly", interval=10, interval_unit="minutes", enabled=True, description="The nightly job"))
    pong = hearts.ping(name="nightly")
    hearts.disable_heartbeat(name="nightly")
    heart = hearts.enable_heartbeat(name="nightly").data
    again = hearts.get_heartbeat(name="nightly").data
    print(json.dumps({"request": made.request_id, "alert_id": found.alert_id, "message": alert.message,
        "acknowledged": alert.acknowledged, "tags": alert.tags, "priority": alert.priority, "tiny": alert.tiny_id,
        "listed": [each.id for each in listed], "count": counted.count, "notes": [each.note for each in notes],
        "at_once": at_once.message, "logs": len(logs), "told": len(told), "pong": pong.result, "enabled": heart.enabled,
        "interval": again.interval, "beats": len(hearts.list_heart_beats().data.heartbeats)}))
else:
    found = came_of(sys.argv[4])
    closed = alerts.close_alert(identifier=sys.argv[5], identifier_type="tiny",
        close_alert_payload=opsgenie_sdk.CloseAlertPayload(user="ana", note="Rolled back"))
    print(json.dumps({"alert_id": found.alert_id, "closed": came_of(closed.request_id).action}))
"""


def test_opsgenie_s_client_and_its_requests_after_a_crash(tmp_path: Path) -> None:
    needs("opsgenie_sdk")
    with ServerProcess(tmp_path) as server:
        key = ingest_key(server)
        said = run(OPSGENIE, server.url, key, "first")
        incident, _ = incidents(server)
        assert said["alert_id"] == incident["id"]
        assert (incident["severity"], incident["status"]) == ("P0", "ACKNOWLEDGED")
        expected = {
            "message": "Answers are very slow", "acknowledged": True, "tags": ["chat", "urgent"], "priority": "P1",
            "listed": [incident["id"]], "count": 1, "notes": ["Seen"], "pong": "PONG - Heartbeat received",
            "enabled": True, "interval": 10, "beats": 1, "at_once": "At once",
        }  # fmt: skip
        assert {name: said[name] for name in expected} == expected
        assert said["logs"] > 3
        server.kill9()
        server.restart()
        later = run(OPSGENIE, server.url, key, "second", said["request"], said["tiny"])
        assert later == {"alert_id": incident["id"], "closed": "Close"}
        server.until("it is resolved", lambda: incidents(server)[0]["status"] == "RESOLVED")


def test_a_heartbeat_outlives_the_process(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        given = {"name": "nightly", "interval": 2, "intervalUnit": "seconds", "enabled": True, "alertPriority": "P1"}
        assert server.post("/v2/heartbeats", given).status == 201
        server.kill9()
        server.restart()
        server.until(
            "it is missed", lambda: [each["title"] for each in incidents(server)] == ["Heartbeat nightly is missing"]
        )
        assert server.post("/v2/heartbeats/nightly/disable").status == 200
        server.until("it is over", lambda: incidents(server)[0]["status"] == "RESOLVED")


def test_what_the_pages_tell_people_to_type_works(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    page = (Path(__file__).parents[3] / "docs" / "opsgenie.md").read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    blocks = [block for language, block in fenced if not language]
    assert len(blocks) == 2
    older = source_specs(entries=())["pagerduty-v1"].setup.replace("{url}", URL).replace("{key}", "$LIM_KEY")
    with ServerProcess(tmp_path) as server:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        known = {"LIM_KEY": ingest_key(server), "LIM_URL": server.url, "LIM_API_KEY": server.key, "PATH": programs}
        said = ""
        for block in [*blocks, older]:
            done = subprocess.run(
                ["sh", "-e", "-c", block.replace("curl ", "curl -sS --fail-with-body ").replace(URL, server.url)],
                capture_output=True, text=True, timeout=SECONDS, check=False, env=os.environ | known,
            )  # fmt: skip
            assert done.returncode == 0, (block, done.stdout, done.stderr)
            said += done.stdout
        assert "PONG - Heartbeat received" in said
        server.until("both are triaged", lambda: len(incidents(server)) == 2)
        server.until("the first is closed", lambda: incidents(server)[0]["status"] == "RESOLVED")
        assert [each["title"] for each in incidents(server)] == ["Answers are slow", "FAILURE of production on srv01"]


ALERTMANAGER = """
global: {{resolve_timeout: 1h}}
route:
  receiver: all
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: all
  pagerduty_configs:
  - routing_key: {pagerduty}
    url: {url}/v2/enqueue
    send_resolved: true
  opsgenie_configs:
  - api_key: {opsgenie}
    api_url: {url}/
    update_alerts: true
    send_resolved: true
  victorops_configs:
  - api_url: {url}/integrations/generic/20131114/alert/
    api_key: {victorops}
    routing_key: platform
    send_resolved: true
"""


@contextmanager
def alertmanager(folder: Path, config: str) -> Iterator[str]:
    """Run Debian's Alertmanager, and yield where it answers."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("prometheus-alertmanager is not installed (Debian package of that name)")
    (folder / "alertmanager.yml").write_text(config)
    port = free_port()
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'am'}",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until(lambda: answers(port) or process.poll() is not None, "Alertmanager answers")
        assert process.poll() is None, (folder / "alertmanager.log").read_text()[-2000:]
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(SECONDS)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"not within {SECONDS:.0f} s: {what}"
        time.sleep(0.05)


def post_alert(where: str, *, over: bool) -> None:
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "LLMCost", "severity": "critical", "model": "gpt-x"},
        "annotations": {"summary": "Spending is three times the budget"},
        "startsAt": (now - timedelta(minutes=2)).isoformat(),
        "endsAt": (now - timedelta(seconds=1) if over else now + timedelta(hours=1)).isoformat(),
    }
    connection = http.client.HTTPConnection(where, timeout=30)
    try:
        body = json.dumps([alert])
        connection.request("POST", "/api/v2/alerts", body=body, headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()


def test_alertmanager_s_receivers_open_and_resolve(tmp_path: Path) -> None:
    sources = ("pagerduty", "opsgenie", "victorops")
    with ServerProcess(tmp_path) as server:
        keys = {source: ingest_key(server) for source in sources}
        with alertmanager(tmp_path, ALERTMANAGER.format(url=server.url, **keys)) as where:
            post_alert(where, over=False)
            log = tmp_path / "alertmanager.log"
            server.until("every receiver has sent", lambda: len(incidents(server)) == 3)
            found = {each["source"]: each for each in incidents(server)}
            assert sorted(found) == sorted(sources), log.read_text()[-2000:]
            for source, incident in found.items():
                assert incident["severity"] == "P0", source
                assert incident["category"] == "cost", source
                assert "LLMCost" in incident["title"], source
                assert "FIRING" not in incident["title"], source
                assert (incident["resource"]["type"], incident["resource"]["id"]) == ("model", "gpt-x"), source
                assert incident["tags"]["alertname"] == "LLMCost", source
            post_alert(where, over=True)
            server.until(
                "all are resolved", lambda: all(each["status"] == "RESOLVED" for each in incidents(server)), SECONDS
            )
            assert len(incidents(server)) == 3
            assert "level=error" not in log.read_text()
