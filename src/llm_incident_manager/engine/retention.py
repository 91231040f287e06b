"""What is old goes, in small steps, so that nobody waits behind it (DEP-08)."""

from datetime import timedelta
from typing import Literal

import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.ports import Store

log = structlog.get_logger("retention")
What = Literal["events", "incidents", "audit", "answers", "links", "notifications"]
ANSWERS_KEPT = timedelta(hours=24)
"""How long an ``Idempotency-Key`` is remembered."""
MAX_STEPS = 200
"""Steps of one kind in one run; what is left waits for the next."""
_AT_ONCE: dict[What, int] = {
    "events": 500, "notifications": 500, "answers": 500, "links": 500, "audit": 500, "incidents": 20,
}  # fmt: skip
"""Rows of one transaction; an incident brings its changes, pages and payloads with it."""


class Retention:
    """A step for the loop, once an hour or so. The days are the server's (config file, ``retention``)."""

    def __init__(self, store: Store, contexts: Contexts, clock: Clock) -> None:
        self._store = store
        self._contexts = contexts
        self._clock = clock

    async def run_once(self) -> dict[str, int]:
        """Delete what is too old, of all tenants, and return how many rows of each kind went.

        Open incidents never go, whatever their age. Safe to stop anywhere. Raises Unavailable while the store is away.
        """
        kept = self._contexts("default").settings.retention
        ages: dict[What, timedelta] = {
            "events": timedelta(days=kept.events_days),
            "notifications": timedelta(days=kept.incidents_days),
            "incidents": timedelta(days=kept.incidents_days),
            "audit": timedelta(days=kept.audit_days),
            "answers": ANSWERS_KEPT,
            "links": timedelta(0),
        }
        gone: dict[str, int] = {what: await self._prune(what, age) for what, age in ages.items()}
        if any(gone.values()):
            log.info("old_rows_pruned", **gone)
        return gone

    async def _prune(self, what: What, age: timedelta) -> int:
        limit, total = _AT_ONCE[what], 0
        before = self._clock.now() - age
        for _ in range(MAX_STEPS):
            went = await self._store.system(lambda tx: tx.prune(what, before, limit))
            total += went
            if went < limit:
                break
        return total
