"""Reading a request's body: its type, its packing, its size on the wire and unpacked, before anything looks inside."""

import asyncio
import zlib
from collections.abc import Sequence
from typing import Any

from starlette.types import Receive

from llm_incident_manager.api.problems import UnsupportedMediaType
from llm_incident_manager.domain.events.document import parse
from llm_incident_manager.errors import FieldFault, Invalid, TooLarge, Unavailable

Headers = Sequence[tuple[bytes, bytes]]
_CHUNK = 65_536


class ClientGone(Exception):
    """The client hung up before its body was complete; there is nobody to answer."""


def header(headers: Headers, name: bytes) -> str | None:
    """Return the first header of that lower-case name."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1").strip()
    return None


def require_json(headers: Headers) -> None:
    """Raise UnsupportedMediaType unless the content type is JSON, or missing, which means JSON."""
    written = header(headers, b"content-type")
    if not written:
        return
    kind = written.partition(";")[0].strip().lower()
    # curl calls whatever -d sends a form, so that is no statement about the body; keys stand in headers, which a form
    # cannot set, so no browser can be made to send one for somebody.
    plain = kind in ("application/json", "application/x-www-form-urlencoded")
    if not plain and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType(f"the content type is {kind}; send application/json", accepted="application/json")


async def read_body(receive: Receive, headers: Headers, *, most: int, unpacked: int, seconds: float) -> bytes:
    """Return the whole body, unpacked.

    ``most`` bounds the bytes on the wire, ``unpacked`` what they may grow to: both are counted while they arrive, so a
    false or missing length helps nobody.

    Raises:
        TooLarge: more bytes than ``most`` or ``unpacked``.
        UnsupportedMediaType: packed otherwise than with gzip.
        Invalid: ``malformed_body``: it says gzip and is not.
        Unavailable: it did not arrive within ``seconds``.
        ClientGone: the connection ended first.
    """
    packing = (header(headers, b"content-encoding") or "identity").lower()
    if packing not in ("identity", "gzip", "x-gzip"):
        raise UnsupportedMediaType(f"the content encoding is {packing[:40]}; send gzip or none", accepted="gzip")
    length = header(headers, b"content-length")
    if length is not None and length.isdecimal() and int(length) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            body = await _whole(receive, most)
    except TimeoutError:
        raise Unavailable(f"the body did not arrive within {seconds:g} s", code="body_timeout") from None
    if packing == "identity" or not body:
        return body
    return unzip(body, unpacked)


def unzip(body: bytes, most: int) -> bytes:
    """Return what gzip unpacks, never holding more than ``most`` bytes of it."""
    unpacker = zlib.decompressobj(wbits=31)
    parts: list[bytes] = []
    size, rest = 0, body
    try:
        while rest and not unpacker.eof:
            part = unpacker.decompress(rest, _CHUNK)
            rest = unpacker.unconsumed_tail
            size += len(part)
            if size > most:
                raise TooLarge(f"the body unpacks to more than {most} bytes", limit_bytes=most)
            parts.append(part)
    except zlib.error as error:
        raise _not_gzip(str(error)) from None
    if not unpacker.eof or unpacker.unused_data:
        raise _not_gzip("it is cut short" if not unpacker.eof else "something follows it")
    return b"".join(parts)


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``; nothing at all is an empty one. Raises Invalid."""
    if not body.strip():
        return {}
    document = parse(body)
    if not isinstance(document, dict):
        kind = "a list" if isinstance(document, list) else type(document).__name__
        raise Invalid("the body is no JSON object", [FieldFault("body", f"is {kind}; send a JSON object")])
    return document


async def _whole(receive: Receive, most: int) -> bytes:
    first = await receive()
    if first["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = first.get("body", b"")
    if len(body) > most:
        raise _too_large(most)
    if not first.get("more_body"):
        return body
    parts, size = [body], len(body)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the body is larger than {most} bytes; send less at once", limit_bytes=most)


def _not_gzip(why: str) -> Invalid:
    return Invalid(
        f"the body is not gzip as its Content-Encoding says: {why}",
        [FieldFault("body", f"is not gzip: {why}")],
        code="malformed_body",
    )
