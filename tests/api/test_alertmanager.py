"""Alertmanager's API v2: what Prometheus and amtool post becomes incidents, and what they ask is answered."""

import json
import random
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx2
import pytest

from tests.api.app import Api, opened
from tests.contract.mutants import mutants

ZERO = "0001-01-01T00:00:00.000Z"
SECONDS = 3.0
"""What the mutants of one body may take."""
LABELS = {"alertname": "AlwaysOn", "severity": "critical", "service": "gateway"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as found:
        yield found


class Prometheus:
    """A sender of alerts, as Prometheus and amtool send them."""

    def __init__(self, api: Api, client: httpx2.AsyncClient) -> None:
        self.api = api
        self.client = client

    def at(self, minutes: float) -> str:
        """Return an instant relative to now."""
        return (self.api.story.clock.now() + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")

    async def post(self, *alerts: Any) -> httpx2.Response:
        answer = await self.client.post("/api/v2/alerts", json=list(alerts))
        await self.settle()
        return answer

    async def settle(self) -> None:
        await self.api.story.fast_forward(seconds=2)
        self.api.story.pages.clear()

    async def incidents(self) -> list[tuple[str, str, int]]:
        answer = await self.api.client.get("/api/v1/incidents?sort=created_at")
        return [(each["title"], each["status"], each["event_count"]) for each in answer.json()["incidents"]]

    async def get(self, path: str) -> Any:
        answer = await self.api.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def prometheus(api: Api) -> Prometheus:
    return Prometheus(api, api.of(await api.key("ingest")))


@pytest.mark.requirement("ING-12")
async def test_an_alert_opens_an_incident_repeats_count_nothing_and_its_end_resolves_it(
    prometheus: Prometheus,
) -> None:
    started = prometheus.at(-1)
    for _ in range(3):
        answer = await prometheus.post({"labels": LABELS, "startsAt": started, "endsAt": prometheus.at(4)})
        assert (answer.status_code, answer.content) == (200, b"")
    assert await prometheus.incidents() == [("Always on", "NEW", 1)]
    await prometheus.post({"labels": LABELS, "startsAt": started, "endsAt": prometheus.at(-0.1)})
    assert await prometheus.incidents() == [("Always on", "RESOLVED", 1)]
    assert await prometheus.get("/api/v2/alerts") == []


@pytest.mark.requirement("ING-12")
async def test_an_alert_that_is_not_sent_again_before_its_end_is_over_by_itself_after_a_restart_too(
    api: Api, prometheus: Prometheus
) -> None:
    started = prometheus.at(0)
    await prometheus.post({"labels": LABELS, "startsAt": started, "endsAt": prometheus.at(4)})
    await api.story.restart()
    await api.story.fast_forward(minutes=3)
    assert await api.story.house.alerts.run_due() == 0
    await api.story.fast_forward(minutes=2)
    assert await api.story.house.alerts.run_due() == 1
    assert await api.story.house.alerts.run_due() == 0
    await prometheus.settle()
    assert await prometheus.incidents() == [("Always on", "RESOLVED", 1)]


async def test_one_that_ended_untold_and_fires_on_with_the_same_start_opens_again(
    api: Api, prometheus: Prometheus
) -> None:
    alert = {"labels": LABELS, "startsAt": prometheus.at(0)}
    await prometheus.post(alert | {"endsAt": prometheus.at(4)})
    await api.story.fast_forward(minutes=30)
    await api.story.house.alerts.run_due()
    await prometheus.settle()
    for _ in range(2):
        await prometheus.post(alert | {"endsAt": prometheus.at(4)})
    assert await prometheus.incidents() == [("Always on", "RESOLVED", 1), ("Always on", "NEW", 1)]


async def test_zero_times_are_none_and_the_timeout_ends_what_names_no_end(api: Api, prometheus: Prometheus) -> None:
    alert = {"labels": {"alertname": "A"}, "startsAt": ZERO, "endsAt": ZERO, "annotations": {"summary": "From amtool"}}
    assert (await prometheus.post(alert)).status_code == 200
    assert (await prometheus.post(alert)).status_code == 200
    (shown,) = await prometheus.get("/api/v2/alerts")
    assert shown["endsAt"] > prometheus.at(4.9)
    assert await prometheus.incidents() == [("From amtool", "NEW", 1)]
    await api.story.fast_forward(minutes=6)
    await api.story.house.alerts.run_due()
    await prometheus.settle()
    assert await prometheus.incidents() == [("From amtool", "RESOLVED", 1)]


async def test_of_a_batch_the_valid_ones_are_stored_and_the_others_named(prometheus: Prometheus) -> None:
    answer = await prometheus.post(
        {"labels": {"alertname": "Good"}},
        {"labels": {"alertname": ""}},
        {"labels": {"alertname": "Bad"}, "startsAt": prometheus.at(0), "endsAt": prometheus.at(-5)},
        "nothing",
    )
    assert answer.status_code == 400
    assert answer.json().splitlines() == [
        "alert 1: at least one label pair required",
        "alert 2: start time must be before end time",
        "alert 3: is no object",
    ]
    assert await prometheus.incidents() == [("Good", "NEW", 1)]


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"null", b'"x"', b"[" * 500, b'[{"labels": {"a": 1}}]', b"\xff"])
async def test_what_is_no_alert_is_a_400_with_a_json_text(prometheus: Prometheus, body: bytes) -> None:
    answer = await prometheus.client.post("/api/v2/alerts", content=body)
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)


