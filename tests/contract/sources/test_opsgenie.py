"""What Opsgenie's clients send and ask: alerts by id, alias and tiny id, every action, lists, requests."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.sources.opsgenie_requests import ACTIONS, RequestMade, request_id, request_made
from tests.api.app import Api, opened
from tests.contract.sources.rig import of
from tests.stories.app import START

pytestmark = pytest.mark.requirement("ING-12")


class Genie:
    """A client of the Alert API, without the right to read anything else."""

    def __init__(self, api: Api, key: str) -> None:
        self.api = api
        self.client = api.of(None, Authorization=f"GenieKey {key}")

    async def ask(self, method: str, path: str, document: Any = None) -> Any:
        content = None if document is None else json.dumps(document)
        answer = await self.client.request(method, f"/v2/{path}", content=content)
        await self.api.story.fast_forward(seconds=2)
        return answer

    async def create(self, **fields: Any) -> Any:
        return await self.ask("POST", "alerts", {"message": "It is slow"} | fields)

    async def alert(self, alias: str = "slow") -> dict[str, Any]:
        answer = await self.ask("GET", f"alerts/{alias}?identifierType=alias")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])

    async def incidents(self) -> list[dict[str, Any]]:
        answer = await self.api.client.get("/api/v1/incidents?sort=created_at&limit=100")
        return list(answer.json()["incidents"])

    async def incident(self) -> dict[str, Any]:
        (found,) = await self.incidents()
        return found

    async def came_of(self, answer: Any) -> dict[str, Any]:
        """What came of the request that was answered so."""
        assert answer.status_code == 202, answer.text
        told = await self.ask("GET", f"alerts/requests/{answer.json()['requestId']}")
        assert told.status_code == 200, told.text
        return dict(told.json()["data"])

    def paged(self) -> list[str]:
        found = [page.to for page in self.api.story.pages]
        self.api.story.pages.clear()
        return found


@pytest.fixture
async def genie(tmp_path: Path) -> AsyncIterator[Genie]:
    async with opened(tmp_path) as api:
        yield Genie(api, await api.key("ingest"))
        api.story.pages.clear()


async def test_an_alert_is_an_incident(genie: Genie) -> None:
    answer = await genie.create(
        alias="slow", description="p95 is 9 s", priority="P1", tags=["chat", "latency"], details={"region": "eu"},
        entity="chat-api", source="probe", responders=[{"type": "team", "name": "platform"}], note="Look at the cache",
    )  # fmt: skip
    assert set(answer.json()) == {"result", "took", "requestId"}
    assert answer.json()["result"] == "Request will be processed"
    assert answer.headers["x-request-id"] == answer.json()["requestId"]
    assert answer.headers["x-ratelimit-state"] == "OK"
    incident = await genie.incident()
    assert of(incident) == ("It is slow", "performance", "P0", "service", "chat-api")
    assert (incident["labels"], incident["tags"]["region"]) == (["chat", "latency"], "eu")
    assert "p95 is 9 s" in incident["description"]
    assert "Note: Look at the cache" in incident["description"]
    came = await genie.came_of(answer)
    assert (came["isSuccess"], came["action"], came["alertId"], came["alias"]) == (
        True, "Create", incident["id"], "slow",
    )  # fmt: skip
    alert = await genie.alert()
    for path in (f"alerts/{alert['id']}", f"alerts/{alert['tinyId']}?identifierType=tiny"):
        assert (await genie.ask("GET", path)).json()["data"] == alert
    expected = {
        "message": "It is slow", "alias": "slow", "status": "open", "acknowledged": False, "priority": "P1",
        "tags": ["chat", "latency"], "count": 1, "source": "probe", "entity": "chat-api", "snoozed": False,
    }  # fmt: skip
    assert {name: alert[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "severity"),
    [
        ({"priority": "P1"}, "P0"), ({"priority": "p2"}, "P1"), ({"priority": "P3"}, "P2"), ({"priority": "P4"}, "P3"),
        ({"priority": "P5"}, "P4"), ({}, "P2"), ({"details": {"severity": "critical"}}, "P0"),
        ({"priority": "P4", "details": {"severity": "critical"}}, "P3"), ({"details": {"severity": "odd"}}, "P2"),
    ],
)  # fmt: skip
async def test_priorities(genie: Genie, fields: dict[str, Any], severity: str) -> None:
    await genie.create(**fields)
    assert (await genie.incident())["severity"] == severity


async def test_the_same_alias_is_the_same_alert_until_it_is_closed(genie: Genie) -> None:
    await genie.create(alias="slow")
    again = await genie.came_of(await genie.create(alias="slow"))
    incident = await genie.incident()
    assert (again["alertId"], incident["event_count"]) == (incident["id"], 2)
    closed = await genie.ask("POST", "alerts/slow/close?identifierType=alias", {"user": "ana", "note": "Rolled back"})
    came = await genie.came_of(closed)
    assert (came["action"], came["alertId"]) == ("Close", incident["id"])
    over = await genie.alert()
    assert (over["status"], over["report"]["closedBy"]) == ("closed", "opsgenie")
    assert "ana: Rolled back" in (await genie.incident())["resolution"]["resolution_notes"]
    await genie.create(alias="slow")
    _, second = await genie.incidents()
    assert (second["recurrence_of"], (await genie.alert())["id"]) == (incident["id"], second["id"])


async def test_an_acknowledgment_stops_pages_and_giving_back_goes_on(genie: Genie) -> None:
    await genie.create(alias="slow", priority="P1")
    assert genie.paged()
    await genie.ask("POST", "alerts/slow/acknowledge?identifierType=alias", {"user": "ana", "note": "Mine"})
    assert (await genie.alert())["acknowledged"] is True
    genie.paged()
    await genie.create(alias="slow", priority="P1")
    await genie.api.story.fast_forward(minutes=10)
    assert genie.paged() == []
    await genie.ask("POST", "alerts/slow/unacknowledge?identifierType=alias")
    assert (await genie.alert())["acknowledged"] is False
    assert genie.paged()


async def test_every_action(genie: Genie) -> None:
    await genie.create(alias="a/b c", tags=["one"], details={"x": "1"}, priority="P3")
    where = "alerts/a/b%20c"
    how = "?identifierType=alias"
    genie.paged()
    calls: list[tuple[str, str, Any, str]] = [
        ("POST", f"{where}/notes{how}", {"note": "Seen", "user": "ana"}, "AddNote"),
        ("POST", f"{where}/tags{how}", {"tags": ["two", "three"]}, "AddTags"),
        ("DELETE", f"{where}/tags{how}&tags=one,three", None, "RemoveTags"),
        ("POST", f"{where}/details{how}", {"details": {"y": "2"}}, "AddDetails"),
        ("DELETE", f"{where}/details{how}&keys=x", None, "RemoveDetails"),
        ("PUT", f"{where}/message{how}", {"message": "[FIRING:3] It is very slow"}, "UpdateMessage"),
        ("PUT", f"{where}/description{how}", {"description": "Longer"}, "UpdateDescription"),
        ("PUT", f"{where}/priority{how}", {"priority": "P2"}, "UpdatePriority"),
        ("POST", f"{where}/assign{how}", {"owner": {"username": "Bo"}}, "AssignOwnership"),
        ("POST", f"{where}/responders{how}", {"responder": {"type": "user", "username": "lead"}}, "AddResponder"),
        ("POST", f"{where}/teams{how}", {"team": {"name": "nobody"}}, "AddTeam"),
        ("POST", f"{where}/actions/restart{how}", {"user": "ana"}, "CustomAction"),
        ("POST", f"{where}/snooze{how}", {"endTime": (START + timedelta(hours=9)).isoformat()}, "Snooze"),
        ("POST", f"{where}/escalate{how}", {"escalation": {"name": "second line"}}, "Escalate"),
    ]
    for method, path, document, action in calls:
        came = await genie.came_of(await genie.ask(method, path, document))
        assert (came["action"], came["isSuccess"]) == (action, True), path
        if action == "AddResponder":
            assert "lead" in genie.paged()
    alert = await genie.alert("a/b%20c")
    assert (alert["tags"], alert["details"], alert["message"], alert["description"]) == (
        ["two"], {"y": "2"}, "It is very slow", "Longer",
    )  # fmt: skip
    assert (alert["priority"], alert["owner"]) == ("P2", "bo")
    assert (await genie.incident())["status"] == "ESCALATED"
    notes = [each["note"] for each in (await genie.ask("GET", f"{where}/notes{how}")).json()["data"]]
    assert "Seen" in notes
    assert "Action restart was asked for." in notes
    assert any("team nobody" in note for note in notes)
    assert (await genie.ask("GET", f"{where}/logs{how}")).json()["data"]
    told = (await genie.ask("GET", f"{where}/recipients{how}")).json()["data"]
    assert "user:lead" in [each["user"]["id"] for each in told]
    lowered = await genie.ask("PUT", f"{where}/priority{how}", {"priority": "P5"})
    assert (lowered.status_code, (await genie.alert("a/b%20c"))["priority"]) == (202, "P2")
    await genie.ask("PUT", f"{where}/priority{how}", {"priority": "P5", "user": "ana"})
    assert (await genie.alert("a/b%20c"))["priority"] == "P5"
    gone = await genie.came_of(await genie.ask("DELETE", f"{where}{how}"))
    assert gone["action"] == "Delete"
    assert (await genie.alert("a/b%20c"))["status"] == "closed"


async def test_actions_by_id_and_tiny_id(genie: Genie) -> None:
    await genie.create(alias="slow")
    alert = await genie.alert()
    await genie.ask("POST", f"alerts/{alert['id']}/acknowledge", {})
    assert (await genie.alert())["acknowledged"] is True
    await genie.ask("POST", f"alerts/{alert['tinyId']}/close?identifierType=tiny")
    assert (await genie.alert())["status"] == "closed"


async def test_what_is_not_known_is_accepted_and_comes_to_nothing(genie: Genie) -> None:
    for path in (
        "alerts/nobody/close?identifierType=alias",
        "alerts/nobody/acknowledge",
        "alerts/INC-20260101-00001/close",
    ):
        came = await genie.came_of(await genie.ask("POST", path, {}))
        assert (came["success"], came["isSuccess"], came["alertId"]) == (False, False, "")
    for path in (
        "alerts/nobody?identifierType=alias",
        "alerts/nobody",
        "alerts/INC-20260101-00001",
        "alerts/nobody/logs",
    ):
        answer = await genie.ask("GET", path)
        assert (answer.status_code, answer.json()["message"]) == (404, "Alert does not exist"), path
    assert (await genie.ask("GET", "alerts/requests/4f9c1a1e-0000-4000-8000-000000000000")).status_code == 404
    assert await genie.incidents() == []


async def test_an_update_right_behind_its_create_arrives(genie: Genie) -> None:
    await genie.client.post("/v2/alerts", content=json.dumps({"message": "First", "alias": "slow"}))
    # Not triaged yet: nothing has run. It is put off, as long as that lasts, and never refused for good.
    early = await genie.client.put("/v2/alerts/slow/message?identifierType=alias", content='{"message": "Second"}')
    assert early.status_code == 429
    assert early.headers["x-ratelimit-state"] == "THROTTLED"
    assert "retry-after" in early.headers
    closed = await genie.client.post("/v2/alerts/slow/close?identifierType=alias", content="{}")
    assert closed.status_code == 202
    await genie.api.story.settle()
    again = await genie.client.put("/v2/alerts/slow/message?identifierType=alias", content='{"message": "Second"}')
    assert again.status_code == 202
    assert (await genie.alert())["status"] == "closed"


async def test_requests_are_answered_after_a_restart(genie: Genie) -> None:
    created = await genie.create(alias="slow")
    noted = await genie.ask("POST", "alerts/slow/notes?identifierType=alias", {"note": "Seen"})
    await genie.api.story.restart()
    for answer, action in ((created, "Create"), (noted, "AddNote")):
        came = await genie.came_of(answer)
        assert (came["action"], came["alias"], came["isSuccess"]) == (action, "slow", True)


async def test_lists_counts_and_queries(genie: Genie) -> None:
    for number in range(5):
        await genie.create(alias=f"a{number}", message=f"Alert {number}", priority="P1" if number % 2 else "P4",
                           tags=["odd" if number % 2 else "even"])  # fmt: skip
    await genie.ask("POST", "alerts/a0/close?identifierType=alias")
    await genie.ask("POST", "alerts/a1/acknowledge?identifierType=alias")

    async def listed(query: str) -> list[str]:
        answer = await genie.ask("GET", f"alerts?{query}")
        assert answer.status_code == 200, answer.text
        return [each["alias"] for each in answer.json()["data"]]

    assert await listed("") == ["a4", "a3", "a2", "a1", "a0"]
    assert await listed("limit=2&offset=1&order=asc&sort=createdAt") == ["a1", "a2"]
    assert await listed("query=status%3Aopen AND tag:even") == ["a4", "a2"]
    assert await listed("query=status: closed") == ["a0"]
    assert await listed("query=priority: P1 acknowledged: false") == ["a3"]
    assert await listed('query=message: "alert 3"') == ["a3"]
    assert await listed("query=alias:a4") == ["a4"]
    assert (await listed("sort=priority&order=asc"))[:2] == ["a3", "a1"]
    for query, number in (("", 5), ("query=status:open", 4), ("query=tag:odd", 2)):
        assert (await genie.ask("GET", f"alerts/count?{query}")).json()["data"] == {"count": number}
    for query in ("limit=101", "limit=0", "offset=20001", "sort=beauty", "order=up", "query=a OR b", "query=mood:bad"):
        answer = await genie.ask("GET", f"alerts?{query}")
        assert (answer.status_code, set(answer.json())) == (422, {"message", "took", "requestId", "errors"}), query


@pytest.mark.parametrize(
    ("method", "path", "document", "field"),
    [
        ("POST", "alerts", {"message": " "}, "message"),
        ("POST", "alerts", {"message": "a", "priority": "P9"}, "priority"),
        ("POST", "alerts/a/close?identifierType=name", {}, "identifierType"),
        ("POST", "alerts/a/snooze", {"endTime": "yesterday"}, "endTime"),
        ("POST", "alerts/a/snooze", {"endTime": "2001-01-01T00:00:00Z"}, "endTime"),
        ("POST", "alerts/a/assign", {}, "owner"),
        ("POST", "alerts/a/notes", {}, "note"),
        ("POST", "alerts/a/tags", {"tags": []}, "tags"),
        ("PUT", "alerts/a/priority", {"priority": 1}, "priority"),
    ],
)
async def test_faults_are_named_as_opsgenie_does(
    genie: Genie, method: str, path: str, document: dict[str, Any], field: str
) -> None:
    answer = await genie.ask(method, path, document)
    assert answer.status_code == 422
    assert set(answer.json()) == {"message", "took", "requestId", "errors"}
    assert field in answer.json()["errors"]


@pytest.mark.requirement("SEC-01")
async def test_other_tenants_and_other_sources_see_and_change_nothing(genie: Genie) -> None:
    created = await genie.create(alias="slow")
    alert = await genie.alert()
    api = genie.api
    assert (await api.client.post("/api/v1/tenants", json={"id": "other", "name": "Other"})).status_code == 201
    platform = api.of("platform-key-of-the-tests-0123456789", **{"X-Tenant": "other"})
    key = (await platform.post("/api/v1/api_keys", json={"name": "o", "scopes": ["ingest"]})).json()["key"]
    strangers = [Genie(api, key)]
    await api.client.post("/api/v1/sources", json={"name": "theirs"})
    strangers.append(Genie(api, await api.key("ingest", source="theirs")))
    for stranger in strangers:
        for path in (f"alerts/{alert['id']}", "alerts/slow?identifierType=alias", f"alerts/{alert['id']}/notes",
                     f"alerts/requests/{created.json()['requestId']}"):  # fmt: skip
            assert (await stranger.ask("GET", path)).status_code == 404, path
        assert (await stranger.ask("GET", "alerts")).json()["data"] == []
        came = await stranger.came_of(await stranger.ask("POST", f"alerts/{alert['id']}/close", {}))
        assert came["isSuccess"] is False
    assert (await genie.alert())["status"] == "open"


@pytest.mark.requirement("SEC-02")
async def test_wrong_keys_are_refused_in_opsgenie_s_shape(genie: Genie) -> None:
    stranger = Genie(genie.api, "nobody-s-key-0123456789")
    for method, path in (("GET", "alerts"), ("POST", "alerts"), ("GET", "heartbeats"), ("GET", "heartbeats/a/ping")):
        answer = await stranger.ask(method, path, {"message": "a"} if method == "POST" else None)
        assert (answer.status_code, set(answer.json())) == (401, {"message", "took", "requestId"}), path
    reader = Genie(genie.api, await genie.api.key("read"))
    assert (await reader.ask("GET", "alerts")).status_code == 200
    assert (await reader.ask("GET", "heartbeats/a/ping")).status_code == 403
    assert (await reader.create()).status_code == 403


async def test_long_and_hostile_texts_are_taken(genie: Genie) -> None:
    hostile = "<script>alert(1)</script>\x00'\"; -- " + "x" * 20_000
    tags = [hostile, *map(str, range(300))]
    answer = await genie.create(message=hostile, alias=hostile, details={hostile: hostile}, tags=tags,
                                entity=hostile, source=hostile, user=hostile)  # fmt: skip
    assert answer.status_code == 202
    incident = await genie.incident()
    assert len(incident["title"]) == 512
    assert (await genie.came_of(answer))["alertId"] == incident["id"]
    assert (await genie.ask("POST", "alerts/%3Cscript%3E%00/close?identifierType=alias")).status_code == 202


def test_request_ids_carry_their_answer() -> None:
    for number, action in enumerate(ACTIONS):
        for incident_id in (None, "INC-20261102-00001", "INC-21001231-123456789"):
            made = RequestMade(action=action, incident_id=incident_id, at=START + timedelta(milliseconds=number))
            written = request_id(made)
            assert request_made(written) == made
            assert request_made(written.upper()) == made
            other = written[:-1] + ("0" if written[-1] != "0" else "1")
            assert request_made(other) is None
    assert request_made("nothing") is None
    assert request_made("4f9c1a1e-0000-8000-8000-000000000000") is None
