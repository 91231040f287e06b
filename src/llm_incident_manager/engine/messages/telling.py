"""What one page has to say, gathered once; text, HTML, blocks and payload are written from it."""

from datetime import datetime, timedelta

import msgspec

from llm_incident_manager.domain.incidents.incident import SYSTEM, Incident
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.messages.words import duration, instant, one_line, plain, reason_words, times
from llm_incident_manager.engine.notify import ACKNOWLEDGED
from llm_incident_manager.ids import INCIDENT_ID

LATE_SECONDS = 60.0
"""From here on a page says that it comes late."""
_MOST_NAMES = 10
_LONGEST_DESCRIPTION = 4000


class Fact(msgspec.Struct, frozen=True):
    """One line of a page: ``Since: 12:00, 14 min ago``."""

    label: str
    value: str


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """A page in parts. Texts are plain and bounded, not escaped; ``late_seconds`` is how late the page goes out.

    ``heading`` is ``[P1] title`` on one line, ``link`` leads to the incident, ``ending`` asks for what should be done.
    ``act_link`` is the page's one-tap link; empty where there is nothing to act on.
    """

    heading: str
    facts: tuple[Fact, ...]
    late: str
    late_seconds: float
    description: str
    ending: str
    link: str
    act_link: str = ""


def telling(
    notification: Notification,
    incident: Incident,
    context: Context,
    at: datetime,
    public_url: str,
    *,
    token: str = "",
) -> Telling:
    """Return what the page says when it leaves at ``at``; ``token`` is its secret word, where it has one."""
    late_seconds = _late_seconds(notification, incident, at)
    resolved = notification.type is NotificationType.RESOLVED
    facts = _ending_facts(incident, context) if resolved else _facts(notification, incident, context, at)
    return Telling(
        heading=_heading(notification, incident),
        facts=tuple(facts),
        late=_late(incident, at, late_seconds),
        late_seconds=late_seconds,
        description=plain(incident.description, _LONGEST_DESCRIPTION),
        ending=_ending(notification, incident),
        link=incident_link(public_url, incident.id),
        act_link=f"{public_url.rstrip('/')}/a/{token}" if token and _asks(notification, incident) else "",
    )


def _asks(notification: Notification, incident: Incident) -> bool:
    """Whether somebody should act on it."""
    if notification.reason == ACKNOWLEDGED:
        return False
    return incident.is_open and notification.type not in (NotificationType.RESOLVED, NotificationType.CUSTOM)


def incident_link(public_url: str, incident_id: str) -> str:
    """Return the incident's page on the dashboard; what is no incident's id (a test page's) leads to the list."""
    base = f"{public_url.rstrip('/')}/incidents"
    return f"{base}/{incident_id}" if INCIDENT_ID.fullmatch(incident_id) else base


def person_name(user_id: str, context: Context) -> str:
    """Return a user's name, or the id where it is nobody's here."""
    user = context.directory.users.get(user_id)
    return one_line(user.name or user_id if user is not None else user_id, 100)


def _heading(notification: Notification, incident: Incident) -> str:
    title = one_line(incident.title, 150) or incident.id
    ended = "Resolved: " if notification.type is NotificationType.RESOLVED else ""
    if notification.reason == ACKNOWLEDGED:
        ended = "Acknowledged: "
    return f"[{incident.severity}] {ended}{title}"


