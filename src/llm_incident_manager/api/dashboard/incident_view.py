"""Everything the incident's page shows, worked out from what the port answered."""

import json
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.actions import Button, buttons_of
from llm_incident_manager.api.dashboard.asking import is_escalated
from llm_incident_manager.api.dashboard.deadlines import Deadline, deadline_of
from llm_incident_manager.api.dashboard.deliveries import Ledger, catch_all_told, ledger_of, paged_names
from llm_incident_manager.api.dashboard.next_steps import NextStep, next_step_of, who_has_it
from llm_incident_manager.api.dashboard.reasons import Reason, reasons_of
from llm_incident_manager.api.dashboard.rows import Owner, owner_of, status_words
from llm_incident_manager.api.dashboard.signals import Plot, plots_of
from llm_incident_manager.api.dashboard.timeline import Entry, entries_of, group_sizes, resolved_by_itself
from llm_incident_manager.api.dashboard.untold import Untold, untold_of
from llm_incident_manager.api.dashboard.words import (
    People,
    instant,
    linked_because,
    severity_of,
    shorten,
    spell,
    status_of,
)

_LONGEST_RAW = 8000
_REPORTS_SHOWN = 8


class Relative(msgspec.Struct, frozen=True, kw_only=True):
    """Another incident that belongs to this one."""

    id: str
    title: str
    severity: str
    status_mark: str
    status_text: str
    kind: str
    reason: str


class ReportLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says of its own problem; ``at`` is when it said so."""

    source: str
    title: str
    says: str
    tone: str
    at: datetime | None


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """Who reports an incident that a cross-source key made one."""

    tally: str
    why: str
    lines: list[ReportLine]
    more: list[ReportLine]


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """The incident's page. ``upstream`` are the relatives that explain this incident."""

    id: str
    title: str
    description: str
    impact: str
    severity: str
    status_mark: str
    status_text: str
    is_open: bool
    context: str
    owner: Owner
    team: str
    resource: str
    source: str
    opened_at: datetime | None
    events: int
    last_event_at: datetime | None
    took: list[tuple[str, str]]
    version: int | None
    buttons: list[Button]
    deadline: Deadline
    next_step: NextStep
    holder: str
    next_names: list[str]
    by_itself: str
    resolution: list[tuple[str, str]]
    reasons: list[Reason]
    entries: list[Entry]
    groups: dict[str, int]
    older: str | None
    ledger: Ledger
    untold: Untold | None
    snoozed: bool
    imported: bool
    merged_into: str
    relatives: list[Relative]
    upstream: list[Relative]
    reported: Reported | None
    plots: list[Plot]
    raw: str
    raw_id: str
    tags: list[str]
    labels: list[str]
    details: list[tuple[str, str]]


def incident_view(
    incident: dict[str, Any],
    *,
    timeline: dict[str, Any],
    explanation: dict[str, Any],
    notifications: list[dict[str, Any]],
    events: list[dict[str, Any]],
    related: list[dict[str, Any]],
    people: People,
    now: datetime,
    may_respond: bool,
) -> IncidentView:
    """Return the page of one incident; without ``may_respond`` it has no buttons."""
    log = timeline.get("entries") or []
    entries = entries_of(log, people)
    mark, words = status_words(incident)
    resource = incident.get("resource") or {}
    relatives = [_relative(other) for other in related]
    severity = severity_of(incident).value
    level = incident.get("escalation_level")
    said = is_escalated(incident) or not level  # the status says it
    around = (incident.get("category"), incident.get("environment"), None if said else f"level {level}")
    ladder = incident.get("ladder") or {}
    return IncidentView(
        id=incident["id"],
        title=shorten(incident["title"], 300),
        description=shorten(incident.get("description"), 4000),
        impact=shorten(incident.get("impact"), 1000),
        severity=severity,
        status_mark=mark,
        status_text=words,
        is_open=status_of(incident).is_open,
        context=" · ".join(str(part) for part in around if part),
        owner=owner_of(incident, people),
        team=people.name(incident.get("assigned_team")) if incident.get("assigned_to") else "",
        resource=shorten(resource.get("name") or resource.get("id"), 120),
        source=shorten(incident.get("source"), 60),
        opened_at=instant(incident.get("created_at")),
        events=int(incident.get("event_count") or 1),
        last_event_at=instant(incident.get("last_event_at")),
        took=_took(incident),
        version=incident.get("version"),
        buttons=buttons_of(incident) if may_respond else [],
        deadline=deadline_of(incident, now),
        next_step=next_step_of(incident, people, now, catch_all_knows=catch_all_told(notifications)),
        holder=who_has_it(incident, paged_names(notifications, people), people),
        next_names=[people.target(target) for target in ladder.get("next_targets") or ()],
        by_itself="" if status_of(incident).is_open else resolved_by_itself(log),
        resolution=_resolution(incident.get("resolution") or {}, people),
        reasons=reasons_of(explanation, severity),
        entries=entries,
        groups=group_sizes(entries),
        older=timeline.get("next_cursor"),
        ledger=ledger_of(notifications, people),
        untold=untold_of(incident, notifications, people),
        snoozed=bool(incident.get("snoozed_until")),
        imported=bool(incident.get("imported")),
        merged_into=str(incident.get("duplicate_of") or ""),
        relatives=relatives,
        upstream=[relative for relative in relatives if relative.kind == "explained by"],
        reported=_reported(incident.get("reported_by")),
        plots=plots_of(events),
        raw=_raw(events),
        raw_id=str(events[0].get("event_id") or "") if events else "",
        tags=[shorten(f"{key}: {value}", 80) for key, value in list((incident.get("tags") or {}).items())[:20]],
        labels=[shorten(label, 60) for label in (incident.get("labels") or ())[:20]],
        details=_details(incident, resource),
    )


