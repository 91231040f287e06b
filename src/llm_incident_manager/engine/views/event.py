"""A kept event as every API shows it: specification §5.1's ``IncidentEvent``."""

from collections.abc import Callable
from typing import Any

import msgspec

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.engine.rows import StoredEvent
from llm_incident_manager.engine.views.instants import iso

_DECODER = msgspec.json.Decoder(Event)


def event_document(stored: StoredEvent, opened: Callable[[Event, str], Event] | None = None) -> dict[str, Any]:
    """Return §5.1's names; ``severity`` is the source's word, ``normalized_severity`` what it maps to.

    Members that are encrypted are markers, unless ``opened`` reads them.
    """
    event = _DECODER.decode(stored.payload)
    if opened is not None:
        event = opened(event, stored.tenant)
    environment = event.environment.value if event.environment is not None else None
    return {
        "event_id": event.event_id,
        "source": event.source,
        "source_version": event.source_version,
        "timestamp": iso(event.timestamp),
        "received_at": iso(event.received_at),
        "event_type": event.event_type,
        "category": event.category.value,
        "title": event.title,
        "description": event.description,
        "severity": event.severity,
        "normalized_severity": event.source_severity.value,
        "resource": {
            "type": event.resource.type,
            "id": event.resource.id,
            "name": event.resource.name,
            "metadata": event.resource.metadata,
        },
        "metrics": event.metrics,
        "tags": event.tags,
        "labels": list(event.labels),
        "correlation_id": event.correlation_id,
        "parent_event_id": event.parent_event_id,
        "dedup_key": event.dedup_key,
        "payload": event.payload,
        "incident_id": stored.incident_id,
        "fingerprint": event.fingerprint,
        "enrichment": {"environment": environment, **event.enrichment},
        "schema_version": event.schema_version,
        "validated_at": iso(event.received_at),
        "late": event.late,
    }
