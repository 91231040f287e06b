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


_MEMBERS = tuple(NAMES.items())


def enrich(event: Event) -> dict[str, Any]:
    """Return ``environment`` (always there; ``None`` if unknown) and what else of §5.1's ``enrichment`` is stated."""
    found: dict[str, Any] = {"environment": event.environment}
    tags, metadata = event.tags, event.resource.metadata
    # Every event of a storm comes by here: two plain loops, nothing called.
    for member, words in _MEMBERS:
        for word in words:
            stated = tags.get(word)
            if stated:
                found[member] = stated
                break
        else:
            for word in words:
                value = metadata.get(word)
                if value is not None and isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                    found[member] = str(value)
                    break
    return found


SPEC = EnricherSpec(
    name="tags",
    title="Tags and metadata",
    enrich=enrich,
    description="Environment, tenant, application, cluster and place, read from the event's tags and metadata.",
    order=0,
)
