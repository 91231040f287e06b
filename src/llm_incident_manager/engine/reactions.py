"""The table "this change → these follow-ups": pure, and on one screen.

Follow-ups are made in the same transaction as their cause, so that no crash can come between them.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from llm_incident_manager.domain.escalation.moves import (
    UNTAKEN,
    advance,
    carry_over,
    mute,
    resume,
    settle,
    start,
    step_down,
    tell_again,
    unheard,
)
from llm_incident_manager.domain.incidents.changes import (
    Change,
    IncidentOpened,
    LadderMoved,
    PeopleTold,
    Routed,
    SeverityChanged,
    Silenced,
    Snoozed,
    StatusChanged,
)
from llm_incident_manager.domain.incidents.evolve import applied
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState, Plan, Step, StepKind
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.notifications.planning import pages_for, reachable
from llm_incident_manager.domain.routing.strategy import LoadsOf, no_loads
from llm_incident_manager.domain.vocabulary import Action, NotificationType
from llm_incident_manager.engine.context import Context, Told
from llm_incident_manager.engine.kept_alerts import pass_on_taken
from llm_incident_manager.engine.notify import announce, unreached
from llm_incident_manager.engine.route import routed


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """When it happens, by whom, and what may be asked meanwhile."""

    at: datetime
    by: Actor
    context: Context
    told: Told
    loads: LoadsOf = no_loads


BY_HAND = "escalated_by_hand"
SILENCE_ENDED = "silence_ended"
FollowUp = Callable[[Incident, Any, Moment], list[Change]]


def follow_ups(incident: Incident | None, changes: Sequence[Change], moment: Moment) -> list[Change]:
    """Return ``changes`` with every follow-up right behind its cause.

    Changes that bring their own ladder move (a fired timer) are left as they are.
    """
    complete: list[Change] = []
    state = incident
    explicit = any(isinstance(change, LadderMoved) for change in changes)
    for change in changes:
        state = applied(state, (change,), at=moment.at, by=moment.by)
        complete.append(change)
        react = TABLE.get(type(change))
        if react is None or state.imported or explicit:
            continue
        further = react(state, change, moment)
        if further:
            state = applied(state, further, at=moment.at, by=moment.by)
            complete += further
    if state is not None and any(isinstance(change, StatusChanged) for change in changes) and not state.imported:
        # Once for all steps of a walk, of which only the last counts.
        told = moment.told(state.id) if moment.context.alert_keepers else ()
        complete += pass_on_taken(state, told, moment.context)
    return complete


def told_step(
    incident: Incident,
    plan: Plan,
    ladder: Ladder,
    step: Step,
    moment: Moment,
    *,
    kind: NotificationType,
    reason: str,
) -> list[Change]:
    """Return the ladder's move and the pages of ``step``; a level that nobody can be told of moves on at once."""
    reach = moment.context.reach(incident.severity, moment.at)
    pages = pages_for(step.targets, step.channels, reach)
    note = "" if reachable(pages) else "nobody of this level can be told"
    if not reachable(pages):
        ladder = unreached(ladder, plan, reach)
    told = PeopleTold(
        type=kind, level=step.level, cycle=ladder.cycle, reason=reason, step=ladder.index, pages=pages, note=note
    )
    return [LadderMoved(ladder=ladder), told]


def _open_ladder(incident: Incident, opened: IncidentOpened, moment: Moment) -> list[Change]:
    change = routed(incident, moment.context, at=moment.at, loads=moment.loads)
    if opened.overtaken_by is not None:
        return [change]
    return [
        change,
        *_first_step(incident, change, moment, cycle=1, kind=NotificationType.INCIDENT_CREATED, reason="opened"),
    ]


def _restart_ladder(incident: Incident, change: SeverityChanged, moment: Moment) -> list[Change]:
    if not change.after.worse_than(change.before):
        calmer = routed(incident, moment.context, at=incident.ladder.opened_at, loads=moment.loads)
        carried = carry_over(incident.ladder, incident.plan, calmer.plan, incident.status)
        return [calmer, LadderMoved(ladder=_held(incident, carried))]
    anew = routed(incident, moment.context, at=moment.at, loads=moment.loads)
    cycle = incident.ladder.cycle + 1
    # Whoever snoozed it knew the lesser trouble: the worse one is climbed for at once.
    awake = [Snoozed(until=None)] if incident.snoozed_until is not None else []
    kind, reason = NotificationType.INCIDENT_UPDATED, "severity_raised"
    return [anew, *awake, *_first_step(incident, anew, moment, cycle=cycle, kind=kind, reason=reason)]