def _reported(found: dict[str, Any] | None) -> Reported | None:
    if not found:
        return None
    lines = [_report(each) for each in found["reports"]]
    still = sum(line.tone != "ok" for line in lines)
    ends = "any of them ends it" if found["resolve"] == "any" else "all of them must be over"
    return Reported(
        tally=f"{still} of {len(lines)} report it now",
        why=shorten(f"One incident by the key “{found['cross_key']}”, {found['key']}: {ends}.", 300),
        lines=lines[:_REPORTS_SHOWN],
        more=lines[_REPORTS_SHOWN:],
    )


def _report(found: dict[str, Any]) -> ReportLine:
    over = found["state"] == "over"
    return ReportLine(
        source=shorten(found["source"], 60),
        title=shorten(found["title"], 140),
        says="over" if over else "reporting",
        tone="ok" if over else "bad",
        at=instant(found["changed_at"]),
    )


def _relative(other: dict[str, Any]) -> Relative:
    mark, words = status_words(other)
    return Relative(
        id=other["id"],
        title=shorten(other["title"], 140),
        severity=severity_of(other).value,
        status_mark=mark,
        status_text=words,
        kind=str(other.get("kind") or "related").replace("_", " "),
        reason=shorten(linked_because(other.get("reason")), 160),
    )


def _took(incident: dict[str, Any]) -> list[tuple[str, str]]:
    figures = incident.get("metrics") or {}
    names = (("Detected in", "mttd"), ("Taken in", "mtta"), ("Resolved in", "mttr"))
    return [(words, spell(figures[key])) for words, key in names if figures.get(key)]


def _resolution(resolution: dict[str, Any], people: People) -> list[tuple[str, str]]:
    names = (("Root cause", "root_cause"), ("What was done", "resolution_notes"), ("Playbook", "playbook_used"))
    told = [(words, shorten(resolution[key], 4000)) for words, key in names if resolution.get(key)]
    if resolution.get("resolved_by"):
        told.append(("By", people.name(resolution["resolved_by"])))
    return told


def _details(incident: dict[str, Any], resource: dict[str, Any]) -> list[tuple[str, str]]:
    more = [(f"Resource {key}", str(value)) for key, value in (resource.get("metadata") or {}).items()]
    known = [
        ("Resource", f"{resource.get('type', '')} {resource.get('id', '')}".strip()),
        *more[:8],
        ("Ticket", incident.get("external_id")),
        ("Fingerprint", incident.get("fingerprint")),
        ("First event", incident.get("source_event_id")),
        ("Version", incident.get("version")),
    ]
    return [(name, shorten(value, 200)) for name, value in known if value not in (None, "")]


def _raw(events: list[dict[str, Any]]) -> str:
    if not events:
        return ""
    return shorten(json.dumps(events[0], indent=2, ensure_ascii=False, default=str), _LONGEST_RAW)
