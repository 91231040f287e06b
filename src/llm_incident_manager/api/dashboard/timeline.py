"""The story of an incident: log entries (specification §5.4) as sentences, newest first."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.words import STATUS_NAMES, People, grouped, instant, listed, shorten
from llm_incident_manager.domain.vocabulary import Status

GROUPS = ("events", "changes", "pages", "actions", "comments")
_GROUP_OF = {
    "incident_created": "events",
    "incident_updated": "events",
    "notification_sent": "pages",
    "action_executed": "actions",
    "comment_added": "comments",
}
_ICONS = {
    "incident_created": "bolt",
    "incident_updated": "pulse",
    "notification_sent": "bell",
    "action_executed": "play",
    "comment_added": "comment",
    "acknowledged": "hand",
    "escalated": "up",
    "resolved": "check",
    "closed": "check",
    "reopened": "retry",
    "assigned": "user",
    "sla_breached": "alert",
    "state_changed": "arrow-right",
}
_VERBS = {
    "incident_created": "opened the incident",
    "acknowledged": "took it",
    "escalated": "escalated",
    "resolved": "resolved it",
    "closed": "closed it",
    "reopened": "reopened it",
    "comment_added": "commented",
    "action_executed": "ran an action",
    "sla_breached": "missed a deadline",
    "state_changed": "changed the status",
    "assigned": "assigned it",
    "notification_sent": "told somebody",
    "incident_updated": "updated it",
}
_STATE_VERBS = {"start_work": "started work", "de-escalate": "de-escalated"}
_UPDATES = {"resolution": "wrote down how it ended", "snoozed": "let it snooze", "woken": "woke it up"}
_KEY_MOMENTS = {"incident_created", "acknowledged", "resolved"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One moment. ``before`` and ``after`` are (mark, words) of a status; ``quote`` is what a person wrote."""

    group: str
    icon: str
    who: str
    text: str
    at: datetime | None
    key_moment: bool = False
    before: tuple[str, str] | None = None
    after: tuple[str, str] | None = None
    severities: tuple[str, str] | None = None
    quote: str = ""


def entries_of(log: list[dict[str, Any]], people: People) -> list[Entry]:
    """Return the log's entries as sentences, in the order given."""
    return [_entry(line, people) for line in log]


def group_sizes(entries: list[Entry]) -> dict[str, int]:
    """Return how many entries each filter of the timeline shows."""
    sizes = Counter(entry.group for entry in entries)
    return {group: sizes[group] for group in GROUPS if sizes[group]}


def resolved_by_itself(log: list[dict[str, Any]]) -> str:
    """Return who resolved it where no person did (a source's recovery, a rule), else an empty text."""
    for line in log:
        if line.get("event_type") == "resolved":
            actor = line.get("actor") or {}
            return "" if actor.get("type") == "user" else str(actor.get("name") or actor.get("id") or "the system")
    return ""


def _entry(line: dict[str, Any], people: People) -> Entry:
    kind = str(line.get("event_type"))
    facts = line.get("event_data") or {}
    moves = {move["field"]: (move.get("old_value"), move.get("new_value")) for move in line.get("changes") or ()}
    count = facts.get("count")
    group = _GROUP_OF.get(kind, "changes")
    if kind == "incident_updated" and not count:
        group = "changes"
    return Entry(
        group=group,
        icon="dot" if kind == "incident_updated" and group == "changes" else _ICONS.get(kind, "dot"),
        who=_who(line.get("actor") or {}, people),
        text=_sentence(kind, facts, moves, people),
        at=instant(line.get("timestamp")),
        key_moment=kind in _KEY_MOMENTS,
        before=_status_pair(moves.get("status", (None, None))[0]),
        after=_status_pair(moves.get("status", (None, None))[1]),
        severities=_severities(moves.get("severity")),
        quote=shorten(_quote(line, facts), 4000),
    )


