"""The ladder's moves as tables: what is due when, by status, by hand, after a pause, in rounds."""

from datetime import datetime, timedelta

import pytest

from llm_incident_manager.domain.escalation.moves import (
    acts,
    advance,
    hurry,
    resume,
    settle,
    start,
    step_down,
    wanted_timers,
)
from llm_incident_manager.domain.escalation.plan import plan_for
from llm_incident_manager.domain.escalation.policy import Level, Policy, Repeat
from llm_incident_manager.domain.escalation.timer import TimerKind
from llm_incident_manager.domain.incidents.incident import Sla
from llm_incident_manager.domain.incidents.ladder import LadderState, Plan, StepKind
from llm_incident_manager.domain.people import CatchAll
from llm_incident_manager.domain.vocabulary import Severity, Status
from tests.build import NOON, an_incident

TABLE_P0 = plan_for(Severity.P0, None, None, CatchAll())
TWO_LEVELS = plan_for(
    Severity.P0,
    Policy(
        id="p",
        name="p",
        levels=(Level(level=1, escalate_after=60), Level(level=2, escalate_after=120)),
        repeat=Repeat(times=1),
    ),
    None,
    CatchAll(),
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.requirement("RTE-05")
@pytest.mark.parametrize(
    ("status", "kind", "due"),
    [
        ("NEW", StepKind.ACKNOWLEDGMENT, 300),
        ("ACKNOWLEDGED", StepKind.RESOLUTION, 900),
        ("IN_PROGRESS", StepKind.RESOLUTION, 900),
        ("ESCALATED", StepKind.RESOLUTION, 900),
    ],
)
def test_what_is_due_next_depends_on_the_status(status: str, kind: StepKind, due: float) -> None:
    ladder = settle(start(TABLE_P0, Status.NEW, at=NOON), TABLE_P0, Status(status))
    assert ladder.pending is not None
    assert (TABLE_P0.steps[ladder.pending].kind, ladder.next_at) == (kind, at(due))


@pytest.mark.requirement("RTE-05")
@pytest.mark.parametrize("status", ["RESOLVED", "CLOSED"])
def test_an_end_ends_the_ladder(status: str) -> None:
    ladder = settle(start(TABLE_P0, Status.NEW, at=NOON), TABLE_P0, Status(status))
    assert (ladder.state, ladder.pending, ladder.next_at) == (LadderState.ENDED, None, None)


def test_a_plan_without_steps_is_quiet() -> None:
    assert start(Plan(), Status.NEW, at=NOON).state is LadderState.QUIET


@pytest.mark.requirement("RTE-04")
def test_levels_count_from_the_moment_the_one_before_was_told() -> None:
    ladder = start(TWO_LEVELS, Status.NEW, at=NOON)
    assert ladder.next_at == at(60)
    ladder, step = advance(ladder, TWO_LEVELS, Status.ESCALATED, at=at(100))
    assert (step.level, ladder.next_at, ladder.late_seconds) == (2, at(220), 40.0)
    ladder, step = advance(ladder, TWO_LEVELS, Status.ESCALATED, at=at(220))
    assert (step.level, ladder.round, ladder.next_at) == (1, 1, at(280))
    ladder, step = advance(ladder, TWO_LEVELS, Status.ESCALATED, at=at(280))
    ladder, step = advance(ladder, TWO_LEVELS, Status.ESCALATED, at=at(400))
    assert (step.kind, ladder.state) == (StepKind.CATCH_ALL, LadderState.EXHAUSTED)


@pytest.mark.requirement("RTE-07")
def test_the_table_counts_from_the_opening_moved_by_what_came_late() -> None:
    ladder = start(TABLE_P0, Status.NEW, at=NOON)
    ladder, _ = advance(ladder, TABLE_P0, Status.ESCALATED, at=at(310))
    assert ladder.next_at == at(910)
    ladder, _ = advance(ladder, TABLE_P0, Status.ESCALATED, at=at(5000))
    assert ladder.next_at == at(1800 + 4100)


def test_by_hand_the_next_step_is_taken_whatever_its_guard() -> None:
    ladder = settle(start(TWO_LEVELS, Status.NEW, at=NOON), TWO_LEVELS, Status.ACKNOWLEDGED)
    assert ladder.state is LadderState.TAKEN
    ladder, step = advance(ladder, TWO_LEVELS, Status.ESCALATED, at=at(10), by_hand=True)
    assert (step.level, ladder.level, ladder.next_at) == (2, 2, at(130))
    last = advance(ladder, TABLE_P0, Status.ESCALATED, at=at(20), by_hand=True)[0]
    for _ in range(9):
        last, step = advance(last, TABLE_P0, Status.ESCALATED, at=at(30), by_hand=True)
    assert step.kind is StepKind.CATCH_ALL


def test_a_level_that_nobody_heard_of_is_followed_at_once() -> None:
    ladder = start(TWO_LEVELS, Status.NEW, at=NOON)
    assert hurry(ladder, at=at(5)).next_at == at(5)
    assert hurry(ladder, at=at(61)) == ladder, "it is due already"
    taken = settle(ladder, TWO_LEVELS, Status.ACKNOWLEDGED)
    assert hurry(taken, at=at(5)) == taken, "nothing is pending"


def test_a_pause_moves_what_follows() -> None:
    ladder = resume(start(TABLE_P0, Status.NEW, at=NOON), TABLE_P0, Status.NEW, at=at(3600))
    assert ladder.next_at == at(3600)
    ladder, _ = advance(ladder, TABLE_P0, Status.ESCALATED, at=at(3600))
    assert ladder.next_at == at(3600 + 600)
    short = resume(start(TABLE_P0, Status.NEW, at=NOON), TABLE_P0, Status.NEW, at=at(100))
    assert short.next_at == at(300), "a pause that ends before the step was due changes nothing"


def test_level_one_is_the_lowest() -> None:
    ladder = start(TABLE_P0, Status.NEW, at=NOON)
    assert step_down(ladder).level == 1


@pytest.mark.requirement("RTE-07")
def test_a_timer_acts_only_while_its_cause_holds() -> None:
    ladder = start(TABLE_P0, Status.NEW, at=NOON)
    sla = Sla(acknowledgment_deadline=at(300), resolution_deadline=at(900))
    incident = an_incident(plan=TABLE_P0, ladder=ladder, sla=sla)
    timers = {timer.kind: timer for timer in wanted_timers(incident)}
    assert timers.keys() == {TimerKind.ACKNOWLEDGMENT, TimerKind.SLA_ACKNOWLEDGMENT, TimerKind.SLA_RESOLUTION}
    assert all(acts(incident, timer) for timer in timers.values())
    taken = an_incident(
        id=incident.id, plan=TABLE_P0, sla=sla, status=Status.ACKNOWLEDGED,
        ladder=settle(ladder, TABLE_P0, Status.ACKNOWLEDGED),
    )  # fmt: skip
    assert not acts(taken, timers[TimerKind.ACKNOWLEDGMENT])
    assert not acts(taken, timers[TimerKind.SLA_ACKNOWLEDGMENT])
    assert acts(taken, timers[TimerKind.SLA_RESOLUTION])
    anew = an_incident(id=incident.id, plan=TABLE_P0, sla=sla, ladder=start(TABLE_P0, Status.NEW, at=NOON, cycle=2))
    assert not any(acts(anew, timer) for timer in timers.values()), "another cycle is another cause"
    snoozed = an_incident(id=incident.id, plan=TABLE_P0, sla=sla, ladder=ladder, snoozed_until=at(7200))
    assert TimerKind.ACKNOWLEDGMENT not in {timer.kind for timer in wanted_timers(snoozed)}
    assert wanted_timers(an_incident(status=Status.RESOLVED, plan=TABLE_P0, sla=sla, ladder=ladder)) == ()
    assert wanted_timers(an_incident(imported=True, plan=TABLE_P0, sla=sla, ladder=ladder)) == ()
