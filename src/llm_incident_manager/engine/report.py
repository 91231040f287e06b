"""⑧ Looked back on: figures over many incidents (ANA-01), and the totals that metrics show (ANA-02)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.analytics.figures import figures
from llm_incident_manager.domain.vocabulary import Scope, Severity, Status
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.ports import Store, SystemTransaction
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.engine.untold import count_untold
from llm_incident_manager.engine.views.instants import iso_or_none
from llm_incident_manager.errors import Unavailable

FRESH_SECONDS = 5.0
"""How old the totals in the metrics may be."""


class Report:
    """Computes figures over slices of incidents."""

    def __init__(self, store: Store, clock: Clock, telemetry: Telemetry) -> None:
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._counted_at: float | None = None

    async def incident_metrics(
        self, caller: Caller, *, start: datetime | None, end: datetime | None, group_by: Sequence[str]
    ) -> dict[str, Any]:
        """Return ``{total, groups: [{key, count, mttd_seconds, mtta_seconds, mttr_seconds, sla_compliance}]}``.

        Over the incidents created from ``start`` on and before ``end``; raises Invalid for an unknown group.
        """
        caller.require(Scope.READ)
        rows = await self._store.read(caller.tenant, lambda tx: tx.incidents.times(start, end))
        return {"start": iso_or_none(start), "end": iso_or_none(end), **figures(rows, tuple(group_by))}

    async def refresh_totals(self) -> None:
        """Put the open incidents by severity, all by status and the untold ones into the gauges; at most every 5 s.

        While the database is away the last totals stay.
        """
        now = self._clock.monotonic()
        if self._counted_at is not None and now - self._counted_at < FRESH_SECONDS:
            return
        self._counted_at = now
        try:
            severities, statuses, untold = await self._store.system_read(_totals)
        except Unavailable:
            return
        for severity in Severity:
            self._telemetry.set("incidents_by_severity", {"severity": severity.value}, severities.get(severity, 0))
        for status in Status:
            self._telemetry.set("incidents_by_status", {"status": status.value}, statuses.get(status, 0))
        self._telemetry.set("incidents_untold", None, untold)


def _totals(tx: SystemTransaction) -> tuple[dict[str, int], dict[str, int], int]:
    untold = 0
    severities: dict[str, int] = {}
    statuses: dict[str, int] = {}
    for tenant in tx.tenants():
        bound = tx.of(tenant.id)
        counts = bound.incidents.counts()
        untold += count_untold(bound)
        for into, name in ((severities, "severity"), (statuses, "status")):
            for key, number in counts.get(name, {}).items():
                into[key] = into.get(key, 0) + number
    return severities, statuses, untold