async def test_alerts_are_filtered_as_amtool_writes_it(prometheus: Prometheus) -> None:
    for name in ("A", "B"):
        await prometheus.post({"labels": {"alertname": name, "cluster": f"c{name}"}})

    async def names(query: str) -> list[str]:
        return [each["labels"]["alertname"] for each in await prometheus.get(f"/api/v2/alerts?{query}")]

    assert await names("filter=alertname%3DA") == ["A"]
    assert await names("filter=alertname!%3DA") == ["B"]
    assert await names("filter=alertname%3D~A|B&filter=cluster!~cA") == ["B"]
    assert await names("filter=alertname%3D%22A%22&receiver=inc.*") == ["A"]
    assert await names("active=false") == []
    assert await names("receiver=nobody") == []
    groups = await prometheus.get("/api/v2/alerts/groups")
    assert [each["labels"] for each in groups] == [{"alertname": "A"}, {"alertname": "B"}]
    wrong = await prometheus.api.client.get("/api/v2/alerts?filter=nonsense")
    assert wrong.status_code == 400


@pytest.mark.requirement("NTF-06")
async def test_a_silence_suppresses_the_alert_and_keeps_its_pages(api: Api, prometheus: Prometheus) -> None:
    posted = {
        "matchers": [{"name": "alertname", "value": "Always.*", "isRegex": True}],
        "startsAt": prometheus.at(-1), "endsAt": prometheus.at(60), "createdBy": "ana", "comment": "deploying",
    }  # fmt: skip
    answer = await api.client.post("/api/v2/silences", json=posted)
    assert answer.status_code == 200
    silence_id = answer.json()["silenceID"]
    await prometheus.client.post("/api/v2/alerts", json=[{"labels": LABELS, "endsAt": prometheus.at(120)}])
    await api.story.settle()
    api.story.expect_silence()
    (alert,) = await prometheus.get("/api/v2/alerts")
    assert alert["status"] == {"state": "suppressed", "silencedBy": [silence_id], "inhibitedBy": [], "mutedBy": []}
    assert await prometheus.get("/api/v2/alerts?silenced=false") == []
    (silence,) = await prometheus.get("/api/v2/silences")
    assert silence == await prometheus.get(f"/api/v2/silence/{silence_id}")
    assert silence | {"id": silence_id, "status": {"state": "active"}, "createdBy": "ana"} == silence
    assert silence["matchers"] == [{"name": "alertname", "value": "Always.*", "isRegex": True, "isEqual": True}]
    assert (await api.client.delete(f"/api/v2/silence/{silence_id}")).status_code == 200
    await api.story.settle()
    api.story.expect_page("ana", "incident_created")
    assert (await prometheus.get(f"/api/v2/silence/{silence_id}"))["status"] == {"state": "expired"}


