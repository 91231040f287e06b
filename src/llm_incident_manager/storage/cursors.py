"""Cursors: where a page ended, as opaque text that any node can read."""

import base64
import binascii

import msgspec

from llm_incident_manager.errors import Invalid

Place = tuple[int | str | None, ...]
_DECODER = msgspec.json.Decoder(tuple[str, Place])


def cursor_after(order: str, place: Place) -> str:
    """Return the cursor of the row at ``place`` in a list ordered by ``order``."""
    return base64.urlsafe_b64encode(msgspec.json.encode((order, place))).rstrip(b"=").decode()


def place_of(cursor: str, order: str) -> Place:
    """Return the place a cursor of the same order names; raises Invalid (``invalid_cursor``) for anything else."""
    try:
        named, place = _DECODER.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise _invalid("it cannot be read") from None
    if any(isinstance(each, int) and not -(2**63) <= each < 2**63 for each in place):
        raise _invalid("it cannot be read")
    if named != order:
        raise _invalid(f"it belongs to a list ordered by {named}, not {order}")
    return place


def _invalid(why: str) -> Invalid:
    return Invalid(f"the cursor is not one of ours: {why}; start without a cursor", code="invalid_cursor")
