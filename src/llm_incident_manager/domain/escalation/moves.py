"""How the ladder moves: every function takes a position and returns the next one (RTE-05, interfaces "Ladder").

Guards (interfaces, "§4.3's guards"): which statuses a pending step still acts in.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from llm_incident_manager.domain.escalation.timer import Timer, TimerKind
from llm_incident_manager.domain.incidents.decide import is_unheard
from llm_incident_manager.domain.incidents.incident import Incident, Silencing
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState, Plan, Step, StepKind
from llm_incident_manager.domain.vocabulary import Status

_UNRESOLVED = frozenset({Status.NEW, Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.ESCALATED})
UNTAKEN = frozenset({Status.NEW, Status.ESCALATED})
"""Nobody has it."""

GUARDS: Mapping[StepKind, frozenset[Status]] = MappingProxyType(
    {
        StepKind.LEVEL: UNTAKEN,
        StepKind.ACKNOWLEDGMENT: frozenset({Status.NEW}),
        StepKind.RESOLUTION: _UNRESOLVED,
        StepKind.MANAGER: _UNRESOLVED,
        StepKind.CATCH_ALL: UNTAKEN,
    }
)

replace = msgspec.structs.replace


def start(plan: Plan, status: Status, *, at: datetime, cycle: int = 1) -> Ladder:
    """Return the ladder at its first level, told at ``at``; a plan without steps is quiet."""
    if not plan.steps:
        return Ladder(state=LadderState.QUIET, cycle=cycle, opened_at=at, reason="this severity pages nobody")
    first = Ladder(
        state=LadderState.CLIMBING, cycle=cycle, index=0, level=plan.steps[0].level, opened_at=at, told_at=at
    )
    return settle(first, plan, status)


def settle(ladder: Ladder, plan: Plan, status: Status) -> Ladder:
    """Return the ladder with its pending step found anew for ``status``: steps whose guard fails are passed over."""
    if not status.is_open:
        return replace(ladder, state=LadderState.ENDED, pending=None, next_at=None, reason=f"it is {status}")
    if not plan.steps:
        return replace(ladder, state=LadderState.QUIET, pending=None, next_at=None)
    pending = _pending(ladder, plan, status)
    if pending is None:
        if status in UNTAKEN:
            reason = "every level was told"
            return replace(ladder, state=LadderState.EXHAUSTED, pending=None, next_at=None, reason=reason)
        return replace(ladder, state=LadderState.TAKEN, pending=None, next_at=None, reason="somebody has it")
    state = LadderState.CLIMBING if status in UNTAKEN else LadderState.TAKEN
    reason = "" if status in UNTAKEN else "somebody has it"
    return replace(ladder, state=state, pending=pending, next_at=_due(ladder, plan, pending), reason=reason)


def advance(ladder: Ladder, plan: Plan, status: Status, *, at: datetime, by_hand: bool = False) -> tuple[Ladder, Step]:
    """Return the ladder one step on, and the step to tell now; ``status`` is the one after the move.

    By hand the next step is taken whatever its guard; at the end of the plan the last one is told again.
    """
    last = len(plan.steps) - 1
    index = min(ladder.index + 1, last) if by_hand or ladder.pending is None else ladder.pending
    late = 0.0
    if not by_hand and ladder.next_at is not None:
        late = max(0.0, (at - ladder.next_at).total_seconds())
    step = plan.steps[index]
    keeps_level = step.kind in (StepKind.MANAGER, StepKind.CATCH_ALL)
    moved = replace(
        ladder,
        index=index,
        round=ladder.round + (1 if index <= ladder.index and not by_hand else 0),
        level=ladder.level if keeps_level else step.level,
        told_at=at,
        late_seconds=ladder.late_seconds + late,
    )
    return settle(moved, plan, status), step


def hurry(ladder: Ladder, *, at: datetime) -> Ladder:
    """Return the ladder with its pending step due at once: the level told could not be reached."""
    if ladder.pending is None or ladder.next_at is None or ladder.next_at <= at:
        return ladder
    return replace(ladder, next_at=at, reason="the level told could not be reached")


def resume(ladder: Ladder, plan: Plan, status: Status, *, at: datetime) -> Ladder:
    """Return the ladder after a pause: what came due meanwhile is due now, and what follows keeps its distance."""
    settled = settle(ladder, plan, status)
    if settled.next_at is None or settled.next_at >= at:
        return settled
    late = (at - settled.next_at).total_seconds()
    return replace(settled, next_at=at, late_seconds=settled.late_seconds + late)


def mute(ladder: Ladder, silence: Silencing, status: Status) -> Ladder:
    """Return the ladder held by a silence: somebody who has it keeps it, and what would be told waits."""
    if ladder.state in (LadderState.TAKEN, LadderState.QUIET, LadderState.ENDED):
        return ladder
    if ladder.state is LadderState.SNOOZED and status.is_open:
        return ladder
    return replace(ladder, state=LadderState.SILENCED, reason=silence.reason)


def unheard(plan: Plan, *, at: datetime, cycle: int = 1) -> Ladder:
    """Return the ladder before its first step, told to nobody yet; a plan without steps is quiet."""
    if not plan.steps:
        return start(plan, Status.NEW, at=at, cycle=cycle)
    return Ladder(state=LadderState.SILENCED, cycle=cycle, level=plan.steps[0].level, opened_at=at)


def tell_again(ladder: Ladder, plan: Plan, status: Status, *, at: datetime) -> Ladder:
    """Return the ladder with its present step told at ``at``; what follows keeps its distance from now."""
    planned = sum(step.after_seconds for step in plan.steps[: ladder.index + 1])
    late = max(0.0, (at - ladder.opened_at).total_seconds() - planned)
    return settle(replace(ladder, told_at=at, late_seconds=late), plan, status)


def carry_over(ladder: Ladder, before: Plan, after: Plan, status: Status) -> Ladder:
    """Return the same height on another plan (severity lowered by a person): what was told there counts as told."""
    told = before.steps[ladder.index] if 0 <= ladder.index < len(before.steps) else None
    index = -1
    if told is not None:
        for place, step in enumerate(after.steps):
            extra = step.kind in (StepKind.MANAGER, StepKind.CATCH_ALL)
            if step.kind is told.kind if extra else step.level <= told.level:
                index = place
    return settle(replace(ladder, index=index), after, status)


def step_down(ladder: Ladder) -> Ladder:
    """Return the ladder one level lower (de-escalate); level 1 stays."""
    return replace(ladder, level=max(1, ladder.level - 1))


def acts(incident: Incident, timer: Timer) -> bool:
    """Whether the timer's cause (kind, level, cycle, instant) still holds for the incident as it is now."""
    return timer in wanted_timers(incident)


