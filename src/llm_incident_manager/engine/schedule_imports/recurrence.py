"""Recurring shifts (RFC 5545 §3.3.10) as layers: as a rotation where that says the same, else shift by shift."""

import calendar
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.domain.oncall.rotation import local_instant
from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.schedule_imports.translation import (
    DAY_SECONDS,
    Document,
    Translated,
    Unreadable,
    rotation,
    side_by_side,
    window,
    written,
)

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
AHEAD = timedelta(days=400)
MOST = 9000


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How often: ``by_day`` counts from 0 for Monday, ``until`` is on the wall."""

    freq: str
    interval: int = 1
    by_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_monthday: tuple[int, ...] = ()
    count: int | None = None
    until: datetime | None = None
    week_start: int = 0


class Recurring(msgspec.Struct, frozen=True, kw_only=True):
    """A shift from ``start`` (on the wall) that comes again; each group of people has ``per_group`` of them in turn."""

    name: str
    start: datetime
    duration: timedelta
    groups: list[list[str]]
    per_group: int = 1
    rule: Rule | None = None
    by_period: bool = False
    since: datetime | None = None
    until: datetime | None = None


def read_rule(text: str, path: str) -> Rule:
    """Return a rule from its line; raises Unreadable for parts that are not understood."""
    given = dict(part.partition("=")[::2] for part in text.upper().removeprefix("RRULE:").split(";") if part)
    unknown = set(given) - {"FREQ", "INTERVAL", "BYDAY", "BYMONTH", "BYMONTHDAY", "COUNT", "UNTIL", "WKST"}
    try:
        if unknown or given["FREQ"] not in ("HOURLY", "DAILY", "WEEKLY", "MONTHLY"):
            raise ValueError(text)
        until = given.get("UNTIL", "").removesuffix("Z")
        return Rule(
            freq=given["FREQ"],
            interval=max(1, int(given.get("INTERVAL", "1"))),
            by_day=tuple(sorted(DAYS.index(day) for day in given.get("BYDAY", "").split(",") if day)),
            by_month=tuple(int(each) for each in given.get("BYMONTH", "").split(",") if each),
            by_monthday=tuple(int(each) for each in given.get("BYMONTHDAY", "").split(",") if each),
            count=int(given["COUNT"]) if "COUNT" in given else None,
            until=datetime.fromisoformat(until).replace(tzinfo=None) if until else None,
            week_start=DAYS.index(given.get("WKST", "MO")),
        )
    except (KeyError, ValueError):
        raise Unreadable(f"{path}: {quoted(text)} is not a recurrence that can be carried over") from None


def layers_of(shift: Recurring, zone: ZoneInfo, found: Translated) -> list[Document]:
    """Return the layers, one beside another where several people have a turn together."""
    if not any(shift.groups):
        found.notes.append(f"{shift.name}: nobody has it, so it is left out")
        return []
    bounds: Document = {}
    ends = shift.until
    if shift.rule is not None and shift.rule.until is not None:
        last = local_instant(shift.rule.until.date(), shift.rule.until.time(), zone) + timedelta(seconds=1)
        ends = last if ends is None else min(ends, last)
    if shift.since is not None:
        bounds["starts_at"] = written(shift.since)
    turns = _as_rotation(shift)
    if turns is None or ends is not None:
        return [_listed(shift, zone, found)]
    seconds, anchor, restriction = turns
    instant = local_instant(anchor.date(), anchor.time(), zone)
    first = local_instant(shift.start.date(), shift.start.time(), zone)
    bounds["starts_at"] = written(max(first, shift.since) if shift.since is not None else first)
    return [
        {
            "name": shift.name,
            "rotation": rotation(instant, zone, seconds, users, shift.name),
            "restrictions": [restriction] if restriction is not None else [],
            **bounds,
        }
        for users in side_by_side(shift.groups)
    ]


def _as_rotation(shift: Recurring) -> tuple[int, datetime, Document | None] | None:
    """Return a turn's seconds, its anchor and its hours, where a rotation means the same; else ``None``."""
    rule = shift.rule
    length = int(shift.duration.total_seconds())
    if rule is None or rule.count or rule.by_month or rule.by_monthday or rule.freq not in ("DAILY", "WEEKLY"):
        return None
    period = DAY_SECONDS * (7 if rule.freq == "WEEKLY" else 1)
    begins = shift.start.hour * 3600 + shift.start.minute * 60 + shift.start.second
    if not rule.by_day and length == period * rule.interval:
        return period * rule.interval * shift.per_group, shift.start, None
    if rule.interval != 1 or length > DAY_SECONDS:
        return None
    alone = len(shift.groups) == 1
    if rule.freq == "DAILY" and not rule.by_day:
        return DAY_SECONDS * shift.per_group, shift.start, window([], begins, length)
    days = list(rule.by_day or ((shift.start.weekday(),) if rule.freq == "WEEKLY" else ()))
    weekly = (
        shift.by_period
        or alone
        or (
            shift.per_group == len(days)
            and shift.start.weekday() == min(days, key=lambda day: (day - rule.week_start) % 7)
        )
    )
    if rule.freq != "WEEKLY" or not weekly:
        return None
    back = (shift.start.weekday() - rule.week_start) % 7
    return 7 * DAY_SECONDS, shift.start - timedelta(days=back), window(days, begins, length)


