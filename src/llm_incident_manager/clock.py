"""The time, as an argument: the running service reads the system's clock, tests own theirs."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to: for tests, the simulator and the demo."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, step: timedelta) -> None:
        """Move on by ``step``; a negative step is a clock jump: the monotonic reading stays."""
        self._now += step
        self._monotonic += max(0.0, step.total_seconds())


class OffsetClock:
    """The system's clock, moved by an offset that can grow: the demo shows an escalation within a minute."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        return time.monotonic() + self._offset.total_seconds()

    def advance(self, step: timedelta) -> None:
        """Move the clock forward by ``step`` (never back)."""
        if step < timedelta(0):
            raise ValueError("this clock only moves forward")
        self._offset += step
