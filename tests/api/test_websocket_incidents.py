"""``/ws/incidents``: what changes is told to those who asked for it, and to nobody else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.engine import live as live_module
from tests.api.streaming import Doors, doors_of, ended, heard, say

pytestmark = pytest.mark.requirement("ING-03")


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors_of(tmp_path) as doors:
        yield doors


async def _subscribed(doors: Doors, connection: Any, **message: Any) -> dict[str, Any]:
    await say(connection, {"type": "subscribe", **message})
    return await heard(connection)


async def _next(doors: Doors, connection: Any) -> dict[str, Any]:
    """Return the next message; the watcher's own heartbeat is the fence behind which nothing may hide."""
    await doors.told()
    return await heard(connection)


async def _nothing(doors: Doors, connection: Any) -> None:
    await doors.told()
    doors.api.story.clock.advance(timedelta(seconds=2))
    await say(connection, {"type": "heartbeat"})
    assert await heard(connection) == {"type": "heartbeat"}


async def test_an_incident_is_told_when_it_opens_and_when_it_changes(doors: Doors) -> None:
    async with doors.connect("/ws/incidents") as connection:
        await _nothing(doors, connection)
        made = await doors.api.event(severity="critical")
        opened = await _next(doors, connection)
        assert (opened["type"], opened["kind"], opened["incident"]["id"]) == (
            "incident",
            "opened",
            made["incident_id"],
        )
        assert opened["incident"] == (await doors.api.client.get(f"/api/v1/incidents/{made['incident_id']}")).json()
        await doors.api.client.post(f"/api/v1/incidents/{made['incident_id']}/acknowledge")
        changed = await _next(doors, connection)
        assert (changed["kind"], changed["incident"]["status"]) == ("changed", "ACKNOWLEDGED")
    doors.api.story.pages.clear()


@pytest.mark.requirement("SEC-02")
async def test_other_tenants_see_nothing(doors: Doors) -> None:
    await doors.api.client.post("/api/v1/tenants", json={"id": "other", "name": "Other"})
    async with (
        doors.connect("/ws/incidents", headers={"X-Tenant": "other"}) as foreign,
        doors.connect("/ws/incidents") as own,
    ):
        await _nothing(doors, foreign)
        await _nothing(doors, own)
        made = await doors.api.event()
        assert (await _next(doors, own))["incident"]["id"] == made["incident_id"]
        await _nothing(doors, foreign)
        answer = await _subscribed(doors, foreign, filters={}, resume="0")
        assert answer["type"] == "subscribed"
        await _nothing(doors, foreign)
    doors.api.story.pages.clear()


async def test_filters_are_those_of_the_list(doors: Doors) -> None:
    async with doors.connect("/ws/incidents") as connection:
        answer = await _subscribed(
            doors, connection, filters={"severity": ["P0", "P1"], "category": "security", "tag": ["region:eu"]}
        )
        assert answer == {
            "type": "subscribed",
            "filters": {"severity": ["P0", "P1"], "category": ["security"], "tag": ["region:eu"]},
        }
        await doors.api.event(severity="critical", category="security")
        await doors.api.event(severity="critical", category="performance", tags={"region": "eu"})
        wanted = await doors.api.event(severity="critical", category="security", tags={"region": "eu"})
        assert (await _next(doors, connection))["incident"]["id"] == wanted["incident_id"]
        await _nothing(doors, connection)
        await _subscribed(doors, connection, filters={"q": "nothing like it"})
        await doors.api.event(severity="critical", category="security", tags={"region": "eu"})
        await _nothing(doors, connection)
    doors.api.story.pages.clear()


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    ("message", "field"),
    [
        ('{"type": "subscribe", "filters": {"severity": "P9"}}', "filters.severity"),
        ('{"type": "subscribe", "filters": {"colour": "red"}}', "filters.colour"),
        ('{"type": "subscribe", "filters": {"severity": [1]}}', "filters.severity"),
        ('{"type": "subscribe", "filters": {"q": "a\\u0000b"}}', "filters.q"),
        ('{"type": "subscribe", "filters": {"start": "yesterday"}}', "start"),
        ('{"type": "subscribe", "filters": {"tag": "region"}}', "tag"),
        ('{"type": "subscribe", "filters": {"q": ["a", "b"]}}', "filters.q"),
        ('{"type": "subscribe", "filters": []}', "filters"),
        ('{"type": "subscribe", "resume": "soon"}', "resume"),
        ('{"type": "subscribe", "filter": {}}', "filter"),
        ('{"type": "alert"}', "type"),
        ("[]", "message"),
        ("{", "body"),
    ],
)
async def test_a_wrong_subscription_is_told_what_is_wrong(doors: Doors, message: str, field: str) -> None:
    async with doors.connect("/ws/incidents") as connection:
        await say(connection, message)
        refused = await heard(connection)
        assert refused["type"] == "error"
        assert field in [fault["field"] for fault in refused["errors"]], refused
        assert (await _subscribed(doors, connection))["type"] == "subscribed"