async def test_a_silence_that_is_changed_keeps_its_id_and_one_that_ended_gets_a_new_one(api: Api) -> None:
    posted = {
        "matchers": [{"name": "a", "value": "b"}],
        "endsAt": "2027-01-01T00:00:00Z",
        "createdBy": "x",
        "comment": "y",
    }
    first = (await api.client.post("/api/v2/silences", json=posted)).json()["silenceID"]
    changed = await api.client.post("/api/v2/silences", json=posted | {"id": first, "comment": "longer"})
    assert changed.json() == {"silenceID": first}
    await api.client.delete(f"/api/v2/silence/{first}")
    again = await api.client.post("/api/v2/silences", json=posted | {"id": first})
    assert again.json()["silenceID"] != first
    unknown = await api.client.post("/api/v2/silences", json=posted | {"id": "00000000-0000-0000-0000-000000000000"})
    assert unknown.status_code == 404


@pytest.mark.parametrize("what", ["alerts", "silences"])
@pytest.mark.requirement("SEC-05")
async def test_mutated_bodies_are_answered_and_never_break_anything(api: Api, what: str) -> None:
    at = {"startsAt": "2026-11-02T09:00:00Z", "endsAt": "2026-11-02T10:00:00Z"}
    bodies: dict[str, Any] = {
        "alerts": [at | {"labels": LABELS, "annotations": {"summary": "x"}, "generatorURL": "http://x"}],
        "silences": at | {"matchers": [{"name": "a", "value": "b", "isRegex": True}], "createdBy": "x", "comment": "y"},
    }
    seed = random.SystemRandom().randrange(1 << 32)
    started = time.monotonic()
    for number, body in enumerate(mutants(json.dumps(bodies[what]).encode(), random.Random(seed))):
        if number and time.monotonic() - started > SECONDS:
            break
        answer = await api.client.post(f"/api/v2/{what}", content=body)
        assert answer.status_code in (200, 400, 404, 413), (seed, body[:2000], answer.text)
        await api.story.settle()
    for path in ("alerts", "alerts/groups", "silences"):
        assert (await api.client.get(f"/api/v2/{path}")).status_code == 200
    api.story.pages.clear()


@pytest.mark.parametrize(
    "alert",
    [
        {"labels": {"a": "b"}, "startsAt": "9999-12-31T23:59:59.999999Z"},
        {"labels": {"a": "b"}, "endsAt": "9999-12-31T23:59:59.999999Z"},
        {"labels": {"\ud800": "b", "\x00": "c", "a": "\ud800"}},
        {"labels": {f"l{number}": "x" * 2000 for number in range(200)}},
        {"labels": {"severity": "\u202e" * 100, "alertname": "<script>alert(1)</script>"}},
    ],
)
async def test_hostile_alerts_are_taken_in_and_shown(prometheus: Prometheus, alert: dict[str, Any]) -> None:
    answer = await prometheus.client.post("/api/v2/alerts", content=json.dumps([alert]).encode())
    assert answer.status_code == 200, answer.text
    await prometheus.settle()
    assert len(await prometheus.get("/api/v2/alerts")) == 1
    assert len(await prometheus.incidents()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"endsAt": "9999-12-31T23:59:59-23:00"},
        {"id": "\x00"},
        {"matchers": [{"name": "a", "value": "\ud800"}]},
        {"matchers": [{"name": "a", "value": "\x00"}]},
        {"matchers": []},
        {"matchers": [{"name": "a", "value": ""}]},
        {"matchers": [{"name": "a", "value": "(x+)+", "isRegex": True}]},
        {"matchers": "a=b"},
        {"matchers": [17]},
        {"matchers": ["a=\ud800"]},
        {"endsAt": "2020-01-01T00:00:00Z"},
        {"endsAt": 5},
        {"startsAt": "tomorrow"},
        {"comment": "half \ud800 character"},
    ],
)
async def test_a_silence_that_cannot_be_is_a_400_with_a_json_text(api: Api, wrong: dict[str, Any]) -> None:
    posted = {
        "matchers": [{"name": "a", "value": "b"}],
        "endsAt": "2027-01-01T00:00:00Z",
        "createdBy": "",
        "comment": "",
    }
    answer = await api.client.post("/api/v2/silences", content=json.dumps(posted | wrong).encode())
    assert answer.status_code == (404 if "id" in wrong else 400), answer.text
    assert isinstance(answer.json(), str)


