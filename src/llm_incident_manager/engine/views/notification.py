"""One notification as every API shows it: who, how, and where it stands as a sentence (NTF-03)."""

from typing import Any

from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.engine.views.instants import iso, iso_or_none


def notification_document(row: Notification) -> dict[str, Any]:
    """Return the page ledger's row with a sentence for people; no address is ever part of it."""
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "type": row.type.value,
        "severity": row.severity.value,
        "level": row.level,
        "cycle": row.cycle,
        "target": row.target,
        "recipient": row.recipient,
        "recipient_name": row.recipient_name,
        "channel": row.channel,
        "stage": row.stage,
        "state": row.state.value,
        "sentence": sentence_of(row),
        "reason": row.last_error or "",
        "cause": row.reason,
        "attempts": row.attempts,
        "planned_at": iso(row.planned_at),
        "next_attempt_at": iso_or_none(row.next_attempt_at),
        "delivered_at": iso_or_none(row.delivered_at),
        "receipt": row.receipt,
        "reached_at": iso_or_none(row.reached_at),
        "answered_at": iso_or_none(row.answered_at),
        "answer": row.answer,
    }


def sentence_of(row: Notification) -> str:
    """Return where a notification stands, in words."""
    who = row.recipient_name or row.recipient or row.target
    way = f" by {row.channel}" if row.channel else ""
    why = row.last_error or "no reason was given"
    tries = f"{row.attempts} {'try' if row.attempts == 1 else 'tries'}"
    match row.state:
        case DeliveryState.PLANNED:
            return f"{who} is about to be told{way}"
        case DeliveryState.RETRYING:
            again = f"; the next try is at {iso(row.next_attempt_at)}" if row.next_attempt_at is not None else ""
            return f"{who} could not be told{way} after {tries}: {why}{again}"
        case DeliveryState.DELIVERED:
            at = f" at {iso(row.delivered_at)}" if row.delivered_at is not None else ""
            said = f"{who} was told{way}{at}" + (f", after {tries}" if row.attempts > 1 else "")
            if row.answered_at is not None:
                return f"{said}, and answered from it at {iso(row.answered_at)}"
            return said + (f"; it arrived at {iso(row.reached_at)}" if row.reached_at is not None else "")
        case DeliveryState.FAILED:
            return f"{who} could not be told{way}, for good: {why}"
        case DeliveryState.SKIPPED:
            return f"{who} was not told{way}: {why}"
        case DeliveryState.CANCELLED:
            return f"{who} needed not be told{way} any more: {why}"
