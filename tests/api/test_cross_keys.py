"""Cross-source keys as people meet them: what would be folded, and an incident that says who reports it (CLS-08)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.app import Api, opened
from tests.stories.app import plain

pytestmark = pytest.mark.requirement("CLS-08")
KEY = {"name": "one service", "key": "{tags.service|resource.id}/{environment}", "if": {"category": "performance"}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path, plain()) as api:
        yield api
        api.story.pages.clear()


async def report(api: Api, source: str, **fields: Any) -> str | None:
    said = {
        "source": source, "title": f"Slow, says {source}", "dedup_key": source, "tags": {"environment": "production"},
        "resource": {"type": "service", "id": "checkout"}, "severity": "medium",
    }  # fmt: skip
    return (await api.story.post_event(**said | fields)).incident_id


async def folded(api: Api) -> str:
    await api.story.configure({"correlation": [{"keys": [KEY]}]})
    first = await report(api, "prometheus")
    assert await report(api, "llm-sentinel") == first
    api.story.clock.advance(timedelta(seconds=1))
    await report(api, "prometheus", event_type="resolved", tags={}, resource={"type": "x", "id": "y"})
    assert first is not None
    return first


async def test_an_incident_says_who_reports_it_and_its_timeline_tells_why_it_goes_on(api: Api) -> None:
    incident_id = await folded(api)
    incident = (await api.client.get(f"/api/v1/incidents/{incident_id}")).json()
    assert incident["status"] == "NEW"
    told = incident["reported_by"]
    assert (told["cross_key"], told["key"], told["resolve"]) == ("one service", "checkout/production", "all")
    assert [(each["source"], each["state"]) for each in told["reports"]] == [
        ("prometheus", "over"),
        ("llm-sentinel", "reporting"),
    ]
    log = (await api.client.get(f"/api/v1/incidents/{incident_id}/timeline")).json()["entries"]
    kinds = [entry["event_data"].get("kind") for entry in log]
    assert kinds.index("report_joined") < kinds.index("report_over")
    assert log[0]["event_data"]["cross_key"] == "one service"
    why = (await api.client.get(f"/api/v1/incidents/{incident_id}/explanation")).json()["grouping"]
    assert why["text"].startswith("prometheus and llm-sentinel report it: the cross-source key one service")
    audited = (await api.client.get("/api/v1/audit", params={"incident": incident_id})).json()
    assert audited["total"] >= 3
    verified = (await api.client.get("/api/v1/audit/verify")).json()
    assert verified["valid"]


async def test_an_incident_without_a_key_says_so(api: Api) -> None:
    incident_id = await report(api, "prometheus")
    assert (await api.client.get(f"/api/v1/incidents/{incident_id}")).json()["reported_by"] is None


async def test_a_source_test_says_what_would_fold(api: Api) -> None:
    incident_id = await folded(api)
    body = {
        "event_id": "new", "source": "generic", "timestamp": api.story.clock.now().isoformat(), "event_type": "alert",
        "category": "performance", "title": "Anything", "severity": "high", "tags": {"environment": "prod"},
        "resource": {"type": "pod", "id": "CHECKOUT"},
    }  # fmt: skip
    (found,) = (await api.client.post("/api/v1/sources/generic/test", json=body)).json()["events"]
    assert (found["would"], found["incident_id"]) == ("joins", incident_id)
    assert found["cross_key"] == {"name": "one service", "key": "checkout/production"}
    over = body | {"source": "llm-sentinel", "event_type": "resolved", "dedup_key": "llm-sentinel", "tags": {}}
    (found,) = (await api.client.post("/api/v1/sources/generic/test", json=over)).json()["events"]
    assert (found["would"], found["incident_id"], found["cross_key"]) == ("ends", incident_id, None)


async def test_a_preview_groups_what_happened_and_changes_nothing(api: Api) -> None:
    first = await report(api, "prometheus")
    second = await report(api, "llm-sentinel")
    await report(api, "llm-sentinel", dedup_key="other", resource={"type": "service", "id": "billing"})
    await report(api, "llm-sentinel", dedup_key="cost", category="cost")
    answer = await api.client.post("/api/v1/correlation/preview", json={"keys": [KEY], "hours": 1})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["looked_at"], found["hours"]) == (4, 1)
    assert found["keys"] == [{"name": "one service", "enabled": True, "matched": 3, "folded": 1}]
    (group,) = found["groups"]
    assert (group["cross_key"], group["key"]) == ("one service", "checkout/production")
    assert group["sources"] == ["llm-sentinel", "prometheus"]
    assert [each["id"] for each in group["incidents"]] == [first, second]
    unset = (await api.client.post("/api/v1/correlation/preview")).json()
    assert (unset["keys"], unset["groups"]) == ([], [])
    api.story.clock.advance(timedelta(hours=2))
    later = (await api.client.post("/api/v1/correlation/preview", json={"keys": [KEY], "hours": 1})).json()
    assert (later["looked_at"], later["groups"]) == (0, [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"keys": [{"name": "k", "key": "{colour}"}]}, "keys[0].key"),
        ({"keys": "all"}, "keys"),
        ({"keys": [KEY, KEY]}, "keys[1].name"),
        ({"hours": 0}, "hours"),
        ({"hours": "a day"}, "hours"),
        ({"minutes": 5}, "minutes"),
    ],
)
async def test_a_preview_that_is_wrong_names_the_field(api: Api, body: dict[str, Any], field: str) -> None:
    answer = await api.client.post("/api/v1/correlation/preview", json=body)
    assert answer.status_code == 422, answer.text
    assert field in [each["field"] for each in answer.json()["errors"]], answer.text


@pytest.mark.requirement("SEC-04")
async def test_a_preview_sees_only_its_own_tenant(api: Api) -> None:
    await report(api, "prometheus")
    await report(api, "llm-sentinel")
    other = await api.client.post("/api/v1/correlation/preview", json={"keys": [KEY]}, headers={"X-Tenant": "acme"})
    assert other.status_code in (200, 404)
    assert other.status_code == 404 or other.json()["looked_at"] == 0
    sender = api.of(await api.key("ingest"))
    assert (await sender.post("/api/v1/correlation/preview")).status_code == 403
