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
