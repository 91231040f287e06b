"""④ Who is on call: layers of rotations, and overrides over them (RTE-03)."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.domain.oncall.rotation import Rotation, first_hand_off, shift_at

_MAX_STEPS = 200


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """A named rotation."""

    name: str
    rotation: Rotation


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """``user`` takes over from ``start`` until just before ``end`` (UTC)."""

    user: str
    start: datetime
    end: datetime


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Layers as transparent sheets: the last one that has a shift counts, and an override counts over all of them.

    Of overlapping overrides the one that starts last counts, of equal starts the last written. ``time_zone`` is an
    IANA name.
    """

    id: str
    name: str
    time_zone: str = "UTC"
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()


class OnCall(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call, until when, and who is next; ``gap`` says that it is nobody, ``until`` is None if for ever."""

    users: tuple[str, ...]
    until: datetime | None
    next_users: tuple[str, ...]
    gap: bool


def on_call(schedule: Schedule, at: datetime) -> OnCall:
    """Return the answer for the instant ``at`` (aware): one person, or a named gap; times in UTC.

    Two hundred hand-offs ahead without a change count as for ever.
    """
    zone = ZoneInfo(schedule.time_zone)
    at = at.astimezone(UTC)
    users, change = _moment(schedule, zone, at)
    for _ in range(_MAX_STEPS):
        if change is None:
            break
        following, later = _moment(schedule, zone, change)
        if following != users:
            return OnCall(users=users, until=change, next_users=following, gap=not users)
        change = later
    return OnCall(users=users, until=None, next_users=users, gap=not users)


def _moment(schedule: Schedule, zone: ZoneInfo, at: datetime) -> tuple[tuple[str, ...], datetime | None]:
    """Return who has it, and the next instant at which that may change."""
    changes = [edge for override in schedule.overrides for edge in (override.start, override.end) if edge > at]
    users: tuple[str, ...] = ()
    for layer in schedule.layers:
        try:
            shift = shift_at(layer.rotation, zone, at)
        except OverflowError:  # the end of the calendar
            continue
        if shift is None:
            starts = first_hand_off(layer.rotation, zone)
            changes += [starts] if starts > at else []
        else:
            users = (shift.user,)
            changes.append(shift.end)
    covering = [override for override in schedule.overrides if override.start <= at < override.end]
    if covering:
        # max() keeps the first of equals; reversed, that is the last written.
        users = (max(reversed(covering), key=lambda override: override.start).user,)
    return users, min(changes).astimezone(UTC) if changes else None
