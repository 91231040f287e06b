"""Instants as every API writes them."""

from datetime import UTC, datetime


def iso(value: datetime) -> str:
    """Return ISO 8601 in UTC with ``Z``; microseconds only where there are any."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def iso_or_none(value: datetime | None) -> str | None:
    """Return :func:`iso`, or ``None`` where there is no instant."""
    return None if value is None else iso(value)
