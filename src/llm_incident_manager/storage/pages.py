"""Pages of short lists: one order, a cursor at the last row's place."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, literal, tuple_

from llm_incident_manager.errors import Invalid
from llm_incident_manager.storage.cursors import Place, cursor_after, place_of

R = TypeVar("R")


def after(
    query: Select[Any],
    order: Sequence[ColumnElement[Any]],
    cursor: str | None,
    name: str,
    limit: int,
    *,
    descending: bool = True,
) -> Select[Any]:
    """Return ``query`` in ``order``, behind the cursor, cut one row after ``limit``."""
    if limit < 1:
        raise Invalid(f"limit is {limit}; it must be at least 1", code="invalid_limit")
    if cursor is not None:
        place = place_of(cursor, name)
        if len(place) != len(order):
            raise Invalid("the cursor is not one of ours; start without a cursor", code="invalid_cursor")
        last = tuple_(*(literal(each) for each in place))
        query = query.where(tuple_(*order) < last if descending else tuple_(*order) > last)
    return query.order_by(*(each.desc() if descending else each.asc() for each in order)).limit(limit + 1)


def page_of(rows: Sequence[R], limit: int, name: str, place: Callable[[R], Place]) -> tuple[Sequence[R], str | None]:
    """Return the page without the row after it, and the cursor if there was one."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor_after(name, place(rows[limit - 1]))
