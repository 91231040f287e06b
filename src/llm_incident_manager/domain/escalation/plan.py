"""From a policy, or from §4.3's table, to the plan an incident's ladder climbs by (RTE-04, RTE-05)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from llm_incident_manager.domain.escalation.policy import TABLE, Policy, Timers
from llm_incident_manager.domain.incidents.ladder import Plan, Step, StepKind
from llm_incident_manager.domain.people import CatchAll, Target, Team
from llm_incident_manager.domain.routing.conditions import Subject, mismatch
from llm_incident_manager.domain.routing.periods import is_active
from llm_incident_manager.domain.routing.route import Considered
from llm_incident_manager.domain.vocabulary import Severity, TargetType


class PolicyChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The policy taken, if any, and every one looked at on the way."""

    policy: Policy | None = None
    considered: tuple[Considered, ...] = ()


def choose_policy(policies: Sequence[Policy], subject: Subject, at: datetime, *, named: str | None) -> PolicyChoice:
    """Return the policy that the route names if it can be used, else the best matching enabled one.

    A policy outside its active hours or days does not match, named or not (interfaces, "Ladder").
    """
    considered: list[Considered] = []
    ordered = sorted(policies, key=lambda policy: (-policy.priority, policy.name))
    chosen = [policy for policy in ordered if named is not None and named in (policy.name, policy.id)]
    for policy in chosen:
        reason = _unusable(policy, at)
        considered.append(Considered(name=policy.name, mismatch=reason))
        if reason is None:
            return PolicyChoice(policy=policy, considered=tuple(considered))
    for policy in ordered:
        if policy in chosen:
            continue
        reason = _unusable(policy, at) or mismatch(policy.conditions, subject)
        considered.append(Considered(name=policy.name, mismatch=reason))
        if reason is None:
            return PolicyChoice(policy=policy, considered=tuple(considered))
    return PolicyChoice(considered=tuple(considered))


def plan_for(
    severity: Severity,
    policy: Policy | None,
    team: Team | None,
    catch_all: CatchAll,
    *,
    user: str | None = None,
    chosen: tuple[Target, ...] = (),
    also: tuple[Target, ...] = (),
) -> Plan:
    """Return the steps for an incident of this severity; P4 gets deadlines of a policy, but no steps: it pages nobody.

    ``user`` is whom the route names: level 1 where no policy says otherwise. ``chosen`` is whom its strategy chose:
    level 1 in place of who stands there, who is told where those cannot be reached. ``also`` is told beside them.
    """
    return _first_told(_plan(severity, policy, team, catch_all, user), chosen, also)


def _first_told(plan: Plan, chosen: tuple[Target, ...], also: tuple[Target, ...]) -> Plan:
    if not plan.steps or not (chosen or also):
        return plan
    first, *rest = plan.steps
    otherwise = first.targets[0] if first.targets else None
    told = tuple(
        target
        if target.fallback is not None or target == otherwise
        else msgspec.structs.replace(target, fallback=otherwise)
        for target in chosen
    )
    targets = tuple(dict.fromkeys((*(told or first.targets), *also)))
    return msgspec.structs.replace(plan, steps=(msgspec.structs.replace(first, targets=targets), *rest))


def _plan(severity: Severity, policy: Policy | None, team: Team | None, catch_all: CatchAll, user: str | None) -> Plan:
    table = TABLE[severity]
    if policy is None:
        return _table_plan(table, team, catch_all, user)
    acknowledgment = _first(policy.timers.acknowledgment_timeout, table.acknowledgment)
    resolution = _first(policy.timers.resolution_timeout, table.resolution)
    if severity is Severity.P4:
        return Plan(policy=policy.name, acknowledgment_seconds=acknowledgment, resolution_seconds=resolution)
    default = _first(policy.timers.escalation_interval, policy.timers.acknowledgment_timeout, table.acknowledgment)
    steps: list[Step] = []
    wait = 0.0
    for level in sorted(policy.levels, key=lambda level: level.level):
        steps.append(
            Step(
                kind=StepKind.LEVEL,
                level=level.level,
                after_seconds=wait,
                targets=level.targets,
                channels=level.notification_channels,
                template=level.notification_template,
            )
        )
        wait = _first(level.escalate_after, default) or 0.0
    steps.append(_last_step(steps, wait, catch_all))
    return Plan(
        policy=policy.name,
        steps=tuple(steps),
        repeat=policy.repeat.times,
        acknowledgment_seconds=acknowledgment,
        resolution_seconds=resolution,
    )


def _table_plan(table: Timers, team: Team | None, catch_all: CatchAll, user: str | None) -> Plan:
    if table.acknowledgment is None or table.resolution is None:
        return Plan()
    levels = _levels_of(team, user)
    first = Step(kind=StepKind.LEVEL, level=1, targets=levels[1] or catch_all.targets)
    steps = [
        first,
        Step(
            kind=StepKind.ACKNOWLEDGMENT, level=2, after_seconds=table.acknowledgment,
            targets=levels[2] or catch_all.targets,
        ),
        Step(
            kind=StepKind.RESOLUTION, level=3, after_seconds=table.resolution - table.acknowledgment,
            targets=levels[3] or catch_all.targets,
        ),
    ]  # fmt: skip
    if table.manager is not None:
        manager = _escalation(team, "manager") or catch_all.targets
        steps.append(
            Step(kind=StepKind.MANAGER, level=3, after_seconds=table.manager - table.resolution, targets=manager)
        )
    steps.append(_last_step(steps, table.acknowledgment, catch_all))
    return Plan(steps=tuple(steps), acknowledgment_seconds=table.acknowledgment, resolution_seconds=table.resolution)


def _levels_of(team: Team | None, user: str | None) -> dict[int, tuple[Target, ...]]:
    """Who levels 1 to 3 are; a missing one falls to the next (interfaces, "Ladder")."""
    own = (Target(type=TargetType.TEAM, id=team.id),) if team is not None else ()
    if user is not None:
        own = (Target(type=TargetType.USER, id=user), *own)
    third = _escalation(team, "3") or _escalation(team, "manager")
    second = _escalation(team, "2") or third
    return {1: _escalation(team, "1") or own or second, 2: second, 3: third}


def _escalation(team: Team | None, key: str) -> tuple[Target, ...]:
    return team.escalation.get(key, ()) if team is not None else ()


def _last_step(steps: Sequence[Step], wait: float, catch_all: CatchAll) -> Step:
    level = steps[-1].level if steps else 1
    return Step(
        kind=StepKind.CATCH_ALL,
        level=level,
        after_seconds=wait,
        targets=catch_all.targets,
        channels=catch_all.channels,
    )


def _unusable(policy: Policy, at: datetime) -> str | None:
    if not policy.enabled:
        return "it is disabled"
    if policy.schedule is not None and not is_active(policy.schedule, at):
        return "it is outside its active hours"
    return None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