def _listed(shift: Recurring, zone: ZoneInfo, found: Translated) -> Document:
    """Return single shifts for a year and a month from now or from its start."""
    today = found.today.replace(tzinfo=None)
    horizon = max(today, shift.start) + AHEAD
    shifts: list[Document] = []
    for number, (period, begins) in enumerate(islice(_occurrences(shift.rule, shift.start), 40_000)):
        if begins > horizon or len(shifts) > MOST:
            found.notes.append(f"{shift.name}: its recurrence is no rotation here; carried over shift by shift until "
                               f"{min(begins, horizon):%Y-%m-%d}")  # fmt: skip
            break
        start, end = (local_instant(at.date(), at.time(), zone) for at in (begins, begins + shift.duration))
        ended = begins + shift.duration < today - timedelta(days=60)
        outside = (shift.since is not None and start < shift.since) or (
            shift.until is not None and start >= shift.until
        )
        if ended or outside or start >= end:
            continue
        turn = period if shift.by_period else number // shift.per_group
        group = shift.groups[turn % len(shift.groups)]
        shifts += [{"user": user, "start": written(start), "end": written(end)} for user in group]
    return {"name": shift.name, "shifts": shifts}


def _occurrences(rule: Rule | None, start: datetime) -> Iterator[tuple[int, datetime]]:
    """Yield the number of the period and the start (on the wall) of each shift."""
    if rule is None:
        yield 0, start
        return
    given = 0
    for period, begins in _candidates(rule, start):
        if rule.until is not None and begins > rule.until:
            return
        if begins < start:
            continue
        yield period, begins
        given += 1
        if rule.count is not None and given >= rule.count:
            return


def _candidates(rule: Rule, start: datetime) -> Iterator[tuple[int, datetime]]:
    period = 0
    while period < 100_000:
        step = period * rule.interval
        if rule.freq == "HOURLY":
            days = [start + timedelta(hours=step)]
        elif rule.freq == "DAILY":
            days = [start + timedelta(days=step)]
        elif rule.freq == "WEEKLY":
            monday = start - timedelta(days=(start.weekday() - rule.week_start) % 7)
            week = [monday + timedelta(days=7 * step + day) for day in range(7)]
            days = [day for day in week if day.weekday() in (rule.by_day or (start.weekday(),))]
        else:
            days = _month(rule, start, step)
        for day in days:
            if _fits(rule, day):
                yield period, day
        period += 1


def _month(rule: Rule, start: datetime, step: int) -> list[datetime]:
    months = start.month - 1 + step
    year, month = start.year + months // 12, months % 12 + 1
    last = calendar.monthrange(year, month)[1]
    wanted = rule.by_monthday or (() if rule.by_day else (start.day,))
    numbers = {each if each > 0 else last + 1 + each for each in wanted} or set(range(1, last + 1))
    return [datetime.combine(date(year, month, each), start.time()) for each in sorted(numbers) if 1 <= each <= last]


def _fits(rule: Rule, day: datetime) -> bool:
    if rule.by_day and day.weekday() not in rule.by_day:
        return False
    if rule.by_month and day.month not in rule.by_month:
        return False
    last = calendar.monthrange(day.year, day.month)[1]
    return not rule.by_monthday or day.day in {each if each > 0 else last + 1 + each for each in rule.by_monthday}
