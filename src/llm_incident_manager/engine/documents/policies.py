"""Escalation policies as documents: specification §5.3, and §6.2's shorter spelling (``channels``, scalars)."""

from typing import Any

from llm_incident_manager.domain.escalation.policy import (
    Level,
    Policy,
    PolicyTimers,
    Repeat,
)
from llm_incident_manager.engine.documents.findings import Findings, quoted
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_id
from llm_incident_manager.engine.documents.periods import read_periods
from llm_incident_manager.engine.documents.routes import read_priority
from llm_incident_manager.engine.documents.targets import read_channels, read_conditions, read_targets

_LONGEST_SECONDS = 90 * 86400
_MOST_LEVELS = 20
_ACTIONS = ("webhook", "playbook", "integration")


def parse_policy(document: dict[str, Any], known: Known, findings: Findings) -> Policy:
    """Return a policy; its name is unique, its id defaults to the name's slug."""
    part = Part(document, "", findings)
    policy_id = read_id(part, Kind.POLICIES, document)
    name = part.text("name", required=True, limit=200)
    for other, taken in known.policies.items():
        if name and taken == name and other != policy_id:
            part.fault("name", f"policy {quoted(other)} has the name {quoted(name)} already; names are unique")
    policy = Policy(
        id=policy_id,
        name=name,
        description=part.text("description", limit=5000),
        conditions=read_conditions(part),
        levels=_levels(part, known),
        timers=_timers(part),
        schedule=read_periods(part),
        repeat=_repeat(part),
        enabled=part.flag("enabled", default=True),
        priority=read_priority(part),
    )
    part.done()
    return policy


def _levels(owner: Part, known: Known) -> tuple[Level, ...]:
    parts = owner.parts("levels")
    if not parts:
        owner.fault("levels", "a policy needs at least one level")
    if len(parts) > _MOST_LEVELS:
        owner.fault("levels", f"has {len(parts)} levels; at most {_MOST_LEVELS} are allowed")
    levels = [_level(part, position, known) for position, part in enumerate(parts, 1)]
    for part, before, level in zip(parts[1:], levels, levels[1:], strict=False):
        if level.level <= before.level:
            part.fault("level", f"level {level.level} stands after level {before.level}; number them upwards")
    return tuple(levels)


def _level(part: Part, position: int, known: Known) -> Level:
    number = part.whole("level", low=1, high=100, unit="level")
    targets = read_targets(part, "targets", known)
    if not part.values("targets"):
        part.fault("targets", f"level {number or position} reaches nobody; name at least one target")
    level = Level(
        level=number or position,
        name=part.text("name", limit=200),
        targets=targets,
        escalate_after=_seconds(part, "escalate_after"),
        notification_channels=read_channels(part, "notification_channels", "channels", "channel", known=known),
        notification_template=part.text("notification_template", "template") or None,
    )
    for action in part.parts("actions"):
        action.one_of("type", _ACTIONS, default="webhook")
        action.part("config")
        action.done()
        action.note("type", "the actions of a level are kept and not run yet")
    part.done()
    return level


def _timers(owner: Part) -> PolicyTimers:
    part = owner.part("timers")
    if part is None:
        return PolicyTimers()
    timers = PolicyTimers(
        acknowledgment_timeout=_seconds(part, "acknowledgment_timeout"),
        resolution_timeout=_seconds(part, "resolution_timeout"),
        escalation_interval=_seconds(part, "escalation_interval"),
    )
    part.done()
    return timers


def _repeat(owner: Part) -> Repeat:
    _, value = owner.take("repeat")
    if isinstance(value, int | str) and not isinstance(value, bool):
        return Repeat(times=owner.whole("repeat", low=0, high=100, unit="rounds") or 0)
    part = owner.part("repeat")
    if part is None:
        return Repeat()
    times = part.whole("times", low=0, high=100, unit="rounds")
    part.done()
    return Repeat(times=times or 0)


def _seconds(part: Part, name: str) -> float | None:
    value = part.number(name, low=0, high=_LONGEST_SECONDS, unit="seconds")
    if value == 0:
        part.fault(name, "must be longer than 0 seconds")
    return value or None
