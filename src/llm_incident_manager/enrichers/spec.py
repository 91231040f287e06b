"""What an enricher is: something that adds context to an event, and describes itself (CLS-06)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_incident_manager.domain.events.event import Event

Enrich = Callable[[Event], Mapping[str, Any]]
"""Returns members for ``Event.enrichment`` (specification §5.1); a name that an earlier enricher set stays."""


@dataclass(frozen=True, kw_only=True)
class EnricherSpec:
    """How an enricher describes itself; those with a lower ``order`` go first."""

    name: str
    title: str
    enrich: Enrich
    description: str
    order: int = 100