async def test_whoever_was_away_resumes_where_it_was(doors: Doors) -> None:
    async with doors.connect("/ws/incidents") as connection:
        await _nothing(doors, connection)
        await doors.api.event()
        place = (await _next(doors, connection))["resume"]
    doors.api.story.clock.advance(timedelta(minutes=3))
    missed = [(await doors.api.event())["incident_id"] for _ in range(3)]
    async with doors.connect("/ws/incidents") as connection:
        assert (await _subscribed(doors, connection, resume=place))["type"] == "subscribed"
        told = [(await heard(connection))["incident"]["id"] for _ in range(4)]
        assert told[1:] == missed
        await _nothing(doors, connection)
    doors.api.story.pages.clear()


async def test_resuming_from_too_far_back_names_the_list(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "MOST_RESUMED", 3)
    for _ in range(5):
        await doors.api.event()
    async with doors.connect("/ws/incidents") as connection:
        await _subscribed(doors, connection, resume="0")
        refused = await heard(connection)
        assert refused["code"] == "resume_too_far"
        assert "/api/v1/incidents" in refused["message"]
    doors.api.story.pages.clear()


async def test_a_watcher_that_does_not_read_is_let_go_with_a_reason(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own buffers are full of large incidents; what is kept for it is bounded, and nobody else waits."""
    monkeypatch.setattr(live_module, "MOST_BEHIND", 5)
    async with (
        doors.connect("/ws/incidents", max_queue=1, compression=None) as slow,
        doors.connect("/ws/incidents") as reading,
    ):
        await _nothing(doors, slow)
        await _nothing(doors, reading)
        for _ in range(400):
            made = await doors.api.event(description="x" * 30_000)
            while (await _next(doors, reading))["incident"]["id"] != made["incident_id"]:
                pass
            if any(_let_go(each) for each in doors.doors._sessions["/ws/incidents"]):
                break
        else:
            raise AssertionError("400 changes that it did not read, and it is still waited for")
        code, reason = await ended(slow)
        assert code == 1013
        assert "too slow" in reason
        await _nothing(doors, reading)
    doors.api.story.pages.clear()


async def test_a_watcher_that_does_not_read_does_not_hold_up_the_end(
    doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    async with doors.connect("/ws/incidents", max_queue=1, compression=None) as slow:
        await _nothing(doors, slow)
        (session,) = doors.doors._sessions["/ws/incidents"]
        for _ in range(400):
            await doors.api.event(description="x" * 30_000)
            await doors.told()
            if session._watcher._seen:
                break
        else:
            raise AssertionError("it reads after all")
        doors.doors.stop()
        async with asyncio.timeout(30):
            await doors.server.stop()
        assert not [record for record in caplog.records if record.levelname == "ERROR"], caplog.text
        slow.transport.abort()
    doors.api.story.pages.clear()


def _let_go(session: Any) -> bool:
    return session._watcher.let_go is not None


@pytest.mark.requirement("SEC-01")
async def test_a_reader_whose_key_is_revoked_hears_no_more(doors: Doors) -> None:
    made = (await doors.api.client.post("/api/v1/api_keys", json={"name": "short", "scopes": ["read"]})).json()
    async with doors.connect("/ws/incidents", made["key"]) as connection:
        await _nothing(doors, connection)
        await doors.api.client.delete(f"/api/v1/api_keys/{made['id']}")
        await doors.doors.tick()
        await doors.api.event()
        await doors.told()
        assert (await ended(connection))[0] == 1008
    doors.api.story.pages.clear()


async def test_whoever_only_listens_is_not_idle(doors: Doors) -> None:
    async with doors.connect("/ws/incidents") as connection:
        for _ in range(3):
            doors.api.story.clock.advance(timedelta(seconds=40))
            await doors.doors.tick()
            assert await heard(connection) == {"type": "heartbeat"}


async def test_whoever_left_is_forgotten(doors: Doors) -> None:
    async with doors.connect("/ws/incidents") as connection:
        await _nothing(doors, connection)
        assert len(doors.live._watchers) == 2
    async with asyncio.timeout(10):
        while len(doors.live._watchers) > 1:  # noqa: ASYNC110 - the other side of a socket tells nobody when it has noticed
            await asyncio.sleep(0.01)
    assert await doors.doors.tick() == 0
