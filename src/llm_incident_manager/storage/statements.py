"""What the statements of every table share: the insert both databases know, and lists cut to what they can bind."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

# One INSERT … ON CONFLICT … RETURNING for both databases: SQLite took the syntax over from PostgreSQL, and SQLAlchemy
# compiles this construct for either.
from sqlalchemy.dialects.postgresql import Insert, insert

__all__ = ["TOTAL_LIMIT", "Insert", "insert", "pieces"]

TOTAL_LIMIT = 10_000
"""Totals of lists are exact up to here."""

T = TypeVar("T")


def pieces(values: Sequence[T], size: int = 1000) -> Iterator[Sequence[T]]:
    """Cut ``values`` into lists that fit one statement's parameters (SQLite 32,766, PostgreSQL 65,535)."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
