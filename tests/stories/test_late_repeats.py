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
