"""One page of incidents: orders, cursors and totals, each over an index.

The total is looked for first, up to its limit. Few matches: the narrowest condition leads, and what it finds is sorted.
Many: the order's index leads, and the page is full after a few steps. What leads is said in the statement itself, since
SQLite keeps no figures to choose by; ``conditions.py`` has the two forms of each condition.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, false, func, not_, or_, select

from llm_incident_manager.domain.vocabulary import Severity, Status
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Invalid
from llm_incident_manager.storage.conditions import HIDDEN, PLAIN, Columns, Condition, conditions_of, is_open
from llm_incident_manager.storage.cursors import cursor_after, place_of
from llm_incident_manager.storage.schema import INCIDENTS
from llm_incident_manager.storage.statements import TOTAL_LIMIT

MOST = 1000
LEAD_LIMIT = 30_000
"""Conditions are compared by how many incidents meet them; no further than this is counted."""
FEW = 2000
"""So many matches are named by id to the statements that follow."""
TIMES = ("created_at", "updated_at", "last_event_at")
SORTS = (*(sign + name for name in (*TIMES, "severity") for sign in ("", "-")), "needs")
_UNTAKEN = (Status.NEW, Status.ESCALATED)


class Total(NamedTuple):
    """How many match; ``at_least`` where there are more than were counted."""

    matches: int
    at_least: bool


class _Part(NamedTuple):
    """A stretch of the list; the parts follow each other.

    ``order`` names (column, whether descending) and ends in the id; ``lead`` finds the part's incidents where no index
    gives the order.
    """

    order: tuple[tuple[str, bool], ...]
    severity: Severity | None = None
    opened: bool | None = None
    mine: bool | None = None
    lead: bool = False


def search(connection: Connection, tenant: str, wanted: IncidentFilter) -> tuple[list[str], str | None, Total]:
    """Return the ids of one page in order, the next cursor, and the total."""
    if not 1 <= wanted.limit <= MOST:
        raise Invalid(f"limit is {wanted.limit}; it must be from 1 to {MOST}", code="invalid_limit")
    parts = _parts(wanted)
    index, after = _start(wanted, parts)
    conditions = conditions_of(tenant, wanted)
    lead = _narrowest(connection, conditions)
    total, few = _total(connection, tenant, conditions, lead)
    # The order's index would walk past everything created since then.
    far_back = wanted.end is not None and wanted.sort.removeprefix("-") in TIMES[1:]
    if total.at_least and not far_back:
        lead = None
    ids: list[str] = []
    place: tuple[Any, ...] = ()
    for number, part in enumerate(parts[index:], index):
        leads = is_open(tenant) if part.lead and lead is None else lead
        columns = HIDDEN if leads else PLAIN
        where = _where(tenant, conditions, leads, part)
        if few is not None:
            where = [INCIDENTS.c.tenant == tenant, INCIDENTS.c.id.in_(few)]
        query = select(*(INCIDENTS.c[name] for name, _ in part.order)).where(*where)
        query = query.where(*_belongs(part, columns, wanted.needs))
        if after:
            query = query.where(_behind(part, columns, after))
        keys = (columns[name].desc() if down else columns[name].asc() for name, down in part.order)
        for row in connection.execute(query.order_by(*keys).limit(wanted.limit + 1 - len(ids))):
            if len(ids) == wanted.limit:
                return ids, cursor_after(wanted.sort, place), total
            ids.append(row[-1])
            place = (number, *row)
        after = ()
    return ids, None, total


def _narrowest(connection: Connection, conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition that the fewest incidents meet, by counting in its index; None where none has one."""
    indexed = [(each, each.ids) for each in conditions if each.ids is not None]
    if len(indexed) < 2:
        return indexed[0][0] if indexed else None
    counted = []
    for _, ids in indexed:
        found = ids.limit(LEAD_LIMIT).subquery()
        counted.append(connection.execute(select(func.count()).select_from(found)).scalar_one())
    return indexed[counted.index(min(counted))][0]


def _total(
    connection: Connection, tenant: str, conditions: Sequence[Condition], lead: Condition | None
) -> tuple[Total, Sequence[str] | None]:
    """Return the total, and the matches themselves where they are few and were not free to find."""
    if lead is None or lead.ids is None or len(conditions) == 1:
        # The number of matches, counting no further than the limit.
        every = select(INCIDENTS.c.id).where(*_where(tenant, conditions, None, None))
        matches = (every if lead is None or lead.ids is None else lead.ids).limit(TOTAL_LIMIT + 1).subquery()
        count = connection.execute(select(func.count()).select_from(matches)).scalar_one()
        return Total(min(count, TOTAL_LIMIT), count > TOTAL_LIMIT), None
    # The matches, because looking them up once more would cost as much again.
    query = select(INCIDENTS.c.id).where(*_where(tenant, conditions, lead, None)).limit(TOTAL_LIMIT + 1)
    ids = connection.execute(query).scalars().all()
    total = Total(min(len(ids), TOTAL_LIMIT), len(ids) > TOTAL_LIMIT)
    return total, ids if len(ids) <= FEW and not total.at_least else None


def _where(
    tenant: str, conditions: Sequence[Condition], lead: Condition | None, part: _Part | None
) -> list[ColumnElement[bool]]:
    """Return the conditions, all but the lead's in a form that no index serves."""
    found: list[ColumnElement[bool]] = [INCIDENTS.c.tenant == tenant]
    if lead is not None and lead.ids is not None:
        found.append(INCIDENTS.c.id.in_(lead.ids))
    # A bound on the order's own column tells its index where to begin.
    begins = lead is None and part is not None and part.order[0][0] == "created_at"
    return found + [
        each.plain if begins and each.bounds_created_at else each.hidden for each in conditions if each is not lead
    ]


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
        opened = [_Part(worst_newest_first, opened=True, mine=mine, lead=True) for mine in (True, False)]
        ended = [_Part(newest_first, severity=each, opened=False) for each in worst_first]
        return opened if wanted.open_only else opened + ended
    raise Invalid(f"cannot sort by {wanted.sort}; use one of {', '.join(SORTS)}", code="invalid_sort")


def _belongs(part: _Part, columns: Columns, needs: str | None) -> list[ColumnElement[bool]]:
    """Return the conditions that make an incident one of this part."""
    found: list[ColumnElement[bool]] = []
    if part.severity is not None:
        found.append(columns["severity"] == part.severity)
    if part.opened is not None:
        found.append(HIDDEN["is_open"] if part.opened else not_(HIDDEN["is_open"]))
    if part.mine is not None:
        assigned = func.coalesce(INCIDENTS.c.assigned_to, "") == needs if needs else false()
        mine = or_(HIDDEN["status"].in_(_UNTAKEN), assigned)
        found.append(mine if part.mine else not_(mine))
    return found


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
