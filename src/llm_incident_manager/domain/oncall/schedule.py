"""④ Who is on call: layers, swaps over them, and overrides over all (RTE-03)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.domain.oncall.layer import NOBODY, Layer, Turn, turn_of

_MAX_STEPS = 1000


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """``user`` takes over from ``start`` until just before ``end`` (UTC); ``id`` where it stands by itself."""

    user: str
    start: datetime
    end: datetime
    id: str = ""


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """``by`` stands in wherever ``user`` would be on call from ``start`` until just before ``end`` (UTC).

    In return ``user`` stands in for ``by`` from ``return_start`` until just before ``return_end``, where those are set.
    """

    user: str
    by: str
    start: datetime
    end: datetime
    return_start: datetime | None = None
    return_end: datetime | None = None
    id: str = ""

    def stand_ins(self, at: datetime) -> dict[str, str]:
        """Return who stands in for whom at ``at``."""
        found: dict[str, str] = {}
        if self.start <= at < self.end:
            found[self.user] = self.by
        if self.return_start is not None and self.return_end is not None and self.return_start <= at < self.return_end:
            found[self.by] = self.user
        return found

    def edges(self) -> list[datetime]:
        """Return the instants at which it begins or ends to count."""
        return [each for each in (self.start, self.end, self.return_start, self.return_end) if each is not None]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """Layers as transparent sheets: the last one that has a shift counts.

    Layers that stand beside each other are one sheet, and everybody on it is on call. Swaps exchange people in the
    order written, each what the one before left. An override counts over all: of overlapping ones that which starts
    last, of equal starts the last written. ``time_zone`` is an IANA name.
    """

    id: str
    name: str
    time_zone: str = "UTC"
    layers: tuple[Layer, ...] = ()
    overrides: tuple[Override, ...] = ()
    swaps: tuple[Swap, ...] = ()
    description: str = ""


class Why(StrEnum):
    """What put somebody on call, or left nobody."""

    LAYER = "layer"
    SWAP = "swap"
    OVERRIDE = "override"
    NOBODY = "nobody"


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """The same people for the same reason, from ``start`` until just before ``end`` (UTC); ``end`` None is for ever.

    ``via`` is the name of the layer that counts, or the override's id.
    """

    users: tuple[str, ...]
    start: datetime
    end: datetime | None
    why: Why
    via: str = ""


class OnCall(msgspec.Struct, frozen=True, kw_only=True):
    """Who is on call, until when, and who is next; ``gap`` says that it is nobody, ``until`` is None if for ever."""

    users: tuple[str, ...]
    until: datetime | None
    next_users: tuple[str, ...]
    gap: bool


def users_at(schedule: Schedule, at: datetime) -> tuple[str, ...]:
    """Return who is on call at the instant ``at`` (aware); what a page asks, so it looks no further."""
    at = at.astimezone(UTC)
    covering = _covering(schedule, at)
    if covering:
        return (covering[-1].user,)
    zone = ZoneInfo(schedule.time_zone)
    sheet: dict[str, None] = {}
    for layer in reversed(schedule.layers):
        sheet = dict.fromkeys(turn_of(layer, zone, at)[0]) | sheet
        if not layer.beside:
            if sheet:
                break
            sheet = {}
    return _swapped(schedule, tuple(sheet), at)[0]


def on_call(schedule: Schedule, at: datetime) -> OnCall:
    """Return the answer for the instant ``at`` (aware): people, or a named gap; times in UTC.

    A thousand hand-offs ahead without a change count as for ever.
    """
    following = stretches(schedule, at)
    first = next(following)
    for each in islice(following, _MAX_STEPS):
        if each.users != first.users:
            return OnCall(users=first.users, until=each.start, next_users=each.users, gap=not first.users)
    return OnCall(users=first.users, until=None, next_users=first.users, gap=not first.users)


def stretches(schedule: Schedule, start: datetime, end: datetime | None = None) -> Iterator[Stretch]:
    """Yield what follows each other from ``start`` on (aware), cut at ``end``; neighbours always differ.

    Each layer is asked again only when its turn is over, so that a year of many layers takes milliseconds. Without
    ``end`` a thousand hand-offs that change nothing count as for ever.
    """
    zone = ZoneInfo(schedule.time_zone)
    at = start.astimezone(UTC)
    end = end.astimezone(UTC) if end is not None else None
    turns: list[Turn] = [(NOBODY, at)] * len(schedule.layers)
    fixed = sorted({edge.astimezone(UTC) for edge in _fixed_edges(schedule)})
    passed = steps = 0
    current: Stretch | None = None
    while True:
        steps += 1
        for index, layer in enumerate(schedule.layers):
            until = turns[index][1]
            if until is not None and until <= at:
                turns[index] = turn_of(layer, zone, at)
        while passed < len(fixed) and fixed[passed] <= at:
            passed += 1
        users, why, via = _decided(schedule, turns, at)
        changes = [until for _, until in turns if until is not None]
        changes += fixed[passed : passed + 1]
        change = min(changes).astimezone(UTC) if changes else None
        if current is None or (current.users, current.why, current.via) != (users, why, via):
            if current is not None:
                yield msgspec.structs.replace(current, end=at)
            current = Stretch(users=users, start=at, end=None, why=why, via=via)
            steps = 0
        if change is None or (end is not None and change >= end) or (end is None and steps > _MAX_STEPS):
            yield msgspec.structs.replace(current, end=end)
            return
        at = change


def people_of(schedule: Schedule) -> set[str]:
    """Return everybody who may ever be on call."""
    found = {user for layer in schedule.layers if layer.rotation is not None for user in layer.rotation.users}
    found |= {shift.user for layer in schedule.layers for shift in layer.shifts}
    found |= {override.user for override in schedule.overrides}
    return (found | {user for swap in schedule.swaps for user in (swap.user, swap.by)}) - {""}


def _decided(schedule: Schedule, turns: list[Turn], at: datetime) -> tuple[tuple[str, ...], Why, str]:
    covering = _covering(schedule, at)
    if covering:
        return (covering[-1].user,), Why.OVERRIDE, covering[-1].id
    users, via = NOBODY, ""
    sheet: dict[str, None] = {}
    for layer, (turn, _) in zip(reversed(schedule.layers), reversed(turns), strict=True):
        sheet = dict.fromkeys(turn) | sheet
        if not layer.beside:
            if sheet:
                users, via = tuple(sheet), layer.name
                break
            sheet = {}
    if not users:
        return NOBODY, Why.NOBODY, ""
    exchanged, swap = _swapped(schedule, users, at)
    return (exchanged, Why.SWAP, swap) if swap is not None else (users, Why.LAYER, via)


def _covering(schedule: Schedule, at: datetime) -> list[Override]:
    """Return the overrides over this instant, the one that counts last."""
    found = [override for override in schedule.overrides if override.start <= at < override.end]
    return sorted(found, key=lambda override: override.start)


def _swapped(schedule: Schedule, users: tuple[str, ...], at: datetime) -> tuple[tuple[str, ...], str | None]:
    """Return who is left after the swaps, and the id of the last that exchanged somebody."""
    last: str | None = None
    for swap in schedule.swaps:
        stand_ins = swap.stand_ins(at)
        if any(user in stand_ins for user in users):
            users = tuple(dict.fromkeys(stand_ins.get(user, user) for user in users))
            last = swap.id
    return users, last


def _fixed_edges(schedule: Schedule) -> list[datetime]:
    edges = [edge for override in schedule.overrides for edge in (override.start, override.end)]
    return edges + [edge for swap in schedule.swaps for edge in swap.edges()]


YEAR = timedelta(days=366)
"""How far gaps and overlaps are looked for, if nobody says otherwise."""
