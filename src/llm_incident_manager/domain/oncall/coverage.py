"""Gaps and overlaps: the hours in which nobody is on call, or several are, each with its reason (RTE-03)."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.domain.oncall.layer import Layer, turn_of
from llm_incident_manager.domain.oncall.rotation import first_hand_off
from llm_incident_manager.domain.oncall.schedule import Schedule, stretches


class Lack(StrEnum):
    """Why nobody is on call."""

    NO_LAYERS = "no_layers"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    RESTRICTED = "restricted"
    EMPTY_TURN = "empty_turn"


class Excess(StrEnum):
    """Why several are."""

    TOGETHER = "together"
    OVERRIDES = "overrides"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody is on call from ``start`` until just before ``end`` (UTC)."""

    start: datetime
    end: datetime
    reason: Lack


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Several from ``start`` until just before ``end`` (UTC): all on call, or of two overrides only the last of
    ``users``.
    """

    start: datetime
    end: datetime
    users: tuple[str, ...]
    reason: Excess


def gaps(schedule: Schedule, start: datetime, end: datetime) -> list[Gap]:
    """Return when nobody is on call between two instants (aware)."""
    zone = ZoneInfo(schedule.time_zone)
    return [
        Gap(start=each.start, end=each.end or end, reason=_lack(schedule, zone, each.start))
        for each in stretches(schedule, start, end)
        if not each.users
    ]


def overlaps(schedule: Schedule, start: datetime, end: datetime) -> list[Overlap]:
    """Return when several are on call between two instants (aware), and when overrides cover each other."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    found = [
        Overlap(start=each.start, end=each.end or end, users=each.users, reason=Excess.TOGETHER)
        for each in stretches(schedule, start, end)
        if len(each.users) > 1
    ]
    return sorted([*found, *_covered(schedule, start, end)], key=lambda each: each.start)


def _covered(schedule: Schedule, start: datetime, end: datetime) -> Iterator[Overlap]:
    inside = {edge for each in schedule.overrides for edge in (each.start, each.end) if start < edge < end}
    for first, following in pairwise(sorted({start, end, *inside})):
        over = sorted((each for each in schedule.overrides if each.start <= first < each.end), key=lambda e: e.start)
        users = tuple(dict.fromkeys(each.user for each in over))
        if len(users) > 1:
            yield Overlap(start=first, end=following, users=users, reason=Excess.OVERRIDES)


def _lack(schedule: Schedule, zone: ZoneInfo, at: datetime) -> Lack:
    if not schedule.layers:
        return Lack.NO_LAYERS
    reasons = [_lack_of(layer, zone, at) for layer in schedule.layers]
    order = (Lack.RESTRICTED, Lack.EMPTY_TURN, Lack.NOT_STARTED, Lack.ENDED)
    return next(each for each in order if each in reasons)


def _lack_of(layer: Layer, zone: ZoneInfo, at: datetime) -> Lack:
    if layer.ends_at is not None and at >= layer.ends_at:
        return Lack.ENDED
    starts = layer.starts_at
    if layer.rotation is not None:
        first = first_hand_off(layer.rotation, zone)
        starts = first if starts is None else max(first, starts)
    elif layer.shifts and starts is None:
        starts = layer.shifts[0].start
    if starts is not None and at < starts:
        return Lack.NOT_STARTED
    if layer.rotation is None and (not layer.shifts or at >= max(shift.end for shift in layer.shifts)):
        return Lack.ENDED
    open_layer = msgspec.structs.replace(layer, restrictions=())
    return Lack.RESTRICTED if layer.restrictions and turn_of(open_layer, zone, at)[0] else Lack.EMPTY_TURN
