"""A recovery that is accepted before its alarm: what is over pages nobody, what is new does."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_incident_manager.app.house import House
from llm_incident_manager.bus.memory import MemoryBus
from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.incidents.changes import PeopleTold
from llm_incident_manager.engine.fingerprint_notes import WINDOW
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.ids import IncidentNumbers
from llm_incident_manager.journal.journal import Journal
from tests.stories.app import START, Story, an_event, person


def at(seconds: float) -> str:
    """Return the sender's time, in seconds after the story began."""
    return (START + timedelta(seconds=seconds)).isoformat()


async def resolve(app: Story, seconds: float, **fields: Any) -> None:
    receipt = await app.post_event(title="Slow answers", event_type="resolved", timestamp=at(seconds), **fields)
    assert receipt.incident_id is None, "nothing is open"


async def all_incidents(app: Story) -> list[Any]:
    page = await app.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(sort="created_at")))
    return list(page.incidents)


@pytest.mark.requirement("ING-05")
@pytest.mark.parametrize("between", ["nothing", "restart", "restart before triage"])
async def test_a_resolve_that_overtook_its_trigger_closes_it_and_pages_nobody(
    tmp_path: Path, store_url: str, between: str
) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        app.clock.advance(timedelta(seconds=10))
        await resolve(app, 5, event_id="over", settle=between != "restart before triage")
        if between != "nothing":
            await app.restart()
        app.clock.advance(timedelta(seconds=10))
        late = await app.post_event(title="Slow answers", timestamp=at(1))
        incident = await app.incident(late.incident_id)
        assert (incident.status, incident.event_count) == ("RESOLVED", 1)
        assert (incident.resolution.resolution_notes or "").startswith(
            "llm-sentinel says that it was over at 2026-11-02 09:00:05 UTC: Slow answers (event over, accepted at "
            "09:00:10, before the alarm itself)"
        )
        told = [each for changes in await app.history(incident.id) for each in changes.changes]
        assert not any(isinstance(each, PeopleTold) for each in told)
        assert await app.timers_of(incident.id) == []
        await app.fast_forward(minutes=60)
        app.expect_silence()


@pytest.mark.requirement("ING-05")
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_is_new_after_the_resolve_opens_and_pages(tmp_path: Path, store_url: str, restarted: bool) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        app.clock.advance(timedelta(seconds=10))
        await resolve(app, 5)
        if restarted:
            await app.restart()
        await app.post_event(title="Slow answers", timestamp=at(1))
        app.expect_silence()
        new = await app.post_event(title="Slow answers", timestamp=at(5))
        app.expect_page("ana", "incident_created")
        later = await app.post_event(title="Slow answers", timestamp=at(9), settle=False)
        await app.fast_forward(seconds=2)
        first, second = await all_incidents(app)
        assert (first.status, second.status, second.event_count) == ("RESOLVED", "NEW", 2)
        assert (new.incident_id, later.incident_id) == (second.id, second.id)
        assert [link.incident_id for link in second.links] == [first.id]


