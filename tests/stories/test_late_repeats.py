"""Repeats that were accepted before an incident ended and triaged after it: nobody is paged for what is solved."""

from pathlib import Path

import pytest

from tests.stories.app import Story


@pytest.mark.requirement("ING-05")
@pytest.mark.requirement("CLS-07")
async def test_repeats_accepted_before_the_end_count_for_the_incident_they_were_answered_with(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        receipt = await app.post_event(title="Slow answers")
        app.expect_page("ana", "incident_created")
        await app.act("ana", receipt.incident_id, "take")
        await app.act("ana", receipt.incident_id, "start_work")
        late = [await app.post_event(title="Slow answers", settle=False) for _ in range(5)]
        assert {each.incident_id for each in late} == {receipt.incident_id}
        await app.act("ana", receipt.incident_id, "resolve")
        await app.fast_forward(seconds=2)
        app.expect_page("ana", "resolved")
        incident = await app.incident(receipt.incident_id)
        assert (incident.status, incident.event_count) == ("RESOLVED", 6)
        after = await app.post_event(title="Slow answers")
        assert after.incident_id not in (None, receipt.incident_id)
        app.expect_page("ana", "incident_created")


@pytest.mark.requirement("ING-05")
@pytest.mark.parametrize("together", [True, False])
async def test_what_comes_right_after_a_recovery_is_new_trouble(tmp_path: Path, together: bool) -> None:
    async with Story(tmp_path) as app:
        receipt = await app.post_event(title="Slow answers")
        app.expect_page("ana", "incident_created")
        repeat = await app.post_event(title="Slow answers", settle=False)
        over = await app.post_event(title="Slow answers", event_type="resolved", settle=not together)
        again = await app.post_event(title="Slow answers", settle=False)
        assert {repeat.incident_id, over.incident_id} == {receipt.incident_id}
        assert again.incident_id not in (None, receipt.incident_id)
        await app.fast_forward(seconds=2)
        app.expect_page("ana", "resolved")
        app.expect_page("ana", "incident_created")
        first, second = await app.incident(receipt.incident_id), await app.incident(again.incident_id)
        assert (first.status, first.event_count) == ("RESOLVED", 2)
        assert (second.status, second.event_count) == ("NEW", 1)
        assert [link.incident_id for link in second.links] == [first.id]
        joined = await app.post_event(title="Slow answers")
        assert joined.incident_id == second.id


@pytest.mark.requirement("ING-05")
async def test_what_comes_after_a_recovery_that_waited_at_the_start_is_new_trouble(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        receipt = await app.post_event(title="Slow answers")
        app.expect_page("ana", "incident_created")
        await app.post_event(title="Slow answers", event_type="resolved", settle=False)
        await app.restart()
        again = await app.post_event(title="Slow answers", settle=False)
        assert again.incident_id not in (None, receipt.incident_id)
        await app.fast_forward(seconds=2)
        app.expect_page("ana", "resolved")
        app.expect_page("ana", "incident_created")
        assert (await app.incident(receipt.incident_id)).status == "RESOLVED"
        assert (await app.incident(again.incident_id)).status == "NEW"


@pytest.mark.requirement("ING-05")
async def test_a_recovery_that_is_only_a_proposal_changes_nothing_for_what_follows(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        await app.configure({"sources": [{"name": "llm-sentinel", "resolve": "propose"}]})
        receipt = await app.post_event(title="Slow answers")
        app.expect_page("ana", "incident_created")
        await app.post_event(title="Slow answers", event_type="resolved", settle=False)
        again = await app.post_event(title="Slow answers", settle=False)
        await app.fast_forward(seconds=2)
        incident = await app.incident(again.incident_id)
        assert (incident.id, incident.status, incident.event_count) == (receipt.incident_id, "NEW", 2)
        assert (await app.post_event(title="Slow answers")).incident_id == receipt.incident_id


@pytest.mark.requirement("ING-05")
async def test_an_event_that_was_counted_opens_nothing_after_a_recovery_of_the_same_batch(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        receipt = await app.post_event(event_id="first", title="Slow answers")
        app.expect_page("ana", "incident_created")
        await app.post_event(event_id="over", title="Slow answers", event_type="resolved", settle=False)
        # The intake has forgotten it and could not ask the database: it is in the journal a second time.
        identity = ("default", "llm-sentinel", "first")
        app.house.seen.forget(identity)
        app.house.seen._bloom[:] = bytes(len(app.house.seen._bloom))
        await app.post_event(event_id="first", title="Slow answers", settle=False)
        await app.fast_forward(seconds=2)
        app.expect_page("ana", "resolved")
        incident = await app.incident(receipt.incident_id)
        assert (incident.status, incident.event_count) == ("RESOLVED", 1)
        after = await app.post_event(event_id="second", title="Slow answers")
        assert after.incident_id not in (None, receipt.incident_id), "what comes anew opens a new one"
        app.expect_page("ana", "incident_created")
