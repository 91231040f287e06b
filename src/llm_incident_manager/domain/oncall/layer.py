"""One layer of a schedule: who has it at an instant, and when that may change."""

from bisect import bisect_right
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.domain.oncall.restriction import Restriction, open_at
from llm_incident_manager.domain.oncall.rotation import Rotation, Shift, first_hand_off, shift_at

NOBODY: tuple[str, ...] = ()
Turn = tuple[tuple[str, ...], datetime | None]
"""Who has it, and the next instant (UTC) at which that may change; ``None`` if never."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A named rotation, or a list of shifts, within its restrictions.

    ``shifts`` are single turns (a calendar's), in order of their start; those that overlap are on call together.
    Restrictions are alternatives; none means always. The layer counts from ``starts_at`` until just before ``ends_at``
    (UTC). One that stands ``beside`` the layer before it is on call together with that one instead of over it.
    """

    name: str
    rotation: Rotation | None = None
    shifts: tuple[Shift, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    beside: bool = False
    calendar: str = ""


def turn_of(layer: Layer, zone: ZoneInfo, at: datetime) -> Turn:
    """Return who has this layer at ``at`` (UTC); in constant time but for the shifts that cover it."""
    if layer.starts_at is not None and at < layer.starts_at:
        return NOBODY, layer.starts_at
    if layer.ends_at is not None and at >= layer.ends_at:
        return NOBODY, None
    try:
        users, until = _rotated(layer.rotation, zone, at) if layer.rotation is not None else _listed(layer.shifts, at)
        if layer.restrictions:
            is_open, edge = open_at(layer.restrictions, zone, at)
            users = users if is_open else NOBODY
            until = edge if until is None else min(edge, until)
    except OverflowError:  # the end of the calendar
        return NOBODY, None
    if layer.ends_at is not None:
        until = layer.ends_at if until is None else min(until, layer.ends_at)
    return users, until


def _rotated(rotation: Rotation, zone: ZoneInfo, at: datetime) -> Turn:
    shift = shift_at(rotation, zone, at)
    if shift is None:
        starts = first_hand_off(rotation, zone)
        return NOBODY, starts if starts > at else None
    alone = len(set(rotation.users)) == 1
    return ((shift.user,) if shift.user else NOBODY), None if alone else shift.end


def _listed(shifts: tuple[Shift, ...], at: datetime) -> Turn:
    after = bisect_right(shifts, at, key=lambda shift: shift.start)
    edges = [shifts[after].start] if after < len(shifts) else []
    users: dict[str, None] = {}
    for shift in shifts[:after]:
        if at < shift.end:
            users[shift.user] = None
            edges.append(shift.end)
    return tuple(users), min(edges).astimezone(UTC) if edges else None
