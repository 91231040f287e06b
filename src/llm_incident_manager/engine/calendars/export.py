"""Schedules as calendars: the shifts that come of them, or the rules they are made of (RTE-03)."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.restriction import EVERY_DAY, Restriction
from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType, first_hand_off
from llm_incident_manager.domain.oncall.schedule import Schedule, Stretch, Why, stretches
from llm_incident_manager.engine.calendars import text
from llm_incident_manager.engine.calendars.text import Line

Named = Callable[[str], str]
"""The name of a user."""
ZONE_YEARS = 12
"""So many years of clock changes are written after the first."""
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def shifts_calendar(schedule: Schedule, start: datetime, end: datetime, *, stamp: datetime, named: Named) -> str:
    """Return who is on call from ``start`` to ``end`` (aware), an event for each person and shift, in UTC."""
    events = [
        shift_event(schedule, user, stretch, stamp, named)
        for stretch in stretches(schedule, start, end)
        for user in stretch.users
    ]
    return text.calendar(f"{schedule.name}: on call", events)


def person_calendar(
    schedules: Iterable[Schedule], user: str, start: datetime, end: datetime, *, stamp: datetime, named: Named
) -> str:
    """Return when one person is on call, on any schedule."""
    events = [
        shift_event(schedule, user, stretch, stamp, named)
        for schedule in schedules
        for stretch in stretches(schedule, start, end)
        if user in stretch.users
    ]
    return text.calendar(f"{named(user)}: on call", events)


def rules_calendar(schedule: Schedule, *, stamp: datetime) -> str:
    """Return the rules of a schedule: each layer's turns as recurring events, its restrictions, overrides and swaps.

    ``X-ON-CALL-LAYER`` counts from 1, higher over lower; ``X-ON-CALL-KIND`` is ``turn``, ``restriction``, ``override``
    or ``swap``. Turns of days and weeks last nominal days (RFC 5545 §3.3.6), so that they end on the wall's hour.
    """
    zones = [layer.rotation.starts.year for layer in schedule.layers if layer.rotation is not None]
    first = min(zones, default=stamp.year)
    events: list[list[Line]] = []
    for number, layer in enumerate(schedule.layers, 1):
        events += _layer_events(schedule, layer, number, stamp)
    for override in schedule.overrides:
        lines = [("DTSTART", text.utc(override.start)), ("DTEND", text.utc(override.end))]
        events.append(_rule(schedule, stamp, f"override {override}", "override", 0, override.user, lines))
    for swap in schedule.swaps:
        for user, by, begins, ends in (
            (swap.user, swap.by, swap.start, swap.end),
            (swap.by, swap.user, swap.return_start, swap.return_end),
        ):
            if begins is not None and ends is not None:
                lines = [("DTSTART", text.utc(begins)), ("DTEND", text.utc(ends)), ("X-ON-CALL-FOR", text.text(user))]
                events.append(_rule(schedule, stamp, f"swap {swap} {by}", "swap", 0, by, lines))
    zone = text.time_zone(schedule.time_zone, first - 1, max(first, stamp.year) + ZONE_YEARS)
    return text.calendar(f"{schedule.name}: rules", [zone, *events])


def shift_event(schedule: Schedule, user: str, stretch: Stretch, stamp: datetime, named: Named) -> list[Line]:
    """Return one person's shift as an event; its UID stays while its start does."""
    why = {Why.OVERRIDE: " (override)", Why.SWAP: " (swap)"}.get(stretch.why, "")
    lines = [
        ("DTSTART", text.utc(stretch.start)),
        ("DTEND", text.utc(stretch.end or stretch.start + timedelta(days=1))),
        ("SUMMARY", text.text(f"{named(user)}: {schedule.name}{why}")),
        ("DESCRIPTION", text.text(f"{user} is on call on {schedule.name}{why}")),
        ("X-ON-CALL", text.text(user)),
    ]
    return text.event(_uid(schedule.id, user, text.utc(stretch.start)), stamp, lines)


def _layer_events(schedule: Schedule, layer: Layer, number: int, stamp: datetime) -> Iterator[list[Line]]:
    bounds = [(name, text.utc(each)) for name, each in (
        ("X-ON-CALL-FROM", layer.starts_at), ("X-ON-CALL-UNTIL", layer.ends_at),
    ) if each is not None]  # fmt: skip
    if layer.beside:
        bounds.append(("X-ON-CALL-BESIDE", "TRUE"))
    if layer.rotation is not None:
        for turn, user in enumerate(layer.rotation.users):
            if user:
                lines = [*_turn(layer.rotation, turn, schedule.time_zone), *bounds]
                yield _rule(schedule, stamp, f"{number} turn {turn}", "turn", number, user, lines)
    for shift in layer.shifts:
        lines = [("DTSTART", text.utc(shift.start)), ("DTEND", text.utc(shift.end)), *bounds]
        yield _rule(schedule, stamp, f"{number} {shift}", "turn", number, shift.user, lines)
    for position, restriction in enumerate(layer.restrictions):
        lines = _window(restriction, layer, schedule.time_zone, stamp)
        yield _rule(schedule, stamp, f"{number} hours {position}", "restriction", number, layer.name, lines)


def _turn(rotation: Rotation, turn: int, zone: str) -> list[Line]:
    turns = len(rotation.users)
    if rotation.type is RotationType.CUSTOM:
        starts = first_hand_off(rotation, ZoneInfo(zone)) + timedelta(hours=turn * rotation.length)
        return [
            ("DTSTART", text.utc(starts)),
            ("DURATION", f"PT{rotation.length}H"),
            ("RRULE", f"FREQ=HOURLY;INTERVAL={rotation.length * turns}"),
        ]
    days = rotation.length * (7 if rotation.type is RotationType.WEEKLY else 1)
    wall = datetime.combine(rotation.starts, rotation.hand_off) + timedelta(days=turn * days)
    return [
        text.at("DTSTART", zone, wall),
        ("DURATION", f"P{days}D"),
        ("RRULE", f"FREQ=DAILY;INTERVAL={days * turns}"),
    ]


def _window(restriction: Restriction, layer: Layer, zone: str, stamp: datetime) -> list[Line]:
    from_ = layer.rotation.starts if layer.rotation is not None else (layer.starts_at or stamp).date()
    day = from_ - timedelta(days=14)
    while day.weekday() not in restriction.days:
        day += timedelta(days=1)
    opens = datetime.combine(day, restriction.start)
    closes = datetime.combine(day + timedelta(days=restriction.over_days), restriction.end)
    by_day = ",".join(_DAYS[each] for each in restriction.days)
    rule = "FREQ=DAILY" if restriction.days == EVERY_DAY else f"FREQ=WEEKLY;BYDAY={by_day}"
    return [text.at("DTSTART", zone, opens), text.at("DTEND", zone, closes), ("RRULE", rule)]


def _rule(
    schedule: Schedule, stamp: datetime, key: str, kind: str, layer: int, summary: str, lines: list[Line]
) -> list[Line]:
    marks = [("X-ON-CALL-KIND", kind), ("X-ON-CALL-LAYER", str(layer))]
    return text.event(_uid(schedule.id, key, kind), stamp, [*lines, ("SUMMARY", text.text(summary)), *marks])


def _uid(*parts: str) -> str:
    digest = hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]
    return f"{digest}@llm-incident-manager"


def day_of(now: datetime) -> datetime:
    """Return the midnight (UTC) before ``now``: the stamp of calendars, so that they differ only where shifts do."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
