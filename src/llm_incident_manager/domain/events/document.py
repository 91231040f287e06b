"""From bytes to a JSON document, saying exactly where it is malformed; and a batch into its items."""

import json
import re
from typing import Any, NoReturn

import msgspec

from llm_incident_manager.errors import FieldFault, Invalid

MAX_BATCH = 1000
"""How many events one batch may hold."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch taken apart: each item is the JSON text of one event, read on its own later."""

    batch_id: str | None
    items: tuple[bytes, ...]


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """What a body calls itself, read as far as it can be: for answers about events that were refused."""

    event_id: str | None = None
    source: str | None = None


class _Envelope(msgspec.Struct, kw_only=True):
    events: list[msgspec.Raw]
    batch_id: str | None = None
    count: int | None = None
    timestamp: Any = None
    event_id: msgspec.Raw = msgspec.Raw()


class _Probe(msgspec.Struct, kw_only=True):
    events: msgspec.Raw = msgspec.Raw()
    event_id: msgspec.Raw = msgspec.Raw()


class _Named(msgspec.Struct, kw_only=True):
    event_id: Any = None
    source: Any = None


def parse(body: bytes) -> Any:
    """Return the JSON document in ``body``.

    Numbers that no double can hold and halves of surrogate pairs are let through, for the validator to name.

    Raises:
        Invalid: ``malformed_json`` with ``position`` (bytes), ``line`` and ``column``; ``too_deep``.
    """
    try:
        return _ANY.decode(body)
    except RecursionError:
        _too_deep()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _parse_carefully(body)


def written(document: object) -> bytes:
    """Return the JSON text of a document, whatever is in it: the validator names what cannot be stored."""
    try:
        return msgspec.json.encode(document)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        pass
    try:
        return json.dumps(document, default=str).encode()
    except (TypeError, ValueError, RecursionError):
        _too_deep()


def is_batch(body: bytes) -> bool:
    """Whether ``body`` is a list, or an object with ``events`` and no ``event_id`` (specification §6.3)."""
    first = body[:64].lstrip()[:1]
    if first == b"[":
        return True
    if b'"events"' not in body:
        return False
    try:
        probe = _PROBE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return bool(bytes(probe.events)) and not bytes(probe.event_id)


def batch_of(body: bytes) -> Batch | None:
    """Return the batch in ``body``, or ``None`` where :func:`is_batch` says that it is none.

    Raises:
        Invalid: it is a batch, and wrong (see :func:`decode_batch`).
    """
    if body[:64].lstrip()[:1] != b"[":
        if b'"events"' not in body:
            return None
        try:
            envelope = _ENVELOPE.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return None if bytes(envelope.event_id) else _taken_apart(envelope, MAX_BATCH)
    return decode_batch(body) if is_batch(body) else None


def decode_batch(body: bytes, *, limit: int = MAX_BATCH) -> Batch:
    """Take apart §6.3's ``BatchedAlerts`` or a bare list of events; the items are not looked at.

    Raises:
        Invalid: not JSON, not a batch, no events, more than ``limit``, or a ``count`` that is not the number of events.
    """
    bare = body[:64].lstrip()[:1] == b"["
    try:
        envelope = _Envelope(events=_LIST.decode(body)) if bare else _ENVELOPE.decode(body)
    except RecursionError:
        _too_deep()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        document = parse(body)
        raise _batch_fault(document, error) from None
    return _taken_apart(envelope, limit)


def _taken_apart(envelope: _Envelope, limit: int) -> Batch:
    number = len(envelope.events)
    require_batch(number, limit=limit)
    if envelope.count is not None and envelope.count != number:
        raise Invalid(
            f"the batch says count {envelope.count} and holds {number} events",
            [FieldFault("count", f"is {envelope.count}, but there are {number} events; was the batch cut short?")],
            code="count_mismatch",
        )
    return Batch(batch_id=envelope.batch_id, items=tuple([bytes(item) for item in envelope.events]))


def require_batch(number: int, *, limit: int = MAX_BATCH) -> None:
    """Raise Invalid where so many events are no batch: none, or more than ``limit``."""
    if number == 0:
        raise Invalid(
            "the batch is empty",
            [FieldFault("events", f"is empty; a batch holds 1 to {limit} events")],
            code="empty_batch",
        )
    if number > limit:
        raise Invalid(
            f"the batch holds {number} events, more than {limit}",
            [FieldFault("events", f"holds {number} events; send at most {limit} in one batch")],
            code="batch_too_large",
        )


def peek(body: bytes) -> Name:
    """Return the event id and source that ``body`` states, as far as they can be read; never raises."""
    try:
        named = _NAMED.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Name()
    return Name(event_id=_short_text(named.event_id), source=_short_text(named.source))


def _short_text(value: object) -> str | None:
    if not isinstance(value, str) or not value.strip() or "\x00" in value:
        return None
    return value[:255]


def _parse_carefully(body: bytes) -> Any:
    """Read what the fast decoder refused; the standard library says where, and lets doubtful values through."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Invalid(
            f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}",
            [FieldFault("body", f"is not UTF-8 at byte {error.start}; send JSON encoded as UTF-8")],
            code="malformed_json",
            position=error.start,
        ) from None
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = len(text[: error.pos].encode())
        raise Invalid(
            f"the body is not JSON: {error.msg} at byte {where} (line {error.lineno}, column {error.colno})",
            [FieldFault("body", f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}")],
            code="malformed_json",
            position=where,
            line=error.lineno,
            column=error.colno,
        ) from None
    except RecursionError:
        _too_deep()
    except ValueError as error:
        raise Invalid(
            f"the body is not JSON: {error}", [FieldFault("body", f"is not JSON: {error}")], code="malformed_json"
        ) from None


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON value; leave the number out or send null")


def _too_deep() -> NoReturn:
    raise Invalid(
        "the body is nested too deeply to be read",
        [FieldFault("body", "is nested too deeply to be read; a payload may have 32 levels")],
        code="too_deep",
    ) from None


def _batch_fault(document: object, error: Exception) -> Invalid:
    if not isinstance(document, dict | list):
        message = (
            "is neither an object nor a list; send an event, a list of events, or {batch_id, timestamp, events, count}"
        )
        return Invalid("the body is no batch", [FieldFault("body", message)], code="invalid_batch")
    path = re.search(r"`\$\.?([^`]*)`", str(error))
    reason = str(error).split(" - at ")[0]
    field = path.group(1) if path else "body"
    return Invalid(f"the batch is wrong: {reason}", [FieldFault(field or "body", reason)], code="invalid_batch")


_ANY = msgspec.json.Decoder()
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_PROBE = msgspec.json.Decoder(_Probe)
_NAMED = msgspec.json.Decoder(_Named)
