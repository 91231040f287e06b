"""One page of incidents: filters, orders, cursors and totals, each over an index.

The total is looked for first, up to its limit. Few matches: the filters' indexes lead, and what they find is sorted.
Many: the order's index leads, and the page is full after a few steps. SQLite keeps no figures that would tell it so,
hence :func:`_aside` takes the other index out of its choice.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, literal, not_, or_, select

from llm_incident_manager.domain.vocabulary import Severity, Status
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Invalid
from llm_incident_manager.storage.cursors import cursor_after, place_of
from llm_incident_manager.storage.incident_rows import folded
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import INCIDENT_TAGS, INCIDENTS
from llm_incident_manager.storage.statements import TOTAL_LIMIT

MOST = 1000
_I = INCIDENTS.c
_SORTS: dict[str, ColumnElement[Any]] = {
    "created_at": _I.created_at,
    "updated_at": _I.updated_at,
    "last_event_at": _I.last_event_at,
}
SORTS = (*(sign + name for name in (*_SORTS, "severity") for sign in ("", "-")), "needs")
_OPEN_STATUSES = frozenset(status for status in Status if status.is_open)
_UNTAKEN = (Status.NEW, Status.ESCALATED)


class Total(NamedTuple):
    """How many match; ``at_least`` where there are more than were counted."""

    matches: int
    at_least: bool


class _Part(NamedTuple):
    """A stretch of the list: the parts follow each other, each in one order that an index can give."""

    where: tuple[ColumnElement[bool], ...]
    order: tuple[tuple[ColumnElement[Any], bool], ...]
    """(column, whether descending); ends in the id"""


def search(connection: Connection, tenant: str, wanted: IncidentFilter) -> tuple[list[str], str | None, Total]:
    """Return the ids of one page in order, the next cursor, and the total."""
    if not 1 <= wanted.limit <= MOST:
        raise Invalid(f"limit is {wanted.limit}; it must be from 1 to {MOST}", code="invalid_limit")
    parts = _parts(wanted)
    total = _total(connection, tenant, wanted)
    filters = _filters(tenant, wanted, aside=total.at_least)
    index, after = _start(wanted, parts)
    ids: list[str] = []
    place: tuple[Any, ...] = ()
    while index < len(parts):
        part = parts[index]
        columns = [column for column, _ in part.order]
        query = select(*columns).where(*filters, *part.where).limit(wanted.limit + 1 - len(ids))
        if after:
            query = query.where(_behind(part, after))
        query = query.order_by(*(_directed(column, down, total) for column, down in part.order))
        for row in connection.execute(query):
            if len(ids) == wanted.limit:
                return ids, cursor_after(wanted.sort, place), total
            ids.append(row[-1])
            place = (index, *row)
        index, after = index + 1, ()
    return ids, None, total


def _total(connection: Connection, tenant: str, wanted: IncidentFilter) -> Total:
    # The number of matches, counting no further than the limit.
    matches = select(literal(1)).where(*_filters(tenant, wanted)).select_from(INCIDENTS).limit(TOTAL_LIMIT + 1)
    count = connection.execute(select(func.count()).select_from(matches.subquery())).scalar_one()
    return Total(min(count, TOTAL_LIMIT), count > TOTAL_LIMIT)


def _filters(tenant: str, wanted: IncidentFilter, *, aside: bool = False) -> list[ColumnElement[bool]]:
    """Return the conditions; ``aside`` keeps their indexes out of the plan, so that the order's index leads."""
    found: list[ColumnElement[bool]] = [_I.tenant == tenant]
    only_open = wanted.open_only or (bool(wanted.status) and _OPEN_STATUSES.issuperset(wanted.status))
    if only_open:
        found.append(_aside(_I.is_open) if aside else _I.is_open)
    # Of all indexes, that of the open incidents is the smallest by far.
    hide = aside or only_open
    chosen: Sequence[tuple[ColumnElement[Any], Sequence[str]]] = (
        (_I.severity, wanted.severity),
        (_I.status, wanted.status),
        (_I.category, wanted.category),
        (_I.source, wanted.source),
        (_I.environment, wanted.environment),
        (_I.assigned_to, wanted.assigned_to),
        (_I.assigned_team, wanted.assigned_team),
    )
    for column, values in chosen:
        if values:
            left = _aside(column) if hide else column
            found.append(left == values[0] if len(values) == 1 else left.in_(values))
    if wanted.start is not None:
        found.append(_I.created_at >= micros(wanted.start))
    if wanted.end is not None:
        found.append(_I.created_at < micros(wanted.end))
    for key in dict.fromkeys(key for key, _ in wanted.tags):
        values = [value for name, value in wanted.tags if name == key]
        tagged = select(INCIDENT_TAGS.c.incident_id).where(
            INCIDENT_TAGS.c.tenant == tenant, INCIDENT_TAGS.c.key == key, INCIDENT_TAGS.c.value.in_(values)
        )
        found.append(
            exists(tagged.where(INCIDENT_TAGS.c.incident_id == _I.id).correlate(INCIDENTS))
            if hide
            else _I.id.in_(tagged)
        )
    if wanted.text:
        found.append(_I.words.contains(folded(wanted.text), autoescape=True))
    return found


def _parts(wanted: IncidentFilter) -> list[_Part]:
    name, down = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    if name in _SORTS:
        return [_Part((), ((_SORTS[name], down), (_I.id, down)))]
    newest_first = ((_I.created_at, True), (_I.id, True))
    if name == "severity":
        worst_first = tuple(Severity)
        return [_Part((_I.severity == each,), newest_first) for each in (worst_first[::-1] if down else worst_first)]
    if wanted.sort == "needs":
        mine = or_(
            _I.status.in_(_UNTAKEN), func.coalesce(_I.assigned_to, "") == wanted.needs if wanted.needs else false()
        )
        worst_first_open = ((_I.severity, False), *newest_first)
        rest = [_Part((_I.severity == each, not_(_aside(_I.is_open))), newest_first) for each in Severity]
        opened = [_Part((_I.is_open, mine), worst_first_open), _Part((_I.is_open, not_(mine)), worst_first_open)]
        return opened if wanted.open_only else opened + rest
    raise Invalid(f"cannot sort by {wanted.sort}; use one of {', '.join(SORTS)}", code="invalid_sort")


def _start(wanted: IncidentFilter, parts: Sequence[_Part]) -> tuple[int, tuple[Any, ...]]:
    """Return the part to go on with, and the place in it."""
    if wanted.cursor is None:
        return 0, ()
    index, *place = place_of(wanted.cursor, wanted.sort)
    if not isinstance(index, int) or not 0 <= index < len(parts) or len(place) != len(parts[index].order):
        raise Invalid("the cursor is not one of ours; start without a cursor", code="invalid_cursor")
    return index, tuple(place)


def _behind(part: _Part, place: tuple[Any, ...]) -> ColumnElement[bool]:
    """Return the condition of everything that comes after ``place``."""
    cases = []
    for position, (column, down) in enumerate(part.order):
        same = [before == value for (before, _), value in zip(part.order, place[:position], strict=False)]
        cases.append(and_(*same, column < place[position] if down else column > place[position]))
    first, down = part.order[0]
    # The first column's bound says nothing new; it is what an index can seek.
    bound = first <= place[0] if down else first >= place[0]
    return and_(bound, or_(*cases))


def _directed(column: ColumnElement[Any], down: bool, total: Total) -> ColumnElement[Any]:
    key = column if total.at_least else _aside(column)
    return key.desc() if down else key.asc()


def _aside(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the same value in a form that no index serves."""
    return func.coalesce(column, column)
