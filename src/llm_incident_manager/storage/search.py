"""One page of incidents: orders, cursors and totals, each over an index.

The total is looked for first, up to its limit. Few matches: the narrowest condition leads, and what it finds is sorted.
Many: the order's index leads, and the page is full after a few steps. ``conditions.py`` says what leads, and how.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, false, func, not_, or_, select, true

from llm_incident_manager.domain.vocabulary import Severity, Status
from llm_incident_manager.engine.matching import folded
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Invalid
from llm_incident_manager.ids import incident_number
from llm_incident_manager.storage.conditions import (
    ENDED_STATUSES,
    HIDDEN,
    OPEN_ONLY,
    OPEN_STATUSES,
    PLAIN,
    Asked,
    Columns,
    Lead,
    asked_for,
)
from llm_incident_manager.storage.cursors import cursor_after, place_of
from llm_incident_manager.storage.facets import Facets
from llm_incident_manager.storage.schema import INCIDENTS
from llm_incident_manager.storage.statements import TOTAL_LIMIT

MOST = 1000
LEAD_LIMIT = 30_000
"""Conditions are compared by how many incidents meet them; no further than this is counted."""
READ_LIMIT = 5_000
"""A text search reads so many incidents for one page; its cursor goes on behind them."""
TIMES = ("created_at", "updated_at", "last_event_at")
SORTS = (*(sign + name for name in (*TIMES, "severity") for sign in ("", "-")), "needs")
# PostgreSQL has no figures on hidden conditions and would rather read the whole table and sort it. From here on the
# transaction takes the index that the statement leaves it.
_AS_WRITTEN = select(
    *(func.set_config(f"enable_{way}", "off", true()) for way in ("seqscan", "sort", "hashjoin", "mergejoin"))
)
_UNTAKEN = (Status.NEW, Status.ESCALATED)


class Total(NamedTuple):
    """How many match; ``at_least`` where there are more than were counted."""

    matches: int
    at_least: bool


class _Part(NamedTuple):
    """A stretch of the list; the parts follow each other. ``order`` names (column, descending?) and ends in the id."""

    order: tuple[tuple[str, bool], ...]
    severity: Severity | None = None
    statuses: tuple[Status, ...] = ()
    mine: bool | None = None

    def facets(self, asked: Asked) -> Facets:
        """Return the combinations that belong to this part."""
        severities = () if self.severity is None else (self.severity,)
        return asked.facets.narrowed(severities=severities, statuses=self.statuses)


class _Page(NamedTuple):
    """Rows of a page in order, each (part, *place); ``stopped`` is where a text search stopped reading."""

    rows: list[tuple[Any, ...]]
    stopped: tuple[Any, ...] | None


def search(connection: Connection, tenant: str, wanted: IncidentFilter) -> tuple[list[str], str | None, Total]:
    """Return the ids of one page in order, the next cursor, and the total.

    A text search over more than 10,000 incidents reads 5,000 for each page: the page may be short or empty and still
    have a cursor, and the total is then what was found among the first 5,000, at least.
    """
    if not 1 <= wanted.limit <= MOST:
        raise Invalid(f"limit is {wanted.limit}; it must be from 1 to {MOST}", code="invalid_limit")
    parts = _parts(wanted)
    start = _start(wanted, parts)
    return _Search(connection, asked_for(tenant, wanted), wanted, parts).run(*start)


class _Search:
    def __init__(self, connection: Connection, asked: Asked, wanted: IncidentFilter, parts: Sequence[_Part]) -> None:
        self._connection = connection
        self._asked = asked
        self._wanted = wanted
        self._parts = parts
        self._more: list[ColumnElement[bool]] = []
        text = folded(wanted.text or "")
        self._text: ColumnElement[bool] | None = None
        if incident_number(text.upper()) is not None:
            # A complete id names its incident; nobody has to read others for it.
            self._more.append(INCIDENTS.c.id == text.upper())
        elif text:
            self._text = INCIDENTS.c.words.contains(text, autoescape=True)
        self._lead: Lead | None = None
        self._crowded = False

    def run(self, index: int, after: tuple[Any, ...]) -> tuple[list[str], str | None, Total]:
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(_AS_WRITTEN)
        self._lead = self._narrowest()
        limit = self._wanted.limit
        total = self._total()
        self._crowded = total.at_least
        if self._text is not None and not self._crowded:
            matches = self._count(self._where(self._lead, self._asked.facets, self._text), TOTAL_LIMIT)
            total = Total(matches, False)
        page = self._page(index, after, limit + 1)
        if self._text is not None and self._crowded:
            first = self._page(0, (), READ_LIMIT)
            total = Total(len(first.rows), first.stopped is not None or len(first.rows) == READ_LIMIT)
        ids = [row[-1] for row in page.rows[:limit]]
        last = page.rows[limit - 1] if len(page.rows) > limit else page.stopped
        return ids, cursor_after(self._wanted.sort, last) if last else None, total

    def _narrowest(self) -> Lead | None:
        """Return what the fewest incidents meet, by counting in each index; None where nothing is asked."""
        leads = self._asked.leads
        if len(leads) < 2:
            return leads[0] if leads else None
        return min(leads, key=lambda lead: self._count(self._asked.only(lead).where(lead), LEAD_LIMIT))

    def _total(self) -> Total:
        """Return the total, whatever the text says."""
        count = self._count(self._where(self._lead, self._asked.facets), TOTAL_LIMIT + 1)
        return Total(min(count, TOTAL_LIMIT), count > TOTAL_LIMIT)

    def _count(self, where: Sequence[ColumnElement[bool]], limit: int) -> int:
        # The number of matches, counting no further than the limit.
        matches = select(INCIDENTS.c.id).where(*where).limit(limit).subquery()
        return self._connection.execute(select(func.count()).select_from(matches)).scalar_one()

    def _where(self, lead: Lead | None, facets: Facets, *more: ColumnElement[bool]) -> list[ColumnElement[bool]]:
        return [*self._asked.where(lead, facets=facets), *self._more, *more]

    def _page(self, index: int, after: tuple[Any, ...], most: int) -> _Page:
        rows: list[tuple[Any, ...]] = []
        to_read = READ_LIMIT
        for number, part in enumerate(self._parts[index:], index):
            query = self._of_part(part, after)
            if self._text is None or not self._crowded:
                rows += [(number, *row) for row in self._connection.execute(query.limit(most - len(rows)))]
            else:
                found, read, stopped = self._read(part, query, to_read, most - len(rows))
                rows += [(number, *row) for row in found]
                to_read -= read
                if stopped is not None and len(rows) < most:
                    return _Page(rows, (number, *stopped))
            if len(rows) == most:
                break
            after = ()
        return _Page(rows, None)

    def _of_part(self, part: _Part, after: tuple[Any, ...]) -> Select[Any]:
        """Return a part's incidents behind ``after``, in order."""
        facets = part.facets(self._asked)
        lead = self._lead_of(part, facets)
        columns = PLAIN if lead is None else HIDDEN
        where = [
            *self._asked.where(lead, facets=facets, walks_created=lead is None and part.order[0][0] == "created_at"),
            *self._more,
            *_mine(part, self._wanted.needs),
        ]
        if after:
            where.append(_behind(part, columns, after))
        if self._text is not None and not self._crowded:
            where.append(self._text)
        query = select(*(INCIDENTS.c[name] for name, _ in part.order)).where(*where)
        keys = (columns[name].desc() if down else columns[name].asc() for name, down in part.order)
        return query.order_by(*keys)

    def _lead_of(self, part: _Part, facets: Facets) -> Lead | None:
        """Return what leads within a part; None where the order's own index does."""
        # The order's index would walk past everything created since then.
        far_back = self._wanted.end is not None and part.order[0][0] in TIMES[1:]
        if not self._crowded or far_back:
            return Lead("is_open") if self._lead is None and part.mine is not None else self._lead
        if facets.statuses <= OPEN_ONLY.statuses and self._lead in (None, Lead("facets"), Lead("created_at")):
            lead: Lead | None = Lead("is_open")
        elif facets.everything or self._lead not in (None, Lead("created_at")):
            lead = self._lead
        else:
            lead = Lead("facets")
        if lead is None or part.mine is not None:
            return lead
        # Where they are rare, the order's index would walk far to find them; where they are many, sorting takes longer.
        rare = self._count(self._asked._replace(facets=facets).only(lead).where(lead), LEAD_LIMIT) < LEAD_LIMIT
        return lead if rare else None

    def _read(
        self, part: _Part, query: Select[Any], most: int, wanted: int
    ) -> tuple[list[tuple[Any, ...]], int, tuple[Any, ...] | None]:
        """Return the matches among a part's next ``most`` incidents, how many those are, and the last place if all."""
        window = query.limit(most).subquery()
        read = self._connection.execute(select(func.count()).select_from(window)).scalar_one()
        places = [window.c[name] for name, _ in part.order]
        matches = (
            select(*places)
            .join(INCIDENTS, and_(INCIDENTS.c.tenant == self._asked.tenant, INCIDENTS.c.id == window.c.id))
            .where(self._text if self._text is not None else true())
            .order_by(*(place.desc() if down else place for place, (_, down) in zip(places, part.order, strict=True)))
            .limit(wanted)
        )
        found = [tuple(row) for row in self._connection.execute(matches)]
        if read < most:
            return found, read, None
        return found, read, tuple(self._connection.execute(query.offset(most - 1).limit(1)).one())