def _facts(notification: Notification, incident: Incident, context: Context, at: datetime) -> list[Fact]:
    if notification.reason == "test":
        return [Fact("Why you", reason_words(notification.reason))]
    facts = [_hits(incident)]
    if note := one_line(notification.note, 500):
        facts.insert(0, Fact("Note", note))
    if impact := one_line(incident.impact, 300):
        facts.append(Fact("Impact", impact))
    seen = times(incident.event_count)
    last = incident.last_event_at
    often = f"seen {seen}" + (f", last at {instant(last)}" if incident.event_count > 1 and last is not None else "")
    facts.append(Fact("Since", f"{instant(incident.created_at)}, {duration(at - incident.created_at)} ago; {often}"))
    whom = one_line(notification.recipient_name or notification.recipient, 100)
    through = one_line(notification.target, 100)
    to = whom if through in ("", notification.recipient) else f"{whom} ({through})"
    facts.append(Fact("Why you", f"level {notification.level}, because {reason_words(notification.reason)}; to {to}"))
    if others := _others(notification, incident, context, at):
        facts.append(Fact("Also paged", others))
    if incident.assigned_to is not None:
        facts.append(Fact("Assigned to", person_name(incident.assigned_to, context)))
    facts.append(Fact("State", f"{incident.status}, {incident.category}, from {one_line(incident.source, 100)}"))
    return facts


def _ending_facts(incident: Incident, context: Context) -> list[Fact]:
    resolution = incident.resolution
    facts = [_hits(incident)]
    lasted = timedelta(seconds=incident.times.mttr) if incident.times.mttr is not None else None
    if lasted is not None:
        ended = f", until {instant(incident.resolved_at)}" if incident.resolved_at is not None else ""
        facts.append(Fact("Lasted", f"{duration(lasted)}, from {instant(incident.created_at)}{ended}"))
    by = resolution.resolved_by
    if by in (None, incident.source, SYSTEM.id):
        facts.append(Fact("Resolved by", f"itself: {one_line(incident.source, 100)} says that it is over"))
    elif by is not None:
        facts.append(Fact("Resolved by", person_name(by, context)))
    facts.append(Fact("Root cause", one_line(resolution.root_cause or "", 500) or "not given"))
    if notes := one_line(resolution.resolution_notes or "", 500):
        facts.append(Fact("Notes", notes))
    facts.append(Fact("Seen", times(incident.event_count)))
    return facts


def _hits(incident: Incident) -> Fact:
    resource = incident.resource
    name, kind = one_line(resource.name or resource.id, 150), one_line(resource.type, 60)
    detail = f"{kind} {one_line(resource.id, 150)}" if resource.name else kind
    where = f", {incident.environment}" if incident.environment is not None else ""
    return Fact("Hits", f"{name} ({detail}){where}")


def _others(notification: Notification, incident: Incident, context: Context, at: datetime) -> str:
    """Name who else the same step tells; a page beside the ladder has no step."""
    steps = incident.plan.steps
    if notification.step is None or notification.step >= len(steps) or notification.cycle != incident.ladder.cycle:
        return ""
    names: dict[str, None] = {}
    for target in steps[notification.step].targets:
        for recipient in context.directory.find(target, at).recipients:
            if recipient.key != notification.recipient:
                names[one_line(recipient.name, 100)] = None
    shown = list(names)[:_MOST_NAMES]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _late_seconds(notification: Notification, incident: Incident, at: datetime) -> float:
    """Return how late: since the page was planned, and how late its step was taken (an outage lies before both)."""
    planned = notification.planned_at
    ladder = incident.ladder
    if notification.reason == "opened":
        planned = min(planned, incident.created_at)
    late = (at - planned).total_seconds()
    if notification.step is not None and (notification.step, notification.cycle) == (ladder.index, ladder.cycle):
        late += ladder.late_seconds
    return round(max(0.0, late), 1)


def _late(incident: Incident, at: datetime, late_seconds: float) -> str:
    if late_seconds < LATE_SECONDS:
        return ""
    happened = duration(at - incident.created_at)
    return f"This page is {duration(timedelta(seconds=late_seconds))} late: it happened {happened} ago."


def _ending(notification: Notification, incident: Incident) -> str:
    match notification.type:
        case NotificationType.RESOLVED:
            return "Nothing is left to be done."
        case NotificationType.CUSTOM:
            return "Nothing has happened, and nothing is to be done."
        case _ if notification.reason == ACKNOWLEDGED:
            return "Somebody has it."
        case _ if incident.is_open:
            return "Open it and take it, so that nobody else is woken."
        case _:
            return "It is over by now."