async def test_what_a_key_may_do_is_what_its_scopes_say(api: Api) -> None:
    ingest, read = api.of(await api.key("ingest")), api.of(await api.key("read"))
    assert (await ingest.get("/api/v2/status")).status_code == 200
    assert (await ingest.get("/api/v2/alerts")).status_code == 403
    assert (await read.get("/api/v2/alerts")).status_code == 200
    assert (await read.post("/api/v2/alerts", json=[])).status_code == 403
    assert (await read.post("/api/v2/silences", json={})).status_code == 403
    assert (await api.of(None).get("/api/v2/status")).status_code == 401
    assert (await api.of(None).get("/-/healthy")).text == "OK"
    assert (await api.of(None).get("/-/ready")).status_code == 200


@pytest.mark.requirement("SEC-02")
async def test_another_tenant_sees_neither_alerts_nor_silences(api: Api, prometheus: Prometheus) -> None:
    await api.client.post("/api/v1/tenants", json={"id": "other", "name": "Other"})
    other = api.of(await api.key("read", "respond", "ingest", tenant_id="other"))
    posted = {
        "matchers": [{"name": "a", "value": "b"}],
        "endsAt": "2027-01-01T00:00:00Z",
        "createdBy": "x",
        "comment": "y",
    }
    silence_id = (await api.client.post("/api/v2/silences", json=posted)).json()["silenceID"]
    await prometheus.post({"labels": LABELS})
    assert (await other.get("/api/v2/alerts")).json() == []
    assert (await other.get("/api/v2/silences")).json() == []
    assert (await other.get(f"/api/v2/silence/{silence_id}")).status_code == 404
    assert (await other.delete(f"/api/v2/silence/{silence_id}")).status_code == 404
    assert (await other.get(f"/api/v1/silences/{silence_id}")).status_code == 404


@pytest.mark.requirement("NTF-06")
async def test_silences_are_documents_of_rest_too(api: Api) -> None:
    document = {
        "matchers": [{"name": "severity", "value": "P3"}],
        "ends_at": "2026-11-02T12:00:00Z",
        "comment": "noise",
    }
    made = await api.client.post("/api/v1/silences", json=document)
    assert made.status_code == 201, made.text
    assert made.json() | {"state": "active", "starts_at": "2026-11-02T09:00:00Z", "comment": "noise"} == made.json()
    place = made.headers["location"]
    assert (await api.client.get(place)).json() == made.json()
    assert (await api.client.get("/api/v1/silences")).json() == {
        "silences": [made.json()], "next_cursor": None, "total": 1,
    }  # fmt: skip
    longer = await api.client.put(place, json=document | {"ends_at": "2026-11-02T13:00:00Z"})
    assert (longer.status_code, longer.json()["version"]) == (200, 2)
    stale = await api.client.put(place, json=document, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    wrong = await api.client.post("/api/v1/silences", json={"matchers": [{"name": "a"}], "ends": 1})
    fields = {fault["field"] for fault in wrong.json()["errors"]}
    assert (wrong.status_code, fields) == (422, {"matchers[0].value", "ends_at", "ends"})
    assert (await api.client.delete(place)).status_code == 204
    assert (await api.client.get(place)).status_code == 404
    audit = (await api.client.get("/api/v1/audit")).text
    assert all(f"silence_{what}" in audit for what in ("created", "replaced", "deleted"))


async def test_the_silence_and_its_reason_stand_on_the_incident(api: Api) -> None:
    document = {
        "matchers": [{"name": "source", "value": "llm-sentinel"}],
        "ends_at": "2026-11-02T12:00:00Z",
        "comment": "moving",
    }
    silence_id = (await api.client.post("/api/v1/silences", json=document)).json()["id"]
    receipt = await api.event()
    incident = (await api.client.get(f"/api/v1/incidents/{receipt['incident_id']}")).json()
    assert (incident["ladder"]["state"], incident["silenced_by"]) == ("silenced", [silence_id])
    assert incident["silenced_until"] == "2026-11-02T12:00:00Z"
    timeline = (await api.client.get(f"/api/v1/incidents/{incident['id']}/timeline")).json()
    key = "entries" if "entries" in timeline else "timeline"
    told = [each["event_data"] for each in timeline[key] if each["event_data"].get("kind") == "silenced"]
    assert told == [{"kind": "silenced", "until": "2026-11-02T12:00:00Z", "silences": [silence_id], "reason": ANY}]
    why = (await api.client.get(f"/api/v1/incidents/{incident['id']}/explanation")).json()
    assert "moving" in why["route"]["text"]
