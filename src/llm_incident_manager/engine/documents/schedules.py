"""On-call schedules as documents: layers of rotations or single shifts, restrictions, and overrides."""

import hashlib
from datetime import date, datetime
from typing import Any

from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType, Shift
from llm_incident_manager.domain.oncall.schedule import Override, Schedule
from llm_incident_manager.engine.documents.findings import Findings, listed, quoted
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_id, read_zone
from llm_incident_manager.engine.documents.restrictions import read_clock, read_restrictions
from llm_incident_manager.engine.documents.spans import read_instant, read_span

ROTATIONS = tuple(RotationType)
MOST_LAYERS = 50
MOST_TURNS = 500
MOST_SHIFTS = 10_000
MOST_OVERRIDES = 1000


def parse_schedule(document: dict[str, Any], known: Known, findings: Findings) -> Schedule:
    """Return a schedule; everybody on it must exist."""
    part = Part(document, "", findings)
    given = part.parts("layers")
    layers = [_layer(layer, position, known) for position, layer in enumerate(given[:MOST_LAYERS], 1)]
    overrides = [_override(override, known) for override in part.parts("overrides")[:MOST_OVERRIDES]]
    for name, most in (("layers", MOST_LAYERS), ("overrides", MOST_OVERRIDES)):
        if len(part.values(name)) > most:
            part.fault(name, f"are {len(part.values(name))}; at most {most} are allowed")
    schedule = Schedule(
        id=read_id(part, Kind.SCHEDULES, document),
        name=part.text("name") or part.text("id"),
        time_zone=read_zone(part),
        layers=tuple(layer for layer in layers if layer is not None),
        overrides=tuple(override for override in overrides if override is not None),
        description=part.text("description", limit=2000),
    )
    if not part.has("layers"):
        part.fault("layers", "is required: at least one rotation")
    part.done()
    return schedule


def feed_of(schedule: str, address: str) -> str:
    """Return the id under which is kept what the calendar at an address last said; it does not give that away."""
    return hashlib.sha256(f"{schedule}\x00{address}".encode()).hexdigest()[:40]


def read_user(part: Part, name: str, known: Known) -> str:
    """Return the one person under a field, who must exist; an empty text where the field is faulty."""
    users = [user for path, user in part.words(name) if _exists(path, user, known, part.findings)]
    if not part.has(name):
        part.fault(name, "is required: who")
    elif len(part.values(name)) > 1:
        part.fault(name, "is one person; write one entry for each")
    return users[0] if users else ""


def _layer(part: Part, position: int, known: Known) -> Layer | None:
    before = len(part.findings.faults)
    name = part.text("name", default=f"layer {position}")
    inner = part.part("rotation")
    rotation = _rotation(inner, known) if inner is not None else None
    shifts = [_shift(each, known) for each in part.parts("shifts")[:MOST_SHIFTS]]
    if len(part.values("shifts")) > MOST_SHIFTS:
        part.fault("shifts", f"are {len(part.values('shifts'))}; at most {MOST_SHIFTS} are allowed")
    address = part.text("calendar", limit=2000)
    if address and not address.lower().startswith(("https://", "http://")):
        part.fault("calendar", "is not the address of an iCalendar file, such as https://calendar.example.com/team.ics")
    given = [each for each in ("rotation", "shifts", "calendar") if part.has(each)]
    if not given:
        part.fault("rotation", "is required, or shifts, or calendar: who has this layer when")
    elif len(given) > 1:
        part.fault(given[1], f"cannot stand beside {given[0]}; make it a layer of its own")
    restrictions = read_restrictions(part)
    starts_at, ends_at = read_instant(part, "starts_at"), read_instant(part, "ends_at")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        part.fault("ends_at", f"{ends_at.isoformat()} is not after starts_at, {starts_at.isoformat()}")
    beside = part.flag("beside", default=False)
    if beside and position == 1:
        part.fault("beside", "the first layer has none before it; leave it out")
    part.done()
    # A layer that lost one of its people counts with the rest; one whose hours cannot be read does not.
    whole = len(part.findings.faults) == before or (rotation is not None and any(rotation.users))
    if not whole or (rotation is None and inner is not None):
        return None
    return Layer(
        name=name,
        rotation=rotation,
        shifts=tuple(sorted((each for each in shifts if each is not None), key=lambda each: each.start)),
        restrictions=restrictions,
        starts_at=starts_at,
        ends_at=ends_at,
        beside=beside and position > 1,
        calendar=address,
    )


def _rotation(inner: Part, known: Known) -> Rotation | None:
    hand_off = read_clock(inner, "hand_off", default="09:00")
    starts = _date(inner, "starts")
    users = _users(inner, known)
    if not inner.values("users"):
        inner.fault("users", "is required: who takes turns")
    elif len(users) > MOST_TURNS:
        inner.fault("users", f"are {len(users)} turns; at most {MOST_TURNS} are allowed")
    elif not any(users):
        inner.fault("users", "names nobody; at least one turn needs a person")
    type_ = inner.one_of("type", ROTATIONS, default="weekly")
    length = inner.whole("length", low=1, high=10_000, unit="turns") or 1
    inner.done()
    if starts is None or hand_off is None or not any(users):
        return None
    return Rotation(type=RotationType(type_), length=length, hand_off=hand_off, starts=starts, users=users)


def _users(part: Part, known: Known) -> tuple[str, ...]:
    """Return who takes turns; ``null`` is a turn that nobody has."""
    found: list[str] = []
    for path, value in part.values("users"):
        if value is None:
            found.append("")
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            part.findings.fault(path, f"{quoted(value)} is not a user's id; null stands for a turn that nobody has")
            continue
        _exists(path, value.strip(), known, part.findings)
        found.append(value.strip())
    return tuple(found)


def _shift(part: Part, known: Known) -> Shift | None:
    user = read_user(part, "user", known)
    span = read_span(part)
    part.done()
    return Shift(user, *span) if user and span is not None else None


def _override(part: Part, known: Known) -> Override | None:
    user = read_user(part, "user", known)
    span = read_span(part)
    part.allow("id", "reason")
    part.done()
    return Override(user=user, start=span[0], end=span[1]) if user and span is not None else None


def _exists(path: str, user: str, known: Known, findings: Findings) -> bool:
    if user not in known.users:
        findings.fault(path, f"user {quoted(user)} does not exist; known users: {listed(known.users)}")
    return True


def _date(part: Part, name: str) -> date | None:
    value = part.text(name, required=True)
    if not value:
        return None
    try:
        found = date.fromisoformat(value[:10])
        if len(value) > 10:
            datetime.fromisoformat(value)
    except ValueError:
        part.fault(name, f"{quoted(value)} is not a date such as '2027-01-04'")
        return None
    if not 1900 <= found.year <= 2200:
        part.fault(name, f"{quoted(value)} is not between the years 1900 and 2200")
        return None
    return found
