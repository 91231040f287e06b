"""Targets, the channels they are told on, and the conditions under which: what several kinds of documents share."""

from llm_incident_manager.domain.events.normalise import ENVIRONMENTS
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.routing.conditions import Conditions, ResourceConditions
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity, TargetType
from llm_incident_manager.engine.documents.contacts import CHANNELS, is_external_address
from llm_incident_manager.engine.documents.findings import did_you_mean, listed, quoted
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part

_FALLBACKS = 5


def read_targets(owner: Part, name: str, known: Known) -> tuple[Target, ...]:
    """Return the targets of a level; a fault where there are some and none of them reaches anybody."""
    before = len(owner.findings.faults)
    targets = tuple(target for part in owner.parts(name) if (target := read_target(part, known)) is not None)
    reasons = [unreachable(target, known) for target in targets]
    if targets and all(reasons) and len(owner.findings.faults) == before:
        owner.fault(name, f"reaches nobody: {'; '.join(reason for reason in reasons if reason)}")
    return targets


def read_target(part: Part, known: Known, depth: int = 0) -> Target | None:
    """Return one target, or ``None`` where it is faulty: a type nobody knows, or somebody who does not exist."""
    before = len(part.findings.faults)
    type_ = part.choice("type", TargetType, required=True)
    target_id = part.text("id", required=True, limit=2000)
    inner = part.part("fallback")
    fallback = None
    if inner is not None and depth >= _FALLBACKS:
        part.fault("fallback", f"more than {_FALLBACKS} fallbacks follow each other")
    elif inner is not None:
        fallback = read_target(inner, known, depth + 1)
    part.done()
    if type_ is not None and target_id:
        fault = missing(type_, target_id, known)
        if fault is not None:
            part.fault("", fault)
    if type_ is None or not target_id or len(part.findings.faults) > before:
        return None
    return Target(type=type_, id=target_id, fallback=fallback)


def missing(type_: TargetType, target_id: str, known: Known) -> str | None:
    """Return that somebody does not exist, and who does."""
    match type_:
        case TargetType.USER:
            return _absent("user", target_id, known.users)
        case TargetType.TEAM:
            return _absent("team", target_id, known.teams)
        case TargetType.ON_CALL:
            return _absent("schedule", target_id, known.schedules)
        case TargetType.EXTERNAL:
            if is_external_address(target_id):
                return None
            return f"{quoted(target_id)} is neither an e-mail address nor a URL, as an external target must be"


def unreachable(target: Target, known: Known) -> str | None:
    """Return why nobody is reached through ``target`` and its fallbacks, or ``None``."""
    reason = known.unreachable.get(target.label)
    if reason is None or target.fallback is None:
        return reason
    further = unreachable(target.fallback, known)
    return None if further is None else f"{reason}; {further}"


def read_channels(part: Part, name: str, *aliases: str, known: Known) -> tuple[str, ...]:
    """Return channel names; those that cannot be sent on yet are kept with a note, other words are faults."""
    found: dict[str, None] = {}
    for path, word in part.words(name, *aliases):
        channel = word.lower()
        if channel in known.channels:
            found[channel] = None
        elif channel in CHANNELS:
            found[channel] = None
            part.findings.note(path, f"channel {channel} cannot be sent on yet; it is kept, and skipped in its turn")
        else:
            names = {*known.channels, *CHANNELS}
            hint = did_you_mean(channel, names) or f"channels: {listed(names)}"
            part.findings.fault(path, f"{quoted(word)} is not a channel; {hint}")
    return tuple(found)


def read_conditions(owner: Part) -> Conditions:
    """Return specification §5.3's ``conditions``; scalars stand for lists, nothing for "everything"."""
    part = owner.part("conditions")
    if part is None:
        return Conditions()
    conditions = Conditions(
        severity=part.choices("severity", Severity),
        category=part.choices("category", Category),
        source=tuple(word for _, word in part.words("source")),
        tags=part.texts("tags"),
        environment=part.choices("environment", Environment, also=dict(ENVIRONMENTS)),
        resource=_resource(part),
    )
    part.done()
    return conditions


def _resource(owner: Part) -> ResourceConditions:
    part = owner.part("resource")
    if part is None:
        return ResourceConditions()
    resource = ResourceConditions(
        type=tuple(word for _, word in part.words("type")), id=tuple(word for _, word in part.words("id"))
    )
    part.done()
    return resource


def _absent(what: str, name: str, names: frozenset[str]) -> str | None:
    return None if name in names else f"{what} {quoted(name)} does not exist; known {what}s: {listed(names)}"


def read_reference(part: Part, name: str, what: str, names: frozenset[str]) -> str | None:
    """Return the id that a field names; a fault where it does not exist."""
    value = part.text(name)
    fault = _absent(what, value, names) if value else None
    if fault is not None:
        part.fault(name, fault)
    return value or None
