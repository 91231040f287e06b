"""What the engine needs of the store for events: identities, kept for ever, and payloads, kept for a while."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.engine.rows import StoredEvent

Key = tuple[str, str]
"""(source, event id)"""
Place = tuple[str, int, str, str]
"""Where a payload stands among all: incident id, microseconds of its receipt, source, event id."""


class EventStore(Protocol):
    """Event identities (for ever) and payloads (for a while)."""

    def known(self, keys: Iterable[Key]) -> dict[Key, str | None]:
        """Return the incident id of each identity that was counted already."""
        ...

    def add(self, keyed: Sequence[tuple[Event, str | None]]) -> set[Key]:
        """Remember the identities; returns those that were really new (the others raced or were known)."""
        ...

    def keep(self, events: Sequence[StoredEvent]) -> None:
        """Store payloads."""
        ...

    def of_incident(self, incident_id: str, *, limit: int, cursor: str | None) -> tuple[list[StoredEvent], str | None]:
        """Return the newest first, and the next cursor."""
        ...

    def kept_count(self, incident_ids: Iterable[str]) -> dict[str, int]:
        """Return how many payloads are stored for each."""
        ...

    def all(self, *, after: Place | None, limit: int) -> tuple[list[StoredEvent], Place | None]:
        """Return payloads of the whole tenant in a fixed order, and where the next ones begin."""
        ...

    def rewrite(self, events: Sequence[StoredEvent]) -> None:
        """Replace the payloads of events that are still there."""
        ...
