"""Specification §4.1, step by step: an event comes in, the right person is paged, the incident lives and is closed."""

from pathlib import Path

import pytest

from tests.stories.app import Story


@pytest.mark.requirement("RTE-05")
@pytest.mark.requirement("NTF-04")
async def test_an_event_is_paged_taken_resolved_and_announced(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        receipt = await app.post_event()
        assert receipt.status == "accepted"
        assert receipt.incident_id == "INC-20261102-00001"
        page = app.expect_page("ana", "incident_created")
        assert page.message.incident_id == receipt.incident_id
        await app.fast_forward(minutes=2)
        taken = await app.act("ana", receipt.incident_id, "take")
        assert (taken.status, taken.assigned_to, taken.times.mtta) == ("ACKNOWLEDGED", "ana", 120.0)
        await app.act("ana", receipt.incident_id, "start_work")
        await app.fast_forward(minutes=8)
        app.expect_silence()
        resolved = await app.act("ana", receipt.incident_id, "resolve")
        assert resolved.times.mttr == 600.0
        app.expect_page("ana", "resolved")
        await app.fast_forward(minutes=600)
        closed = await app.act("ana", receipt.incident_id, "close")
        assert closed.status == "CLOSED"


@pytest.mark.requirement("RTE-05")
async def test_nobody_acts_and_the_table_of_4_3_is_climbed(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, store_url=store_url) as app:
        receipt = await app.post_event()
        app.expect_page("ana", "incident_created")
        await app.fast_forward(seconds=299)
        app.expect_silence()
        await app.fast_forward(seconds=1)
        app.expect_page("bo", "escalated")
        incident = await app.incident(receipt.incident_id)
        assert (incident.status, incident.escalation_level) == ("ESCALATED", 2)
        assert incident.sla.acknowledgment_breached
        await app.fast_forward(minutes=10)
        app.expect_page("lead", "escalated")
        await app.fast_forward(minutes=15)
        app.expect_page("boss", "escalated")
        incident = await app.incident(receipt.incident_id)
        assert (incident.status, incident.escalation_level) == ("ESCALATED", 3)
