"""PostgreSQL goes away and comes back: events go on being accepted, and drain in order."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.chaos.cut_wire import CutWire
from tests.chaos.load import EVENTS, a_document, accepted, config_yaml, counted, drained, readiness
from tests.process import ServerProcess

pytestmark = [pytest.mark.requirement("ING-08"), pytest.mark.requirement("REL-03"), pytest.mark.requirement("RTE-07")]


def test_postgres_is_waited_for_while_events_go_on_being_accepted(tmp_path: Path, postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    with CutWire(parts.hostname or "", parts.port or 5432) as wire:
        account = parts.netloc.rpartition("@")[0]
        url = parts._replace(netloc=f"{account}@127.0.0.1:{wire.port}").geturl()
        with ServerProcess(tmp_path, config_yaml(), {"DATABASE_URL": url}) as server:
            accepted(server, "known")
            drained(server)
            wire.cut()
            names = [f"service-{accepted(server)[0].removeprefix('event-')}" for _ in range(10)]
            _, known_id = accepted(server, "known")
            server.until("it is called degraded", lambda: readiness(server) == (200, ["database"]))
            answer = server.get(f"/api/v1/incidents/{known_id}")
            assert answer.status == 503, answer.body
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json["code"] == "database_unavailable"
            again = a_document("late")
            assert server.post(EVENTS, again).status == 202
            wire.mend()
            server.until("nothing is degraded", lambda: readiness(server) == (200, []), 60)
            drained(server, 60)
            counts = counted(server)
            assert counts == {**dict.fromkeys(names, 1), "known": 2, "late": 1}
            assert server.post(EVENTS, again).json["status"] == "duplicate"
            incidents = server.get("/api/v1/incidents?limit=100").json["incidents"]
            created = {each["resource"]["id"]: each["id"] for each in incidents}
            ids = [created[name] for name in [*names, "late"]]
            assert ids == sorted(ids), "they were accepted in this order"
            assert server.get("/api/v1/audit/verify").json["valid"]
            assert server.get("/api/v1/dead_letters").json["total"] == 0
            assert server.stop() == 0
