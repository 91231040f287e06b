"""One incident for people: its facts, the ladder, and its timeline in sentences."""

from collections.abc import Sequence
from typing import Any

from llm_incident_manager.app.cli.output import Output
from llm_incident_manager.app.cli.text import duration, instant

Document = dict[str, Any]


def show_incident(output: Output, incident: Document, timeline: Sequence[Document]) -> None:
    """Print what is known about an incident, newest entry of its story last."""
    output.heading(f"{incident['id']}  {incident['severity']}  {incident['status']}  {incident['title']}")
    output.facts(_facts(incident))
    output.heading("Ladder")
    output.facts(_ladder(incident.get("ladder") or {}))
    output.heading("Timeline")
    entries = sorted(timeline, key=lambda entry: str(entry.get("timestamp")))
    output.table(
        ["when", "who", "what"],
        [(instant(entry.get("timestamp")), _who(entry), sentence(entry)) for entry in entries],
        empty="nothing happened yet",
    )


def sentence(entry: Document) -> str:
    """Return what one entry of the timeline says."""
    facts: Document = entry.get("event_data") or {}
    moves = ", ".join(_move(move) for move in entry.get("changes") or [])
    words = _WORDS.get(str(entry.get("event_type")), str(entry.get("event_type")).replace("_", " "))
    kind = facts.get("kind")
    if kind == "events_joined":
        return f"{facts.get('count')} more events joined it"
    if kind and kind != "routed":
        words = str(kind).replace("_", " ")
    told = f"{facts['target']} by {facts['channel']}" if facts.get("target") and facts.get("channel") else ""
    state = facts.get("state", "") if entry.get("event_type") == "notification_sent" else ""
    why = facts.get("why") or facts.get("reason") or facts.get("text") or ""
    note = entry.get("notes") or ""
    parts = [f"{words} {state}".strip(), moves, told or str(facts.get("target") or ""), str(why), str(note)]
    return ": ".join(list(dict.fromkeys(part for part in parts if part)))


_WORDS = {
    "incident_created": "opened",
    "incident_updated": "updated",
    "state_changed": "moved",
    "comment_added": "comment",
    "notification_sent": "page",
    "sla_breached": "deadline missed",
    "action_executed": "action",
}


def _facts(incident: Document) -> list[tuple[str, object]]:
    resource: Document = incident.get("resource") or {}
    sla: Document = incident.get("sla") or {}
    times: Document = incident.get("metrics") or {}
    resolution: Document = incident.get("resolution") or {}
    facts: list[tuple[str, object]] = [
        ("resource", f"{resource.get('name') or resource.get('id')} ({resource.get('type')})"),
        ("source", f"{incident.get('source')}, {incident.get('event_count')} events"),
        ("category", incident.get("category")),
        ("environment", incident.get("environment")),
        ("owner", incident.get("assigned_to")),
        ("team", incident.get("assigned_team")),
        ("opened", instant(incident.get("created_at"))),
        ("acknowledge by", _deadline(sla, "acknowledgment")),
        ("resolve by", _deadline(sla, "resolution")),
        ("acknowledged", instant(incident.get("acknowledged_at"))),
        ("resolved", instant(incident.get("resolved_at"))),
        ("time to acknowledge", duration(times.get("mtta"))),
        ("time to resolve", duration(times.get("mttr"))),
        ("root cause", resolution.get("root_cause")),
        ("resolution", resolution.get("resolution_notes")),
        ("links", ", ".join(f"{each['kind']} {each['incident_id']}" for each in incident.get("links") or [])),
        ("allowed now", ", ".join(incident.get("allowed_actions") or [])),
        ("description", incident.get("description")),
    ]
    return [(name, value) for name, value in facts if value not in (None, "", "–")]


def _deadline(sla: Document, which: str) -> str:
    missed = " (missed)" if sla.get(f"{which}_breached") else ""
    return f"{instant(sla.get(f'{which}_deadline'))}{missed}"


def _ladder(ladder: Document) -> list[tuple[str, object]]:
    following = ""
    if ladder.get("next_at"):
        targets = ", ".join(ladder.get("next_targets") or []) or "nobody"
        following = f"{targets} at {instant(ladder['next_at'])}"
    facts: list[tuple[str, object]] = [
        ("told so far", f"level {ladder.get('level')}"),
        ("state", f"{ladder.get('state')}: {ladder.get('reason') or ''}".rstrip(": ")),
        ("policy", ladder.get("policy") or "the table by severity"),
        ("next", following),
    ]
    return [(name, value) for name, value in facts if value]


def _who(entry: Document) -> str:
    actor: Document = entry.get("actor") or {}
    return str(actor.get("name") or actor.get("id") or "–")


def _move(move: Document) -> str:
    before, after = move.get("old_value"), move.get("new_value")
    return f"{move.get('field')} {before} → {after}" if before is not None else f"{move.get('field')} {after}"
