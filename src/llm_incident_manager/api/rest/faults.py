"""From what the validator found to fields with their value and remedy."""

from collections.abc import Iterable, Mapping
from typing import Any

from llm_incident_manager.domain.events.tree import shown
from llm_incident_manager.errors import FieldFault

_PLACES = frozenset({"query", "path", "header", "body"})


def faults_of(errors: Iterable[Mapping[str, Any]]) -> list[FieldFault]:
    """Return one fault per error; a union's alternatives are folded into one."""
    found: dict[str, FieldFault] = {}
    for error in errors:
        field = _path(error["loc"])
        found.setdefault(field, FieldFault(field, _message(error)))
    return list(found.values())


def _path(places: Iterable[Any]) -> str:
    path = ""
    for number, place in enumerate(places):
        if number == 0 and place in _PLACES:
            continue
        path += f"[{place}]" if isinstance(place, int) else f".{place}" if path else str(place)
    return path or "body"


def _message(error: Mapping[str, Any]) -> str:
    kind, value, context = error["type"], error.get("input"), error.get("ctx") or {}
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not a member that is known here; leave it out"
    if kind in ("enum", "literal_error"):
        return f"is {shown(value)}; it must be one of {context.get('expected', '')}".replace("'", "")
    if kind == "string_pattern_mismatch":
        return f"is {shown(value)}; it must not be blank, hold a NUL, or characters that are not allowed here"
    if kind == "timezone_aware":
        return f"is {shown(value)}; name its zone, as in 2027-01-04T09:00:00Z"
    said = str(error["msg"])
    return f"is {shown(value)}; {said[:1].lower()}{said[1:]}"
