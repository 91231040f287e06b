"""① From what a source sent to the canonical event (ING-04, ING-07): fast when it is plain, complete when it is not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec

from llm_incident_manager.domain.events.document import parse
from llm_incident_manager.domain.events.event import Event, Resource, SourceSettings
from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.events.raw import SCHEMA_VERSIONS, RawEvent, decode_fast
from llm_incident_manager.domain.events.severity import severity_of, severity_remedy
from llm_incident_manager.domain.events.tree import shown
from llm_incident_manager.domain.events.validate import AHEAD, NO_WORDS, examine, timestamp_fault
from llm_incident_manager.domain.vocabulary import Environment
from llm_incident_manager.errors import FieldFault, Invalid

LATE_AFTER = timedelta(hours=24)
"""An event older than this when received says nothing about how fast trouble is detected."""

ENVIRONMENTS: Mapping[str, Environment] = MappingProxyType(
    dict.fromkeys(("production", "prod", "prd", "live"), Environment.PRODUCTION)
    | dict.fromkeys(("staging", "stage", "stg", "preprod"), Environment.STAGING)
    | dict.fromkeys(("development", "dev", "local"), Environment.DEVELOPMENT)
    | dict.fromkeys(("qa", "test", "testing"), Environment.QA)
)
"""What the tag ``environment`` (or ``env``) may say, in lower case."""

NO_SOURCES: Mapping[str, SourceSettings] = MappingProxyType({})

_RECOVERIES = ("resolved", "recovery")


def environment_of(tags: Mapping[str, str]) -> Environment | None:
    """Return where it runs, from the tag ``environment`` or ``env``; ``None`` if unknown."""
    word = tags.get("environment") or tags.get("env")
    return None if word is None else ENVIRONMENTS.get(word.strip().lower())


def normalise(
    raw: RawEvent,
    *,
    tenant: str,
    received_at: datetime,
    settings: SourceSettings | None = None,
    late_after: timedelta = LATE_AFTER,
) -> Event:
    """Return the canonical event.

    ``settings`` are those of ``raw.source``: their words for severity come before the general ones. Without a schema
    version the newest one that the members need is meant: 1.1 if there is a ``dedup_key``, else 1.0.

    Raises:
        Invalid: ``invalid_event``: an unknown severity or schema version, a time over 24 h ahead.
    """
    timestamp = raw.timestamp
    if timestamp.tzinfo is not UTC:
        wrong = timestamp_fault(timestamp, received_at)
        if wrong is not None:
            raise _invalid([FieldFault("timestamp", f"is {timestamp.isoformat()}, {wrong}")])
        timestamp = timestamp.astimezone(UTC)
    age = received_at - timestamp
    if -age > AHEAD:
        wrong = timestamp_fault(timestamp, received_at)
        raise _invalid([FieldFault("timestamp", f"is {timestamp.isoformat()}, {wrong}")])
    words = NO_WORDS if settings is None else settings.severity_words
    severity = severity_of(raw.severity, words)
    if severity is None:
        raise _invalid([FieldFault("severity", f"is {shown(raw.severity)}; {severity_remedy(words)}")])
    version = raw.schema_version
    dedup_key = raw.dedup_key or None
    payload = raw.payload
    if version is None:
        version = "1.0" if dedup_key is None else "1.1"
    elif version not in SCHEMA_VERSIONS:
        remedy = f"it must be one of {', '.join(SCHEMA_VERSIONS)}, or left out"
        raise _invalid([FieldFault("schema_version", f"is {shown(version)}; {remedy}")])
    elif version == "1.0" and raw.dedup_key is not None:
        raise _invalid([FieldFault("dedup_key", "is not a member of schema 1.0; say 1.1, or leave the version out")])
    event_type = raw.event_type
    if event_type not in _RECOVERIES and event_type.strip().lower() in _RECOVERIES:
        event_type = event_type.strip().lower()
    resource = raw.resource
    environment = environment_of(raw.tags) if raw.tags else None
    # By position, in the order of the class: two dozen keywords cost three times as much as all the rest of it.
    return Event(
        raw.event_id,
        raw.source,
        timestamp,
        received_at,
        event_type,
        raw.category,
        raw.title,
        raw.severity,
        severity,
        Resource(resource.type, resource.id, resource.name, resource.metadata),
        fingerprint(tenant, raw.source, raw.category, resource.type, resource.id, raw.title, environment, dedup_key),
        raw.description,
        raw.source_version,
        environment,
        raw.metrics,
        raw.tags,
        raw.labels,
        raw.correlation_id or None,
        raw.parent_event_id or None,
        dedup_key,
        payload,
        {},
        version,
        age > late_after,
    )


def accept_document(
    body: bytes,
    *,
    tenant: str,
    received_at: datetime,
    sources: Mapping[str, SourceSettings] = NO_SOURCES,
    late_after: timedelta = LATE_AFTER,
) -> Event:
    """Return the canonical event in the JSON ``body``, or raise Invalid, whatever the bytes are.

    ``sources`` holds settings by source name. One decode gives the intake all that it needs.

    Raises:
        Invalid: ``malformed_json`` (with ``position``), ``too_deep``, or ``invalid_event`` naming every bad field.
    """
    try:
        raw = decode_fast(body)
        return normalise(
            raw, tenant=tenant, received_at=received_at, settings=sources.get(raw.source), late_after=late_after
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid):
        document = parse(body)
    return accept_value(document, tenant=tenant, received_at=received_at, sources=sources, late_after=late_after)


def accept_plain(
    body: bytes, *, tenant: str, received_at: datetime, sources: Mapping[str, SourceSettings] = NO_SOURCES
) -> Event | None:
    """Return the event in ``body`` as :func:`accept_document` does, or ``None`` where that must look at it: anything
    that is not one plain event without a fault.
    """
    try:
        raw = decode_fast(body)
        return normalise(raw, tenant=tenant, received_at=received_at, settings=sources.get(raw.source))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Invalid):
        return None


def accept_value(
    document: Any,
    *,
    tenant: str,
    received_at: datetime,
    sources: Mapping[str, SourceSettings] = NO_SOURCES,
    late_after: timedelta = LATE_AFTER,
) -> Event:
    """Return the canonical event in a document that is decoded already (another API's, or a source's translation).

    Raises:
        Invalid: ``invalid_event`` naming every bad field.
    """
    source = document.get("source") if isinstance(document, dict) else None
    settings = sources.get(source) if isinstance(source, str) else None
    examined = examine(
        document,
        strict=settings is not None and settings.strict,
        now=received_at,
        own_words=NO_WORDS if settings is None else settings.severity_words,
    )
    if examined.event is None:
        raise _invalid(list(examined.faults))
    return normalise(examined.event, tenant=tenant, received_at=received_at, settings=settings, late_after=late_after)


def _invalid(faults: list[FieldFault]) -> Invalid:
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Invalid(f"the event is wrong: {first.field} {first.message}{more}", faults, code="invalid_event")
