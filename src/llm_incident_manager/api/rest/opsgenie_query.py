"""Opsgenie's search as a filter of incidents: ``status: open AND priority: P1 AND latency``."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Status
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources.opsgenie import SEVERITIES

MOST_OFFSET = 20_000
_MOST_LIMIT = 100
_LONGEST = 1000
_SORTS = {
    "createdat": "created_at", "tinyid": "created_at", "updatedat": "updated_at", "lastoccurredat": "last_event_at",
    "priority": "severity",
}  # fmt: skip
_TERM = re.compile(r'\s*(?:([A-Za-z][\w.-]{0,60})\s*:\s*)?("(?:[^"\\]|\\.)*"|[^\s()]+)')
_KNOWN = "status, priority, acknowledged, tag, alias, entity, message, owner, and words, joined by AND"
Holds = Callable[[Incident], bool]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A page of alerts: the filter for the store, what must hold besides, and where the page lies."""

    filter: IncidentFilter
    also: tuple[Holds, ...] = ()
    offset: int = 0
    limit: int = 20


def wanted(query: Mapping[str, str], source: str) -> Wanted:
    """Return what a list or count asks for, of the alerts of one source; raises Invalid."""
    found: dict[str, Any] = {"source": (source,)}
    also: list[Holds] = []
    for name, value in _terms(query.get("query", "")):
        _take(name.lower(), value, found, also)
    words = found.pop("words", [])
    name = query.get("sort", "createdAt")
    column = _SORTS.get(name.lower())
    if column is None:
        raise _invalid("sort", f"cannot be {name[:60]!r}; use createdAt, updatedAt, lastOccurredAt, tinyId or priority")
    order = query.get("order", "desc").lower()
    if order not in ("asc", "desc"):
        raise _invalid("order", "must be asc or desc")
    # Severity's own order is worst first, which Opsgenie calls ascending: P1 before P5.
    asked = IncidentFilter(
        **found, text=" ".join(words) or None, sort=f"{'-' if order == 'desc' else ''}{column}", limit=1
    )
    return Wanted(
        filter=asked,
        also=tuple(also),
        offset=_number(query, "offset", 0, MOST_OFFSET),
        limit=_number(query, "limit", 20, _MOST_LIMIT),
    )


def _terms(query: str) -> list[tuple[str, str]]:
    if len(query) > _LONGEST:
        raise _invalid("query", f"is longer than {_LONGEST} characters")
    found: list[tuple[str, str]] = []
    place = 0
    query = query.strip()
    while place < len(query):
        term = _TERM.match(query, place)
        if term is None:
            raise _invalid("query", f"cannot be read from {query[place : place + 30]!r} on; possible are {_KNOWN}")
        place = term.end()
        name, value = term[1] or "", term[2]
        if not name and value.upper() in ("AND", "&&"):
            continue
        if not name and value.upper() in ("OR", "NOT", "||"):
            raise _invalid("query", f"{value} is not possible here; possible are {_KNOWN}")
        found.append((name, value[1:-1].replace('\\"', '"') if value[:1] == '"' else value))
    return found


def _take(name: str, value: str, found: dict[str, Any], also: list[Holds]) -> None:
    word = value.casefold()
    match name:
        case "":
            found.setdefault("words", []).append(value)
        case "message":
            also.append(lambda incident: word.strip("*") in incident.title.casefold())
        case "status" if word == "open":
            found["open_only"] = True
        case "status" if word in ("closed", "resolved"):
            found["status"] = tuple(each for each in Status if not each.is_open)
        case "status" if word in ("acked", "acknowledged"):
            found["status"] = (Status.ACKNOWLEDGED, Status.IN_PROGRESS)
        case "acknowledged" if word in ("true", "false"):
            taken = (Status.ACKNOWLEDGED, Status.IN_PROGRESS)
            also.append(lambda incident: (incident.status in taken) == (word == "true"))
        case "priority" if value.upper() in SEVERITIES:
            found["severity"] = (SEVERITIES[value.upper()],)
        case "tag" | "tags":
            also.append(lambda incident: word in [label.casefold() for label in incident.labels])
        case "alias" | "entity":
            also.append(lambda incident: str(incident.resource.metadata.get(name, "")).casefold() == word)
        case "owner":
            found["assigned_to"] = (value,)
        case _:
            raise _invalid("query", f"{name}: {value[:60]} is not possible here; possible are {_KNOWN}")


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    written = query.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,6}", written) or not (0 if name == "offset" else 1) <= int(written) <= most:
        raise _invalid(name, f"must be a whole number up to {most}")
    return int(written)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field} {message}", [FieldFault(field, message)], code="invalid_opsgenie")