def _parts(wanted: IncidentFilter) -> list[_Part]:
    name, down = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    if name in TIMES:
        return [_Part(((name, down), ("id", down)))]
    newest_first = (("created_at", True), ("id", True))
    worst_first = tuple(Severity)
    if name == "severity":
        return [_Part(newest_first, severity=each) for each in (worst_first[::-1] if down else worst_first)]
    if wanted.sort == "needs":
        worst_newest_first = (("severity", False), *newest_first)
        opened = [_Part(worst_newest_first, statuses=OPEN_STATUSES, mine=mine) for mine in (True, False)]
        ended = [_Part(newest_first, severity=each, statuses=ENDED_STATUSES) for each in worst_first]
        return opened if wanted.open_only else opened + ended
    raise Invalid(f"cannot sort by {wanted.sort}; use one of {', '.join(SORTS)}", code="invalid_sort")


def _mine(part: _Part, needs: str | None) -> list[ColumnElement[bool]]:
    """Return the conditions that an incident waits for this person, or for others, where the part says so."""
    if part.mine is None:
        return []
    assigned = func.coalesce(INCIDENTS.c.assigned_to, "") == needs if needs else false()
    mine = or_(and_(*Facets().narrowed(statuses=_UNTAKEN).tests(INCIDENTS.c.facets)), assigned)
    return [mine if part.mine else not_(mine)]


