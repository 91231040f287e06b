"""Heartbeats: not pinged in time, an incident opens; pinged, it ends; whatever happens in between."""

import json
from typing import Any

import pytest

from tests.api.app import Api
from tests.stories.app import person

pytestmark = pytest.mark.requirement("ING-12")
GIVEN = {"name": "nightly", "description": "The nightly job", "interval": 10, "intervalUnit": "minutes",
         "enabled": True, "alertMessage": "The nightly job is late", "alertTags": ["job"], "alertPriority": "P1",
         "ownerTeam": {"name": "platform"}}  # fmt: skip


class Heart:
    """A sender that is to be heard from."""

    def __init__(self, api: Api, key: str) -> None:
        self.api = api
        self.client = api.of(None, Authorization=f"GenieKey {key}")

    async def ask(self, method: str, path: str = "", document: Any = None) -> Any:
        content = None if document is None else json.dumps(document)
        answer = await self.client.request(method, f"/v2/heartbeats{path}", content=content)
        await self.settle()
        return answer

    async def settle(self) -> None:
        await self.api.story.settle()
        self.api.story.pages.clear()

    async def pass_time(self, minutes: float) -> int:
        """Let time pass and look once; returns how many heartbeats were looked at."""
        await self.api.story.fast_forward(minutes=minutes)
        looked = await self.api.story.house.heartbeats.run_due()
        await self.settle()
        return looked

    async def incidents(self) -> list[dict[str, Any]]:
        answer = await self.api.client.get("/api/v1/incidents?sort=created_at&limit=100")
        return list(answer.json()["incidents"])

    async def statuses(self) -> list[str]:
        return [each["status"] for each in await self.incidents()]


@pytest.fixture
async def heart(api: Api) -> Heart:
    return Heart(api, await api.key("ingest"))


async def test_silence_opens_an_incident_and_a_ping_ends_it(heart: Heart) -> None:
    made = await heart.ask("POST", "", GIVEN)
    assert (made.status_code, made.json()["data"]["expired"]) == (201, False)
    assert await heart.pass_time(9) == 0
    pong = await heart.ask("GET", "/nightly/ping")
    assert (pong.status_code, pong.json()["result"]) == (202, "PONG - Heartbeat received")
    assert await heart.pass_time(9) == 0
    assert await heart.incidents() == []
    assert await heart.pass_time(2) == 1
    (incident,) = await heart.incidents()
    assert (incident["title"], incident["severity"], incident["category"]) == (
        "The nightly job is late", "P0", "availability",
    )  # fmt: skip
    assert incident["labels"] == ["job"]
    assert (incident["source"], incident["resource"]["type"], incident["resource"]["id"]) == (
        "opsgenie", "heartbeat", "nightly",
    )  # fmt: skip
    assert "Nothing was heard from it for 10 minutes" in incident["description"]
    assert (await heart.ask("GET", "/nightly")).json()["data"]["expired"] is True
    assert await heart.pass_time(60) == 0
    await heart.ask("POST", "/nightly/ping")
    assert await heart.statuses() == ["RESOLVED"]
    assert (await heart.ask("GET", "/nightly")).json()["data"]["expired"] is False
    await heart.pass_time(11)
    first, second = await heart.incidents()
    assert (second["status"], second["recurrence_of"]) == ("NEW", first["id"])


async def test_a_restart_loses_no_deadline(heart: Heart) -> None:
    await heart.ask("POST", "", GIVEN)
    await heart.api.story.outage(hours=1)
    await heart.pass_time(0)
    assert await heart.statuses() == ["NEW"]
    await heart.api.story.restart()
    await heart.pass_time(0)
    assert [each["event_count"] for each in await heart.incidents()] == [1]
    await heart.api.story.house.heartbeats.ping(person("ana"), "opsgenie", "nightly")
    await heart.settle()
    assert await heart.statuses() == ["RESOLVED"]


async def test_what_was_marked_and_not_told_is_told_later(heart: Heart) -> None:
    """Killed between the two: the row says that it expired, and the journal knows of nothing."""
    await heart.ask("POST", "", GIVEN)
    await heart.api.story.fast_forward(minutes=11)
    heartbeats = heart.api.story.house.heartbeats
    (seen,) = await heart.api.story.store.system_read(lambda tx: tx.due_heartbeats(heart.api.story.clock.now(), 10))
    await heartbeats._marked(seen, expired=True)
    assert await heart.pass_time(0) == 1
    assert await heart.pass_time(0) == 0
    assert await heart.statuses() == ["NEW"]


