"""Streams over a real process: killed, stopped and moved, no acknowledged event is lost, and each is counted once."""

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import ClientConnection, connect

from llm_incident_manager.client.event_client import EventClient
from tests.chaos.load import a_document, config_yaml, counted, drained
from tests.process import KEY, ServerProcess

pytestmark = pytest.mark.requirement("ING-03")
SECONDS = 30
HEADERS = {"Authorization": f"Bearer {KEY}"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def opened(url: str, **given: Any) -> connect:
    return connect(url, additional_headers=HEADERS, proxy=None, open_timeout=SECONDS, **given)


async def sent(url: str, documents: Sequence[dict[str, Any]], acknowledged: list[str], seen: threading.Event) -> int:
    """Stream the documents in batches of 20 without waiting; returns the code that the server closed with."""
    async with opened(url, close_timeout=1) as connection:
        reading = asyncio.ensure_future(_acknowledged(connection, len(documents), acknowledged, seen))
        try:
            for start in range(0, len(documents), 20):
                await connection.send(json.dumps(documents[start : start + 20]))
        except websockets.ConnectionClosed:
            pass
        await reading
    return connection.close_code or 1006


async def _acknowledged(connection: ClientConnection, most: int, names: list[str], seen: threading.Event) -> None:
    async with asyncio.timeout(SECONDS):
        try:
            while len(names) < most:
                answer = json.loads(await connection.recv())
                if answer["type"] == "ack":
                    names.append(answer["event_id"])
                    if len(names) >= 50:
                        seen.set()
        except websockets.ConnectionClosed:
            return


def by_event(server: ServerProcess) -> dict[str, int]:
    """Return how often each event was counted: every one has a resource, and so an incident, of its own."""
    drained(server)
    return {"event-" + name.removeprefix("service-"): number for name, number in counted(server).items()}


@pytest.mark.requirement("REL-01")
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_acknowledged_survives_and_the_rest_can_be_sent_again(
    tmp_path: Path, ended_by: signal.Signals
) -> None:
    documents = [a_document() for _ in range(2000 if ended_by == signal.SIGKILL else 8000)]
    acknowledged: list[str] = []
    seen, code = threading.Event(), []
    with ServerProcess(tmp_path, config_yaml()) as server:
        url = server.websocket_url
        sender = threading.Thread(
            target=lambda: code.append(asyncio.run(sent(url, documents, acknowledged, seen))), daemon=True
        )
        sender.start()
        assert seen.wait(SECONDS), server.tail
        if ended_by == signal.SIGKILL:
            server.kill9()
        else:
            began = time.monotonic()
            assert server.stop() == 0, server.tail
            assert time.monotonic() - began < 10, server.tail
            assert "Traceback" not in server.log, server.tail
        sender.join(SECONDS)
        assert not sender.is_alive()
        if ended_by == signal.SIGTERM and len(acknowledged) < len(documents):
            assert code == [1012]
        server.restart()
        counts = by_event(server)
        assert [name for name in acknowledged if counts.get(name) != 1] == []
        again: list[str] = []
        asyncio.run(sent(server.websocket_url, documents, again, threading.Event()))
        assert len(again) == len(documents)
        assert by_event(server) == {document["event_id"]: 1 for document in documents}
        assert server.get("/api/v1/dead_letters").json["total"] == 0
        print(f"{ended_by.name}: {len(acknowledged)} of {len(documents)} were acknowledged, none of them lost")


@pytest.mark.requirement("REL-01")
def test_the_sdk_sends_the_rest_however_often_the_server_is_killed(tmp_path: Path) -> None:
    documents = [a_document() for _ in range(1500)]
    env = {"HTTP_PORT": str(free_port())}
    with ServerProcess(tmp_path / "server", config_yaml(), env=env) as server:
        options = {"batch_size": 10, "attempts": 1000, "most_under_way": 50}
        with EventClient(server.url, KEY, spool=tmp_path / "spool", **options) as client:
            for number, document in enumerate(documents):
                client.send(document)
                if number % 400 == 399:
                    more = min(client.stream.acknowledged, number) + 1
                    server.until("more are acknowledged", lambda more=more: client.stream.acknowledged >= more)
                    server.kill9()
                    server.restart()
            assert client.close(SECONDS), client.stream.last_error
            assert client.stream.rejected == 0
        assert by_event(server) == {document["event_id"]: 1 for document in documents}
        assert not list((tmp_path / "spool").glob("*.events"))


SENDER = """
import itertools, json, sys
from datetime import UTC, datetime
from llm_incident_manager.client.event_client import EventClient

client = EventClient(sys.argv[1], sys.argv[2], spool=sys.argv[3], batch_size=10)
for number in itertools.count():
    client.send({
        "event_id": f"event-c{number}", "source": "my-app", "event_type": "alert", "category": "performance",
        "title": "Slow", "severity": "high", "resource": {"type": "service", "id": f"service-c{number}"},
    })
    print(number, client.stream.acknowledged, flush=True)
"""


def test_a_client_that_is_killed_loses_nothing_that_it_kept(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "server", config_yaml()) as server:
        spool = tmp_path / "spool"
        told = -1
        with subprocess.Popen(
            [sys.executable, "-c", SENDER, server.url, KEY, str(spool)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                number, acknowledged = map(int, line.split())
                told = number
                if number >= 300 and acknowledged > 50:
                    child.kill()
                    break
            child.stdout.close()
        with EventClient(server.url, KEY, spool=spool) as client:
            assert client.close(SECONDS), client.stream.last_error
        counts = by_event(server)
        assert set(counts.values()) == {1}
        assert {f"event-c{number}" for number in range(told + 1)} <= set(counts)


# -- where the doors are


def test_streams_have_a_port_of_their_own_and_work_on_the_other_too(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml(), env={"WS_PORT": "0"}) as server:
        own = server.websocket_url
        shared = server.url.replace("http", "ws") + "/ws/events"
        assert own != shared
        for url in (own, shared):
            acknowledged: list[str] = []
            asyncio.run(sent(url, [a_document()], acknowledged, threading.Event()))
            assert len(acknowledged) == 1
        http = own.replace("ws://", "http://").removesuffix("/ws/events")
        rest, server._url = server.url, http
        assert server.get("/health").status == 200
        refused = server.get("/api/v1/incidents")
        assert (refused.status, refused.json["code"]) == (426, "upgrade_required")
        assert "HTTP_PORT" in refused.json["detail"]
        server._url = rest


@pytest.mark.parametrize("same", [False, True])
def test_one_listener_is_enough_for_who_says_so(tmp_path: Path, same: bool) -> None:
    port = str(free_port())
    with ServerProcess(tmp_path, env={"HTTP_PORT": port, "WS_PORT": port if same else ""}) as server:
        assert server.websocket_url == f"ws://127.0.0.1:{port}/ws/events"


def test_a_port_that_is_taken_matters_only_where_it_was_chosen(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = ServerProcess(tmp_path / "chosen", env={"WS_PORT": str(taken.getsockname()[1])})
        chosen.start(wait=False)
        assert chosen.wait_ended() == 1
        assert "set WS_PORT to another port" in chosen.log
    try:
        default = socket.create_server(("127.0.0.1", 8080))
    except OSError:
        default = None  # somebody else has it, which is as good
    server = ServerProcess(tmp_path / "default")
    del server.env["WS_PORT"]
    with server:
        assert server.websocket_url == server.url.replace("http", "ws") + "/ws/events"
        assert "websockets_on_http_port_only" in server.log
    if default is not None:
        default.close()


def test_an_idle_stream_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async def watched(url: str, ready: threading.Event) -> list[int | None]:
        async with opened(url) as events, opened(url.replace("events", "incidents")) as incidents:
            ready.set()
            await asyncio.gather(events.wait_closed(), incidents.wait_closed())
        return [events.close_code, incidents.close_code]

    with ServerProcess(tmp_path, env={"FAST_INTAKE": "true"}) as server:
        ready, codes = threading.Event(), []
        url = server.websocket_url
        thread = threading.Thread(target=lambda: codes.append(asyncio.run(watched(url, ready))), daemon=True)
        thread.start()
        assert ready.wait(SECONDS)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 6
        thread.join(SECONDS)
        assert codes == [[1012, 1012]]
        assert KEY not in server.log


@pytest.mark.requirement("SEC-04")
def test_tls_is_for_rest_and_streams_and_a_clients_certificate_is_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server_pair = authority.issue("localhost", tmp_path / "server")
    client_pair = authority.issue("edge-agent", tmp_path / "client")
    foreign = Authority(tmp_path / "other").issue("somebody", tmp_path / "foreign")
    env = {
        "TLS_CERT_FILE": str(server_pair[0]),
        "TLS_KEY_FILE": str(server_pair[1]),
        "TLS_CLIENT_CA_FILE": str(authority.certificate_file),
        "WS_PORT": "0",
    }
    with ServerProcess(tmp_path / "home", env=env) as server:
        assert server.url.startswith("https://")
        assert server.websocket_url.startswith("wss://")
        shared = server.url.replace("https", "wss") + "/ws/events"
        for url in (server.websocket_url, shared):
            for pair, welcome in ((None, True), (client_pair, True), (foreign, False)):
                trust = ssl.create_default_context(cafile=str(authority.certificate_file))
                trust.check_hostname = False
                if pair is not None:
                    trust.load_cert_chain(*map(str, pair))
                assert asyncio.run(_welcome(url, trust)) is welcome, (url, pair)
            with pytest.raises(ssl.SSLError):
                asyncio.run(_welcome(url, ssl.create_default_context(), swallow=False))
        with EventClient(server.url, KEY, spool=tmp_path / "spool", tls=trust_in(authority)) as client:
            client.send(a_document())
            assert client.flush(SECONDS), client.stream.last_error
        where = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])), timeout=SECONDS)
        with trust_in(authority).wrap_socket(where) as secure:
            secure.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert secure.recv(1000).startswith(b"HTTP/1.1 200")


async def _welcome(url: str, trust: ssl.SSLContext, *, swallow: bool = True) -> bool:
    try:
        async with opened(url, ssl=trust, server_hostname="localhost") as connection:
            await connection.send(json.dumps(a_document()))
            async with asyncio.timeout(SECONDS):
                return bool(json.loads(await connection.recv())["type"] == "ack")
    except (ssl.SSLError, OSError, EOFError, websockets.WebSocketException):
        if not swallow:
            raise
        return False


def trust_in(authority: "Authority") -> ssl.SSLContext:
    trust = ssl.create_default_context(cafile=str(authority.certificate_file))
    trust.check_hostname = False
    return trust


class Authority:
    """Signs certificates for one test."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        certificate = self._signed(self._name, self._key.public_key(), ca=True)
        self.certificate_file = folder / "ca.pem"
        self.certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, folder: Path) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key.public_key(), ca=False)
        (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return folder / "cert.pem", folder / "key.pem"

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
