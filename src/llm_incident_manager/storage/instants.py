"""Instants as the database keeps them: microseconds since 1970 in UTC."""

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def micros(at: datetime) -> int: ...


@overload
def micros(at: None) -> None: ...


@overload
def micros(at: datetime | None) -> int | None: ...


def micros(at: datetime | None) -> int | None:
    """Return an aware instant as microseconds since 1970 in UTC."""
    return None if at is None else (at - _EPOCH) // _MICROSECOND


@overload
def instant(stored: int) -> datetime: ...


@overload
def instant(stored: None) -> None: ...


@overload
def instant(stored: int | None) -> datetime | None: ...


def instant(stored: int | None) -> datetime | None:
    """Return stored microseconds as an aware instant in UTC."""
    return None if stored is None else _EPOCH + timedelta(microseconds=stored)
