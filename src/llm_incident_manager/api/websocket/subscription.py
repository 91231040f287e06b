"""What a watcher asks for: the filters of ``GET /api/v1/incidents`` under the same names, as one message."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from llm_incident_manager.api.filters import pairs, span
from llm_incident_manager.domain.events.tree import shown, text_fault
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity, Status
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import FieldFault, Invalid

MOST_VALUES = 100
LONGEST = 200
NAMES = (
    *("start", "end", "severity", "status", "category", "source", "environment"),
    *("assigned_to", "assigned_team", "tag", "q"),
)
E = TypeVar("E", bound=Enum)


class Subscription(NamedTuple):
    """The filter, the values it was made of, and the instant to go on from."""

    wanted: IncidentFilter
    filters: Mapping[str, list[str]]
    resume: datetime | None


def subscription_of(document: Mapping[str, Any]) -> Subscription:
    """Return what ``{"type": "subscribe", "filters": {…}, "resume": "…"}`` asks for; raises Invalid."""
    faults: list[FieldFault] = []
    if document.get("type") != "subscribe":
        fault = FieldFault("type", f"is {shown(document.get('type'))}; it must be subscribe or heartbeat")
        raise Invalid(f"the message is not understood: type {fault.message}", [fault], code="invalid_message")
    faults += [
        FieldFault(shown(name)[1:-1], "is not known here; a subscription has filters and resume")
        for name in document
        if name not in ("type", "filters", "resume")
    ]
    filters = _values(document.get("filters"), faults)
    wanted = IncidentFilter()
    try:
        since, until = span(_single(filters, "start", faults), _single(filters, "end", faults))
        wanted = IncidentFilter(
            start=since,
            end=until,
            severity=_members(Severity, filters, "severity", faults),
            status=_members(Status, filters, "status", faults),
            category=_members(Category, filters, "category", faults),
            environment=_members(Environment, filters, "environment", faults),
            source=tuple(filters.get("source", ())),
            assigned_to=tuple(filters.get("assigned_to", ())),
            assigned_team=tuple(filters.get("assigned_team", ())),
            tags=pairs(filters.get("tag")),
            text=(_single(filters, "q", faults) or "").strip() or None,
        )
    except Invalid as wrong:
        faults += wrong.faults
    resume = _instant(document.get("resume"), faults)
    if faults:
        first = faults[0]
        raise Invalid(f"the subscription is wrong: {first.field} {first.message}", faults, code="invalid_filter")
    return Subscription(wanted, filters, resume)


def _values(given: object, faults: list[FieldFault]) -> dict[str, list[str]]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        faults.append(FieldFault("filters", f'is {shown(given)}; send an object such as {{"severity": ["P0", "P1"]}}'))
        return {}
    found: dict[str, list[str]] = {}
    for name, value in given.items():
        if name not in NAMES:
            faults.append(FieldFault(f"filters.{shown(name)[1:-1]}", f"is not known; filters are {', '.join(NAMES)}"))
            continue
        values = value if isinstance(value, list) else [value]
        if len(values) > MOST_VALUES or not all(isinstance(each, str) and len(each) <= LONGEST for each in values):
            faults.append(
                FieldFault(
                    f"filters.{name}",
                    f"is {shown(value)}; send text of at most {LONGEST} characters, or a list of up to {MOST_VALUES}",
                )
            )
            continue
        faults += [FieldFault(f"filters.{name}", wrong) for each in values if (wrong := text_fault(each))]
        found[name] = values
    return found


def _single(filters: Mapping[str, list[str]], name: str, faults: list[FieldFault]) -> str | None:
    values = filters.get(name, [])
    if len(values) > 1:
        faults.append(FieldFault(f"filters.{name}", f"has {len(values)} values; send one"))
    return values[0] if values else None


def _members(kind: type[E], filters: Mapping[str, list[str]], name: str, faults: list[FieldFault]) -> tuple[E, ...]:
    known = {each.value: each for each in kind}
    found = []
    for value in filters.get(name, ()):
        if value in known:
            found.append(known[value])
        else:
            faults.append(FieldFault(f"filters.{name}", f"is {shown(value)}; it must be one of {', '.join(known)}"))
    return tuple(found)


def _instant(given: object, faults: list[FieldFault]) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, str) and given.isdecimal() and given.isascii() and len(given) <= 17:
        try:
            return datetime.fromtimestamp(int(given) / 1_000_000, UTC)
        except (OverflowError, ValueError, OSError):
            pass
    faults.append(FieldFault("resume", f"is {shown(given)}; send the resume of the last message that you have"))
    return None
