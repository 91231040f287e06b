"""Silences: what they match is opened, counted and shown, and pages nobody until they end."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.engine.views.incident import incident_document
from tests.stories.app import Story, person

MATCHER = {"name": "alertname", "value": "Latency Spike Detected"}


async def silence(story: Story, *, minutes: float = 60, after: float = 0, **matcher: Any) -> str:
    """Mute what matches from ``after`` minutes on."""
    now = story.clock.now()
    document = {
        "matchers": [matcher or MATCHER],
        "starts_at": (now + timedelta(minutes=after)).isoformat(),
        "ends_at": (now + timedelta(minutes=after + minutes)).isoformat(),
        "comment": "deploying",
    }
    made = await story.house.silences.create(person("ana"), document)
    await story.settle()
    return str(made["id"])


async def the_sound_of(story: Story, incident_id: str | None) -> list[str]:
    assert incident_id is not None
    changes = [change for each in await story.history(incident_id) for change in each.changes]
    return [type(change).__name__ for change in changes]


@pytest.mark.requirement("NTF-06")
async def test_what_a_silence_matches_is_shown_and_counted_but_pages_nobody(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        await silence(story)
        receipt = await story.post_event()
        await story.post_event()
        await story.fast_forward(minutes=50)
        incident = await story.incident(receipt.incident_id)
        assert (incident.event_count, incident.status, incident.ladder.state) == (2, "NEW", "silenced")
        assert await story.pages_of(receipt.incident_id) == []
        assert [timer.kind for timer in await story.timers_of(receipt.incident_id)] == ["silence"]
        assert not await story.store.read("default", lambda tx: tx.incidents.without_next_step())
        assert incident_document(incident)["sla"]["acknowledgment_deadline"] is None, "it counts from the silence's end"


@pytest.mark.requirement("NTF-06")
async def test_when_the_silence_ends_the_ladder_starts_from_its_first_step(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        await silence(story, minutes=60)
        receipt = await story.post_event()
        await story.fast_forward(minutes=60)
        story.expect_page("ana", "incident_created")
        story.expect_silence()
        incident = await story.incident(receipt.incident_id)
        assert incident.silence is None
        assert incident.sla.acknowledgment_deadline == story.clock.now() + timedelta(minutes=5)
        assert incident_document(incident)["sla"]["acknowledgment_deadline"] is not None
        assert not incident.sla.acknowledgment_breached
        await story.fast_forward(minutes=5)
        assert story.told() == ["bo"]


@pytest.mark.requirement("NTF-06")
async def test_a_silence_stops_an_escalation_under_way_and_its_end_lets_it_go_on(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        receipt = await story.post_event()
        assert story.told() == ["ana"]
        silence_id = await silence(story, minutes=120)
        await story.fast_forward(minutes=30)
        story.expect_silence()
        await story.house.silences.expire(person("ana"), silence_id)
        await story.settle()
        assert story.told() == ["bo"], "level 1 was told before; level 2 came due meanwhile"
        assert (await story.incident(receipt.incident_id)).status == "ESCALATED"


@pytest.mark.requirement("NTF-06")
async def test_a_page_still_on_its_way_is_cancelled_with_the_reason_and_sent_when_the_silence_ends(
    tmp_path: Path,
) -> None:
    async with Story(tmp_path) as story:
        receipt = await story.post_event(settle=False)
        await story.house.triage.run_once()
        silence_id = await silence(story)
        story.expect_silence()
        (page,) = await story.pages_of(receipt.incident_id)
        assert page.state is DeliveryState.CANCELLED
        assert page.last_error is not None
        assert page.last_error.endswith("by Ana: deploying")
        await story.house.silences.delete(person("ana"), silence_id)
        await story.settle()
        assert story.told() == ["ana"]


async def test_a_page_planned_without_knowing_of_the_silence_does_not_leave(tmp_path: Path) -> None:
    """Another node wrote the silence, and no sweep has come by yet."""
    async with Story(tmp_path) as story:
        receipt = await story.post_event(settle=False)
        await story.house.triage.run_once()
        ends = (story.clock.now() + timedelta(hours=1)).isoformat()
        document = {"matchers": [MATCHER], "starts_at": story.clock.now().isoformat(), "ends_at": ends}
        await story.configure({"silences": [document | {"id": "of-another-node"}]})
        await story.settle()
        story.expect_silence()
        incident = await story.incident(receipt.incident_id)
        assert incident.silence is not None
        assert incident.silence.silences == ("of-another-node",)


async def test_a_silence_that_begins_later_mutes_what_is_open_then(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        receipt = await story.post_event()
        assert story.told() == ["ana"]
        await silence(story, after=3, minutes=30)
        await story.fast_forward(minutes=3)
        assert await story.house.silences.run_due() == 1
        await story.fast_forward(minutes=20)
        story.expect_silence()
        assert (await story.incident(receipt.incident_id)).ladder.state == "silenced"
        await story.fast_forward(minutes=10)
        assert story.told() == ["bo"]


async def test_a_crash_between_the_end_of_a_silence_and_its_ladders_loses_no_page(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        silence_id = await silence(story, minutes=600)
        await story.post_event()
        await story.store.transact("default", lambda tx: tx.configuration.delete("silences", silence_id))
        await story.settings.refresh(story.store)
        await story.restart()
        await story.house.silences.run_due()
        await story.settle()
        assert story.told() == ["ana"]


async def test_two_silences_hold_until_the_last_one_ends(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        first = await silence(story, minutes=30)
        await silence(story, minutes=60)
        receipt = await story.post_event()
        await story.house.silences.expire(person("ana"), first)
        await story.fast_forward(minutes=40)
        story.expect_silence()
        await story.fast_forward(minutes=20)
        assert story.told() == ["ana"]
        assert (await the_sound_of(story, receipt.incident_id)).count("Silenced") == 3


async def test_a_worse_event_that_the_silence_does_not_match_pages_at_once(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        await silence(story, name="severity", value="P2")
        await story.post_event(severity="medium")
        story.expect_silence()
        await story.post_event(severity="critical")
        assert story.told() == ["ana"]


async def test_who_takes_it_during_the_silence_is_not_paged_when_it_ends(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        await silence(story, minutes=30)
        receipt = await story.post_event()
        await story.act("ana", receipt.incident_id, "take")
        await story.fast_forward(minutes=31)
        story.expect_silence()
        incident = await story.incident(receipt.incident_id)
        assert (incident.ladder.state, incident.silence) == ("taken", None)


async def test_somebody_paged_by_hand_is_told_in_spite_of_the_silence(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        await silence(story, minutes=30)
        receipt = await story.post_event()
        await story.act("ana", receipt.incident_id, "escalate")
        assert story.told() == ["ana"]
        assert (await story.incident(receipt.incident_id)).ladder.state == "silenced"
        await story.act("bo", receipt.incident_id, "take")


async def test_a_silence_of_another_tenant_mutes_nothing_here(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        document = {"matchers": [MATCHER], "ends_at": (story.clock.now() + timedelta(hours=1)).isoformat()}
        await story.house.silences.create(person("eve", tenant="other"), document)
        await story.post_event()
        assert story.told() == ["ana"]


async def test_snooze_and_silence_hold_until_both_are_over(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        await silence(story, minutes=30)
        receipt = await story.post_event()
        assert receipt.incident_id is not None
        until = story.clock.now() + timedelta(minutes=45)
        await story.house.respond.snooze(person("ana"), receipt.incident_id, until)
        await story.fast_forward(minutes=44)
        story.expect_silence()
        await story.fast_forward(minutes=1)
        assert story.told() == ["ana"]
