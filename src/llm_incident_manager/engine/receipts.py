"""What is answered to events: accepted, a duplicate, or rejected with every fault."""

from collections.abc import Sequence

import msgspec

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid

QUEUED = "Event received and queued for processing"
COUNTED = "Event counted; its payload is not kept, because more is sent than the rate allows"
KNOWN = "Event was received before; nothing was counted again"


class Receipt(msgspec.Struct, frozen=True):
    """The answer to one event; ``incident_id`` is the one joined or reserved, ``None`` where it opens nothing.

    ``refusal`` is why it was rejected, for doors that answer for one event only.
    """

    status: str
    event_id: str | None
    incident_id: str | None = None
    message: str = QUEUED
    errors: tuple[FieldFault, ...] = ()
    refusal: IncidentManagerError | None = None


class BatchReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a batch: three counts, and a receipt for each event in order."""

    batch_id: str | None
    accepted: int
    duplicates: int
    rejected: int
    results: tuple[Receipt, ...]


def batch_receipt(batch_id: str | None, results: Sequence[Receipt]) -> BatchReceipt:
    """Return the answer to a batch whose events were answered with ``results``."""
    statuses = [receipt.status for receipt in results]
    return BatchReceipt(
        batch_id=batch_id,
        accepted=statuses.count("accepted"),
        duplicates=statuses.count("duplicate"),
        rejected=statuses.count("rejected"),
        results=tuple(results),
    )


def duplicate(event: Event, incident_id: str | None) -> Receipt:
    """Return the answer to an event that was counted before."""
    return Receipt(status="duplicate", event_id=event.event_id, incident_id=incident_id, message=KNOWN)


def rejected(event_id: str | None, refused: IncidentManagerError) -> Receipt:
    """Return the answer to one event of a batch that was refused."""
    faults = tuple(refused.faults) if isinstance(refused, Invalid) else ()
    return Receipt(
        status="rejected",
        event_id=event_id,
        message=refused.message,
        errors=faults or (FieldFault("", refused.message),),
        refusal=refused,
    )
