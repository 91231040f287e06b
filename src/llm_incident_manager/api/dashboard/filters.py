"""What the list shows, read from the URL and written back to it."""

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from llm_incident_manager.domain.vocabulary import Category, Environment, Severity, Status

OPEN = tuple(status.value for status in Status if status.is_open)
SEVERITIES = tuple(severity.value for severity in Severity)
_CLOSED_SETS = {
    "severity": set(SEVERITIES),
    "status": {status.value for status in Status} | {"active", "all"},
    "category": {category.value for category in Category},
    "environment": {environment.value for environment in Environment},
}
_LISTS = ("status", "severity", "category", "source", "environment", "assigned_to", "assigned_team", "tag")
_TEXTS = ("q", "start", "end")
_WORDS = {"assigned_to": "owner", "assigned_team": "team", "q": "search", "start": "from", "end": "until"}
_LONGEST = 200
_MOST = 20
_LONGEST_CURSOR = 400
_LONGEST_TRAIL = 10


class Chip(msgspec.Struct, frozen=True, kw_only=True):
    """One filter in force: its words, and the address of the list without it."""

    name: str
    text: str
    without: str


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of one list, as names and values; unknown names and impossible values are left out."""

    pairs: tuple[tuple[str, str], ...] = ()

    def values(self, name: str) -> list[str]:
        """Return the values of one filter, in the URL's order."""
        return [value for key, value in self.pairs if key == name]

    @property
    def query(self) -> str:
        """The text searched for."""
        return next(iter(self.values("q")), "")

    def for_engine(self, reader: str) -> dict[str, list[str]]:
        """Return the lists that the port takes: ``active`` spelled out, ``all`` dropped, ``me`` replaced by an id."""
        asked = {name: self.values(name) for name in (*_LISTS, *_TEXTS) if self.values(name)}
        statuses = asked.get("status", ["active"])
        if "all" in statuses:
            asked.pop("status", None)
        else:
            spelled = [value for word in statuses for value in (OPEN if word == "active" else (word,))]
            asked["status"] = list(dict.fromkeys(spelled))
        if "assigned_to" in asked:
            asked["assigned_to"] = [reader if value == "me" else value for value in asked["assigned_to"]]
        return asked

    def address(self, *, cursor: str | None = None, trail: Sequence[str] = ()) -> str:
        """Return the URL of this list; ``trail`` are the cursors of the pages before it, so that one can go back."""
        pairs = [*self.pairs, *([("cursor", cursor)] if cursor else []), *(("trail", each) for each in trail)]
        return f"/incidents?{urlencode(pairs)}" if pairs else "/incidents"

    def toggled(self, name: str, value: str) -> str:
        """Return the URL with one value put in, or taken out where it is in."""
        pair = (name, value)
        kept = tuple(other for other in self.pairs if other != pair)
        return Filters(pairs=kept if pair in self.pairs else (*kept, pair)).address()

    def without(self, name: str, value: str) -> str:
        """Return the URL without one filter."""
        return Filters(pairs=tuple(other for other in self.pairs if other != (name, value))).address()

    def chips(self) -> list[Chip]:
        """Return the filters in force that have no place of their own on the page."""
        return [
            Chip(name=_WORDS.get(name, name), text=value, without=self.without(name, value))
            for name, value in self.pairs
            if name not in ("severity", "q") and (name, value) != ("status", "active")
        ]


def read_filters(query: QueryParams | Iterable[tuple[str, str]]) -> Filters:
    """Return the filters that a URL's query names."""
    pairs = query.multi_items() if isinstance(query, QueryParams) else list(query)
    kept: list[tuple[str, str]] = []
    for name, raw in pairs:
        value = raw.strip()[:_LONGEST]
        known = name in _LISTS or (name in _TEXTS and not any(key == name for key, _ in kept))
        if not known or not value or not value.isprintable() or (name, value) in kept:
            continue
        if name in _CLOSED_SETS and value not in _CLOSED_SETS[name]:
            continue
        kept.append((name, value))
    return Filters(pairs=tuple(kept[:_MOST]))


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the list somebody is: this page's cursor, and those of the pages before it, the first one's left out.

    Cursors only lead forwards. The way back is what the links carry; after a long way it holds its last part only.
    """

    cursor: str | None = None
    trail: tuple[str, ...] = ()
    number: int = 1

    def next_address(self, filters: Filters, cursor: str) -> str:
        """Return the URL of the page behind this one."""
        behind = (*self.trail, *((self.cursor,) if self.cursor else ()))
        return _numbered(filters.address(cursor=cursor, trail=behind[-_LONGEST_TRAIL:]), self.number + 1)

    def previous_address(self, filters: Filters) -> str | None:
        """Return the URL of the page before this one; None on the first, and where the way back is not known."""
        if self.cursor is None or (not self.trail and self.number > 2):
            return None
        if not self.trail:
            return filters.address()
        return _numbered(filters.address(cursor=self.trail[-1], trail=self.trail[:-1]), self.number - 1)


def read_place(query: QueryParams) -> Place:
    """Return the place that a URL's query names."""
    number = query.get("page", "")
    trail = tuple(each for each in query.getlist("trail") if each and len(each) <= _LONGEST_CURSOR)
    return Place(
        cursor=query.get("cursor") or None,
        trail=trail[-_LONGEST_TRAIL:],
        number=int(number) if number.isdecimal() and len(number) < 7 else 2 if query.get("cursor") else 1,
    )


def _numbered(address: str, number: int) -> str:
    return f"{address}&page={number}"


class SavedView(msgspec.Struct, frozen=True, kw_only=True):
    """A list that everybody has, under a name."""

    name: str
    address: str


BUILT_IN_VIEWS = (
    SavedView(name="Active", address="/incidents"),
    SavedView(name="Mine", address="/incidents?assigned_to=me"),
    SavedView(name="To take", address="/incidents?status=NEW&status=ESCALATED"),
    SavedView(name="All", address="/incidents?status=all"),
)
