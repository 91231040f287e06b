"""What comes in on a WebSocket: text, or a binary message that is JSON packed with gzip."""

from typing import Any

from llm_incident_manager.api.bodies import unzip
from llm_incident_manager.api.websocket.port import WebSocketLimits
from llm_incident_manager.domain.events.document import parse
from llm_incident_manager.errors import FieldFault, Invalid, TooLarge

_GZIP = b"\x1f\x8b"
_SHORT = 256


def body_of(message: str | bytes, limits: WebSocketLimits) -> bytes:
    """Return the JSON text of a message; raises TooLarge, or Invalid where it says gzip and is not."""
    body = message.encode() if isinstance(message, str) else message
    if len(body) > limits.message_bytes:
        raise TooLarge(
            f"the message has {len(body)} bytes; send at most {limits.message_bytes}, a batch in several pieces",
            limit_bytes=limits.message_bytes,
        )
    if body[:2] == _GZIP and isinstance(message, bytes):
        return unzip(body, limits.unpacked_bytes)
    if not body.strip():
        raise Invalid(
            "the message is empty; send an event, a batch, or a heartbeat",
            [FieldFault("message", "is empty; send an event as JSON")],
            code="malformed_json",
        )
    return body


def is_heartbeat(body: bytes) -> bool:
    """Whether a message is ``{"type": "heartbeat"}``, whatever else it carries."""
    if len(body) > _SHORT or b"heartbeat" not in body:
        return False
    try:
        document = parse(body)
    except Invalid:
        return False
    return isinstance(document, dict) and document.get("type") == "heartbeat" and "event_id" not in document


def document_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a message; raises Invalid."""
    document = parse(body)
    if not isinstance(document, dict):
        raise Invalid(
            "the message is no JSON object",
            [FieldFault("message", 'is no object; send {"type": "subscribe", "filters": {…}} or a heartbeat')],
            code="invalid_message",
        )
    return document
