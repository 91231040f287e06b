"""The real server on PostgreSQL: the walk over REST, killed in the middle of it, started again, its trail verified."""

from pathlib import Path
from typing import Any

import pytest

from tests.process import ServerProcess

CONFIG = """
users:
  - {id: ana, name: Ana, contacts: {webhook: "http://127.0.0.1:9/ana"}}
teams:
  - {id: platform, name: Platform, members: [ana]}
routes:
  - {name: everything, priority: 0, conditions: {}, assign: {team: platform}}
"""


def an_event(number: int, resource: str = "ep-1") -> dict[str, Any]:
    return {
        "event_id": f"evt-{number}",
        "source": "llm-sentinel",
        "timestamp": "2026-11-02T09:00:00Z",
        "event_type": "anomaly",
        "category": "performance",
        "title": "Latency Spike Detected",
        "severity": "critical",
        "resource": {"type": "endpoint", "id": resource, "name": resource},
    }


def in_lists(server: ServerProcess, query: str) -> list[str]:
    answer = server.get(f"/api/v1/incidents?{query}")
    assert answer.status == 200, answer.body
    return [incident["id"] for incident in answer.json["incidents"]]


@pytest.mark.requirement("REL-05")
def test_the_walk_goes_on_after_a_kill_and_the_trail_is_whole(postgres_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": postgres_url, "DB_TYPE": "postgresql"}
    with ServerProcess(tmp_path, CONFIG, env) as server:
        first = server.post("/api/v1/events", an_event(1))
        assert first.status == 202, first.body
        incident_id = first.json["incident_id"]
        assert server.get(f"/api/v1/incidents/{incident_id}").json["assigned_team"] == "platform"
        taken = server.post(f"/api/v1/incidents/{incident_id}/take")
        assert (taken.status, taken.json["status"]) == (200, "ACKNOWLEDGED"), taken.body
        accepted = [server.post("/api/v1/events", an_event(number, f"ep-{number % 7}")).json for number in range(2, 42)]
        server.kill9()

        server.restart()
        for answer in accepted:
            assert answer["status"] == "accepted"
            assert server.get(f"/api/v1/incidents/{answer['incident_id']}").status == 200, answer
        repeated = server.post("/api/v1/events", an_event(2, "ep-2")).json
        assert (repeated["status"], repeated["incident_id"]) == ("duplicate", accepted[0]["incident_id"])
        server.until("all are counted", lambda: counted(server) == 41)
        assert len(in_lists(server, "limit=100")) == 7
        assert in_lists(server, "status=ACKNOWLEDGED") == [incident_id]
        assert in_lists(server, "q=EP-1&assigned_team=platform&category=performance") == [incident_id]
        for action in ("start_work", "resolve", "close"):
            done = server.post(
                f"/api/v1/incidents/{incident_id}/{action}", {} if action != "resolve" else {"root_cause": "x"}
            )
            assert done.status == 200, done.body
        assert server.get(f"/api/v1/incidents/{incident_id}").json["status"] == "CLOSED"
        verdict = server.get("/api/v1/audit/verify").json
        assert (verdict["valid"], verdict["first_fault"]) == (True, None), verdict
        assert verdict["checked"] > 7
        assert server.get("/ready").json["degraded"] == []
        assert server.stop() == 0
    assert "Traceback" not in server.log_path.read_text()


def counted(server: ServerProcess) -> int:
    answer = server.get("/api/v1/incidents?limit=100").json
    return sum(incident["event_count"] for incident in answer["incidents"])
