"""iCalendar as text (RFC 5545): lines folded and escaped, events, and a time zone written out."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

PRODUCT = "-//LLM-Incident-Manager//On-call//EN"
LINE_OCTETS = 75
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
Line = tuple[str, str]
"""A property with its parameters, and its value as written."""


def calendar(name: str, components: Iterable[Iterable[Line]]) -> str:
    """Return a whole calendar; ``name`` is what programs call it."""
    lines: list[Line] = [
        ("BEGIN", "VCALENDAR"),
        ("VERSION", "2.0"),
        ("PRODID", PRODUCT),
        ("CALSCALE", "GREGORIAN"),
        ("METHOD", "PUBLISH"),
        ("NAME", text(name)),
        ("X-WR-CALNAME", text(name)),
        ("REFRESH-INTERVAL;VALUE=DURATION", "PT15M"),
        ("X-PUBLISHED-TTL", "PT15M"),
        *(line for component in components for line in component),
        ("END", "VCALENDAR"),
    ]
    return "".join(f"{folded}\r\n" for name_, value in lines for folded in _folded(f"{name_}:{value}"))


def event(uid: str, stamp: datetime, lines: Iterable[Line]) -> list[Line]:
    """Return a VEVENT; it takes no place in anybody's free and busy times."""
    made = [("BEGIN", "VEVENT"), ("UID", text(uid)), ("DTSTAMP", utc(stamp)), *lines]
    return [*made, ("TRANSP", "TRANSPARENT"), ("END", "VEVENT")]


def text(value: str) -> str:
    """Return a text escaped (§3.3.11); control characters are left out."""
    plain = _CONTROL.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    for sign in ("\\", ";", ","):
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("\n", "\\n")


def utc(instant: datetime) -> str:
    """Return an instant in UTC (§3.3.5, form 2)."""
    return f"{instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def local(wall: datetime) -> str:
    """Return a time on the wall (§3.3.5, forms 1 and 3)."""
    return f"{wall:%Y%m%dT%H%M%S}"


def at(name: str, zone: str, wall: datetime) -> Line:
    """Return a property that holds a time on the wall of ``zone``; in UTC as that form."""
    if zone == "UTC":
        return name, f"{local(wall)}Z"
    return f"{name};TZID={zone}", local(wall)


@lru_cache(maxsize=256)
def time_zone(zone: str, first_year: int, last_year: int) -> tuple[Line, ...]:
    """Return a VTIMEZONE (§3.6.5) with every change of the clocks in those years, each as it is on record.

    UTC needs none and gives an empty one.
    """
    if zone == "UTC":
        return ()
    found = ZoneInfo(zone)
    begins = datetime(first_year, 1, 1, tzinfo=UTC)
    lines: list[Line] = [
        ("BEGIN", "VTIMEZONE"),
        ("TZID", zone),
        *_observance(found, begins - timedelta(days=1), begins),
    ]
    for before, after in _changes(found, begins, datetime(last_year + 1, 1, 1, tzinfo=UTC)):
        lines += _observance(found, before, after)
    return (*lines, ("END", "VTIMEZONE"))


def _observance(zone: ZoneInfo, before: datetime, after: datetime) -> list[Line]:
    """Return what holds from ``after`` on; its onset is written in the local time of before (§3.6.5)."""
    old, new = before.astimezone(zone), after.astimezone(zone)
    kind = "DAYLIGHT" if new.dst() else "STANDARD"
    onset = (after + (old.utcoffset() or timedelta())).replace(tzinfo=None)
    return [
        ("BEGIN", kind),
        ("DTSTART", local(onset)),
        ("TZOFFSETFROM", _offset(old)),
        ("TZOFFSETTO", _offset(new)),
        ("TZNAME", text(new.tzname() or "")),
        ("END", kind),
    ]


def _changes(zone: ZoneInfo, begins: datetime, ends: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the last second of one offset and the first of the next, for each change."""
    at_, step = begins, timedelta(days=1)
    offset = at_.astimezone(zone).utcoffset()
    while at_ < ends:
        following = at_ + step
        changed = following.astimezone(zone).utcoffset()
        if changed != offset:
            low, high = 0, int(step.total_seconds())
            while high - low > 1:
                middle = (low + high) // 2
                same = (at_ + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset
                low, high = (middle, high) if same else (low, middle)
            yield at_ + timedelta(seconds=low), at_ + timedelta(seconds=high)
            offset = changed
        at_ = following


def _offset(moment: datetime) -> str:
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    sign, seconds = "-" if seconds < 0 else "+", abs(seconds)
    short = f"{sign}{seconds // 3600:02}{seconds // 60 % 60:02}"
    return f"{short}{seconds % 60:02}" if seconds % 60 else short


def _folded(line: str) -> Iterator[str]:
    """Yield the line in pieces of at most 75 octets, never within a character (§3.1)."""
    piece, octets = "", 0
    for character in line:
        size = len(character.encode())
        if octets + size > LINE_OCTETS:
            yield piece
            piece, octets = " ", 1
        piece += character
        octets += size
    yield piece