def _start(wanted: IncidentFilter, parts: Sequence[_Part]) -> tuple[int, tuple[Any, ...]]:
    """Return the part to go on with, and the place in it."""
    if wanted.cursor is None:
        return 0, ()
    index, *place = place_of(wanted.cursor, wanted.sort) or (None,)
    if not isinstance(index, int) or not 0 <= index < len(parts) or not _fits(parts[index], place):
        raise Invalid("the cursor is not one of ours; start without a cursor", code="invalid_cursor")
    return index, tuple(place)


def _fits(part: _Part, place: Sequence[Any]) -> bool:
    kinds = [int if name in TIMES else str for name, _ in part.order]
    return len(place) == len(kinds) and all(isinstance(each, kind) for each, kind in zip(place, kinds, strict=True))


def _behind(part: _Part, columns: Columns, place: tuple[Any, ...]) -> ColumnElement[bool]:
    """Return the condition of everything that comes after ``place``."""
    cases = []
    for position, (name, down) in enumerate(part.order):
        same = [columns[before] == value for (before, _), value in zip(part.order, place[:position], strict=False)]
        cases.append(and_(*same, columns[name] < place[position] if down else columns[name] > place[position]))
    name, down = part.order[0]
    # The first column's bound says nothing new; it is what an index can seek.
    bound = columns[name] <= place[0] if down else columns[name] >= place[0]
    return and_(bound, or_(*cases))
