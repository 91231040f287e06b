"""Schedules held against an oracle that shares no code with them: recurring-ical-events over the exported calendars."""

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.restriction import Restriction
from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType
from llm_incident_manager.domain.oncall.schedule import Override, Schedule, Swap, users_at
from llm_incident_manager.engine.calendars.export import rules_calendar, shifts_calendar

ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "Africa/Ceuta", "America/Adak", "America/Anchorage",
    "America/Boise", "America/Chicago", "America/Denver", "America/Godthab", "America/Halifax", "America/Havana",
    "America/Los_Angeles", "America/Miquelon", "America/New_York", "America/Santiago", "America/Scoresbysund",
    "America/St_Johns", "America/Tijuana", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza", "Asia/Jerusalem",
    "Asia/Nicosia",
    "Atlantic/Azores", "Atlantic/Bermuda", "Australia/Adelaide", "Australia/Lord_Howe", "Australia/Sydney",
    "Europe/Berlin", "Europe/Chisinau", "Europe/Dublin", "Europe/Helsinki", "Europe/London", "Europe/Madrid",
    "Antarctica/Macquarie", "Pacific/Auckland", "Pacific/Chatham", "Pacific/Easter", "Pacific/Norfolk",
)  # fmt: skip
FIRST_YEAR, LAST_YEAR = 2026, 2035
AROUND = timedelta(hours=5)
MINUTE = timedelta(minutes=1)
USERS = ("ana", "bo", "cy", "di")
Spans = list[tuple[datetime, datetime, str]]
"""From, to (UTC), who."""


def changes_of(zone: str, first: int = FIRST_YEAR, last: int = LAST_YEAR) -> list[datetime]:
    """Return the hours (UTC) in which the clocks of a zone change."""
    found, at, where = [], datetime(first, 1, 1, tzinfo=UTC), ZoneInfo(zone)
    while at.year <= last:
        following = at + timedelta(hours=1)
        if at.astimezone(where).utcoffset() != following.astimezone(where).utcoffset():
            found.append(at)
        at = following
    return found


def a_schedule(chance: random.Random, zone: str) -> Schedule:
    """Return a schedule of up to three layers, overrides and swaps, its hours mostly where clocks change."""
    layers = tuple(_layer(chance, number) for number in range(chance.randint(1, 3)))
    starts = [_instant(chance) for _ in range(3)]
    overrides = tuple(
        Override(user=chance.choice(USERS), start=at, end=at + timedelta(hours=chance.randint(1, 90)))
        for at in starts[: chance.randint(0, 2)]
    )
    swaps = tuple(
        Swap(user="ana", by="bo", start=at, end=at + timedelta(days=chance.randint(1, 60)), id="s")
        for at in starts[: chance.randint(0, 1)]
    )
    return Schedule(id="s", name="S", time_zone=zone, layers=layers, overrides=overrides, swaps=swaps)


def disagreements(schedule: Schedule, around: list[datetime]) -> list[str]:
    """Return the minutes around these instants at which the schedule and the oracle differ, by two calendars."""
    stamp = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    rules = icalendar.Calendar.from_ical(rules_calendar(schedule, stamp=stamp))
    wrong: list[str] = []
    for at in around:
        start, end = at - AROUND, at + AROUND
        told = icalendar.Calendar.from_ical(shifts_calendar(schedule, start, end, stamp=stamp, named=lambda user: user))
        shifts = _spans(told, start, end, "X-ON-CALL")
        oracle = Oracle(schedule, rules, start, end)
        minute = start
        while minute < end:
            ours = set(users_at(schedule, minute))
            by_rules, by_shifts = oracle.users(minute), {user for _, _, user in _over(shifts, minute)}
            if not ours == by_rules == by_shifts:
                wrong.append(f"{minute:%Y-%m-%d %H:%MZ} {schedule.time_zone}: {ours}, {by_rules}, {by_shifts}")
            minute += MINUTE
    return wrong


