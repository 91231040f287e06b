"""⑦ What the rarer acts of senders change: give back, escalate, assign, page, grade, add and remove."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from llm_incident_manager.domain.events.raw import MAX_LABELS, MAX_TAGS
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, PeopleTold
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.incidents.transitions import next_status
from llm_incident_manager.domain.notifications.planning import pages_for, reachable
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import Action, NotificationType, Severity, Status, TargetType
from llm_incident_manager.engine.context import Context


def given_back(incident: Incident, *, by: Actor) -> list[Change]:
    """Return what "I do not have it after all" does: the ladder goes on with the next level."""
    taken = (Status.ACKNOWLEDGED, Status.IN_PROGRESS)
    return escalated(incident, by=by, reason="it was given back") if incident.status in taken else []


def escalated(incident: Incident, *, by: Actor, reason: str) -> list[Change]:
    """Return the escalation where §4.2 has one; nothing where it is escalated already."""
    if next_status(incident.status, Action.ESCALATE) is None:
        return []
    return decide.act(incident, Action.ESCALATE, by=by, reason=reason, note=reason)


def assigned(incident: Incident, word: str, context: Context, *, comment_id: str) -> list[Change]:
    """Return the assignment to whom ``word`` names (id, name, e-mail address); a comment where nobody is called so."""
    target = _target("user", word, context)
    if target is None or target.type is not TargetType.USER:
        return decide.comment(f"To be assigned to {word}, who is not known here", comment_id=comment_id)
    return decide.assign(incident, user=target.id, team=None)


def paged(incident: Incident, kind: str, word: str, context: Context, *, at: datetime, comment_id: str) -> list[Change]:
    """Return the page to whom ``word`` names; a comment where that comes to nobody."""
    target = _target(kind, word, context)
    pages = pages_for([target], (), context.reach(incident.severity, at)) if target is not None else ()
    if not reachable(pages):
        why = "; ".join(page.skipped for page in pages if page.skipped) or "nobody is called so here"
        return decide.comment(f"{kind} {word} was to be told, and is not: {why}", comment_id=comment_id)
    return [
        PeopleTold(
            type=NotificationType.ESCALATED,
            level=incident.ladder.level,
            cycle=incident.ladder.cycle,
            reason="paged_by_hand",
            pages=pages,
            note=f"{kind} {word} was added",
        )
    ]


def graded(incident: Incident, severity: Severity, *, by_person: bool, who: str, comment_id: str) -> list[Change]:
    """Return the new severity. It is lowered by a person only (interfaces, "Severity"); else that is written down."""
    if incident.severity.worse_than(severity) and not by_person:
        return decide.comment(f"{who} says {severity}; only a person lowers it", comment_id=comment_id)
    return decide.set_severity(incident, severity, reason=f"set by {who}")


def added(incident: Incident, fields: Mapping[str, Any]) -> list[Change]:
    """Return the edit that adds ``labels`` and ``tags`` to those that are there, as far as there is room."""
    labels = [*dict.fromkeys((*incident.labels, *fields.get("labels", ())))][:MAX_LABELS]
    tags = dict(incident.tags)
    for name, value in fields.get("tags", {}).items():
        if name in tags or len(tags) < MAX_TAGS:
            tags[name] = value
    return decide.edit(incident, {"labels": labels, "tags": tags})


def removed(incident: Incident, fields: Mapping[str, Any]) -> list[Change]:
    """Return the edit that takes ``labels`` and the names in ``tags`` away."""
    labels = [each for each in incident.labels if each not in fields.get("labels", ())]
    tags = {name: value for name, value in incident.tags.items() if name not in fields.get("tags", {})}
    return decide.edit(incident, {"labels": labels, "tags": tags})


def _target(kind: str, word: str, context: Context) -> Target | None:
    settings, wanted = context.settings, word.casefold()
    if kind == "team":
        teams = settings.teams.values()
        found = next((each.id for each in teams if wanted in (each.id.casefold(), each.name.casefold())), None)
        return Target(type=TargetType.TEAM, id=found) if found is not None else None
    if kind == "schedule":
        named = next((each for each in settings.schedules if each.casefold() == wanted), None)
        return Target(type=TargetType.ON_CALL, id=named) if named is not None else None
    for user in settings.users.values():
        addresses = {each.address.casefold() for each in user.contacts if each.channel == "email"}
        if wanted in {user.id.casefold(), user.name.casefold()} | addresses:
            return Target(type=TargetType.USER, id=user.id)
    return None
