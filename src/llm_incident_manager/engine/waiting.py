"""Incident ids that were answered but not yet triaged: whoever asks for one waits a moment."""

import asyncio

from llm_incident_manager.errors import Unavailable

PATIENCE_SECONDS = 2.0


class Untriaged:
    """Reserved ids on their way from the journal to the database."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience = patience_seconds
        self._waiting: dict[str, int] = {}
        self._events: dict[str, asyncio.Event] = {}

    def add(self, incident_id: str) -> None:
        """An event that opens ``incident_id`` was accepted."""
        self._waiting[incident_id] = self._waiting.get(incident_id, 0) + 1

    def done(self, incident_id: str) -> None:
        """Its triage has committed, or it was given up."""
        left = self._waiting.get(incident_id, 0) - 1
        if left > 0:
            self._waiting[incident_id] = left
            return
        self._waiting.pop(incident_id, None)
        event = self._events.pop(incident_id, None)
        if event is not None:
            event.set()

    def __contains__(self, incident_id: str) -> bool:
        return incident_id in self._waiting

    async def wait(self, incident_id: str) -> None:
        """Return at once for an id that is not waiting; else within 2 s, or raise Unavailable ``not_yet_triaged``."""
        if incident_id not in self._waiting:
            return
        event = self._events.setdefault(incident_id, asyncio.Event())
        try:
            async with asyncio.timeout(self._patience):
                await event.wait()
        except TimeoutError:
            raise Unavailable(
                f"{incident_id} was accepted and is not triaged yet; ask again in a moment",
                code="not_yet_triaged",
                retry_after_seconds=1.0,
            ) from None
