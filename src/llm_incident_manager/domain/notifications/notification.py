"""The page ledger's row: what was intended, tried and answered (NTF-03)."""

from datetime import datetime
from enum import StrEnum

import msgspec

from llm_incident_manager.domain.vocabulary import NotificationType, Severity


class DeliveryState(StrEnum):
    """Where one notification is. ``PLANNED`` and ``RETRYING`` still hope, the others end it."""

    PLANNED = "planned"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_pending(self) -> bool:
        """Whether another attempt may follow."""
        return self in (DeliveryState.PLANNED, DeliveryState.RETRYING)


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One page to one recipient on one channel. Contacts are looked up when it is sent, so no address is stored.

    ``contact`` is the index among the recipient's contacts of that channel; ``stage`` 0 is the level's own channels,
    1 the recipient's other contacts, 2 and up the target's fallbacks. ``planned_at`` is when it was due. ``note`` is
    what the person who paged by hand wants to say.

    ``delivered_at`` is when the provider accepted it; ``reached_at`` when the provider said that it arrived (a text on
    the phone, a call that was picked up), where it says so; ``answered_at`` when somebody acted from it, and ``answer``
    what they did (``take``, ``resolve``). ``shown_revision`` is the incident's revision that a message shows which is
    kept up to date in its place; None for all others.
    """

    id: str
    tenant: str
    incident_id: str
    type: NotificationType
    severity: Severity
    level: int
    cycle: int
    step: int | None
    target: str
    recipient: str
    recipient_name: str = ""
    channel: str
    contact: int = 0
    stage: int = 0
    reason: str
    note: str = ""
    state: DeliveryState = DeliveryState.PLANNED
    attempts: int = 0
    planned_at: datetime
    next_attempt_at: datetime | None = None
    delivered_at: datetime | None = None
    last_error: str | None = None
    receipt: str | None = None
    first_round_over: bool = False
    reached_at: datetime | None = None
    answered_at: datetime | None = None
    answer: str | None = None
    shown_revision: int | None = None