def _who(actor: dict[str, Any], people: People) -> str:
    if actor.get("type") == "user" and actor.get("id") == people.reader:
        return "You"
    return shorten(actor.get("name") or people.name(actor.get("id")) or "The system", 80)


def _sentence(kind: str, facts: dict[str, Any], moves: dict[str, tuple[Any, Any]], people: People) -> str:
    if kind == "notification_sent":
        return _page(facts, people)
    if facts.get("kind") == "routed":
        route = f" by “{facts['route']}”" if facts.get("route") else ""
        return shorten(f"routed it{route}{_to(moves, people)}", 240)
    if kind == "assigned":
        return f"assigned it{_to(moves, people)}" if moves else "took the owner off"
    if kind == "escalated" and (level := facts.get("level") or moves.get("escalation_level", (None, None))[1]):
        return f"escalated to level {level}"
    if kind == "sla_breached":
        return shorten(f"the {facts.get('deadline') or facts.get('kind') or 'promised'} deadline passed", 120)
    if kind == "action_executed" and (done := facts.get("description") or facts.get("type")):
        return shorten(done, 240)
    if kind == "state_changed" and facts.get("action") in _STATE_VERBS:
        return _STATE_VERBS[facts["action"]]
    if kind == "incident_updated":
        return shorten(_update(facts, moves), 240)
    return _VERBS.get(kind, kind.replace("_", " "))


def _to(moves: dict[str, tuple[Any, Any]], people: People) -> str:
    names = [people.name(new) for field, (_, new) in moves.items() if field.startswith("assigned") and new]
    return f" to {' and '.join(names)}" if names else ""


def _page(facts: dict[str, Any], people: People) -> str:
    """A page is told twice: when it is handed out (``pages``), and when it has arrived or failed for good."""
    pages = facts.get("pages") or []
    names = [str(page.get("name") or people.target(page.get("recipient") or page.get("target"))) for page in pages]
    reached = listed(list(dict.fromkeys(names))) or people.target(facts.get("target") or "somebody")
    channel = f" by {facts['channel']}" if facts.get("channel") else ""
    level = f", level {facts['level']}" if facts.get("level") else ""
    reason = f": {facts['reason']}" if facts.get("reason") else ""
    verb = {
        "delivered": "reached",
        "failed": "did not reach",
        "skipped": "had no way to tell",
        "planned": "pages",
    }.get(str(facts.get("state")), "told")
    return shorten(f"{verb} {reached}{channel}{level}{reason}", 240)


def _update(facts: dict[str, Any], moves: dict[str, tuple[Any, Any]]) -> str:
    reason = f": {facts['reason']}" if facts.get("reason") else ""
    if facts.get("count"):
        return f"{grouped(int(facts['count']))} more event{'s' if int(facts['count']) != 1 else ''} joined"
    if "severity" in moves:
        return f"changed the severity{reason}"
    kind = facts.get("kind")
    if kind == "linked":
        return f"linked {facts.get('incident_id')} as {str(facts.get('link', 'related')).replace('_', ' ')}{reason}"
    if kind in _UPDATES:
        return _UPDATES[kind]
    if moves:
        return "changed " + ", ".join(f"{name} to {_plain(new)}" for name, (_, new) in moves.items())
    return _VERBS["incident_updated"]


def _quote(line: dict[str, Any], facts: dict[str, Any]) -> str:
    if facts.get("kind") == "resolution":
        parts = (facts.get("root_cause"), facts.get("resolution_notes"))
        return "\n".join(str(part) for part in parts if part)
    return str(line.get("notes") or facts.get("text") or "")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _status_pair(value: Any) -> tuple[str, str] | None:
    try:
        return STATUS_NAMES[Status(value)]
    except ValueError:
        return None


def _severities(move: tuple[Any, Any] | None) -> tuple[str, str] | None:
    known = {"P0", "P1", "P2", "P3", "P4"}
    return (move[0], move[1]) if move and move[0] in known and move[1] in known else None
