"""From a message to a request at its source's door: unpacked, bounded, signed where the settings ask for it."""

import zlib
from datetime import datetime

from llm_incident_manager.errors import FieldFault, Invalid, Unauthenticated
from llm_incident_manager.sources.queues.spec import Message
from llm_incident_manager.sources.receive import Chosen
from llm_incident_manager.sources.spec import SourceRequest

KEPT_OF_TOO_LARGE = 65_536
"""How many bytes of a message that is too large a dead letter keeps."""


def request_of(message: Message, chosen: Chosen, *, sender: str, now: datetime, most_bytes: int) -> SourceRequest:
    """Return the request that the message is.

    It was received when it was put into the queue, where the broker says when: read again, it is the same request.

    Raises:
        Invalid: it is too large, its gzip is broken, or it is not signed as the source's settings say.
    """
    body = _unpacked(message, most_bytes)
    if len(body) > most_bytes:
        what = f"holds {len(body):,} bytes; at most {most_bytes:,} are taken (limits.body_bytes)"
        raise Invalid(f"the message {what}", [FieldFault("body", what)], code="too_large")
    received_at = min(message.at, now) if message.at is not None else now
    settings = chosen.settings
    if settings is not None and settings.signing_secret:
        try:
            chosen.spec.signature.verify(
                settings.signing_secret, body, message.headers, received_at, header=settings.signature_header
            )
        except Unauthenticated as unsigned:
            raise Invalid(unsigned.message, [FieldFault("headers", unsigned.message)], code=unsigned.code) from None
    return SourceRequest(
        source=chosen.source,
        body=body,
        received_at=received_at,
        path=message.path,
        headers=message.headers,
        sender=sender,
        message_id=message.id,
    )


def _unpacked(message: Message, most_bytes: int) -> bytes:
    encoding = message.headers.get("content-encoding", "").lower()
    if encoding not in ("gzip", "x-gzip"):
        return message.body
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = unpacking.decompress(message.body, most_bytes + 1)
    except zlib.error as broken:
        what = f"says that it is gzip and is not: {broken}"
        raise Invalid(f"the message {what}", [FieldFault("body", what)], code="malformed_gzip") from None
    if len(body) <= most_bytes and not unpacking.eof:
        what = "says that it is gzip and ends too early"
        raise Invalid(f"the message {what}", [FieldFault("body", what)], code="malformed_gzip")
    return body
