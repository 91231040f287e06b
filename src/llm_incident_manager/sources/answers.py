"""Answers that many senders share."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llm_incident_manager.engine.receipts import Receipt
from llm_incident_manager.errors import IncidentManagerError
from llm_incident_manager.sources.spec import Answer, Outcome, Refusing, Sent, SourceRequest

_ENCODER = msgspec.json.Encoder(enc_hook=str)
IGNORED = "Nothing in it opens or changes an incident"


def json_answer(document: object, status: int = 202, **headers: str) -> Answer:
    """Return JSON; header names are written with underscores."""
    written = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status=status, body=_ENCODER.encode(document), headers=written)


def text_answer(text: str, status: int = 200) -> Answer:
    """Return plain text, as ``ok``."""
    return Answer(status=status, body=text.encode(errors="replace"), media_type="text/plain; charset=utf-8")


def receipts_of(outcomes: Sequence[Outcome]) -> list[Receipt]:
    """Return those of events."""
    return [outcome for outcome in outcomes if isinstance(outcome, Receipt)]


def receipt_answer(_: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return 202 as ``POST /api/v1/events`` does: the receipt of one event, or that of a batch."""
    receipts = receipts_of(outcomes)
    if sent.is_batch or len(receipts) > 1:
        return json_answer(batch_document(receipts, sent.batch_id))
    if receipts:
        return json_answer(receipt_document(receipts[0]))
    acted = next((outcome for outcome in outcomes if not isinstance(outcome, Receipt)), None)
    return json_answer(
        {
            "status": "ignored" if acted is None else acted.status,
            "event_id": None,
            "incident_id": None if acted is None else acted.incident_id,
            "message": sent.reply.get("message", IGNORED),
        }
    )


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """Return the answer to one event."""
    return {
        "status": receipt.status,
        "event_id": receipt.event_id,
        "incident_id": receipt.incident_id,
        "message": receipt.message,
    }


def batch_document(receipts: Sequence[Receipt], batch_id: str | None) -> dict[str, Any]:
    """Return the answer to a batch."""
    counts = [receipt.status for receipt in receipts]
    return {
        "batch_id": batch_id,
        "accepted": counts.count("accepted"),
        "duplicates": counts.count("duplicate"),
        "rejected": counts.count("rejected"),
        "results": [
            {
                "event_id": each.event_id,
                "status": each.status,
                "incident_id": each.incident_id,
                "errors": [{"field": fault.field, "message": fault.message} for fault in each.errors]
                if each.errors
                else (),
            }
            for each in receipts
        ],
    }


def refusing(document: Mapping[str, Any], *, message: str = "message") -> Refusing:
    """Return refusals of the shape ``{…document, message: what was wrong}``."""

    def refuse(error: IncidentManagerError, status: int) -> Answer:
        return json_answer({**document, message: error.message}, status)

    return refuse
