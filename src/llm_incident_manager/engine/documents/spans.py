"""Instants and spans in documents."""

from datetime import UTC, datetime

from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.part import Part

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def read_instant(part: Part, name: str, *, required: bool = False) -> datetime | None:
    """Return an instant in UTC; it must be written with its zone and lie between the years 1900 and 2200."""
    value = part.text(name, required=required)
    if not value:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        part.fault(name, f"{quoted(value)} is not an instant with its zone, such as '2027-02-01T08:00:00Z'")
        return None
    if not 1900 < found.year < 2200 or not _EARLIEST <= found <= _LATEST:
        part.fault(name, f"{quoted(value)} is not between the years 1900 and 2200")
        return None
    return found.astimezone(UTC)


def read_span(part: Part, start: str = "start", end: str = "end") -> tuple[datetime, datetime] | None:
    """Return two instants, the second after the first; ``None`` where either is faulty."""
    first, last = read_instant(part, start, required=True), read_instant(part, end, required=True)
    if first is None or last is None:
        return None
    if last <= first:
        part.fault(end, f"{last.isoformat()} is not after the {start}, {first.isoformat()}")
        return None
    return first, last
