"""Identifiers: incident ids of specification §5.2 and random ids that sort by time."""

import re
import secrets
import threading
import time
from datetime import date

INCIDENT_ID = re.compile(r"INC-(\d{4})(\d{2})(\d{2})-(\d{5,})")


def incident_id(day: date, number: int) -> str:
    """Return ``INC-YYYYMMDD-XXXXX`` (specification §5.2); the number grows past five digits if it must."""
    return f"INC-{day:%Y%m%d}-{number:05d}"


def incident_number(value: str) -> tuple[date, int] | None:
    """Return the UTC day and number inside an incident id, or ``None`` if it is not one."""
    found = INCIDENT_ID.fullmatch(value)
    if found is None:
        return None
    year, month, day, number = map(int, found.groups())
    try:
        return date(year, month, day), number
    except ValueError:
        return None


class IncidentNumbers:
    """Gives incident ids densely per UTC day, in one process; safe between threads."""

    def __init__(self) -> None:
        self._last: dict[date, int] = {}
        self._lock = threading.Lock()

    def seen(self, value: str) -> None:
        """Make sure an id that exists already (from the store or the journal) is never given again."""
        found = incident_number(value)
        if found is not None:
            day, number = found
            with self._lock:
                if number > self._last.get(day, 0):
                    self._last[day] = number

    def reserve(self, day: date) -> str:
        """Return the next id of that UTC day."""
        with self._lock:
            number = self._last.get(day, 0) + 1
            self._last[day] = number
        return incident_id(day, number)


def new_id(prefix: str) -> str:
    """Return ``prefix-`` and 26 characters: milliseconds since 1970 in hex, then 60 random bits; sorts by time."""
    return f"{prefix}-{time.time_ns() // 1_000_000:011x}{secrets.token_hex(8)[:15]}"


class IdSource:
    """Makes random ids; tests and the simulator use :class:`CountingIds`, so that a seed replays."""

    def new(self, prefix: str) -> str:
        return new_id(prefix)


class CountingIds(IdSource):
    """Gives ``prefix-00000001`` and so on."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}-{self._count:08d}"
