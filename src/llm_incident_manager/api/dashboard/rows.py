"""One line of the incident list."""

from datetime import datetime
from typing import Any
from zlib import crc32

import msgspec

from llm_incident_manager.api.dashboard.asking import is_escalated, is_takeable
from llm_incident_manager.api.dashboard.deadlines import Deadline, deadline_of
from llm_incident_manager.api.dashboard.words import STATUS_NAMES, People, instant, severity_of, shorten, status_of


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the incident; ``name`` is empty where nobody has."""

    name: str
    is_reader: bool = False
    is_team: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as a line. ``mark`` differs when what the line says differs, times aside."""

    id: str
    title: str
    severity: str
    status: str
    status_mark: str
    status_text: str
    resource: str
    source: str
    category: str
    opened_at: datetime
    changed_at: datetime
    events: int
    owner: Owner
    deadline: Deadline
    takeable: bool
    needs_reader: bool
    untold: bool
    allowed: str
    mark: str


def owner_of(incident: dict[str, Any], people: People) -> Owner:
    """Return the person who has the incident, else the team."""
    person = incident.get("assigned_to")
    if person:
        return Owner(name=people.name(person), is_reader=person == people.reader)
    return Owner(name=people.name(incident.get("assigned_team")), is_team=True)


def status_words(incident: dict[str, Any]) -> tuple[str, str]:
    """Return the mark and the words of the status, with the level where it is escalated."""
    mark, text = STATUS_NAMES[status_of(incident)]
    level = incident.get("escalation_level")
    return mark, f"{text} L{level}" if is_escalated(incident) and level else text


def row_of(incident: dict[str, Any], people: People, now: datetime, *, may_respond: bool) -> Row:
    """Return the line of one incident."""
    mark, words = status_words(incident)
    resource = incident.get("resource") or {}
    owner = owner_of(incident, people)
    opened = instant(incident["created_at"]) or now
    changed = instant(incident.get("last_event_at")) or instant(incident.get("updated_at")) or opened
    untold = bool(incident.get("untold"))
    told = (incident["status"], incident["severity"], incident.get("event_count"), owner.name, incident.get("version"))
    return Row(
        id=incident["id"],
        title=shorten(incident["title"], 84),
        severity=severity_of(incident).value,
        status=status_of(incident).value,
        status_mark=mark,
        status_text=words,
        resource=shorten(resource.get("name") or resource.get("id"), 36),
        source=shorten(incident.get("source"), 28),
        category=shorten(incident.get("category"), 24),
        opened_at=opened,
        changed_at=changed,
        events=int(incident.get("event_count") or 1),
        owner=owner,
        deadline=deadline_of(incident, now),
        takeable=may_respond and is_takeable(incident),
        needs_reader=bool(incident.get("needs_me")),
        untold=untold,
        allowed=" ".join(["take", *incident.get("allowed_actions", ())]),
        mark=f"{crc32(repr((*told, untold)).encode()):x}",
    )
