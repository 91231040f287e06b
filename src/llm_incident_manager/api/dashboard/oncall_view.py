"""What the On-call page shows: who has it now, a calendar of bars, my shifts, gaps and overlaps."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.api.dashboard.words import People, initials, instant, spell

COLUMNS = 168
"""Columns of the calendar, whatever it spans: an hour of a week each."""
LACKS = {
    "no_layers": "it has no layers",
    "not_started": "before the first hand-off",
    "ended": "after the last shift",
    "restricted": "outside its hours",
    "empty_turn": "a turn that nobody has",
}
EXCESSES = {"together": "are on call together", "overrides": "are in overrides that cover each other; the last counts"}


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """The card of one schedule."""

    id: str
    name: str
    who: list[str]
    is_reader: bool
    until: str
    then: str
    by_plan: bool


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of a lane, from column ``a`` to before column ``b``."""

    who: str
    short: str
    when: str
    kind: str
    a: int
    b: int
    is_now: bool


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list: what, where and when."""

    text: str
    below: str
    kind: str = ""
    id: str = ""


class Times:
    """Instants in the words of one zone."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.name = zone

    def at(self, moment: datetime) -> str:
        """Return ``Sat 28 Nov 18:00``."""
        wall = moment.astimezone(self.zone)
        return f"{wall:%a} {wall.day} {wall:%b %H:%M}"

    def day(self, moment: datetime) -> str:
        """Return ``Sat 28``."""
        wall = moment.astimezone(self.zone)
        return f"{wall:%a} {wall.day}"

    def span(self, start: datetime, end: datetime) -> str:
        """Return from when to when, and how long that is."""
        return f"{self.at(start)} to {self.at(end)}, {spell((end - start).total_seconds())}"


def duty_of(schedule: dict[str, Any], people: People, times: Times) -> Duty:
    """Return the card of a schedule: who has it, until when, who is next."""
    now = schedule["now"]
    until = instant(now["until"])
    following = " and ".join(people.name(user) for user in now["next"])
    reason = next((each["reason"] for each in schedule["ahead"]), "") if now["gap"] else ""
    return Duty(
        id=schedule["id"],
        name=schedule["name"],
        who=[people.name(user) for user in now["on_call"]],
        is_reader=people.reader in now["on_call"],
        until=f"until {times.at(until)}" if until is not None else "with no end",
        then=f"then {following or 'nobody'}" if until is not None else "",
        by_plan=reason == "restricted",
    )


def bars_of(schedule: dict[str, Any], people: People, times: Times, now: datetime) -> list[Bar]:
    """Return a schedule's stretches as bars; what is narrower than a column is drawn as one."""
    start, end = _bounds(schedule)
    planned = {each["start"] for each in schedule["gaps"] if each["reason"] == "restricted"}
    bars: list[Bar] = []
    for shift in schedule["shifts"]:
        begins, ends = _bounds(shift)
        a = round(COLUMNS * ((begins - start) / (end - start)))
        b = max(a + 1, round(COLUMNS * ((ends - start) / (end - start))))
        a, b = min(a, COLUMNS - 1), min(b, COLUMNS)
        names = ["You" if user == people.reader else people.name(user) for user in shift["users"]]
        kind = _kind(shift, people.reader, by_plan=shift["start"] in planned)
        why = f", {shift['why']}" if shift["why"] in ("override", "swap") else ""
        bars.append(
            Bar(
                who=" and ".join(names) or ("no cover by plan" if kind == "plan" else "nobody"),
                short="+".join(initials(name) for name in names) or ("" if kind == "plan" else "gap"),
                when=times.span(begins, ends) + why,
                kind=kind,
                a=a,
                b=b,
                is_now=begins <= now < ends,
            )
        )
    return bars


