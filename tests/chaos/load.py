"""Events for tests with a real process, and a look at what became of them."""

import contextlib
import http.client
import json
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.chaos.kill_nine import configuration
from tests.process import ServerProcess

EVENTS = "/api/v1/events"
NOBODY = "http://127.0.0.1:9"
_numbers = count(1)


def a_document(resource: str | None = None, **fields: Any) -> dict[str, Any]:
    """An event of a latency spike; each has its own id, and its own fingerprint unless the resource is named."""
    number = next(_numbers)
    name = resource or f"service-{number}"
    return {
        "event_id": f"event-{number}",
        "source": "llm-sentinel",
        "timestamp": datetime.now(UTC).isoformat(),
        "event_type": "latency_spike",
        "category": "performance",
        "title": "Latency is ten times the usual",
        "severity": "high",
        "resource": {"type": "service", "id": name, "name": name},
    } | fields


def config_yaml(receiver_url: str = NOBODY, **sections: Any) -> str:
    """Ana is paged by webhook there; more sections go beside or over those of the chaos runs."""
    return json.dumps(json.loads(configuration(receiver_url)) | sections)


def accepted(server: ServerProcess, resource: str | None = None, **fields: Any) -> tuple[str, str]:
    """Post one event, which must be answered 202; returns its id and its incident's."""
    document = a_document(resource, **fields)
    answer = server.post(EVENTS, document)
    assert answer.status == 202, f"{answer.status} {answer.body!r}\n{server.tail}"
    return document["event_id"], answer.json["incident_id"]


def drained(server: ServerProcess, seconds: float = 30.0) -> None:
    """Return once nothing waits for triage."""
    server.until("all is triaged", lambda: server.metric("worker_queue_depth") == 0, seconds)


def counted(server: ServerProcess) -> Counter[str]:
    """Return the number of events counted, by resource, over all incidents."""
    found: Counter[str] = Counter()
    path = "/api/v1/incidents?limit=100"
    cursor: str | None = ""
    while cursor is not None:
        page = server.get(path + (f"&cursor={cursor}" if cursor else "")).json
        for incident in page["incidents"]:
            found[incident["resource"]["id"]] += incident["event_count"]
        cursor = page["next_cursor"]
    return found


def readiness(server: ServerProcess) -> tuple[int, list[str]]:
    """Return the status of ``/ready`` and what it calls degraded."""
    answer = server.get("/ready")
    return answer.status, answer.json["degraded"]


@contextlib.contextmanager
def locked_database(server: ServerProcess) -> Iterator[None]:
    """Another process writes and does not end (here: a connection of our own, which SQLite treats alike)."""
    other = sqlite3.connect(server.data / "incidents.db", isolation_level=None, timeout=10)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Yield the port of a server that takes connections (the kernel does) and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port: int = listener.getsockname()[1]
        yield port


class Sender(threading.Thread):
    """Posts one event after another until the server does not answer any more."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(name="sender")
        self._server = server
        self.answers: list[tuple[str, int, str | None]] = []
        """(event id, status, incident id), in order."""

    def run(self) -> None:
        while True:
            document = a_document()
            try:
                answer = self._server.post(EVENTS, document)
            except (OSError, http.client.HTTPException):
                return
            incident_id = answer.json["incident_id"] if answer.status == 202 else None
            self.answers.append((document["event_id"], answer.status, incident_id))
