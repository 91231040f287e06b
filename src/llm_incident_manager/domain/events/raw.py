"""The event as a source sends it (specification §5.1 ``RawEvent``), decoded fast when nothing about it is unusual."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from llm_incident_manager.domain.events.tree import MAX_DEPTH, deeper_than
from llm_incident_manager.domain.vocabulary import Category

TEXT_LIMITS = {
    "event_id": 255,
    "source": 128,
    "source_version": 128,
    "event_type": 64,
    "title": 512,
    "description": 32_768,
    "severity": 64,
    "correlation_id": 255,
    "parent_event_id": 255,
    "dedup_key": 255,
}
"""The longest text of each member, in characters."""

RESOURCE_LIMITS = {"type": 255, "id": 255, "name": 512}
MAX_TAGS, MAX_TAG_KEY, MAX_TAG_VALUE = 100, 128, 1024
MAX_LABELS, MAX_LABEL = 100, 256
MAX_METRICS, MAX_METRIC_NAME = 200, 128

SCHEMA_VERSIONS = ("1.0", "1.1")
"""1.0 is specification §5.1; 1.1 adds ``dedup_key``, the source's own name for the trouble."""


def _text(name: str) -> Meta:
    return Meta(min_length=1, max_length=TEXT_LIMITS[name])


def _optional(name: str) -> Meta:
    return Meta(max_length=TEXT_LIMITS[name])


class RawResource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the event is about, as sent."""

    type: Annotated[str, Meta(min_length=1, max_length=RESOURCE_LIMITS["type"])]
    id: Annotated[str, Meta(min_length=1, max_length=RESOURCE_LIMITS["id"])]
    name: Annotated[str, Meta(max_length=RESOURCE_LIMITS["name"])] = ""
    metadata: dict[str, Any] = {}


class RawEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A well-formed event before it is normalised. ``type`` and ``received_at`` are the sender's, and ignored.

    Constructing one checks what a type cannot say: no blank required text, nothing nested deeper than 32.
    """

    event_id: Annotated[str, _text("event_id")]
    source: Annotated[str, _text("source")]
    timestamp: Annotated[datetime, Meta(tz=True)]
    event_type: Annotated[str, _text("event_type")]
    category: Category
    title: Annotated[str, _text("title")]
    severity: Annotated[str, _text("severity")]
    resource: RawResource
    description: Annotated[str, _optional("description")] = ""
    source_version: Annotated[str, _optional("source_version")] = ""
    metrics: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=MAX_METRIC_NAME)], float], Meta(max_length=MAX_METRICS)
    ] = {}
    tags: Annotated[
        dict[
            Annotated[str, Meta(min_length=1, max_length=MAX_TAG_KEY)], Annotated[str, Meta(max_length=MAX_TAG_VALUE)]
        ],
        Meta(max_length=MAX_TAGS),
    ] = {}
    labels: Annotated[tuple[Annotated[str, Meta(max_length=MAX_LABEL)], ...], Meta(max_length=MAX_LABELS)] = ()
    correlation_id: Annotated[str, _optional("correlation_id")] | None = None
    parent_event_id: Annotated[str, _optional("parent_event_id")] | None = None
    dedup_key: Annotated[str, _optional("dedup_key")] | None = None
    payload: dict[str, Any] = {}
    schema_version: str | None = None
    type: Any = None
    received_at: Any = None

    def __post_init__(self) -> None:
        resource = self.resource
        if (
            self.title.isspace()
            or self.event_id.isspace()
            or self.source.isspace()
            or self.event_type.isspace()
            or self.severity.isspace()
            or resource.type.isspace()
            or resource.id.isspace()
        ):
            raise ValueError("a required text is blank")
        if (self.payload and deeper_than(self.payload, MAX_DEPTH)) or (
            resource.metadata and deeper_than(resource.metadata, MAX_DEPTH)
        ):
            raise ValueError(f"nested deeper than {MAX_DEPTH}")


def decode_fast(body: bytes) -> RawEvent:
    """Return the event if every member is known and of the exact type; names only the first fault it meets.

    Raises:
        msgspec.DecodeError: not JSON, or a member is wrong, unknown or may hold a NUL character. Whoever wants every
            fault, or the permissive reading, goes on with :func:`~llm_incident_manager.domain.events.validate.examine`.
        UnicodeDecodeError: a text is not UTF-8.
        RecursionError: nested too deeply to be read at all.
    """
    if b"\\u0000" in body:
        raise msgspec.ValidationError("the body may hold a NUL character")
    return _DECODER.decode(body)


_DECODER = msgspec.json.Decoder(RawEvent)