def gap_lines(schedules: Iterable[dict[str, Any]], times: Times) -> list[Line]:
    """Return the gaps of the next four weeks as sentences, without those by plan."""
    return [
        Line(
            text=f"Nobody is on {schedule['name']} from {times.span(*_bounds(gap))}",
            below=LACKS.get(gap["reason"], gap["reason"]),
            kind="gap",
        )
        for schedule in schedules
        for gap in schedule["ahead"]
        if gap["reason"] != "restricted"
    ]


def calendar_lines(schedules: Iterable[dict[str, Any]], times: Times) -> list[Line]:
    """Return what is wrong with calendars elsewhere: those that fail, and whom no user fits."""
    found: list[Line] = []
    for schedule in schedules:
        for each in schedule["calendars"]:
            place = f"The calendar of {schedule['name']}, {each['layer']},"
            since = instant(each["failing_since"])
            if each["state"] == "failing" and since is not None:
                said = f"{each['error']}. The last good one counts."
                found.append(Line(text=f"{place} has not been read since {times.at(since)}", below=said))
            if each["unknown"]:
                found.append(Line(text=f"{place} names people who are no users", below=", ".join(each["unknown"][:5])))
    return found


def coverage_lines(coverage: dict[str, Any], people: People, times: Times) -> list[Line]:
    """Return the gaps and overlaps of one schedule in order of their start, those by plan as one."""
    found = [
        (gap["start"], Line(text=times.span(*_bounds(gap)), below=f"Nobody: {LACKS[gap['reason']]}", kind="gap"))
        for gap in coverage["gaps"]
        if gap["reason"] != "restricted"
    ]
    for each in coverage["overlaps"]:
        names = " and ".join(people.name(user) for user in each["users"])
        line = Line(text=times.span(*_bounds(each)), below=f"{names} {EXCESSES[each['reason']]}", kind="overlap")
        found.append((each["start"], line))
    lines = [line for _, line in sorted(found, key=lambda pair: str(pair[0]))]
    planned = [_bounds(gap) for gap in coverage["gaps"] if gap["reason"] == "restricted"]
    if planned:
        hours = spell(sum((end - start).total_seconds() for start, end in planned))
        below = f"{hours} in all; the next {times.span(*planned[0])}"
        lines.append(Line(text=f"Nobody {len(planned)} times outside its hours, by plan", below=below, kind="plan"))
    return lines


def shift_lines(mine: Iterable[dict[str, Any]], times: Times, now: datetime) -> list[Line]:
    """Return the reader's own shifts."""
    found: list[Line] = []
    for each in mine:
        begins, ends = _bounds(each)
        text = f"Now, until {times.at(ends)}" if begins <= now else times.span(begins, ends)
        found.append(Line(text=text, below=each["schedule"]))
    return found


def override_lines(overrides: Iterable[dict[str, Any]], people: People, times: Times) -> list[Line]:
    """Return who takes over, where and when; those of the config file have no id."""
    return [
        Line(
            text=f"{people.name(each['user'])}, {times.span(*_bounds(each))}",
            below=each["schedule"] + (f": {each['reason']}" if each.get("reason") else ""),
            id=each["id"],
        )
        for each in overrides
    ]


def days_of(start: datetime, end: datetime, now: datetime, times: Times) -> list[tuple[str, bool]]:
    """Return seven heads of the calendar, and which is of today."""
    step = (end - start) / 7
    heads: list[tuple[str, bool]] = []
    for number in range(7):
        begins = start + number * step + timedelta(hours=1)  # an hour in: clocks may have changed in between
        heads.append((times.day(begins), start + number * step <= now < start + (number + 1) * step))
    return heads


def _kind(shift: dict[str, Any], reader: str, *, by_plan: bool) -> str:
    if not shift["users"]:
        return "plan" if by_plan else "gap"
    if reader in shift["users"]:
        return "me"
    return "ovr" if shift["why"] in ("override", "swap") else "other"


def _bounds(document: dict[str, Any]) -> tuple[datetime, datetime]:
    start, end = instant(document["start"]), instant(document["end"])
    assert start is not None
    assert end is not None
    return start, end
