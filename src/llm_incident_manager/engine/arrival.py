"""What the intake knows of a request and of an event that it let in."""

from datetime import date, datetime

import msgspec

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.sealed_path import Sealed
from llm_incident_manager.engine.memory import Identity
from llm_incident_manager.engine.records import Record


class Arrived(msgspec.Struct, frozen=True):
    """An event that its source may send, and its text as it may be kept; ``sealed``: what of it is encrypted."""

    event: Event
    body: bytes
    identity: Identity
    sealed: Sealed | None = None


class Admitted(msgspec.Struct, frozen=True):
    """An event that was let in and has its incident's id; it counts once the journal holds ``record``."""

    event: Event
    identity: Identity
    record: Record


class Arrival(msgspec.Struct, frozen=True):
    """The moment of a request, in the forms that its events need it; asked once for all of them."""

    now: datetime
    microseconds: int
    day: date
    monotonic: float

    @classmethod
    def of(cls, clock: Clock) -> "Arrival":
        """Return this moment."""
        now = clock.now()
        return cls(now, int(now.timestamp() * 1_000_000), now.date(), clock.monotonic())
