"""What must leave the database after a commit, at least once: the outbox to the bus."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from llm_incident_manager.engine.ports import Store

TOPIC = "incidents.changed"
"""Live changes, for the dashboard's stream and for other nodes' memories."""


class Publisher(Protocol):
    """A message bus, as the relay sees it."""

    async def publish(self, topic: str, messages: Sequence[Mapping[str, Any]]) -> None:
        """Hand over a batch; returns when the bus has it, raises Unavailable when it does not."""
        ...


class Relay:
    """Moves outbox rows to the bus; ``run_once`` is one batch. A crash in between repeats it, which is harmless."""

    def __init__(self, store: Store, bus: Publisher) -> None:
        self._store = store
        self._bus = bus

    async def run_once(self, limit: int = 500) -> int:
        """Relay up to ``limit`` rows; returns how many."""
        rows = await self._store.system_read(lambda tx: tx.take_outbox(limit=limit))
        if not rows:
            return 0
        await self._bus.publish(TOPIC, [{"tenant": row.tenant, "kind": row.kind, **row.body} for row in rows])
        ids = [row.id for row in rows]
        await self._store.system(lambda tx: tx.delete_outbox(ids))
        return len(rows)