@pytest.mark.requirement("ING-05")
async def test_together_in_one_batch_the_senders_times_decide(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        app.clock.advance(timedelta(seconds=10))
        await resolve(app, 5, settle=False)
        over = await app.post_event(title="Slow answers", timestamp=at(1), settle=False)
        again = await app.post_event(title="Slow answers", timestamp=at(2), settle=False)
        await app.fast_forward(seconds=2)
        app.expect_silence()
        assert over.incident_id == again.incident_id
        incident = await app.incident(over.incident_id)
        assert (incident.status, incident.event_count) == ("RESOLVED", 2)


@pytest.mark.requirement("ING-05")
async def test_a_late_copy_of_what_a_recovery_ended_counts_for_it(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        first = await app.post_event(title="Slow answers", timestamp=at(0))
        app.expect_page("ana", "incident_created")
        app.clock.advance(timedelta(seconds=30))
        await app.post_event(title="Slow answers", event_type="resolved", timestamp=at(20))
        app.expect_page("ana", "resolved")
        late = await app.post_event(title="Slow answers", timestamp=at(10))
        app.expect_silence()
        assert (await app.incident(late.incident_id)).id == first.incident_id
        incident = await app.incident(first.incident_id)
        assert (incident.status, incident.event_count) == ("RESOLVED", 2)
        new = await app.post_event(title="Slow answers", timestamp=at(25))
        assert new.incident_id not in (first.incident_id, late.incident_id)
        app.expect_page("ana", "incident_created")
        assert (await app.incident(new.incident_id)).event_count == 1


@pytest.mark.requirement("ING-05")
async def test_after_the_window_a_trigger_pages_whatever_its_time(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        app.clock.advance(timedelta(seconds=10))
        await resolve(app, 5)
        app.clock.advance(WINDOW)
        await app.post_event(title="Slow answers", timestamp=at(1))
        app.expect_silence()
        app.clock.advance(timedelta(seconds=1))
        await app.post_event(title="Other answers", event_type="resolved", timestamp=at(5))
        app.clock.advance(WINDOW + timedelta(seconds=1))
        assert await app.house.overtaken.forget_old() == 2
        await app.post_event(title="Slow answers", timestamp=at(2))
        app.expect_page("ana", "incident_created")


@pytest.mark.requirement("ING-05")
async def test_where_recoveries_are_proposals_a_person_is_paged_and_reads_why(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure({"sources": [{"name": "llm-sentinel", "resolve": "propose"}]})
        app.clock.advance(timedelta(seconds=10))
        await resolve(app, 5)
        receipt = await app.post_event(title="Slow answers", timestamp=at(1))
        app.expect_page("ana", "incident_created")
        assert (await app.incident(receipt.incident_id)).status == "NEW"
        (opened,) = [each for each in await app.history(str(receipt.incident_id)) if len(each.changes) > 1]
        assert any("says that it was over" in getattr(each, "text", "") for each in opened.changes)


@pytest.mark.requirement("ING-05")
@pytest.mark.requirement("SEC-04")
async def test_the_recovery_of_another_tenant_or_source_closes_nothing(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        app.clock.advance(timedelta(seconds=10))
        await app.post_event(title="Slow answers", event_type="resolved", by=person("x", "acme"))
        await resolve(app, 5, source="other")
        await app.post_event(title="Slow answers", timestamp=at(1))
        app.expect_page("ana", "incident_created")


class Node:
    """A second process over the same database, with a journal of its own."""

    def __init__(self, app: Story, folder: Path) -> None:
        self.app = app
        self.journal = Journal.open(folder / "journal-of-another", clock=app.clock)
        self.house = House(
            store=app.store, journal=self.journal, channels=app.channels, bus=MemoryBus(), clock=app.clock,
            settings=app.settings, ids=app.ids, render=renderer("https://incidents.example.com"),
            numbers=IncidentNumbers(),
        )  # fmt: skip

    async def accept(self, **fields: Any) -> None:
        document = an_event(900, self.app.clock.now()) | fields
        await self.house.intake.accept(msgspec.json.encode(document), person("sender"))


@pytest.mark.requirement("ING-05")
async def test_a_resolve_accepted_by_a_node_that_triages_late_closes_what_another_opened(
    tmp_path: Path, store_url: str
) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        slow = Node(app, tmp_path)
        app.clock.advance(timedelta(seconds=10))
        await slow.accept(title="Slow answers", event_type="resolved", timestamp=at(5))
        app.clock.advance(timedelta(seconds=1))
        opened = await app.post_event(title="Slow answers", timestamp=at(1))
        app.expect_page("ana", "incident_created")
        await slow.house.triage.run_once()
        await app.settle()
        app.expect_page("ana", "resolved")
        assert (await app.incident(opened.incident_id)).status == "RESOLVED"
        slow.journal.close()


@pytest.mark.requirement("ING-05")
async def test_a_resolve_accepted_before_newer_trouble_leaves_that_alone(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        slow = Node(app, tmp_path)
        app.clock.advance(timedelta(seconds=10))
        await slow.accept(title="Slow answers", event_type="resolved", timestamp=at(5))
        app.clock.advance(timedelta(seconds=1))
        opened = await app.post_event(title="Slow answers", timestamp=at(10))
        app.expect_page("ana", "incident_created")
        await slow.house.triage.run_once()
        assert await app.house.overtaken.run_due() == 0
        assert (await app.incident(opened.incident_id)).status == "NEW"
        slow.journal.close()


@pytest.mark.requirement("ING-05")
async def test_a_resolve_and_its_trigger_triaged_at_the_same_instant_find_each_other(
    tmp_path: Path, store_url: str
) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        app.clock.advance(timedelta(seconds=10))
        opened = await app.post_event(title="Slow answers", timestamp=at(1))
        app.expect_page("ana", "incident_created")
        # What the other node wrote in the same instant, having seen nothing open.
        await app.post_event(title="Other answers", event_type="resolved", timestamp=at(5))
        incident = await app.incident(opened.incident_id)

        def move(tx: Any) -> None:
            (note,) = tx.fingerprint_notes.of([_mark("Other answers")]).values()
            tx.fingerprint_notes.put([msgspec.structs.replace(note, fingerprint=incident.fingerprint)])

        await app.store.transact("default", move)
        assert await app.house.overtaken.run_due() == 1
        assert await app.house.overtaken.run_due() == 0
        await app.settle()
        app.expect_page("ana", "resolved")
        assert (await app.incident(opened.incident_id)).status == "RESOLVED"


def _mark(title: str) -> str:
    return fingerprint("default", "llm-sentinel", "performance", "endpoint", "ep-chat-completion", title, None)
