"""What PagerDuty's clients send: one incident per dedup key and routing key, acknowledged, ended, and opened anew."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.app import Api, opened
from tests.contract.sources.rig import of

pytestmark = pytest.mark.requirement("ING-12")
V2, CHANGE, V1 = "/v2/enqueue", "/v2/change/enqueue", "/generic/2010-04-15/create_event.json"
FIRING = """Labels:
 - alertname = LLMCost
 - model = gpt-x
 - severity = critical
Annotations:
 - summary = Spending is three times the budget
Source: http://prometheus.example.com/graph
Labels:
 - alertname = LLMCost
 - model = gpt-x
 - severity = warning
 - zone = b
Annotations:
 - summary = Spending is three times the budget
Source: http://prometheus.example.com/graph
"""


class Tool:
    """A tool with a routing key of its own."""

    def __init__(self, api: Api, key: str) -> None:
        self.api = api
        self.key = key

    async def send(self, action: str, dedup_key: str | None = None, **payload: Any) -> Any:
        document: dict[str, Any] = {"routing_key": self.key, "event_action": action}
        document |= {"dedup_key": dedup_key} if dedup_key is not None else {}
        document |= {"payload": {"summary": "It is slow", "source": "web-1", "severity": "error"} | payload}
        return await self.post(V2, document)

    async def post(self, path: str, document: Any) -> Any:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = await self.api.of(None).post(path, content=content)
        await self.api.story.fast_forward(seconds=2)
        return answer

    async def incidents(self) -> list[dict[str, Any]]:
        answer = await self.api.client.get("/api/v1/incidents?sort=created_at&limit=100")
        return list(answer.json()["incidents"])

    def paged(self) -> int:
        """How many pages went out since the last look."""
        number = len(self.api.story.pages)
        self.api.story.pages.clear()
        return number


@pytest.fixture
async def tool(tmp_path: Path) -> AsyncIterator[Tool]:
    async with opened(tmp_path) as api:
        yield Tool(api, await api.key("ingest", format=32))


async def test_the_life_of_an_incident_by_dedup_key(tool: Tool) -> None:
    answer = await tool.send(
        "trigger", "web/slow", component="gateway", **{"class": "latency"}, custom_details={"p95": 9}
    )
    assert (answer.status_code, answer.json()) == (
        202, {"status": "success", "message": "Event processed", "dedup_key": "web/slow"},
    )  # fmt: skip
    (incident,) = await tool.incidents()
    assert of(incident) == ("It is slow", "performance", "P1", "host", "web-1")
    assert incident["tags"]["component"] == "gateway"
    assert incident["event_metrics"] == {"p95": 9}
    assert tool.paged()
    assert (await tool.send("acknowledge", "web/slow")).status_code == 202
    assert [each["status"] for each in await tool.incidents()] == ["ACKNOWLEDGED"]
    tool.paged()
    await tool.send("trigger", "web/slow")
    assert tool.paged() == 0
    assert [(each["status"], each["event_count"]) for each in await tool.incidents()] == [("ACKNOWLEDGED", 2)]
    assert (await tool.send("resolve", "web/slow")).status_code == 202
    assert [each["status"] for each in await tool.incidents()] == ["RESOLVED"]
    await tool.send("trigger", "web/slow")
    first, second = await tool.incidents()
    assert (second["status"], second["recurrence_of"]) == ("NEW", first["id"])
    tool.paged()


@pytest.mark.parametrize(
    ("word", "severity"), [("critical", "P0"), ("error", "P1"), ("warning", "P2"), ("info", "P4"), ("Critical", "P0")]
)
async def test_severities(tool: Tool, word: str, severity: str) -> None:
    await tool.send("trigger", "k", severity=word)
    assert [each["severity"] for each in await tool.incidents()] == [severity]
    tool.paged()


async def test_what_is_not_known_is_accepted_and_dropped(tool: Tool) -> None:
    for action in ("acknowledge", "resolve"):
        answer = await tool.send(action, "nobody-knows")
        assert (answer.status_code, answer.json()["dedup_key"]) == (202, "nobody-knows")
    assert await tool.incidents() == []


async def test_a_trigger_without_a_key_gets_one_that_ends_it(tool: Tool) -> None:
    made = (await tool.send("trigger")).json()["dedup_key"]
    other = (await tool.send("trigger")).json()["dedup_key"]
    assert made != other
    await tool.send("resolve", made)
    assert [each["status"] for each in await tool.incidents()] == ["RESOLVED", "NEW"]
    tool.paged()


async def test_another_routing_key_is_other_trouble_and_its_successor_is_not(tool: Tool) -> None:
    other = Tool(tool.api, await tool.api.key("ingest"))
    await tool.send("trigger", "same")
    await other.send("trigger", "same")
    assert len(await tool.incidents()) == 2
    await other.send("resolve", "same")
    assert [each["status"] for each in await tool.incidents()] == ["NEW", "RESOLVED"]
    keys = (await tool.api.client.get("/api/v1/api_keys")).json()["api_keys"]
    mine = min(keys, key=lambda each: each["id"])
    rotated = await tool.api.client.post(f"/api/v1/api_keys/{mine['id']}/rotate", json={})
    await Tool(tool.api, rotated.json()["key"]).send("resolve", "same")
    assert [each["status"] for each in await tool.incidents()] == ["RESOLVED", "RESOLVED"]
    tool.paged()


async def test_a_timestamp_makes_a_repeat_the_same_event(tool: Tool) -> None:
    for _ in range(3):
        await tool.send("trigger", "k", timestamp="2026-10-21T10:30:00.000+00:00Z")
    assert [each["event_count"] for each in await tool.incidents()] == [1]
    tool.paged()


async def test_alertmanager_s_labels_are_read_back(tool: Tool) -> None:
    details = {"firing": FIRING, "num_firing": "2", "num_resolved": "0", "resolved": ""}
    summary = "[FIRING:2] LLMCost (gpt-x critical)"
    await tool.send("trigger", "ab" * 32, summary=summary, source="Alertmanager", custom_details=details)
    (incident,) = await tool.incidents()
    assert of(incident) == ("LLMCost (gpt-x critical)", "cost", "P0", "model", "gpt-x")
    assert incident["tags"]["alertname"] == "LLMCost"
    assert "zone" not in incident["tags"]
    assert incident["description"].startswith("Spending is three times the budget")
    why = await tool.api.client.get(f"/api/v1/incidents/{incident['id']}/explanation")
    assert "label says critical" in why.text
    tool.paged()


async def test_newer_alertmanagers_write_json(tool: Tool) -> None:
    alerts = [{"status": "firing", "labels": {"alertname": "Slow", "severity": "warning"}, "annotations": {}}]
    await tool.send("trigger", "k", summary="[FIRING:1] Slow", custom_details={"firing": alerts})
    await tool.send("trigger", "l", summary="[FIRING:1] Slow", custom_details={"firing": json.dumps(alerts)})
    assert [each["severity"] for each in await tool.incidents()] == ["P2", "P2"]
    tool.paged()


async def test_a_severity_that_was_configured_is_believed(tool: Tool) -> None:
    await tool.send("trigger", "k", severity="info", custom_details={"firing": FIRING})
    assert [each["severity"] for each in await tool.incidents()] == ["P4"]
    tool.paged()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event_action": "shout"}, "event_action"),
        ({"event_action": "resolve"}, "dedup_key"),
        ({"payload": {"source": "a", "severity": "error"}}, "payload.summary"),
        ({"payload": {"summary": "a", "severity": "error"}}, "payload.source"),
        ({"payload": {"summary": "a", "source": "b"}}, "payload.severity"),
        ({"payload": {"summary": "a", "source": "b", "severity": "loud"}}, "payload.severity"),
        ({"payload": "nothing"}, "payload.summary"),
    ],
)
async def test_faults_are_named_as_pagerduty_does(tool: Tool, change: dict[str, Any], field: str) -> None:
    document = {"routing_key": tool.key, "event_action": "trigger", "payload": {}} | change
    answer = await tool.post(V2, document)
    assert answer.status_code == 400
    assert answer.json()["status"] == "invalid event"
    assert answer.json()["message"] == "Event object is invalid"
    assert any(f"'{field}'" in each for each in answer.json()["errors"])


async def test_long_texts_are_taken_and_cut(tool: Tool) -> None:
    key, summary = "k" * 5000, "s" * 5000
    assert (await tool.send("trigger", key, summary=summary)).json()["dedup_key"] == key
    assert (await tool.send("trigger", key[:-1] + "x")).status_code == 202
    first, second = await tool.incidents()
    assert len(first["title"]) == 512
    assert summary in first["description"]
    assert second["status"] == "NEW"
    await tool.send("resolve", key)
    assert [each["status"] for each in await tool.incidents()] == ["RESOLVED", "NEW"]
    tool.paged()


async def test_hostile_text_does_no_harm(tool: Tool) -> None:
    hostile = "<script>alert(1)</script>\x00\n - severity = critical"
    answer = await tool.send("trigger", hostile, summary=hostile, custom_details={"firing": hostile, hostile: hostile})
    assert answer.status_code == 202
    (incident,) = await tool.incidents()
    assert incident["severity"] == "P1"
    assert "\x00" not in incident["title"]
    tool.paged()


async def test_changes_open_nothing(tool: Tool) -> None:
    payload = {"summary": "Build 42 deployed", "source": "ci", "custom_details": {"build": 42}}
    answer = await tool.post(CHANGE, {"routing_key": tool.key, "payload": payload, "links": []})
    assert (answer.status_code, answer.json()["status"]) == (202, "success")
    assert (await tool.post(CHANGE, {"routing_key": tool.key, "payload": {}})).status_code == 400
    assert await tool.incidents() == []


async def test_v1_shares_its_incidents_with_v2(tool: Tool) -> None:
    document = {
        "service_key": tool.key, "event_type": "trigger", "incident_key": "srv01/http",
        "description": "FAILURE on srv01", "client": "Monitor", "details": {"severity": "warning", "source": "srv01"},
    }  # fmt: skip
    answer = await tool.post(V1, document)
    assert (answer.status_code, answer.json()) == (
        200, {"status": "success", "message": "Event processed", "incident_key": "srv01/http"},
    )  # fmt: skip
    (incident,) = await tool.incidents()
    assert of(incident) == ("FAILURE on srv01", "availability", "P2", "host", "srv01")
    await tool.send("resolve", "srv01/http")
    assert [each["status"] for each in await tool.incidents()] == ["RESOLVED"]
    wrong = await tool.post(V1, document | {"description": ""})
    assert (wrong.status_code, wrong.json()["errors"]) == (400, ["'description' is a required field"])
    unkeyed = await tool.post(V1, document | {"service_key": "nobody-s-key"})
    assert unkeyed.status_code == 400
    tool.paged()


async def test_nothing_keeps_the_routing_key(tool: Tool) -> None:
    await tool.send("trigger", "k", custom_details={"key": tool.key})
    (incident,) = await tool.incidents()
    events = await tool.api.client.get(f"/api/v1/incidents/{incident['id']}/events")
    assert tool.key not in events.text + json.dumps(incident)
    tool.paged()
