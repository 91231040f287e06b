"""What people read after they acted from a page, or before: who has it, who else was paged (NTF-05).

Whole sentences without markup: the same text goes into a page, a chat, a text message and a voice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from llm_incident_manager.domain.escalation.moves import UNTAKEN
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.notifications.answers import Ask, Offer, PageAction, Result, is_spent, reply_code
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.kept_alerts import is_page
from llm_incident_manager.engine.messages.telling import person_name
from llm_incident_manager.engine.messages.words import duration, instant, one_line, times

_MOST_NAMES = 6
_MOST_LISTED = 4
_TOLD = frozenset({DeliveryState.DELIVERED, DeliveryState.PLANNED, DeliveryState.RETRYING})


def heading(incident: Incident) -> str:
    """Return ``P1: title`` on one line."""
    return f"{incident.severity}: {one_line(incident.title, 150) or incident.id}"


def outcome(
    result: Result,
    action: PageAction | None,
    incident: Incident,
    rows: Sequence[Notification],
    row: Notification,
    by: Actor,
    had: str | None,
    context: Context,
    at: datetime,
) -> str:
    """Return what came of a press, who has it and who else was paged; ``had`` is who had it before."""
    others = also_paged(rows, row)
    match result, action:
        case Result.DONE, PageAction.RESOLVE:
            first = "Resolved."
        case Result.DONE, _:
            first = "You have it."
            if had is not None and had != by.id:
                first += f" {person_name(had, context)} had it before."
        case Result.EXPIRED, _:
            first = f"This page is too old to act from. {who_has_it(incident, context, at, reader=by.id)}"
        case _:
            first = f"Nothing was changed. {who_has_it(incident, context, at, reader=by.id)}"
    return f"{first} {others}".strip()


def who_has_it(incident: Incident, context: Context, at: datetime, *, reader: str = "") -> str:
    """Return who has the incident, or how it stands, as a sentence; ``reader`` is told ``you``."""
    holder = incident.assigned_to
    if not incident.is_open:
        ended = f" at {instant(incident.resolved_at)}" if incident.resolved_at is not None else ""
        return f"It is {incident.status.value.lower()}{ended}."
    if holder is None:
        return "Nobody has it yet." if incident.status in UNTAKEN else "It is being looked at."
    since = incident.acknowledged_at
    ago = f" since {duration(at - since)}" if since is not None and at - since >= timedelta(minutes=1) else ""
    again = ", and it was escalated again" if incident.status in UNTAKEN else ""
    return f"You have it{ago}{again}." if holder == reader else f"{person_name(holder, context)} has it{ago}{again}."


def also_paged(rows: Sequence[Notification], row: Notification) -> str:
    """Return who beside the reader of ``row`` was paged for the same incident, or an empty text."""
    names: dict[str, None] = {}
    for each in rows:
        paged = each.state in _TOLD and is_page(each)
        if paged and each.recipient != row.recipient:
            names[one_line(each.recipient_name or each.recipient, 60)] = None
    shown = list(names)[:_MOST_NAMES]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return f"Also paged: {', '.join(shown)}{more}." if shown else "Nobody else was paged."


def offer(
    row: Notification, incident: Incident, rows: Sequence[Notification], context: Context, at: datetime, *, over: bool
) -> Offer:
    """Return what the link of ``row`` shows and offers; ``over``: the page is too old to act from."""
    able = is_page(row) and row.type is not NotificationType.CUSTOM and incident.is_open and not over
    actions = tuple(each for each in PageAction if able and not is_spent(row.answer, each))
    why_not = ""
    if over:
        why_not = "This link is too old to act from."
    elif not incident.is_open:
        why_not = "Nothing is left to be done."
    elif not actions:
        why_not = "This link was used already; each works once."
    reader = row.recipient.removeprefix("user:")
    return Offer(
        incident_id=incident.id,
        heading=one_line(incident.title, 150) or incident.id,
        severity=incident.severity.value,
        facts=_facts(incident, at),
        state=f"{who_has_it(incident, context, at, reader=reader)} {also_paged(rows, row)}".strip(),
        actions=actions,
        people=tuple(people_of(row, context)) if actions else (),
        reader=one_line(row.recipient_name or reader, 100),
        why_not=why_not,
    )


def people_of(row: Notification, context: Context) -> list[tuple[str, str]]:
    """Return (id, name) of those who may act from a page that went to a team; nobody for a person's own page."""
    kind, _, name = row.recipient.partition(":")
    team = context.settings.teams.get(name) if kind == "team" else None
    users = context.settings.users
    members = [users[each] for each in team.members if each in users] if team is not None else []
    return [(user.id, one_line(user.name or user.id, 100)) for user in members if user.enabled]


def how_to_reply(incidents: Sequence[Incident]) -> str:
    """Return how one acts by text, for somebody whose text could not be understood."""
    if not incidents:
        return "Nothing is open that you were texted about. Nothing was changed."
    code = reply_code(incidents[0].id)
    return f"Not understood, nothing was changed. Reply T{code} to take, R{code} to resolve {heading(incidents[0])}"


def which(ask: Ask, incidents: Sequence[Incident]) -> str:
    """Return what to say where a text fits no open incident, or several."""
    if not incidents:
        named = f" {ask.code}" if ask.code else ""
        return f"Nothing{named} is open that you were texted about. Nothing was changed."
    letter = "T" if ask.action is PageAction.TAKE else "R"
    several = "; ".join(f"{letter}{reply_code(each.id)} {heading(each)[:40]}" for each in incidents[:_MOST_LISTED])
    return f"{len(incidents)} are open, nothing was changed. Reply with one of: {several}"


def not_known(channel: str, address: str) -> str:
    """Return what somebody is told whose account belongs to no user."""
    return (
        f"I do not know you here, so nothing was changed. Ask whoever runs this server to write "
        f"{channel}: {one_line(address, 40)} among your contacts."
    )


def _facts(incident: Incident, at: datetime) -> tuple[tuple[str, str], ...]:
    resource = incident.resource
    where = f", {incident.environment}" if incident.environment is not None else ""
    facts = [("Hits", one_line(resource.name or resource.id, 150) + where)]
    if impact := one_line(incident.impact, 300):
        facts.append(("Impact", impact))
    since = f"{instant(incident.created_at)}, {duration(at - incident.created_at)} ago"
    facts.append(("Since", f"{since}; seen {times(incident.event_count)}"))
    return tuple(facts)
