"""What a translation of another tool's schedule gathers, and how its parts are read."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.restrictions import DAYS
from llm_incident_manager.errors import FieldFault

Document = dict[str, Any]
Who = Callable[[str, str, str], str | None]
"""Our user for another tool's id, name and e-mail address; ``None`` where nobody fits."""
DAY_SECONDS = 86_400
HOUR_SECONDS = 3600


class Rendered(msgspec.Struct, frozen=True):
    """A shift as the other tool worked it out: our user (or their word), from when until when (UTC)."""

    user: str
    start: datetime
    end: datetime


class Translated(msgspec.Struct, kw_only=True):
    """One schedule: our document, swaps that go with it, the shifts to compare with, what could not be carried over."""

    id: str
    document: Document
    swaps: list[Document] = msgspec.field(default_factory=list)
    rendered: list[Rendered] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    faults: list[FieldFault] = msgspec.field(default_factory=list)
    today: datetime


class Unreadable(ValueError):
    """A part of the file that is not what the vendor's API answers; the text says where and what is expected."""


def mapping(value: object, path: str) -> Document:
    """Return a JSON object; raises Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable(f"{path}: {quoted(value)} is not an object")
    return value


def objects(value: object, path: str) -> list[Document]:
    """Return a list of JSON objects; nothing is none, a page of an API is what it holds."""
    if isinstance(value, dict):
        value = next((value[name] for name in ("data", "results", "items") if name in value), [value])
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"{path}: {quoted(value)} is not a list")
    return [mapping(each, f"{path}[{index}]") for index, each in enumerate(value)]


def words(value: object) -> str:
    """Return a text, empty where it is none."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def number(value: object, path: str, *, least: int = 1) -> int:
    """Return a whole number; raises Unreadable."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise Unreadable(f"{path}: {quoted(value)} is not a whole number of at least {least}")
    return value


def moment(value: object, path: str) -> datetime:
    """Return an instant in UTC; one without an offset is UTC. Raises Unreadable."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise Unreadable(f"{path}: {quoted(value)} is not an instant") from None
    if not 1900 < found.year < 2200:
        raise Unreadable(f"{path}: {quoted(value)} is not between the years 1900 and 2200")
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def zone_of(value: object, path: str) -> ZoneInfo:
    """Return a time zone, UTC where none is named; raises Unreadable."""
    name = words(value) or "UTC"
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise Unreadable(f"{path}: {quoted(name)} is not a time zone") from None


def written(at: datetime) -> str:
    """Return an instant as our documents have it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def rotation(anchor: datetime, zone: ZoneInfo, seconds: int, users: list[str | None], path: str) -> Document:
    """Return turns of that many seconds from an anchor on: whole days by the wall clock, else hours that pass.

    Raises Unreadable for turns that are neither.
    """
    wall = anchor.astimezone(zone)
    if seconds % DAY_SECONDS == 0:
        days = seconds // DAY_SECONDS
        type_, length = ("weekly", days // 7) if days % 7 == 0 else ("daily", days)
    elif seconds % HOUR_SECONDS == 0:
        type_, length = "custom", seconds // HOUR_SECONDS
    else:
        raise Unreadable(f"{path}: turns of {seconds} s are neither whole days nor whole hours")
    return {
        "type": type_,
        "length": length,
        "hand_off": f"{wall:%H:%M:%S}",
        "starts": f"{wall:%Y-%m-%d}",
        "users": users,
    }


def window(days: list[int], start: int, seconds: int) -> Document:
    """Return a restriction from seconds of the day and a length, on days (0 is Monday; none is every day)."""
    end = start + seconds
    found: Document = {"start": clock(start), "end": clock(end % DAY_SECONDS)}
    over = end // DAY_SECONDS
    if over > 1 or (over == 1 and seconds > DAY_SECONDS):
        # Several days long: one for each day on which it opens.
        return found | {"days": [DAYS[days[0]]], "until": DAYS[(days[0] + over) % 7]}
    return found | ({"days": [DAYS[day] for day in days]} if days else {})


def clock(seconds: int) -> str:
    """Return a time of day."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def seconds_of(text: object, path: str) -> int:
    """Return the seconds since midnight of ``HH:MM:SS``; raises Unreadable."""
    parts = words(text).removesuffix("Z").split(":")
    try:
        hours, minutes, seconds = ([int(part) for part in parts] + [0, 0])[:3]
    except ValueError:
        raise Unreadable(f"{path}: {quoted(text)} is not a time of day") from None
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 60):
        raise Unreadable(f"{path}: {quoted(text)} is not a time of day")
    return hours * 3600 + minutes * 60 + seconds


def side_by_side(groups: list[list[str]]) -> list[list[str | None]]:
    """Return the turns of groups as turns of single people, which stand beside each other."""
    width = max((len(group) for group in groups), default=0)
    return [[group[place] if place < len(group) else None for group in groups] for place in range(width)]


def known_people(found: Mapping[str, Document], who: Who) -> Callable[[str], tuple[str | None, str]]:
    """Return how a vendor's user id becomes one of ours, and what that user is called there."""

    def find(user_id: str) -> tuple[str | None, str]:
        user = found.get(user_id, {})
        name = words(user.get("name") or user.get("fullName") or user.get("summary") or user.get("username"))
        email = words(user.get("email") or user.get("username"))
        return who(user_id, name, email), " ".join(each for each in (user_id, name, email) if each)

    return find