def _first_step(
    incident: Incident, change: Routed, moment: Moment, *, cycle: int, kind: NotificationType, reason: str
) -> list[Change]:
    """Return level 1 told; where a silence matches, only what it holds; where somebody has it, nothing to tell."""
    silence = moment.context.silencing(incident, moment.at) if change.plan.steps else None
    if silence is not None:
        waiting = mute(unheard(change.plan, at=moment.at, cycle=cycle), silence, incident.status)
        return [Silenced(silence=silence), LadderMoved(ladder=waiting)]
    over: list[Change] = [Silenced(silence=None)] if incident.silence is not None else []
    ladder = start(change.plan, incident.status, at=moment.at, cycle=cycle)
    if not change.plan.steps or (reason == SILENCE_ENDED and incident.status not in UNTAKEN):
        return [*over, LadderMoved(ladder=ladder)]
    return [*over, *told_step(incident, change.plan, ladder, change.plan.steps[0], moment, kind=kind, reason=reason)]


def _move_ladder(incident: Incident, change: StatusChanged, moment: Moment) -> list[Change]:
    ladder, plan = incident.ladder, incident.plan
    match change.action:
        case Action.ESCALATE if plan.steps:
            moved, step = advance(ladder, plan, incident.status, at=moment.at, by_hand=True)
            moved = _held(incident, moved)
            return told_step(incident, plan, moved, step, moment, kind=NotificationType.ESCALATED, reason=BY_HAND)
        case Action.REOPEN if plan.steps:
            again = start(plan, incident.status, at=moment.at, cycle=ladder.cycle + 1)
            return [LadderMoved(ladder=_held(incident, again))]
        case Action.DE_ESCALATE:
            ladder = step_down(ladder)
        case _:
            pass
    changes: list[Change] = [LadderMoved(ladder=_held(incident, settle(ladder, plan, incident.status)))]
    if change.action is Action.RESOLVE:
        changes += announce(incident, moment.told(incident.id), moment.context, at=moment.at)
    return changes


def _hold_ladder(incident: Incident, change: Snoozed, moment: Moment) -> list[Change]:
    if change.until is not None:
        held = msgspec.structs.replace(
            incident.ladder, state=LadderState.SNOOZED, reason=f"snoozed until {change.until:%Y-%m-%d %H:%M} UTC"
        )
        return [LadderMoved(ladder=held)]
    if incident.silence is not None:
        settled = settle(incident.ladder, incident.plan, incident.status)
        return [LadderMoved(ladder=mute(settled, incident.silence, incident.status))]
    return _go_on(incident, moment)


def _silence_ladder(incident: Incident, change: Silenced, moment: Moment) -> list[Change]:
    """Hold the ladder while silences match. When they end it starts, or goes on where it stood (design, "Guarantees").

    What the silence kept from arriving is told again: nobody has heard of that step.
    """
    if change.silence is not None:
        return [LadderMoved(ladder=mute(incident.ladder, change.silence, incident.status))]
    ladder, plan = incident.ladder, incident.plan
    waits = incident.status in UNTAKEN and incident.snoozed_until is None and 0 <= ladder.index < len(plan.steps)
    if waits and not _was_heard(incident, moment):
        kind = NotificationType.ESCALATED if ladder.index else NotificationType.INCIDENT_CREATED
        again = tell_again(ladder, plan, incident.status, at=moment.at)
        return told_step(incident, plan, again, plan.steps[ladder.index], moment, kind=kind, reason=SILENCE_ENDED)
    return _go_on(incident, moment)


def _go_on(incident: Incident, moment: Moment) -> list[Change]:
    """Return the ladder after a pause; one of which nobody was told yet starts now, and its deadlines with it."""
    ladder, plan = incident.ladder, incident.plan
    if incident.snoozed_until is not None:
        return [LadderMoved(ladder=msgspec.structs.replace(ladder, state=LadderState.SNOOZED))]
    if ladder.index >= 0 or not plan.steps:
        return [LadderMoved(ladder=resume(ladder, plan, incident.status, at=moment.at))]
    anew = routed(incident, moment.context, at=moment.at, loads=moment.loads)
    kind = NotificationType.INCIDENT_CREATED
    return [anew, *_first_step(incident, anew, moment, cycle=ladder.cycle, kind=kind, reason=SILENCE_ENDED)]


def _was_heard(incident: Incident, moment: Moment) -> bool:
    """Whether a page of the step told last has arrived."""
    told = (incident.ladder.cycle, incident.ladder.index)
    rows = (row for row in moment.told(incident.id) if (row.cycle, row.step) == told)
    return any(row.state is DeliveryState.DELIVERED for row in rows)


def _held(incident: Incident, ladder: Ladder) -> Ladder:
    return mute(ladder, incident.silence, incident.status) if incident.silence is not None else ladder


TABLE: Mapping[type[Change], FollowUp] = MappingProxyType(
    {
        IncidentOpened: _open_ladder,
        SeverityChanged: _restart_ladder,
        StatusChanged: _move_ladder,
        Snoozed: _hold_ladder,
        Silenced: _silence_ladder,
    }
)
"""What follows from what; a change that is not here has no follow-up."""

ESCALATING = frozenset({StepKind.LEVEL, StepKind.ACKNOWLEDGMENT, StepKind.RESOLUTION})
"""Steps that escalate the incident's status; the manager's page and the catch-all leave it alone."""
