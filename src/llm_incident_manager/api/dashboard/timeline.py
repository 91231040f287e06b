"""The story of an incident: log entries (specification §5.4) as sentences, newest first."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.words import (
    STATUS_NAMES,
    People,
    cause,
    grouped,
    instant,
    linked_because,
    listed,
    shorten,
)
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
_BY_ITSELF = {
    "incident_created": "opened",
    "acknowledged": "acknowledged",
    "escalated": "escalated",
    "resolved": "resolved",
    "closed": "closed",
    "reopened": "reopened",
}
"""What is said where nobody did it, or a change tells what follows from another."""
_PROMISES = {"acknowledgment": "the deadline to take it passed", "resolution": "the deadline to resolve it passed"}
_STATE_VERBS = {"start_work": "started work", "de-escalate": "de-escalated"}
_UPDATES = {
    "resolution": "wrote down how it ended",
    "snoozed": "let it snooze",
    "woken": "woke it up",
    "silenced": "a silence matched: its pages wait",
    "silence_ended": "no silence matches any more",
}
_REPORTS = {
    "report_joined": "{source} reports it too",
    "report_over": "says that its part is over",
    "report_reporting": "{source} reports it again",
}
_KEY_MOMENTS = {"incident_created", "acknowledged", "resolved"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One moment, or several alike: then ``since`` is the first one's time and ``count`` how many events or moments.

    ``who`` is empty where no person and no source did it. ``before`` and ``after`` are (mark, words) of a status;
    ``quote`` is what a person wrote.
    """

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
    since: datetime | None = None
    joined: int = 0
    times: int = 1


def entries_of(log: list[dict[str, Any]], people: People) -> list[Entry]:
    """Return the log's entries as sentences, newest first as given; neighbours that say the same are one."""
    entries: list[Entry] = []
    for line in log:
        if _says_nothing_new(line, log):
            continue
        entry = _entry(line, people)
        if entries and (one := _both(entries[-1], entry)) is not None:
            entries[-1] = one
        else:
            entries.append(entry)
    return entries


def _says_nothing_new(line: dict[str, Any], log: list[dict[str, Any]]) -> bool:
    """Whether it is the assignment that goes with somebody's own taking."""
    actor = line.get("actor") or {}
    if line.get("event_type") != "assigned" or (line.get("event_data") or {}).get("user") != actor.get("id"):
        return False
    return any(
        other is not line
        and other.get("event_type") in ("acknowledged", "state_changed")
        and (other.get("timestamp"), other.get("actor")) == (line.get("timestamp"), line.get("actor"))
        for other in log
    )


def _both(newer: Entry, older: Entry) -> Entry | None:
    """Return two neighbours as one, or None where they differ."""
    since = older.since or older.at
    if newer.joined and older.joined:
        joined = newer.joined + older.joined
        return msgspec.structs.replace(newer, joined=joined, text=_joined(joined), since=since)
    alike = msgspec.structs.replace(newer, at=None, since=None, times=1) == msgspec.structs.replace(
        older, at=None, since=None, times=1
    )
    if not alike or newer.quote or newer.after or newer.severities:
        return None
    return msgspec.structs.replace(newer, times=newer.times + older.times, since=since)


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
    actor = line.get("actor") or {}
    alone = actor.get("type") == "system" or count or _follows(kind, facts, actor)
    text = _sentence(kind, facts, moves, people, alone=bool(alone))
    return Entry(
        group=group,
        icon="dot" if kind == "incident_updated" and group == "changes" else _ICONS.get(kind, "dot"),
        who="" if alone else _who(actor, people),
        text=text[:1].upper() + text[1:] if alone else text,
        at=instant(line.get("timestamp")),
        key_moment=kind in _KEY_MOMENTS,
        before=_status_pair(moves.get("status", (None, None))[0]),
        after=_status_pair(moves.get("status", (None, None))[1]),
        severities=_severities(moves.get("severity")),
        quote=shorten(_quote(line, facts), 4000),
        joined=int(count or 0),
    )


def _follows(kind: str, facts: dict[str, Any], actor: dict[str, Any]) -> bool:
    """Whether it is what the engine does upon another's event or action: route it, page people."""
    if kind == "notification_sent":
        return not (facts.get("reason") == "paged_by_hand" and actor.get("type") == "user")
    return facts.get("kind") == "routed"