class Oracle:
    """Who is on call, from the expanded rules: layers, restrictions, swaps and overrides put together anew."""

    def __init__(self, schedule: Schedule, rules: icalendar.Calendar, start: datetime, end: datetime) -> None:
        self._turns: dict[int, Spans] = {}
        self._hours: dict[int, Spans] = {}
        self._overrides: Spans = []
        self._swaps: list[tuple[datetime, datetime, str, str]] = []
        self._restricted: set[int] = set()
        self._beside: set[int] = set()
        for event in rules.walk("VEVENT"):
            number = int(event["X-ON-CALL-LAYER"])
            self._restricted |= {number} if event["X-ON-CALL-KIND"] == "restriction" else set()
            self._beside |= {number} if "X-ON-CALL-BESIDE" in event else set()
        self._layers = len(schedule.layers)
        # A turn of weeks began long before: the library looks for what covers the span.
        for event in recurring_ical_events.of(rules).between(start - timedelta(days=1), end + timedelta(days=1)):
            begins, ends = _utc(event["DTSTART"].dt), _utc(event["DTEND"].dt)
            who, number = str(event["SUMMARY"]), int(event["X-ON-CALL-LAYER"])
            match str(event["X-ON-CALL-KIND"]):
                case "turn":
                    self._turns.setdefault(number, []).append((begins, ends, who))
                case "restriction":
                    self._hours.setdefault(number, []).append((begins, ends, who))
                case "override":
                    self._overrides.append((begins, ends, who))
                case "swap":
                    self._swaps.append((begins, ends, str(event["X-ON-CALL-FOR"]), who))

    def users(self, at: datetime) -> set[str]:
        """Return who is on call at an instant."""
        overriding = _over(self._overrides, at)
        if overriding:
            return {max(overriding)[2]}
        sheet: set[str] = set()
        for number in range(self._layers, 0, -1):
            if number not in self._restricted or _over(self._hours.get(number, []), at):
                sheet |= {user for _, _, user in _over(self._turns.get(number, []), at)}
            if number not in self._beside:
                if sheet:
                    break
                sheet = set()
        for begins, ends, user, by in self._swaps:
            if begins <= at < ends and user in sheet:
                sheet = sheet - {user} | {by}
        return sheet


def _layer(chance: random.Random, number: int) -> Layer:
    type_ = chance.choice(list(RotationType))
    length = {"daily": (1, 5), "weekly": (1, 3), "custom": (1, 60)}[type_.value]
    rotation = Rotation(
        type=type_,
        length=chance.randint(*length),
        hand_off=_clock(chance),
        starts=date(FIRST_YEAR - 1, 1, 1) + timedelta(days=chance.randint(0, 350)),
        users=tuple(chance.choices((*USERS, ""), k=chance.randint(1, 4))),
    )
    restrictions = tuple(_restriction(chance) for _ in range(chance.choice((0, 0, 1, 2))))
    return Layer(
        name=str(number), rotation=rotation, restrictions=restrictions, beside=number > 0 and chance.random() < 0.3
    )


def _restriction(chance: random.Random) -> Restriction:
    start, end = _clock(chance), _clock(chance)
    days = tuple(sorted(chance.sample(range(7), chance.randint(1, 7))))
    over = int(end <= start)
    if len(days) == 1 and chance.random() < 0.3:
        over += chance.randint(0, 4)
    return Restriction(start=start, end=end, days=days, over_days=over)


def _clock(chance: random.Random) -> time:
    return time(chance.choice((0, 0, 1, 1, 2, 2, 3, chance.randint(0, 23))), chance.choice((0, 0, 15, 30, 45, 59)))


def _instant(chance: random.Random) -> datetime:
    span = datetime(LAST_YEAR, 12, 1, tzinfo=UTC) - datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    return datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) + MINUTE * chance.randrange(int(span / MINUTE))


def _spans(calendar: Any, start: datetime, end: datetime, who: str) -> Spans:
    events = recurring_ical_events.of(calendar).between(start, end)
    return [(_utc(each["DTSTART"].dt), _utc(each["DTEND"].dt), str(each[who])) for each in events]


def _over(spans: Spans, at: datetime) -> Spans:
    return [span for span in spans if span[0] <= at < span[1]]


def _utc(wall: datetime) -> datetime:
    return wall.astimezone(UTC)
