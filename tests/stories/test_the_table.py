"""Specification §4.3 as a table: for each severity, status and timer, who is told; restarted in between, the same."""

from pathlib import Path

import pytest

from tests.stories.app import Story, person
from tests.stories.towns import by_mail

MINUTE, HOUR = 60.0, 3600.0
TIMERS = {
    "P0": (5 * MINUTE, 15 * MINUTE, 30 * MINUTE),
    "P1": (15 * MINUTE, HOUR, 2 * HOUR),
    "P2": (HOUR, 4 * HOUR, None),
    "P3": (4 * HOUR, 24 * HOUR, None),
}
OPEN = ("NEW", "ACKNOWLEDGED", "IN_PROGRESS", "ESCALATED")


def told_at(timer: str, severity: str, status: str) -> list[str]:
    """Who is told when ``timer`` is due: the table, written down from the specification and its guards."""
    match timer:
        case "acknowledgment" if status == "NEW":
            return ["bo"]
        case "resolution" if status in OPEN:
            return ["lead"]
        case "manager" if status in OPEN and severity in ("P0", "P1"):
            return ["boss"]
    return []


@pytest.mark.requirement("RTE-05")
@pytest.mark.requirement("RTE-07")
@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
@pytest.mark.parametrize("status", [*OPEN, "RESOLVED", "CLOSED"])
@pytest.mark.parametrize("severity", TIMERS)
async def test_each_timer_tells_whom_the_table_names(
    tmp_path: Path, severity: str, status: str, restarted: bool
) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity=severity)).incident_id
        assert app.told() == ["ana"]
        await app.bring_to(incident_id, status)
        passed = 0.0
        for timer, due in zip(("acknowledgment", "resolution", "manager"), TIMERS[severity], strict=True):
            if due is None:
                continue
            if restarted:
                await app.restart()
            await app.fast_forward(seconds=due - passed - 1)
            app.expect_silence()
            if restarted:
                await app.restart()
            await app.fast_forward(seconds=1)
            passed = due
            assert app.told() == told_at(timer, severity, status), timer
            incident = await app.incident(incident_id)
            if timer == "manager" and status in OPEN:
                assert incident.escalation_level == 3, "the manager's page leaves the level alone"
            assert incident.is_open == (status in OPEN)


@pytest.mark.requirement("RTE-05")
@pytest.mark.parametrize("severity", ["P0", "P1", "P2", "P3"])
async def test_a_deadline_escalates_and_is_recorded_as_missed(tmp_path: Path, severity: str) -> None:
    acknowledgment, resolution, _ = TIMERS[severity]
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity=severity)).incident_id
        await app.fast_forward(seconds=acknowledgment)
        incident = await app.incident(incident_id)
        assert (incident.status, incident.escalation_level) == ("ESCALATED", 2)
        assert (incident.sla.acknowledgment_breached, incident.sla.resolution_breached) == (True, False)
        await app.fast_forward(seconds=resolution - acknowledgment)
        incident = await app.incident(incident_id)
        assert (incident.status, incident.escalation_level) == ("ESCALATED", 3)
        assert incident.sla.resolution_breached
        assert app.told() == ["ana", "bo", "lead"]


@pytest.mark.requirement("RTE-05")
@pytest.mark.parametrize("severity", ["P2", "P3"])
async def test_less_urgent_incidents_end_at_the_last_resort_without_a_manager(tmp_path: Path, severity: str) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity=severity)).incident_id
        await app.fast_forward(minutes=60 * 24 * 3)
        assert app.told() == ["ana", "bo", "last", "lead"]
        ladder = (await app.incident(incident_id)).ladder
        assert (ladder.state, ladder.reason) == ("exhausted", "every level was told")


@pytest.mark.requirement("RTE-05")
async def test_informational_incidents_page_nobody_ever(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="info")).incident_id
        await app.fast_forward(minutes=60 * 24 * 30)
        app.expect_silence()
        incident = await app.incident(incident_id)
        assert (incident.severity, incident.status, incident.ladder.state) == ("P4", "NEW", "quiet")
        assert incident.sla.acknowledgment_deadline is None


@pytest.mark.requirement("RTE-05")
async def test_who_works_on_it_is_passed_over_at_the_resolution_deadline_only(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="P0")).incident_id
        await app.fast_forward(minutes=5)
        await app.act("bo", incident_id, "start_work")
        app.pages.clear()
        await app.fast_forward(minutes=10)
        assert app.told() == ["lead"]
        await app.act("lead", incident_id, "start_work")
        await app.fast_forward(minutes=15)
        assert app.told() == ["boss"], "the manager is told in every unresolved state"
        assert (await app.incident(incident_id)).status == "IN_PROGRESS"
        await app.fast_forward(minutes=60 * 24)


@pytest.mark.requirement("RTE-07")
async def test_after_an_outage_the_steps_are_taken_one_by_one(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="P0")).incident_id
        assert app.told() == ["ana"]
        await app.outage(hours=5)
        assert app.told() == ["bo"], "one step, however late"
        await app.fast_forward(seconds=599)
        app.expect_silence()
        await app.fast_forward(seconds=1)
        assert app.told() == ["lead"], "ten minutes after the step before, as planned"
        await app.fast_forward(minutes=15)
        assert app.told() == ["boss"]
        assert (await app.incident(incident_id)).sla.resolution_breached


@pytest.mark.requirement("RTE-05")
@pytest.mark.requirement("RTE-06")
async def test_a_snooze_holds_the_ladder_and_the_steps_after_it_keep_their_distance(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="P0")).incident_id
        assert app.told() == ["ana"]
        until = app.clock.now().replace(hour=10)
        await app.house.respond.snooze(person("ana"), str(incident_id), until)
        await app.fast_forward(minutes=59)
        app.expect_silence()
        await app.fast_forward(minutes=1)
        assert app.told() == ["bo"]
        await app.fast_forward(minutes=9)
        app.expect_silence()
        await app.fast_forward(minutes=1)
        assert app.told() == ["lead"]
