"""Users, teams and the catch-all as documents."""

from typing import Any
from zoneinfo import ZoneInfo

from llm_incident_manager.domain.people import CatchAll, Target, Team, User
from llm_incident_manager.engine.documents.contacts import read_contacts
from llm_incident_manager.engine.documents.findings import Findings, listed, quoted
from llm_incident_manager.engine.documents.kinds import SERVER_MADE, Kind, identify, is_id
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.targets import read_channels, read_targets

ROLES = ("viewer", "responder", "manager", "admin")
_STEPS = ("2", "3", "manager")


def parse_user(document: dict[str, Any], known: Known, findings: Findings) -> User:
    """Return a person (``id``, ``name``, ``time_zone``, ``contacts``, ``role``, ``enabled``, ``skills``)."""
    part = Part(document, "", findings)
    user = User(
        id=read_id(part, Kind.USERS, document),
        name=part.text("name") or part.text("id"),
        time_zone=read_zone(part),
        contacts=read_contacts(part),
        role=part.one_of("role", ROLES, default="responder"),
        enabled=part.flag("enabled", default=True),
        skills=tuple(dict.fromkeys(word.lower() for _, word in part.words("skills"))),
    )
    for contact in user.contacts:
        if contact.channel not in known.channels:
            part.note("contacts", f"channel {contact.channel} cannot be sent on yet; the contact is kept")
    part.done()
    return user


def parse_team(document: dict[str, Any], known: Known, findings: Findings) -> Team:
    """Return a team (``id``, ``name``, ``members``, ``contacts``, ``escalation: {2, 3, manager}``)."""
    part = Part(document, "", findings)
    members: dict[str, None] = {}
    for path, member in part.words("members"):
        if member not in known.users:
            findings.fault(path, f"user {quoted(member)} does not exist; known users: {listed(known.users)}")
        members[member] = None
    team = Team(
        id=read_id(part, Kind.TEAMS, document),
        name=part.text("name") or part.text("id"),
        members=tuple(members),
        contacts=read_contacts(part),
        escalation=_escalation(part, known),
    )
    part.done()
    return team


def parse_catch_all(document: dict[str, Any], known: Known, findings: Findings) -> CatchAll:
    """Return who is told when nobody else can be found; at least one target must reach somebody."""
    part = Part(document, "", findings)
    part.allow("id", *SERVER_MADE)
    catch_all = CatchAll(
        targets=read_targets(part, "targets", known),
        channels=read_channels(part, "channels", "channel", "notification_channels", known=known),
    )
    if not part.has("targets") or document.get("targets") == []:
        part.fault("targets", "reaches nobody; name at least one target")
    part.done()
    return catch_all


def read_id(part: Part, kind: Kind, document: dict[str, Any]) -> str:
    """Return the document's id, and accept the members that the server adds to answers."""
    part.allow("id", "name", *SERVER_MADE)
    found = identify(kind, document)
    if not found:
        part.fault("id" if part.has("name") else "name", "is required")
    elif not is_id(kind, found):
        part.fault(
            "id" if part.has("id") else "name",
            f"{quoted(found)} cannot be an id; use up to 100 letters, digits and . _ - @ : +",
        )
    return found


def read_zone(part: Part, name: str = "time_zone", *aliases: str) -> str:
    """Return an IANA time zone, ``UTC`` where none is named."""
    zone = part.text(name, *(aliases or ("timezone",)), default="UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, LookupError):
        part.fault(name, f"{quoted(zone)} is not a time zone; write it like Europe/Madrid")
        return "UTC"
    return zone


def _escalation(owner: Part, known: Known) -> dict[str, tuple[Target, ...]]:
    part = owner.part("escalation")
    if part is None:
        return {}
    steps = {step: read_targets(part, step, known) for step in _STEPS if part.has(step)}
    part.allow(*_STEPS)
    part.done()
    return steps
