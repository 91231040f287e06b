"""On-call schedules as documents: layers of rotations, and overrides."""

import re
from datetime import date, datetime, time
from typing import Any

from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType
from llm_incident_manager.domain.oncall.schedule import Layer, Override, Schedule
from llm_incident_manager.engine.documents.findings import Findings, listed, quoted
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_id, read_zone

ROTATIONS = tuple(RotationType)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def parse_schedule(document: dict[str, Any], known: Known, findings: Findings) -> Schedule:
    """Return a schedule; everybody on it must exist."""
    part = Part(document, "", findings)
    layers = [_layer(layer, position, known) for position, layer in enumerate(part.parts("layers"), 1)]
    overrides = [_override(override, known) for override in part.parts("overrides")]
    schedule = Schedule(
        id=read_id(part, Kind.SCHEDULES, document),
        name=part.text("name") or part.text("id"),
        time_zone=read_zone(part),
        layers=tuple(layer for layer in layers if layer is not None),
        overrides=tuple(override for override in overrides if override is not None),
    )
    if not part.has("layers"):
        part.fault("layers", "is required: at least one rotation")
    part.done()
    return schedule


def _layer(part: Part, position: int, known: Known) -> Layer | None:
    name = part.text("name", default=f"layer {position}")
    inner = part.part("rotation")
    if inner is None:
        part.fault("rotation", "is required")
        part.done()
        return None
    hand_off = inner.text("hand_off", default="09:00")
    if not _TIME.fullmatch(hand_off):
        inner.fault("hand_off", f"{quoted(hand_off)} is not a time of day such as '09:00'")
    starts = _date(inner, "starts")
    users = _users(inner, "users", known)
    if not inner.values("users"):
        inner.fault("users", "is required: who takes turns")
    type_ = inner.one_of("type", ROTATIONS, default="weekly")
    length = inner.whole("length", low=1, high=10_000, unit="turns") or 1
    inner.done()
    part.done()
    if starts is None or not users:
        return None
    turn = Rotation(
        type=RotationType(type_), length=length, hand_off=time.fromisoformat(hand_off), starts=starts, users=users
    )
    return Layer(name=name, rotation=turn)


def _override(part: Part, known: Known) -> Override | None:
    users = _users(part, "user", known)
    start, end = _instant(part, "start"), _instant(part, "end")
    part.allow("id", "reason")
    part.done()
    if not part.has("user"):
        part.fault("user", "is required")
    if start is None or end is None or not users:
        return None
    if end <= start:
        part.fault("end", f"{end.isoformat()} is not after the start, {start.isoformat()}")
        return None
    return Override(user=users[0], start=start, end=end)


def _users(part: Part, name: str, known: Known) -> tuple[str, ...]:
    found: list[str] = []
    for path, user in part.words(name):
        if user not in known.users:
            part.findings.fault(path, f"user {quoted(user)} does not exist; known users: {listed(known.users)}")
        found.append(user)
    return tuple(found)


def _date(part: Part, name: str) -> date | None:
    value = part.text(name, required=True)
    if not value:
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        part.fault(name, f"{quoted(value)} is not a date such as '2027-01-04'")
        return None


def _instant(part: Part, name: str) -> datetime | None:
    value = part.text(name, required=True)
    if not value:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        part.fault(name, f"{quoted(value)} is not an instant with its zone, such as '2027-02-01T08:00:00Z'")
        return None
    return instant
