"""Any tool's JSON by a mapping that is written in the settings of its source."""

from typing import Any

from llm_incident_manager.domain.events.field_mapping import FieldMapping
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.domain.vocabulary import Category
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.spec import Sent, SourceRequest


def read(request: SourceRequest, mapping: FieldMapping) -> Sent:
    """Return one event per item. Without an event id or a time of its own each request counts, so nothing is lost.

    Raises:
        Invalid: the body is not JSON, nor a form, or has no items where the mapping says.
    """
    form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    document: Any = reading.form_or_json(request.body, request.headers) if form else reading.parse(request.body)
    found = document if mapping.items is None else mapping.items.found_in(document, document)
    if not isinstance(found, dict | list):
        what = "is neither an object nor a list" if mapping.items is None else "has no list where items says"
        raise Invalid(f"the body {what}", [FieldFault("body", what)], code="unmapped")
    items = [item for item in reading.objects(found) if _counts(mapping, item, document)]
    return Sent(steps=tuple(_event(request, mapping, item, document) for item in items))


def _counts(mapping: FieldMapping, item: Any, document: Any) -> bool:
    return mapping.ignore is None or not mapping.ignore.holds(item, document)


def _event(request: SourceRequest, mapping: FieldMapping, item: Any, document: Any) -> dict[str, Any]:
    given = {name: rule.value(item, document) for name, rule in mapping.fields.items()}
    over = mapping.resolve is not None and mapping.resolve.holds(item, document)
    kind = "resolved" if over else reading.text(given.get("event_type"), 64, default="alert")
    heading = reading.title(given.get("title"), default=f"Event of {request.source}")
    at = reading.when(given.get("timestamp"), now=request.received_at)
    dedup_key = reading.key(given.get("dedup_key")) or None
    word = reading.text(given.get("category")).lower()
    event_id = reading.key(given.get("event_id"))
    return {
        "event_id": event_id or stable_event_id(dedup_key or heading, at, kind, reading.text(given.get("severity"))),
        "source": request.source,
        "timestamp": at,
        "event_type": kind,
        "category": word if word in Category.__members__.values() else reading.category_of(word, heading),
        "title": heading,
        "description": reading.description(given.get("description")),
        "severity": reading.text(given.get("severity"), 64, default="medium"),
        "source_version": reading.text(given.get("source_version"), 128),
        "resource": reading.resource(
            reading.text(given.get("resource_type"), default="service"),
            given.get("resource_id"),
            name=given.get("resource_name"),
            default=request.source,
        ),
        "metrics": reading.metrics({name: rule.value(item, document) for name, rule in mapping.metrics.items()}),
        "tags": reading.tags(
            {"environment": given.get("environment")},
            {name: rule.value(item, document) for name, rule in mapping.tags.items()},
        ),
        "labels": reading.labels(*(rule.value(item, document) for rule in mapping.labels)),
        "correlation_id": reading.text(given.get("correlation_id"), 255) or None,
        "dedup_key": dedup_key,
        "payload": reading.payload(item),
    }
