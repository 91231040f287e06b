"""Context that the event carries itself: in its tags, else in its resource's metadata."""

from collections.abc import Mapping
from typing import Any

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.enrichers.spec import EnricherSpec

NAMES: Mapping[str, tuple[str, ...]] = {
    "tenant_id": ("tenant_id", "tenant"),
    "application_id": ("application_id", "app_id", "application", "app"),
    "cluster_id": ("cluster_id", "cluster"),
    "geo_location": ("geo_location", "region", "edge_location"),
}
"""The member of §5.1's ``enrichment``, and the tags or metadata that it is read from, the first found."""


def enrich(event: Event) -> dict[str, Any]:
    """Return ``environment`` (always there; ``None`` if unknown) and what else of §5.1's ``enrichment`` is stated."""
    found: dict[str, Any] = {"environment": event.environment}
    for member, words in NAMES.items():
        value = _stated(event, words)
        if value:
            found[member] = value
    return found


def _stated(event: Event, words: tuple[str, ...]) -> str | None:
    for word in words:
        if event.tags.get(word):
            return event.tags[word]
    for word in words:
        value = event.resource.metadata.get(word)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


SPEC = EnricherSpec(
    name="tags",
    title="Tags and metadata",
    enrich=enrich,
    description="Environment, tenant, application, cluster and place, read from the event's tags and metadata.",
    order=0,
)
