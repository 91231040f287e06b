"""What is known of a fingerprint beside its incidents: when its source last said that the trouble is over."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from llm_incident_manager.domain.events.event import Event

WINDOW = timedelta(hours=24)
"""How long after a recovery was accepted an alarm that it overtook is still known as such."""


class FingerprintNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest recovery of a fingerprint: ``said_at`` is its sender's time, ``heard_at`` when it was accepted (UTC).

    ``incident_id`` is the incident that it ended; None: none was open, so that its alarm may still be on its way.
    """

    fingerprint: str
    said_at: datetime
    heard_at: datetime
    source: str
    event_id: str
    title: str = ""
    incident_id: str | None = None

    @classmethod
    def of(cls, recovery: Event, incident_id: str | None = None) -> "FingerprintNote":
        """Return what is noted of a recovery."""
        return cls(
            fingerprint=recovery.fingerprint,
            said_at=recovery.timestamp,
            heard_at=recovery.received_at,
            source=recovery.source,
            event_id=recovery.event_id,
            title=recovery.title,
            incident_id=incident_id,
        )

    def overtook(self, alarm: Event) -> bool:
        """Whether ``alarm`` is over already, by its sender's own times, and came within :data:`WINDOW`.

        At the same instant it is new trouble, unless it was accepted first: one page too many is better than one too
        few.
        """
        if alarm.timestamp == self.said_at:
            return alarm.received_at < self.heard_at
        return alarm.timestamp < self.said_at and alarm.received_at - self.heard_at <= WINDOW


class FingerprintNoteStore(Protocol):
    """The notes of one tenant."""

    def of(self, fingerprints: Iterable[str]) -> dict[str, FingerprintNote]:
        """Return those that are there."""
        ...

    def put(self, notes: Sequence[FingerprintNote]) -> None:
        """Write them; one whose recovery was said earlier than what is noted changes nothing."""
        ...


class Overtaking(msgspec.Struct, frozen=True, kw_only=True):
    """A recovery that ended nothing, and the incident of its fingerprint that is open now."""

    tenant: str
    note: FingerprintNote
    incident_id: str
