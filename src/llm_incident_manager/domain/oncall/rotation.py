"""Rotations: who has the shift at an instant (RTE-03), right across daylight saving."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec


class RotationType(StrEnum):
    """What ``length`` counts: days, weeks, or for ``custom`` hours."""

    DAILY = "daily"
    WEEKLY = "weekly"
    CUSTOM = "custom"


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """People in turn, from ``starts`` at ``hand_off`` (local) on; nobody has the shift before that.

    Days and weeks are those of the wall clock: a shift across a change of the clocks is an hour shorter or longer.
    Custom lengths are hours that really pass, counted from the first hand-off. An empty name in ``users`` is a turn
    that nobody has.
    """

    type: RotationType
    length: int
    hand_off: time
    starts: date
    users: tuple[str, ...]


class Shift(msgspec.Struct, frozen=True):
    """One person's turn, from ``start`` until just before ``end`` (UTC)."""

    user: str
    start: datetime
    end: datetime


def first_hand_off(rotation: Rotation, zone: ZoneInfo) -> datetime:
    """Return the instant (UTC) at which the first shift begins."""
    return _hand_off(rotation, zone, 0)


def shift_at(rotation: Rotation, zone: ZoneInfo, at: datetime) -> Shift | None:
    """Return the shift that covers ``at``, or ``None`` before the first; in constant time."""
    at = at.astimezone(UTC)
    first = first_hand_off(rotation, zone)
    if at < first or not rotation.users:
        return None
    if rotation.type is RotationType.CUSTOM:
        number = (at - first) // timedelta(hours=rotation.length)
    else:
        number = max(0, (at.astimezone(zone).date() - rotation.starts).days // _days(rotation))
        # The date alone ignores the hour of the hand-off, and a zone that skips a day moves it: step to the right one.
        while number > 0 and at < _hand_off(rotation, zone, number):
            number -= 1
        while at >= _hand_off(rotation, zone, number + 1):
            number += 1
    return Shift(
        rotation.users[number % len(rotation.users)],
        _hand_off(rotation, zone, number),
        _hand_off(rotation, zone, number + 1),
    )


def local_instant(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the instant (UTC) of a wall-clock time.

    A time that does not exist (the gap in spring) counts with the offset before the change: 02:30 becomes 03:30.
    A time that comes twice (the fold in autumn) is its first occurrence. RFC 5545 §3.3.5 reads local times so too, and
    every hand-off and every edge of a restriction follows it.

    Raises OverflowError at the ends of the calendar.
    """
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def _days(rotation: Rotation) -> int:
    return rotation.length * (7 if rotation.type is RotationType.WEEKLY else 1)


def _hand_off(rotation: Rotation, zone: ZoneInfo, number: int) -> datetime:
    if rotation.type is RotationType.CUSTOM:
        first = local_instant(rotation.starts, rotation.hand_off, zone)
        return first + number * timedelta(hours=rotation.length)
    return local_instant(rotation.starts + timedelta(days=number * _days(rotation)), rotation.hand_off, zone)