def wanted_timers(incident: Incident) -> tuple[Timer, ...]:
    """Return exactly the timers that the incident's state asks for: rows are made to agree with it."""
    if not incident.is_open or incident.imported:
        return ()
    timers: list[Timer] = []

    def want(kind: TimerKind, level: int, due: datetime) -> None:
        timers.append(
            Timer(
                tenant=incident.tenant,
                incident_id=incident.id,
                kind=kind,
                level=level,
                cycle=incident.ladder.cycle,
                due_at=due,
            )
        )

    ladder, sla = incident.ladder, incident.sla
    if incident.snoozed_until is not None:
        want(TimerKind.SNOOZE, ladder.level, incident.snoozed_until)
    if incident.silence is not None:
        want(TimerKind.SILENCE, ladder.level, incident.silence.until)
    if incident.snoozed_until is None and incident.silence is None and _waits(ladder):
        assert ladder.pending is not None
        assert ladder.next_at is not None
        step = incident.plan.steps[ladder.pending]
        want(TimerKind(step.kind.value), step.level, ladder.next_at)
    if incident.quiet_seconds is not None:
        want(TimerKind.QUIET, 1, _quiet_at(incident, incident.quiet_seconds))
    if is_unheard(incident):
        return tuple(timers)
    if incident.status is Status.NEW and sla.acknowledgment_deadline and not sla.acknowledgment_breached:
        want(TimerKind.SLA_ACKNOWLEDGMENT, 1, sla.acknowledgment_deadline)
    if sla.resolution_deadline is not None and not sla.resolution_breached:
        want(TimerKind.SLA_RESOLUTION, 1, sla.resolution_deadline)
    return tuple(timers)


def _quiet_at(incident: Incident, seconds: int) -> datetime:
    """Return when it was quiet for long enough, in whole minutes: a storm must not move a timer with every event."""
    since = max(incident.last_event_at or incident.created_at, incident.times.open_since or incident.created_at)
    due = since + timedelta(seconds=seconds, minutes=1) - timedelta(microseconds=1)
    return due.replace(second=0, microsecond=0)


def _waits(ladder: Ladder) -> bool:
    return ladder.pending is not None and ladder.next_at is not None


def _pending(ladder: Ladder, plan: Plan, status: Status) -> int | None:
    for index in range(ladder.index + 1, len(plan.steps)):
        step = plan.steps[index]
        if step.kind is StepKind.CATCH_ALL and ladder.round < plan.repeat and status in GUARDS[plan.steps[0].kind]:
            return 0
        if status in GUARDS[step.kind]:
            return index
    return None


def _due(ladder: Ladder, plan: Plan, pending: int) -> datetime:
    if plan.policy is not None:
        wait = plan.steps[pending].after_seconds if pending > ladder.index else plan.steps[-1].after_seconds
        return (ladder.told_at or ladder.opened_at) + timedelta(seconds=wait)
    planned = sum(step.after_seconds for step in plan.steps[: pending + 1])
    return ladder.opened_at + timedelta(seconds=planned + ladder.late_seconds)
