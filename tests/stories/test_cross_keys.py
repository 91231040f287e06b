"""One problem that two tools report is one incident, where the tenant's cross-source keys say so."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.reports import MOST_REPORTS
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.source_acts import Act, ActKind
from tests.stories.app import Story, person

KEY = {
    "name": "one service",
    "if": {"source": ["prometheus", "llm-sentinel", "quiet-tool"]},
    "key": "{resource.type}/{tags.service|resource.id}/{environment}",
}
PROD = {"environment": "production"}
SECOND = timedelta(seconds=1)


def keys(*more: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"correlation": [{"keys": [KEY | fields, *more]}]}


async def prometheus(app: Story, **fields: Any) -> str | None:
    said = {
        "source": "prometheus", "title": "HighLatency", "dedup_key": "alert-1", "severity": "high",
        "resource": {"type": "service", "id": "checkout-7f9"}, "tags": PROD | {"service": "Checkout"},
    }  # fmt: skip
    return (await app.post_event(**said | fields)).incident_id


async def sentinel(app: Story, **fields: Any) -> str | None:
    said = {
        "source": "llm-sentinel", "title": "Latency Spike Detected", "dedup_key": "anomaly-1", "severity": "medium",
        "resource": {"type": "service", "id": " checkout "}, "tags": PROD,
    }  # fmt: skip
    return (await app.post_event(**said | fields)).incident_id


async def over(app: Story, source: str, dedup_key: str, **fields: Any) -> str | None:
    """A recovery as vendors send it: nothing of what the key is made of."""
    said = {
        "source": source, "dedup_key": dedup_key, "event_type": "resolved", "title": "It is over", "severity": "info",
        "resource": {"type": "service", "id": dedup_key}, "tags": {},
    }  # fmt: skip
    app.clock.advance(SECOND)
    return (await app.post_event(**said | fields)).incident_id


def states(incident: Incident) -> list[tuple[str, str]]:
    assert incident.fold is not None
    return [(report.source, report.state.value) for report in incident.fold.reports]


async def all_open(app: Story) -> list[Incident]:
    page = await app.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(limit=200)))
    return [incident for incident in page.incidents if incident.is_open]


@pytest.mark.requirement("CLS-08")
@pytest.mark.parametrize("restarted", [False, True])
async def test_two_tools_one_incident_until_both_say_that_it_is_over(
    tmp_path: Path, store_url: str, restarted: bool
) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        await app.configure(keys())
        first = await sentinel(app)
        app.expect_page("ana", "incident_created")
        second = await prometheus(app)
        assert second == first
        incident = await app.incident(first)
        assert (incident.event_count, incident.severity, incident.source) == (2, "P1", "llm-sentinel")
        assert states(incident) == [("llm-sentinel", "reporting"), ("prometheus", "reporting")]
        assert incident.fold is not None
        assert (incident.fold.rule, incident.fold.key) == ("one service", "service/checkout/production")
        app.expect_page("ana", "incident_updated")  # it got worse
        if restarted:
            await app.restart()
        assert await over(app, "llm-sentinel", "anomaly-1") == first
        incident = await app.incident(first)
        assert (incident.status, states(incident)[0]) == ("NEW", ("llm-sentinel", "over"))
        app.expect_silence()
        if restarted:
            await app.restart()
        assert await over(app, "prometheus", "alert-1") == first
        incident = await app.incident(first)
        assert incident.status == "RESOLVED"
        assert incident.resolution.resolution_notes == (
            "llm-sentinel and prometheus say that it is over, prometheus last: It is over"
        )
        app.expect_page("ana", "resolved")
        again = await prometheus(app)
        assert again != first
        incident = await app.incident(again)
        assert [(link.incident_id, link.kind) for link in incident.links] == [(first, "recurrence_of")]
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_what_is_reported_again_must_be_over_again(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        await app.configure(keys())
        first = await sentinel(app)
        await prometheus(app)
        await over(app, "llm-sentinel", "anomaly-1")
        app.clock.advance(SECOND)
        assert (await app.incident(await sentinel(app))).id == first
        await over(app, "prometheus", "alert-1")
        incident = await app.incident(first)
        assert (incident.status, states(incident)) == ("NEW", [("llm-sentinel", "reporting"), ("prometheus", "over")])
        await over(app, "llm-sentinel", "anomaly-1")
        assert (await app.incident(first)).status == "RESOLVED"
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_one_batch_in_any_order_comes_to_the_same(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        await app.configure(keys())
        first = await sentinel(app, settle=False)
        second = await prometheus(app, settle=False)
        other = await prometheus(app, dedup_key="alert-2", title="HighErrorRate", settle=False)
        await over(app, "prometheus", "alert-1", settle=False)
        again = await sentinel(app, settle=False)
        await app.fast_forward(seconds=2)
        assert first == second == other
        incident = await app.incident(again)
        assert incident.id == first
        assert incident.event_count == 4
        assert states(incident) == [("llm-sentinel", "reporting"), ("prometheus", "over"), ("prometheus", "reporting")]
        assert len(await all_open(app)) == 1
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_with_any_the_first_to_say_so_ends_it(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys(resolve="any"))
        first = await sentinel(app)
        await prometheus(app)
        await over(app, "prometheus", "alert-1")
        incident = await app.incident(first)
        assert incident.status == "RESOLVED"
        assert "one is enough for the key" in (incident.resolution.resolution_notes or "")
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_who_never_reported_it_ends_nothing_and_a_proposal_stays_one(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys() | {"sources": [{"name": "prometheus", "resolve": "propose"}]})
        first = await sentinel(app)
        await prometheus(app)
        await over(app, "llm-sentinel", "anomaly-of-another")
        await over(app, "quiet-tool", "alert-1", tags=PROD | {"service": "checkout"})
        await over(app, "prometheus", "alert-1")
        await over(app, "llm-sentinel", "anomaly-1")
        incident = await app.incident(first)
        assert (incident.status, states(incident)) == ("NEW", [("llm-sentinel", "over"), ("prometheus", "over")])
        said = [getattr(each, "text", "") for changes in await app.history(str(first)) for each in changes.changes]
        assert "llm-sentinel and prometheus say that it is over, llm-sentinel last: It is over" in said
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_what_a_key_lacks_or_does_not_match_is_its_own_incident(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys())
        await sentinel(app)
        await prometheus(app, source="other-tool")
        await prometheus(app, tags={"service": "checkout"}, dedup_key="alert-2")  # no environment: no key
        await prometheus(app, tags=PROD | {"service": "billing"}, dedup_key="alert-3")
        assert len(await all_open(app)) == 4
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
@pytest.mark.requirement("SEC-04")
async def test_tenants_never_fold_into_one(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys())
        await app.configure(keys(), tenant="acme")
        first = await sentinel(app)
        second = await prometheus(app, by=person("x", "acme"))
        assert first is not None
        assert second is not None
        assert (await app.incident(first)).event_count == 1
        assert (await app.incident(second, "acme")).event_count == 1
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
@pytest.mark.requirement("ING-05")
async def test_what_is_open_stays_where_it_is_when_the_rules_change(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        alone = await prometheus(app)
        await app.configure(keys())
        folded = await sentinel(app)
        assert folded != alone
        assert await prometheus(app) == alone, "it is open under its own fingerprint"
        await over(app, "prometheus", "alert-1")
        assert (await app.incident(alone)).status == "RESOLVED"
        joined = await prometheus(app, timestamp=app.clock.now().isoformat())
        assert (await app.incident(joined)).id == folded
        await app.configure({"correlation": [{"keys": []}]})
        assert (await app.incident(await prometheus(app))).id == folded, "until it is over, whatever the rules say"
        await app.restart()
        assert (await app.incident(await prometheus(app))).id == folded
        await over(app, "llm-sentinel", "anomaly-1")
        await over(app, "prometheus", "alert-1")
        assert (await app.incident(folded)).status == "RESOLVED"
        assert await prometheus(app) not in (alone, folded, joined)
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_a_person_may_end_it_and_reopen_it(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys())
        first = await sentinel(app)
        await prometheus(app)
        await app.bring_to(first, "RESOLVED")
        new = await prometheus(app)
        assert new != first
        await over(app, "prometheus", "alert-1")
        assert (await app.incident(new)).status == "RESOLVED"
        await app.act("ana", first, "reopen")
        assert (await app.incident(await sentinel(app))).id == first
        assert (await app.incident(await prometheus(app))).id == first
        await over(app, "prometheus", "alert-1")
        await over(app, "llm-sentinel", "anomaly-1")
        assert (await app.incident(first)).status == "RESOLVED"
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_who_never_says_so_means_it_by_silence(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys() | {"sources": [{"name": "quiet-tool", "quiet_seconds": 600}]})
        first = await sentinel(app, source="quiet-tool")
        await prometheus(app)
        await app.fast_forward(minutes=30)
        assert (await app.incident(first)).is_open, "prometheus still reports it"
        await over(app, "prometheus", "alert-1")
        await app.fast_forward(minutes=12)
        incident = await app.incident(first)
        assert incident.status == "RESOLVED"
        assert incident.resolution.resolution_notes == "Nothing more came from quiet-tool for 10 minutes."
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_a_recovery_that_overtook_its_alarm_is_not_waited_for(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        await app.configure(keys())
        at = app.clock.now().isoformat()
        first = await sentinel(app)
        await over(app, "prometheus", "alert-1")
        app.clock.advance(SECOND)
        assert await prometheus(app, timestamp=at) == first
        incident = await app.incident(first)
        assert states(incident) == [("llm-sentinel", "reporting"), ("prometheus", "over")]
        await over(app, "llm-sentinel", "anomaly-1")
        assert (await app.incident(first)).status == "RESOLVED"
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_a_sender_acts_on_the_incident_that_it_reports_to(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys())
        first = await sentinel(app)
        await prometheus(app)
        acts = app.house.source_acts
        assert await acts.newest("default", "prometheus", "alert-1") == first
        (taken,) = await acts.do(
            person("x"), [Act(kind=ActKind.ACKNOWLEDGE, source="prometheus", dedup_key="alert-1", by="Bo")]
        )
        assert (taken.status, taken.incident_id) == ("done", first)
        (foreign,) = await acts.do(person("x"), [Act(kind=ActKind.RESOLVE, source="other", incident_id=first)])
        assert foreign.status == "unknown"
        await acts.do(person("x"), [Act(kind=ActKind.RESOLVE, source="prometheus", incident_id=first)])
        assert states(await app.incident(first)) == [("llm-sentinel", "reporting"), ("prometheus", "over")]
        await acts.do(person("x"), [Act(kind=ActKind.RESOLVE, source="llm-sentinel", incident_id=first)])
        assert (await app.incident(first)).status == "RESOLVED"
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_hostile_values_are_harmless(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys({"name": "by title", "key": "{title}"}))
        evil = ("{tags.x}/../'\"; DROP TABLE reports;--", "<script>alert(1)</script>", "a" * 255, "\u202egnp.exe")
        for number, value in enumerate(evil):
            await prometheus(app, tags=PROD | {"service": value}, dedup_key=f"evil-{number}")
        assert len(await all_open(app)) == len(evil)
        # Parts never run into each other: "a/b" + "c" is not "a" + "b/c".
        await prometheus(app, resource={"type": "a/b", "id": "c"}, tags=PROD, dedup_key="p-1")
        await prometheus(app, resource={"type": "a", "id": "b/c"}, tags=PROD, dedup_key="p-2")
        assert len(await all_open(app)) == len(evil) + 2
        fold = [incident.fold for incident in await all_open(app) if incident.fold is not None]
        assert all(each.key.isprintable() and len(each.key) <= 200 for each in fold)
        app.pages.clear()


@pytest.mark.requirement("CLS-08")
async def test_a_flood_of_reports_stays_small_and_then_a_person_ends_it(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure(keys())
        number = MOST_REPORTS + 40
        receipts = [await prometheus(app, dedup_key=f"alert-{each}", settle=False) for each in range(number)]
        await app.fast_forward(seconds=2)
        assert len(set(receipts)) == 1
        incident = await app.incident(receipts[0])
        assert incident.event_count == number
        assert len(states(incident)) == MOST_REPORTS + 1
        assert len(msgspec.json.encode(incident)) < 100_000
        for each in range(number):
            await over(app, "prometheus", f"alert-{each}")
        incident = await app.incident(receipts[0])
        assert incident.is_open
        assert states(incident).count(("prometheus", "over")) == MOST_REPORTS
        assert (await app.act("ana", incident.id, "take")).status == "ACKNOWLEDGED"
        app.pages.clear()