async def test_a_ping_in_the_very_moment_leaves_nothing_open(heart: Heart) -> None:
    await heart.ask("POST", "", GIVEN)
    await heart.api.story.fast_forward(minutes=11)
    house = heart.api.story.house
    accept = house.intake.accept_items
    pinged: list[int] = []

    async def pinged_meanwhile(*given: Any, **more: Any) -> Any:
        if not pinged:
            pinged.append(0)
            pinged[0] = (await heart.client.get("/v2/heartbeats/nightly/ping")).status_code
        return await accept(*given, **more)

    house.intake.accept_items = pinged_meanwhile  # type: ignore[method-assign]
    await heart.pass_time(0)
    assert pinged == [202]
    assert (await heart.ask("GET", "/nightly")).json()["data"]["expired"] is False
    assert "NEW" not in await heart.statuses()


async def test_disabled_it_is_not_missed(heart: Heart) -> None:
    await heart.ask("POST", "", GIVEN)
    await heart.pass_time(11)
    disabled = await heart.ask("POST", "/nightly/disable")
    assert disabled.json()["data"] == {"name": "nightly", "enabled": False, "expired": False}
    assert await heart.statuses() == ["RESOLVED"]
    await heart.ask("GET", "/nightly/ping")
    assert await heart.pass_time(60) == 0
    await heart.ask("POST", "/nightly/enable")
    assert await heart.pass_time(11) == 1


async def test_it_is_changed_listed_and_deleted(heart: Heart) -> None:
    await heart.ask("POST", "", GIVEN)
    assert (await heart.ask("POST", "", GIVEN)).status_code == 409
    changed = await heart.ask("PATCH", "/nightly", {"interval": 1, "intervalUnit": "hours", "alertPriority": "P5"})
    assert changed.json()["data"]["intervalUnit"] == "hours"
    assert await heart.pass_time(59) == 0
    (listed,) = (await heart.ask("GET")).json()["data"]["heartbeats"]
    assert (listed["name"], listed["alertPriority"], listed["description"]) == ("nightly", "P5", "The nightly job")
    await heart.pass_time(2)
    assert (await heart.ask("DELETE", "/nightly")).status_code == 200
    assert await heart.statuses() == ["RESOLVED"]
    for method, path in (("GET", "/nightly"), ("GET", "/nightly/ping"), ("POST", "/nightly/enable"), ("DELETE", "/x")):
        assert (await heart.ask(method, path)).status_code == 404, path
    audit = await heart.api.client.get("/api/v1/audit?limit=100")
    assert "heartbeat_deleted" in audit.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"), ({"name": "a\u0000\nb"}, "name"), ({"name": "a/b"}, "name"),
        ({"name": "n" * 201}, "name"), ({"interval": 0}, "interval"),
        ({"interval": True}, "interval"), ({"interval": 10**9}, "interval"), ({"interval": None}, "interval"),
        ({"intervalUnit": "years"}, "intervalUnit"), ({"enabled": "yes"}, "enabled"),
        ({"alertPriority": "P9"}, "alertPriority"),
    ],
)  # fmt: skip
async def test_faults_are_named(heart: Heart, change: dict[str, Any], field: str) -> None:
    answer = await heart.ask("POST", "", GIVEN | change)
    assert answer.status_code == 422
    assert field in answer.json()["errors"]


@pytest.mark.requirement("SEC-01")
async def test_each_tenant_and_source_has_its_own(heart: Heart) -> None:
    await heart.ask("POST", "", GIVEN)
    await heart.api.client.post("/api/v1/sources", json={"name": "theirs"})
    theirs = Heart(heart.api, await heart.api.key("ingest", source="theirs"))
    assert (await theirs.ask("GET", "/nightly/ping")).status_code == 404
    assert (await theirs.ask("POST", "", GIVEN)).status_code == 201
    await heart.api.client.post("/api/v1/tenants", json={"id": "other", "name": "Other"})
    elsewhere = heart.api.of("platform-key-of-the-tests-0123456789", **{"X-Tenant": "other"})
    assert (await elsewhere.get("/v2/heartbeats/nightly/ping")).status_code == 404
    assert await heart.pass_time(11) == 2
    assert sorted(each["source"] for each in await heart.incidents()) == ["opsgenie", "theirs"]


async def test_any_key_place_will_do(heart: Heart) -> None:
    await heart.ask("POST", "", GIVEN)
    key = await heart.api.key("ingest")
    assert (await heart.api.of(None).get(f"/v2/heartbeats/nightly/ping?key={key}")).status_code == 202


async def test_a_source_that_is_disabled_is_asked_again_later(heart: Heart) -> None:
    await heart.ask("POST", "", GIVEN)
    await heart.api.client.post("/api/v1/sources", json={"name": "opsgenie", "enabled": False})
    assert await heart.pass_time(11) == 1
    assert await heart.pass_time(0.5) == 0
    assert await heart.incidents() == []
    version = (await heart.api.client.get("/api/v1/sources/opsgenie")).headers["etag"]
    await heart.api.client.put("/api/v1/sources/opsgenie", json={"name": "opsgenie"}, headers={"If-Match": version})
    assert await heart.pass_time(1) == 1
    assert await heart.statuses() == ["NEW"]
