"""What is written on a WebSocket: acknowledgments, errors, heartbeats, incidents."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from llm_incident_manager.domain.events.document import decode_batch, is_batch, peek
from llm_incident_manager.engine.accept import BatchReceipt, Receipt
from llm_incident_manager.engine.accept_stream import Answer
from llm_incident_manager.engine.live import Seen
from llm_incident_manager.engine.views.incident import incident_document
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid, RateLimited, Unavailable

_ENCODER = msgspec.json.Encoder(enc_hook=str)
HEARTBEAT = '{"type":"heartbeat"}'


def text_of(document: dict[str, Any]) -> str:
    """Return a message's text."""
    return _ENCODER.encode(document).decode()


def answers_of(answer: Answer, body: bytes) -> Iterator[str]:
    """Yield what is answered to one message: one text for each event that it held."""
    if isinstance(answer, Receipt):
        yield _of_receipt(answer, {})
    elif isinstance(answer, BatchReceipt):
        beside = {} if answer.batch_id is None else {"batch_id": answer.batch_id}
        for receipt in answer.results:
            yield _of_receipt(receipt, beside)
    elif isinstance(answer, Invalid) or not is_batch(body):
        yield error(answer, peek(body).event_id)
    else:
        # Nothing could be stored of a batch that is well made: whoever waits for its events hears of each.
        for item in decode_batch(body).items:
            yield error(answer, peek(item).event_id)


def error(refused: IncidentManagerError, event_id: str | None = None, **beside: Any) -> str:
    """Return the message that says what is wrong, with which value, and the remedy."""
    faults = refused.faults if isinstance(refused, Invalid) else []
    if isinstance(refused, Invalid) and not faults:
        faults = [FieldFault("message", refused.message)]
    if isinstance(refused, RateLimited | Unavailable):
        beside["retry_after_seconds"] = max(1, math.ceil(refused.retry_after_seconds))
    return text_of(
        {
            "type": "error",
            "event_id": event_id,
            "code": refused.code,
            "message": refused.message,
            "errors": [{"field": fault.field, "message": fault.message} for fault in faults],
            **beside,
        }
    )


def incident(seen: Seen) -> str:
    """Return the message about one incident; ``resume`` is the place to go on from after a cut."""
    return text_of(
        {
            "type": "incident",
            "kind": "opened" if seen.opened else "changed",
            "incident": incident_document(seen.incident),
            "resume": str(int(seen.incident.updated_at.timestamp() * 1_000_000)),
        }
    )


def _of_receipt(receipt: Receipt, beside: dict[str, Any]) -> str:
    if receipt.refusal is not None:
        return error(receipt.refusal, receipt.event_id, **beside)
    return text_of(
        {
            "type": "ack",
            "event_id": receipt.event_id,
            "incident_id": receipt.incident_id,
            "status": receipt.status,
            **beside,
        }
    )
