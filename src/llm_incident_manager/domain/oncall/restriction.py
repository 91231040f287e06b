"""Restrictions: the hours of a week in which a layer counts at all (RTE-03)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from llm_incident_manager.domain.oncall.rotation import local_instant

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
WEEK = 7


class Restriction(msgspec.Struct, frozen=True, kw_only=True):
    """A window on the wall clock: it opens at ``start`` on each of ``days`` (0 is Monday) and lasts until ``end``.

    ``over_days`` counts the midnights in between: 0 closes on the day it opened, 1 on the next. Both edges are instants
    as :func:`~llm_incident_manager.domain.oncall.rotation.local_instant` finds them, so that a window over a change of
    the clocks keeps its hours on the wall; one that the gap swallows does not open.
    """

    start: time
    end: time
    days: tuple[int, ...] = EVERY_DAY
    over_days: int = 0

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
        """Return when the window of ``day`` opens and closes (UTC), ``None`` where it does not."""
        if day.weekday() not in self.days:
            return None
        opens = local_instant(day, self.start, zone)
        closes = local_instant(day + timedelta(days=self.over_days), self.end, zone)
        return (opens, closes) if opens < closes else None


def open_at(restrictions: Sequence[Restriction], zone: ZoneInfo, at: datetime) -> tuple[bool, datetime]:
    """Return whether any window is open at ``at``, and the next instant (UTC) at which one opens or closes."""
    at = at.astimezone(UTC)
    day = at.astimezone(zone).date()
    is_open = False
    edges: list[datetime] = []
    for opens, closes in _windows(restrictions, zone, day):
        if opens <= at < closes:
            is_open = True
        edges += [edge for edge in (opens, closes) if edge > at]
    # Every window comes again within a week; only where the gap swallowed it, it is looked for again in a week.
    return is_open, min(edges, default=at + timedelta(days=WEEK))


def _windows(restrictions: Sequence[Restriction], zone: ZoneInfo, today: date) -> Iterator[tuple[datetime, datetime]]:
    """Yield the windows around ``today`` from which the answer follows: those that may be open, and the next ones."""
    for each in restrictions:
        for ahead in range(-each.over_days - 1, WEEK + 2):
            found = each.on(today + timedelta(days=ahead), zone)
            if found is not None:
                yield found
                if ahead > 0:
                    break
