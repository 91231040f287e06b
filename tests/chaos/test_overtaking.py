"""A resolve is accepted, the process is killed, its trigger comes by another door: closed, and nobody paged."""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.test_on_postgres import CONFIG
from tests.process import ServerProcess


def said(event_id: str, at: str, **fields: Any) -> dict[str, Any]:
    return {
        "event_id": event_id, "source": "prometheus", "timestamp": f"2026-11-02T09:00:{at}Z", "event_type": "alert",
        "category": "performance", "title": "Slow answers", "severity": "critical", "dedup_key": "slow-7",
        "resource": {"type": "service", "id": "checkout"},
    } | fields  # fmt: skip


def settled(server: ServerProcess) -> bool:
    return server.metric("worker_queue_depth") == 0


@pytest.mark.requirement("ING-05")
@pytest.mark.requirement("REL-05")
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("triaged", [True, False], ids=["after triage", "at once"])
def test_a_kill_between_a_resolve_and_the_trigger_it_overtook(
    tmp_path: Path, database: str, triaged: bool, request: pytest.FixtureRequest
) -> None:
    postgres = {"DB_TYPE": "postgresql"}
    env = {} if database == "sqlite" else postgres | {"DATABASE_URL": request.getfixturevalue("postgres_url")}
    with ServerProcess(tmp_path, CONFIG, env) as server:
        over = server.post("/api/v1/events", said("e-2", "20", event_type="resolved"))
        assert (over.status, over.json["incident_id"]) == (202, None), over.body
        if triaged:
            server.until("it is triaged", lambda: settled(server))
        server.kill9()

        server.restart()
        # By the door of sources, where the first came as a plain event.
        late = server.post("/api/v1/sources/generic", said("e-1", "10"))
        assert late.status == 202, late.body
        server.until("it is triaged", lambda: settled(server))
        incident = server.get(f"/api/v1/incidents/{late.json['incident_id']}").json
        assert (incident["status"], incident["event_count"]) == ("RESOLVED", 1)
        assert "before the alarm itself" in incident["resolution"]["resolution_notes"]
        pages = server.get(f"/api/v1/incidents/{incident['id']}/notifications").json
        assert pages["notifications"] == []

        new = server.post("/api/v1/events", said("e-3", "30"))
        server.until("it is triaged", lambda: settled(server))
        opened = server.get(f"/api/v1/incidents/{new.json['incident_id']}").json
        assert (opened["status"], opened["event_count"]) == ("NEW", 1)
        assert opened["id"] != incident["id"]
