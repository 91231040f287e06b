"""How records stand in a segment: u32 length, u32 checksum of the payload, the payload (MessagePack); little endian.

A segment begins with eight bytes: seven of magic, one for the version of this layout. The checksum is CRC-32 that
starts from the segment's salt, a random number in its file name: nobody can send an event whose body holds bytes
that would pass for a record, so that reading can resume behind damage.
"""

from collections.abc import Iterator
from struct import Struct
from zlib import crc32

import msgspec

from llm_incident_manager.errors import Invalid
from llm_incident_manager.journal.record import FORMAT, Record

MAGIC = b"LIMJRNL"
LAYOUT = 1
SEGMENT_HEADER = MAGIC + bytes([LAYOUT])
FRAME_HEADER = Struct("<II")
MAX_PAYLOAD_BYTES = 64 << 20
"""No record is this long: a greater length in a header is damage."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode
_ARRAY_OF_UP_TO_15 = 0x90
_PAYLOAD_START = bytes([_ARRAY_OF_UP_TO_15 | len(Record.__struct_fields__), FORMAT])


class Piece(msgspec.Struct, frozen=True):
    """A stretch of a segment, from ``start`` up to ``end``: a record, or (``record`` is ``None``) the ``fault`` found.

    ``torn`` marks the last write of a process that was stopped in the midst of it; nobody was told that it succeeded.
    """

    start: int
    end: int
    record: Record | None
    fault: str = ""
    torn: bool = False


def encoded(record: Record) -> bytes:
    """Return the payload of this record's frame."""
    return _encode(record)


def framed(payload: bytes, salt: int) -> bytes:
    """Return the bytes that stand in the file for this payload."""
    return FRAME_HEADER.pack(len(payload), crc32(payload, salt)) + payload


def frame_end(data: bytes, start: int) -> int | None:
    """Return where the frame at ``start`` ends by its header, or ``None`` if no whole frame can stand there."""
    if start + FRAME_HEADER.size > len(data):
        return None
    length = FRAME_HEADER.unpack_from(data, start)[0]
    end: int = start + FRAME_HEADER.size + length
    return end if 0 < length <= MAX_PAYLOAD_BYTES and end <= len(data) else None


def decoded(data: bytes, start: int, end: int, salt: int) -> Record | None:
    """Return the record in the frame from ``start`` up to ``end``, or ``None`` if it is damaged."""
    if not _intact(data, start, end, salt):
        return None
    try:
        return _decode(memoryview(data)[start + FRAME_HEADER.size : end])
    except msgspec.MsgspecError:
        return None


def scan(data: bytes, salt: int, *, last: bool) -> Iterator[Piece]:
    """Yield everything that stands in a segment's bytes, in order, nothing left out.

    Damage reaches up to the next whole record. An incomplete frame at the end of the ``last`` segment is a torn tail,
    and so is an incomplete header of any segment.

    Raises:
        Invalid: a newer version wrote this segment.
    """
    offset = len(SEGMENT_HEADER)
    if len(data) < offset:
        if data:
            # The first sync of a segment makes its header durable too: nothing was ever confirmed in this one.
            yield Piece(0, len(data), None, "no whole segment header", torn=True)
        return
    if data[:offset] != SEGMENT_HEADER:
        if data.startswith(MAGIC):
            raise Invalid(
                f"this journal segment has layout {data[len(MAGIC)]}; this version reads layout {LAYOUT}: "
                "start the newer version again and let it drain the journal first",
                code="journal_layout",
            )
        yield Piece(0, offset, None, "segment header damaged")
    while offset < len(data):
        piece = _piece_at(data, offset, salt, last=last)
        yield piece
        offset = piece.end


def _piece_at(data: bytes, start: int, salt: int, *, last: bool) -> Piece:
    end = frame_end(data, start)
    if end is not None and _intact(data, start, end, salt):
        record = decoded(data, start, end, salt)
        return Piece(start, end, record, "" if record else "not a record that this version can read")
    fault = "checksum wrong" if end is not None else "length wrong"
    following = _next_whole_frame(data, start, end, salt)
    if following is not None:
        return Piece(start, following, None, fault)
    return Piece(start, len(data), None, fault, torn=last and end is None)


def _intact(data: bytes, start: int, end: int, salt: int) -> bool:
    payload = memoryview(data)[start + FRAME_HEADER.size : end]
    return bool(crc32(payload, salt) == FRAME_HEADER.unpack_from(data, start)[1])


def _next_whole_frame(data: bytes, start: int, end: int | None, salt: int) -> int | None:
    if end is not None and (after := frame_end(data, end)) is not None and _intact(data, end, after, salt):
        return end
    found = data.find(_PAYLOAD_START, start + 1 + FRAME_HEADER.size)
    while found != -1:
        candidate = found - FRAME_HEADER.size
        after = frame_end(data, candidate)
        if after is not None and _intact(data, candidate, after, salt):
            return candidate
        found = data.find(_PAYLOAD_START, found + 1)
    return None
