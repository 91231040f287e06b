"""What a list of incidents filters by. Each condition has two forms: one leads, by its index, and one follows.

The leading form is a subquery of ids that the condition's index answers alone; the following form wraps its columns, so
that no index serves it and the database cannot choose to begin there.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, true

from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.storage.incident_rows import folded
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import INCIDENT_TAGS, INCIDENTS

Columns = Mapping[str, ColumnElement[Any]]

PLAIN: Columns = {column.name: column for column in INCIDENTS.c}
"""The columns themselves, which indexes serve."""
HIDDEN: Columns = {name: func.coalesce(column, column) for name, column in PLAIN.items()}
"""The same values in a form that no index serves."""
_LEADING = INCIDENTS.alias("leading")
_LEADS: Columns = {column.name: column for column in _LEADING.c}

_CHOICES = ("severity", "status", "category", "source", "environment", "assigned_to", "assigned_team")


class Condition(NamedTuple):
    """One condition: ``ids`` finds its incidents in its own index; None where it has none (the text search)."""

    plain: ColumnElement[bool]
    hidden: ColumnElement[bool]
    ids: Select[Any] | None
    bounds_created_at: bool = False


def is_open(tenant: str) -> Condition:
    """Return the condition that work is still due; its index is the smallest by far."""
    return _condition(tenant, lambda columns: columns["is_open"])


def conditions_of(tenant: str, wanted: IncidentFilter) -> list[Condition]:
    """Return what ``wanted`` asks for, one condition per field and per tag's key."""
    found = [is_open(tenant)] if wanted.open_only else []
    chosen = ((name, getattr(wanted, name)) for name in _CHOICES)
    found.extend(_condition(tenant, _one_of(name, values)) for name, values in chosen if values)
    if wanted.start is not None or wanted.end is not None:
        found.append(_condition(tenant, _created(wanted))._replace(bounds_created_at=True))
    values_of: dict[str, list[str]] = {}
    for key, value in wanted.tags:
        values_of.setdefault(key, []).append(value)
    found.extend(_tagged(tenant, key, values) for key, values in values_of.items())
    if wanted.text:
        contained = INCIDENTS.c.words.contains(folded(wanted.text), autoescape=True)
        found.append(Condition(contained, contained, None))
    return found


def _condition(tenant: str, test: Callable[[Columns], ColumnElement[bool]]) -> Condition:
    ids = select(_LEADS["id"]).where(_LEADS["tenant"] == tenant, test(_LEADS))
    return Condition(test(PLAIN), test(HIDDEN), ids)


def _one_of(name: str, values: tuple[str, ...]) -> Callable[[Columns], ColumnElement[bool]]:
    if len(values) == 1:
        return lambda columns: columns[name] == values[0]
    return lambda columns: columns[name].in_(values)


def _created(wanted: IncidentFilter) -> Callable[[Columns], ColumnElement[bool]]:
    def within(columns: Columns) -> ColumnElement[bool]:
        first = true() if wanted.start is None else columns["created_at"] >= micros(wanted.start)
        last = true() if wanted.end is None else columns["created_at"] < micros(wanted.end)
        return and_(first, last)

    return within


def _tagged(tenant: str, key: str, values: list[str]) -> Condition:
    tags = INCIDENT_TAGS.c
    ids = select(tags.incident_id).where(tags.tenant == tenant, tags.key == key, tags.value.in_(values))
    has = exists(ids.where(tags.incident_id == INCIDENTS.c.id).correlate(INCIDENTS))
    return Condition(has, has, ids)
