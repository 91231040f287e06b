"""Two real nodes and one real Redis: a rate counts once over both, and nobody is refused because Redis is away."""

import math
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.chaos.cut_wire import CutWire
from tests.process import Answer, ServerProcess
from tests.shared_redis import redis_url

pytestmark = pytest.mark.requirement("ING-06", "SEC-06")


def configuration(source: str, rate: int, more: str = "") -> str:
    return f"{more}\nsources:\n  {source}: {{events_per_minute: {rate}}}\n"


def send(server: ServerProcess, source: str, number: int, resource: str | None = None) -> Answer:
    """Send an event of a problem that nobody knows, unless ``resource`` is one that has trouble already."""
    return server.post(
        "/api/v1/events",
        {
            "event_id": f"{source}-{number}",
            "source": source,
            "timestamp": "2026-01-01T00:00:00Z",
            "event_type": "anomaly",
            "category": "performance",
            "title": "Slow",
            "severity": "low",
            "resource": {"type": "model", "id": resource or f"m-{number}"},
        },
    )


def traffic(server: ServerProcess, source: str) -> dict[str, object]:
    (found,) = [each for each in server.get("/api/v1/source_traffic").json["sources"] if each["source"] == source]
    return dict(found)


def test_the_limit_counts_once_over_two_nodes(tmp_path: Path) -> None:
    source = f"bell-{uuid4().hex[:8]}"
    env = {"REDIS_URL": redis_url()}
    config = configuration(source, 40)
    with (
        ServerProcess(tmp_path / "a", config, env=env) as one,
        ServerProcess(tmp_path / "b", config, env=env) as other,
    ):
        answers = [send((one, other)[number % 2], source, number) for number in range(80)]
        assert Counter(answer.status for answer in answers) == {202: 44, 429: 36}, "the limit, and a tenth as reserve"
        assert [answer.status for answer in answers[:44]] == [202] * 44
        late = answers[-1]
        assert late.json["code"] == "rate_limited"
        assert int(late.headers["retry-after"]) >= 55
        assert f"send again in {late.headers['retry-after']} s" in late.json["detail"]
        for server in (one, other):
            assert traffic(server, source)["refused"] == {"rate_limited": 18}
            assert traffic(server, source)["limited_until"] is not None
            line = f'integration_errors_total{{reason="rate_limited",source="{source}"}} 18'
            assert line in server.get("/metrics").body.decode()
            assert server.get("/ready").json["degraded"] == []
            # A repeat of what is open is counted all the same, and its sender is told what was not kept.
            repeat = send(server, source, 1000 + server.starts, "m-0" if server is one else "m-1")
            assert repeat.status == 202
            assert "payload is not kept" in repeat.json["message"]
            assert traffic(server, source)["without_payload"] == 1


def test_a_tenant_has_a_limit_of_its_own_over_all_its_sources_and_nodes(tmp_path: Path) -> None:
    name = uuid4().hex[:8]
    env = {"REDIS_URL": redis_url(), "BOOTSTRAP_API_KEY": "lim-tests-bootstrap-key-0123456789"}
    config = f"limits: {{events_per_minute_per_tenant: 20}}\ntenants: {{{name}: {{name: Acme}}}}\n"
    with (
        ServerProcess(tmp_path / "a", config, env=env) as one,
        ServerProcess(tmp_path / "b", config, env=env) as other,
    ):
        statuses = []
        for number in range(40):
            event = {
                "event_id": f"e-{number}", "source": f"s-{number % 5}", "timestamp": "2026-01-01T00:00:00Z",
                "event_type": "anomaly", "category": "performance", "title": "Slow", "severity": "low",
                "resource": {"type": "model", "id": f"m-{number}"},
            }  # fmt: skip
            server = (one, other)[number % 2]
            answer = server.ask("POST", "/api/v1/events", event, headers={"X-Tenant": name})
            statuses.append(answer.status)
        assert statuses == [202] * 22 + [429] * 18
        assert f"tenant {name} sent more than 20 events" in answer.json["detail"]
        assert math.isclose(int(answer.headers["retry-after"]), 63, abs_tol=8)
        foreign = [each for each in one.get("/api/v1/source_traffic").json["sources"] if each["refused"]]
        assert foreign == [], "another tenant's traffic is nobody's business"


def test_while_redis_is_away_each_node_counts_by_itself_and_says_so(tmp_path: Path) -> None:
    source = f"bell-{uuid4().hex[:8]}"
    where = urlsplit(redis_url())
    with CutWire(where.hostname or "", where.port or 6379) as wire:
        env = {"REDIS_URL": f"redis://127.0.0.1:{wire.port}/0"}
        with ServerProcess(tmp_path, configuration(source, 20), env=env) as server:
            assert [send(server, source, number).status for number in range(10)] == [202] * 10
            wire.cut()
            assert [send(server, source, number).status for number in range(10, 40)] == [202] * 12 + [429] * 18
            server.until("it says so", lambda: server.get("/ready").json["degraded"] == ["redis"])
            assert server.get("/ready").status == 200
            assert server.metric("rate_counted_alone") == 1
            assert "rate_counted_alone" in server.log
            wire.mend()
            server.until("it counts together again", lambda: server.get("/ready").json["degraded"] == [])
            assert server.metric("rate_counted_alone") == 0


def test_a_node_starts_and_takes_events_while_redis_is_away(tmp_path: Path) -> None:
    where = urlsplit(redis_url())
    with CutWire(where.hostname or "", where.port or 6379) as wire:
        wire.cut()
        env = {"REDIS_URL": f"redis://127.0.0.1:{wire.port}/0"}
        with ServerProcess(tmp_path, configuration("bell", 20), env=env) as server:
            assert [send(server, "bell", number).status for number in range(30)] == [202] * 22 + [429] * 8
