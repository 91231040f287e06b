"""Starting: clear refusals, a backlog that is known at once, and records that nobody can work off."""

import json
import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.journal.record import Record
from tests.chaos.load import EVENTS, a_document, accepted, config_yaml, counted, drained
from tests.process import ServerProcess

pytestmark = [pytest.mark.requirement("DEP-01"), pytest.mark.requirement("REL-05")]
BACKLOG = int(os.environ.get("CHAOS_BACKLOG", "20000"))


def a_record(body: bytes, *, incident_id: str | None = None, opens: bool = False, tenant: str = "default") -> Record:
    """What the intake writes for one accepted event."""
    at = int(datetime.now(UTC).timestamp() * 1_000_000)
    return Record(
        received_at=at, tenant=tenant, source_key="bootstrap", incident_id=incident_id, opens=opens, body=body
    )


def written(server: ServerProcess, records: list[Record]) -> None:
    """Put records into the journal of a server that does not run, as if it had accepted them."""
    journal = Journal.open(server.data / "journal")
    for start in range(0, len(records), 1000):
        journal.append_inline(records[start : start + 1000])
    journal.abandon()


def a_body(resource: str | None = None) -> bytes:
    return json.dumps(a_document(resource)).encode()


def test_a_port_in_use_is_named_with_its_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = ServerProcess(tmp_path, env={"HTTP_PORT": str(port)})
        server.start(wait=False)
        assert server.wait_ended() == 1
    assert f"127.0.0.1:{port}" in server.log
    assert "set HTTP_PORT" in server.log
    assert "Traceback" not in server.log


def test_a_second_process_on_the_same_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as first:
        accepted(first, "before")
        second = ServerProcess(tmp_path / "second", env={"DATA_DIR": str(first.data)})
        second.start(wait=False)
        assert second.wait_ended() == 1
        assert "another process has" in second.log
        assert "DATA_DIR" in second.log
        assert "Traceback" not in second.log
        accepted(first, "after")
        drained(first)
        assert counted(first) == {"before": 1, "after": 1}
        assert first.stop() == 0


@pytest.mark.requirement("ING-08")
@pytest.mark.timeout(180)
def test_a_long_backlog_is_known_at_once_and_its_ids_are_not_given_again(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, config_yaml())
    with server:
        _, first_id = accepted(server, "standing")
        drained(server)
        assert server.stop() == 0
        day, number = first_id.rsplit("-", 1)
        openings = [f"{day}-{int(number) + 1 + n:05d}" for n in range(BACKLOG // 20)]
        records = [a_record(a_body(f"backlog-{n}"), incident_id=each, opens=True) for n, each in enumerate(openings)]
        records += [a_record(a_body("standing"), incident_id=first_id) for _ in range(BACKLOG - len(openings))]
        written(server, records)
        began = time.monotonic()
        server.start()
        ready = time.monotonic() - began
        waiting = server.metric("worker_queue_depth")
        # The last of each kind, which are worked off last.
        again = server.post(EVENTS, json.loads(records[-1].body)).json
        assert (again["status"], again["incident_id"]) == ("duplicate", first_id)
        again = server.post(EVENTS, json.loads(records[len(openings) - 1].body)).json
        assert (again["status"], again["incident_id"]) == ("duplicate", openings[-1])
        server.until("its incident is there", lambda: server.get(f"/api/v1/incidents/{openings[-1]}").status == 200)
        _, fresh = accepted(server, "fresh")
        assert fresh not in {first_id, *openings}
        drained(server, 120)
        took = time.monotonic() - began
        counts = counted(server)
        assert counts["standing"] == 1 + BACKLOG - len(openings)
        assert sum(counts.values()) == BACKLOG + 2
        print(f"{BACKLOG} records waited: ready after {ready:.1f} s with {waiting:.0f} left, all after {took:.1f} s")


@pytest.mark.requirement("REL-04")
def test_records_that_nobody_can_work_off_become_dead_letters_beside_good_ones(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        accepted(server, "before")
        assert server.stop() == 0
        written(
            server,
            [
                a_record(a_body("good-1")),
                a_record(b'{"half": '),
                a_record(b"\xff\xfe\x00"),
                a_record(json.dumps(a_document() | {"severity": None, "resource": []}).encode()),
                a_record(a_body("good-2")),
                a_record(a_body("elsewhere"), tenant="no-such-tenant"),
            ],
        )
        server.start()
        drained(server)
        letters = server.get("/api/v1/dead_letters").json
        assert letters["total"] == 3, letters
        assert all(letter["source"] == "triage" for letter in letters["dead_letters"])
        assert counted(server) == {"before": 1, "good-1": 1, "good-2": 1}
        accepted(server, "after")
        assert server.get("/ready").json["degraded"] == []
        assert server.get("/api/v1/audit/verify").json["valid"]


@pytest.mark.requirement("REL-04")
def test_a_record_that_was_in_work_whenever_the_process_died_becomes_a_dead_letter(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, config_yaml()) as server:
        assert server.stop() == 0
        written(server, [a_record(a_body("good")), a_record(a_body("deadly"))])
        for _ in range(5):
            journal = Journal.open(server.data / "journal")
            entries = journal.take(10)
            journal.mark_in_work([entry.position for entry in entries if b"deadly" in entry.record.body])
            journal.abandon()
        server.start()
        drained(server)
        (letter,) = server.get("/api/v1/dead_letters").json["dead_letters"]
        assert "restarts" in letter["reason"]
        assert counted(server) == {"good": 1}
        answer = server.post(f"/api/v1/dead_letters/{letter['id']}/replay")
        assert answer.status == 200, answer.body
        drained(server)
        assert counted(server) == {"good": 1, "deadly": 1}
