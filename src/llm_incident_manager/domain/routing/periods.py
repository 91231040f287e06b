"""When something holds: hours and days in a time zone (specification §5.3 ``schedule``)."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import msgspec


class ActiveHours(msgspec.Struct, frozen=True, kw_only=True):
    """``HH:MM`` in the zone beside it; an end before the start passes midnight."""

    start: str
    end: str


class ActivePeriods(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a policy or a route matches (specification §5.3 ``schedule``); days are 0 (Sunday) to 6 (Saturday)."""

    timezone: str = "UTC"
    active_hours: ActiveHours | None = None
    active_days: tuple[int, ...] = ()


def is_active(periods: ActivePeriods, at: datetime) -> bool:
    """Whether ``at`` (any zone) is inside the active hours and days, as clocks on the wall there show them.

    A shift that passes midnight belongs to the day on which it begins.
    """
    local = at.astimezone(ZoneInfo(periods.timezone))
    day = local.isoweekday() % 7
    hours = periods.active_hours
    days = periods.active_days or tuple(range(7))
    if hours is None:
        return day in days
    start, end = _clock(hours.start), _clock(hours.end)
    now = local.time().replace(tzinfo=None)
    if start < end:
        return day in days and start <= now < end
    if now >= start:
        return day in days
    return now < end and (day - 1) % 7 in days


def _clock(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour) % 24, int(minute))
