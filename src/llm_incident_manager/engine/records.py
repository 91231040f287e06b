"""What the journal keeps of one accepted event, and where it stands; the engine writes and reads it."""

import msgspec

from llm_incident_manager.domain.events.sealed_path import Sealed

FORMAT = 1
"""The layout of :class:`Record` that this version writes; fields are only ever appended, with a default."""


class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is kept of one accepted event.

    ``received_at`` is in microseconds since 1970, UTC. ``source_key`` is the id of the API key or door that it came by.
    ``opens`` says that its fingerprint was not open at acceptance, or that it is a recovery: these are triaged in order
    among themselves, before the repeats.
    ``kept`` is false over the rate limit: the event is counted and its payload is not stored. ``context`` holds small
    extra facts, ``sealed`` what of the event is encrypted. The fields stand in the file in this order, as an array.
    """

    format: int = FORMAT
    received_at: int
    tenant: str
    source_key: str
    incident_id: str | None
    opens: bool
    body: bytes
    kept: bool = True
    context: dict[str, str] = {}
    sealed: Sealed | None = None


class Position(msgspec.Struct, frozen=True, order=True):
    """Where a record begins: the segment's number, and bytes from the start of its file. Never used twice."""

    segment: int
    offset: int


class Entry(msgspec.Struct, frozen=True):
    """A record together with its place."""

    position: Position
    record: Record


class Damage(msgspec.Struct, frozen=True):
    """A stretch of a segment that cannot be read: ``length`` bytes from ``position`` on.

    ``data`` holds the first mebibyte of it, to be kept as a dead letter; ``done([damage.position])`` says that it was.
    """

    position: Position
    length: int
    data: bytes
    reason: str
