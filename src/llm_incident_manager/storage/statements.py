"""What the statements of every table share: the insert both databases know, and lists cut to what they can bind."""

from collections.abc import Iterator, Sequence
from typing import Any, Self, TypeVar

# One INSERT … ON CONFLICT … RETURNING for both databases: SQLite took the syntax over from PostgreSQL, and SQLAlchemy
# compiles this construct for either.
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.dml import OnConflictDoNothing, OnConflictDoUpdate

__all__ = ["TOTAL_LIMIT", "Insert", "insert", "pieces"]

TOTAL_LIMIT = 10_000
"""Totals of lists are exact up to here."""

T = TypeVar("T")


class _Nothing(OnConflictDoNothing):
    """ON CONFLICT DO NOTHING without a target: there is nothing that a cache key would have to tell apart."""

    _traverse_internals = []  # noqa: RUF012 — declared so by SQLAlchemy


class _Update(OnConflictDoUpdate):
    """ON CONFLICT DO UPDATE: no cache key tells its columns apart, so it is compiled each time."""

    inherit_cache = False


class Insert(postgresql.Insert):
    """SQLAlchemy's own is compiled anew at each execution, which costs more than the insert; this one is cached."""

    inherit_cache = True

    def on_conflict_do_nothing(self) -> Self:  # type: ignore[override] # a target would have to enter the cache key
        """Return the insert that leaves out rows that any unique index refuses."""
        quiet = self._generate()
        quiet._post_values_clause = _Nothing()
        return quiet

    def on_conflict_do_update(self, **conflict: Any) -> Self:  # type: ignore[override] # only by name
        """Return the insert that changes the row that is there (arguments as SQLAlchemy's)."""
        changing = self._generate()
        changing._post_values_clause = _Update(**conflict)
        return changing


insert = Insert


def pieces(values: Sequence[T], size: int = 1000) -> Iterator[Sequence[T]]:
    """Cut ``values`` into lists that fit one statement's parameters (SQLite 32,766, PostgreSQL 65,535)."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
