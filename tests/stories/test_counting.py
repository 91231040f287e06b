"""Identity, joining, recurrence, recovery, rate and tenants: what an event counts as, once and for ever."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.incidents.changes import Change, StatusChanged
from llm_incident_manager.domain.vocabulary import Action, LinkKind
from llm_incident_manager.errors import NotFound, RateLimited
from tests.stories.app import Story, an_event, person
from tests.stories.towns import by_mail, level, policy, to, with_policy


def _resolves(change: Change) -> bool:
    return isinstance(change, StatusChanged) and change.action is Action.RESOLVE


def _fingerprint(document: dict[str, Any]) -> str:
    resource = document["resource"]
    return fingerprint(
        "default", document["source"], document["category"], resource["type"], resource["id"], document["title"], None
    )


@pytest.mark.requirement("ING-05")
async def test_an_event_is_counted_once_however_often_it_is_sent(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        first = await app.post_event(event_id="same")
        app.expect_page("ana")
        for _ in range(3):
            again = await app.post_event(event_id="same")
            assert (again.status, again.incident_id) == ("duplicate", first.incident_id)
        await app.restart()
        again = await app.post_event(event_id="same", title="Another title", severity="P3")
        assert (again.status, again.incident_id) == ("duplicate", first.incident_id)
        await app.fast_forward(seconds=2)
        assert (await app.incident(first.incident_id)).event_count == 1


@pytest.mark.requirement("ING-05")
@pytest.mark.requirement("ING-08")
async def test_an_event_that_waits_in_the_journal_is_known_after_a_restart(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        first = await app.post_event(event_id="same", settle=False)
        await app.restart()
        again = await app.post_event(event_id="same")
        assert (again.status, again.incident_id) == ("duplicate", first.incident_id)
        app.expect_page("ana")
        assert (await app.incident(first.incident_id)).event_count == 1


@pytest.mark.requirement("CLS-07")
async def test_repeats_join_however_late_and_announce_nothing(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        first = await app.post_event(severity="P2")
        app.expect_page("ana")
        await app.fast_forward(seconds=299)
        assert (await app.post_event(severity="P2")).incident_id == first.incident_id
        await app.fast_forward(minutes=30)
        assert (await app.post_event(severity="P2")).incident_id == first.incident_id
        await app.fast_forward(seconds=2)
        incident = await app.incident(first.incident_id)
        assert (incident.event_count, incident.ladder.cycle) == (3, 1)
        app.expect_silence()


@pytest.mark.requirement("CLS-07")
@pytest.mark.requirement("CLS-08")
async def test_after_it_was_resolved_it_comes_back_as_a_new_incident(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        first = await app.post_event()
        await app.bring_to(first.incident_id, "RESOLVED")
        second = await app.post_event()
        assert second.incident_id != first.incident_id
        app.expect_page("ana", "incident_created")
        (link,) = (await app.incident(second.incident_id)).links
        assert (link.incident_id, link.kind) == (first.incident_id, LinkKind.RECURRENCE_OF)
        assert (await app.incident(first.incident_id)).status == "RESOLVED"


@pytest.mark.requirement("RES-01")
@pytest.mark.parametrize("status", ["NEW", "ACKNOWLEDGED", "IN_PROGRESS", "ESCALATED"])
async def test_a_recovery_walks_to_resolved_as_an_integration(tmp_path: Path, status: str) -> None:
    async with Story(tmp_path, by_mail()) as app:
        receipt = await app.post_event()
        await app.bring_to(receipt.incident_id, status)
        before = await app.incident(receipt.incident_id)
        await app.fast_forward(minutes=2)
        recovery = await app.post_event(event_type="resolved")
        assert recovery.incident_id == receipt.incident_id
        incident = await app.incident(receipt.incident_id)
        assert (incident.status, incident.times.mttr) == ("RESOLVED", 120.0)
        assert incident.times.mtta == before.times.mtta, "an integration acknowledges nothing"
        assert incident.resolution.resolved_by == "llm-sentinel"
        assert incident.event_count == 1
        assert "ana" in app.told()
        ended = [each for each in await app.history(incident.id) if any(_resolves(one) for one in each.changes)]
        assert [each.by.type for each in ended] == ["integration"]


@pytest.mark.requirement("RES-02")
async def test_a_source_may_only_propose_the_end(tmp_path: Path) -> None:
    documents = by_mail() | {"sources": [{"name": "llm-sentinel", "resolve": "propose"}]}
    async with Story(tmp_path, documents) as app:
        receipt = await app.post_event()
        app.expect_page("ana", "incident_created")
        await app.fast_forward(minutes=1)
        await app.post_event(event_type="recovery")
        assert (await app.incident(receipt.incident_id)).status == "NEW"
        last = (await app.history(str(receipt.incident_id)))[-1].changes[0]
        assert getattr(last, "text", "").startswith("llm-sentinel says that it is over")


@pytest.mark.requirement("CLS-07")
async def test_a_recovery_of_nothing_opens_nothing(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        receipt = await app.post_event(event_type="resolved", event_id="over")
        assert (receipt.status, receipt.incident_id) == ("accepted", None)
        await app.fast_forward(seconds=2)
        assert (await app.post_event(event_type="resolved", event_id="over")).status == "duplicate"
        app.expect_silence()


@pytest.mark.requirement("CLS-07")
async def test_a_recovery_from_before_does_not_end_the_next_incident(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        first = await app.post_event()
        await app.post_event(settle=True)
        await app.bring_to(first.incident_id, "IN_PROGRESS")
        await app.post_event(event_type="resolved", settle=False)
        await app.house.respond.act(person("ana"), str(first.incident_id), Action.RESOLVE)
        app.clock.advance(timedelta(milliseconds=5))
        second = await app.post_event(settle=False)
        await app.fast_forward(seconds=2)
        assert (await app.incident(second.incident_id)).status == "NEW"
        assert app.told() == ["ana", "ana"], "the end of the first, the beginning of the second"


@pytest.mark.requirement("CLS-07")
@pytest.mark.requirement("REL-03")
async def test_64_first_events_of_one_fingerprint_at_once_make_one_incident(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, by_mail(), store_url=store_url) as app:
        receipts = await asyncio.gather(*(app.post_event(settle=False) for _ in range(64)))
        assert {receipt.status for receipt in receipts} == {"accepted"}
        (incident_id,) = {receipt.incident_id for receipt in receipts}
        await app.fast_forward(seconds=3)
        assert (await app.incident(incident_id)).event_count == 64
        assert app.told() == ["ana"]


@pytest.mark.requirement("ING-05")
async def test_64_posts_of_one_event_at_once_count_once(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        receipts = await asyncio.gather(*(app.post_event(event_id="same", settle=False) for _ in range(64)))
        assert sorted(receipt.status for receipt in receipts) == ["accepted", *["duplicate"] * 63]
        (incident_id,) = {receipt.incident_id for receipt in receipts}
        await app.fast_forward(seconds=3)
        assert (await app.incident(incident_id)).event_count == 1
        assert app.told() == ["ana"]


@pytest.mark.requirement("CLS-07")
async def test_an_id_that_lost_its_event_stands_for_the_incident_all_the_same(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        document = an_event(1, app.clock.now())
        first = await app.house.intake.accept(msgspec.json.encode(document), person("sender"))
        # The process that answered is gone, and with it the memory of what is open; its record is in the journal.
        app.house.open_fingerprints.drop("default", _fingerprint(document), str(first.incident_id))
        second = await app.post_event(event_id="other")
        assert second.incident_id != first.incident_id
        one, other = await app.incident(first.incident_id), await app.incident(second.incident_id)
        assert (one.id, one.event_count) == (other.id, 2)
        assert app.told() == ["ana"]


@pytest.mark.requirement("ING-06")
async def test_over_the_rate_repeats_are_counted_and_new_problems_use_the_reserve(tmp_path: Path) -> None:
    documents = by_mail() | {"sources": [{"name": "llm-sentinel", "events_per_minute": 20}]}
    async with Story(tmp_path, documents) as app:
        first = await app.post_event(severity="P2", settle=False)
        for _ in range(40):
            assert (await app.post_event(severity="P2", settle=False)).status == "accepted"
        await app.fast_forward(seconds=2)
        assert (await app.incident(first.incident_id)).event_count == 41
        kept = await app.store.read("default", lambda tx: tx.events.kept_count([str(first.incident_id)]))
        assert kept == {first.incident_id: 20}, "over the limit the payload is not kept"
        for number in range(2):
            receipt = await app.post_event(severity="P2", resource={"type": "model", "id": f"new-{number}"})
            assert receipt.status == "accepted", "a tenth is kept for what is new"
        with pytest.raises(RateLimited) as refused:
            await app.post_event(severity="P2", resource={"type": "model", "id": "one-too-many"})
        assert 0 < refused.value.retry_after_seconds <= 120
        other = await app.post_event(source="llm-shield", severity="P2", resource={"type": "model", "id": "elsewhere"})
        assert other.status == "accepted", "the rate is per source"
        app.pages.clear()
        await app.fast_forward(minutes=3)
        receipt = await app.post_event(severity="P2", resource={"type": "model", "id": "one-too-many"})
        assert receipt.status == "accepted"
        app.pages.clear()


@pytest.mark.requirement("SEC-01")
async def test_tenants_share_nothing(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        acme = with_policy(policy(level(to("user", "bo"))))
        await app.configure(acme, "acme")
        ours = await app.post_event(event_id="same")
        app.expect_page("ana")
        theirs = await app.post_event(event_id="same", by=person("sender", "acme"))
        assert theirs.status == "accepted", "an identity belongs to its tenant"
        assert theirs.incident_id != ours.incident_id
        app.expect_page("bo")
        for call in (
            app.house.respond.take(person("ana"), str(theirs.incident_id)),
            app.house.respond.comment(person("eve", "acme"), str(ours.incident_id), "hello"),
            app.house.respond.link(person("ana"), str(ours.incident_id), str(theirs.incident_id), LinkKind.RELATED),
            app.house.respond.merge(person("ana"), str(ours.incident_id), str(theirs.incident_id)),
        ):
            with pytest.raises(NotFound):
                await call
        with pytest.raises(NotFound):
            await app.incident(theirs.incident_id)
        await app.house.respond.take(person("bo", "acme"), str(theirs.incident_id))
        assert (await app.incident(ours.incident_id)).status == "NEW"
        assert (await app.store.read("acme", lambda tx: tx.incidents.counts()))["status"] == {"ACKNOWLEDGED": 1}