def _who(actor: dict[str, Any], people: People) -> str:
    if actor.get("type") == "user" and actor.get("id") == people.reader:
        return "You"
    return shorten(actor.get("name") or people.name(actor.get("id")) or "The system", 80)


def _sentence(
    kind: str, facts: dict[str, Any], moves: dict[str, tuple[Any, Any]], people: People, *, alone: bool
) -> str:
    if kind == "notification_sent":
        return _page(facts, people)
    if facts.get("kind") == "routed":
        route = f" by “{facts['route']}”" if facts.get("route") else ""
        return shorten(f"routed{route}{_to(moves, people)}", 240)
    if kind == "assigned":
        return f"assigned it{_to(moves, people)}" if _to(moves, people) else "took the owner off"
    if kind == "escalated" and (level := facts.get("level") or moves.get("escalation_level", (None, None))[1]):
        return f"escalated to level {level}"
    if kind == "sla_breached":
        which = str(facts.get("deadline") or facts.get("kind") or "promised")
        return _PROMISES.get(which, shorten(f"the {which} deadline passed", 120))
    if kind == "action_executed" and (done := facts.get("description") or facts.get("type")):
        return shorten(done, 240)
    if kind == "state_changed" and facts.get("action") in _STATE_VERBS:
        return _STATE_VERBS[facts["action"]]
    if kind == "incident_updated":
        return shorten(_update(facts, moves), 240)
    said = _BY_ITSELF.get(kind) if alone else None
    why = str(facts.get("reason") or "").rpartition("reached: ")[2] if said else ""
    return f"{said}: {why}" if said and why else said or _VERBS.get(kind, kind.replace("_", " "))


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
    reason = f": {cause(facts['reason'])}" if facts.get("reason") else ""
    if facts.get("type") == "resolved" and facts.get("state") == "planned":
        return shorten(f"telling {reached}{channel} that it is over", 240)
    match str(facts.get("state")):
        case "delivered":
            text = f"reached {reached}{channel}"
        case "failed":
            text = f"did not reach {reached}{channel}{reason}"
        case "skipped":
            whys = list(dict.fromkeys(str(page["skipped"]) for page in pages if page.get("skipped")))
            text = f"could not tell {reached if pages else 'anybody'}: {listed(whys) or 'nobody is named there'}"
        case _:
            text = f"paged {reached}{channel}{level}{reason}"
    return shorten(text, 240)


_EXPLAINING = {"explained_by": "found it explained by", "explains": "found that it explains"}


def _update(facts: dict[str, Any], moves: dict[str, tuple[Any, Any]]) -> str:
    reason = f": {facts['reason']}" if facts.get("reason") else ""
    if facts.get("count"):
        return _joined(int(facts["count"]))
    if "severity" in moves:
        return f"changed the severity{reason}"
    kind = facts.get("kind")
    if kind == "linked":
        why = f": {linked_because(facts.get('reason'))}" if linked_because(facts.get("reason")) else ""
        if facts.get("link") in _EXPLAINING:
            return f"{_EXPLAINING[facts['link']]} {facts.get('incident_id')}{why}"
        return f"linked {facts.get('incident_id')} as {str(facts.get('link', 'related')).replace('_', ' ')}{why}"
    if kind in _UPDATES:
        return _UPDATES[kind]
    if kind in _REPORTS:
        return _REPORTS[kind].format(source=facts.get("source"))
    if moves:
        return "changed " + ", ".join(f"{name} to {_plain(new)}" for name, (_, new) in moves.items())
    return _VERBS["incident_updated"]


def _joined(count: int) -> str:
    return f"{grouped(count)} more event{'s' if count != 1 else ''} joined"


def _quote(line: dict[str, Any], facts: dict[str, Any]) -> str:
    if facts.get("kind") == "resolution":
        parts = (facts.get("root_cause"), facts.get("resolution_notes"))
        return "\n".join(str(part) for part in parts if part)
    if line.get("event_type") == "notification_sent" and facts.get("reason") != "paged_by_hand":
        return ""  # the note to a level that nobody can be told of: the sentence says it
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
