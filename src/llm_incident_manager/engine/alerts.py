"""① Alerts that senders repeat while they fire (Prometheus, amtool): kept with their ends, and over when untold.

A sender is answered when its event is in the journal and its end is written down, so that whatever fires here, as it
was told, has an end that survives a restart.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.document import written
from llm_incident_manager.domain.events.stable import fitting_key
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.alert_rows import KEPT, Alert, folded
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.receipts import BatchReceipt
from llm_incident_manager.errors import IncidentManagerError, RateLimited, Unavailable

RESOLVE_TIMEOUT = timedelta(minutes=5)
"""How long an alert that names no end is believed to fire."""
AT_ONCE = 500
MOST_STEPS = 200
MOST_UNWRITTEN = 100_000
log = structlog.get_logger("alerts")


class AlertIntake(Protocol):
    """What ends of alerts need of the intake."""

    async def accept_items(
        self, items: Sequence[bytes], caller: Caller, *, batch_id: str | None = None
    ) -> BatchReceipt: ...


class Alerts:
    """The alerts of all tenants. New ones wait in memory while the database is away, and are written later."""

    def __init__(self, store: Store, intake: AlertIntake, clock: Clock) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock
        self._unwritten: dict[tuple[str, str, str], Alert] = {}

    async def judge(self, tenant: str, told: Sequence[Alert]) -> list[Alert]:
        """Return what is true after what was told, in its order: starts and episodes are those known before."""
        if not told:
            return []
        try:
            return await self._store.read(tenant, lambda tx: _judged(tx, told))
        except Unavailable:
            return list(told)

    async def note(self, tenant: str, judged: Sequence[Alert]) -> None:
        """Write down alerts whose events were taken in; while the database is away they wait in memory."""
        try:
            if judged:
                await self._store.transact(tenant, lambda tx: _noted(tx, judged))
        except Unavailable:
            # The events are in the journal; the ends are known as soon as the database is back, or they are sent again.
            for alert in judged if len(self._unwritten) < MOST_UNWRITTEN else ():
                self._unwritten[tenant, alert.source, alert.fingerprint] = alert

    async def firing(self, caller: Caller) -> list[Alert]:
        """Return what fires in the caller's tenant, in order of start."""
        caller.require(Scope.READ)
        return await self._store.read(caller.tenant, lambda tx: tx.alerts.firing(tx.now))

    async def run_due(self) -> int:
        """End what nobody has told of in time; returns how many alerts were due."""
        await self._write_down()
        due = await self._store.system_read(lambda tx: tx.due_alerts(limit=AT_ONCE))
        for tenant, alert in due:
            await self._end(tenant, alert)
        return len(due)

    async def forget_old(self) -> int:
        """Remove alerts that ended long ago, a few at a time; returns how many."""
        before, gone = self._clock.now() - KEPT, 0
        for _ in range(MOST_STEPS):
            went = await self._store.system(lambda tx: tx.forget_alerts(before, limit=AT_ONCE))
            gone += went
            if went < AT_ONCE:
                break
        return gone

    async def _write_down(self) -> None:
        waiting, self._unwritten = self._unwritten, {}
        for tenant in {key[0] for key in waiting}:
            told = [alert for key, alert in waiting.items() if key[0] == tenant]
            await self.note(tenant, told)

    async def _end(self, tenant: str, alert: Alert) -> None:
        """Take in that it is over, then remember that: repeated after a crash, the end has the same identity."""
        try:
            receipts = await self._intake.accept_items([_recovery(alert)], _sender(tenant, alert.source))
            refusal = next((each.refusal for each in receipts.results if each.refusal is not None), None)
            if refusal is not None:
                raise refusal
        except (RateLimited, Unavailable) as later:
            log.warning("alert_end_deferred", tenant=tenant, fingerprint=alert.fingerprint, reason=later.code)
            return
        except IncidentManagerError as refused:
            log.warning("alert_end_refused", tenant=tenant, fingerprint=alert.fingerprint, reason=refused.code)
        await self._store.transact(tenant, lambda tx: _ended(tx, alert), background=True)


def _judged(tx: Transaction, told: Sequence[Alert]) -> list[Alert]:
    known = {
        source: tx.alerts.of(source, [alert.fingerprint for alert in told if alert.source == source])
        for source in {alert.source for alert in told}
    }
    judged: list[Alert] = []
    for alert in told:
        of_source = known[alert.source]
        of_source[alert.fingerprint] = folded(of_source.get(alert.fingerprint), alert)
        judged.append(of_source[alert.fingerprint])
    return judged


def _noted(tx: Transaction, told: Sequence[Alert]) -> None:
    last = {(alert.source, alert.fingerprint): alert for alert in _judged(tx, told)}
    tx.alerts.put(list(last.values()))


def _ended(tx: Transaction, alert: Alert) -> None:
    """Write that it is over, unless it was told again meanwhile."""
    known = tx.alerts.of(alert.source, [alert.fingerprint]).get(alert.fingerprint)
    if known is not None and known.is_firing and known.ends_at <= tx.now:
        tx.alerts.put([msgspec.structs.replace(known, is_firing=False)])


def _recovery(alert: Alert) -> bytes:
    key = fitting_key(alert.fingerprint)
    return written(
        {
            "event_id": alert.resolved_id,
            "source": alert.source,
            "timestamp": alert.ends_at.isoformat(),
            "event_type": "resolved",
            "category": "other",
            "title": "It was not sent again before its end",
            "severity": "info",
            "resource": {"type": "service", "id": key, "name": key},
            "dedup_key": key,
        }
    )


def _sender(tenant: str, source: str) -> Caller:
    actor = Actor(type=ActorType.INTEGRATION, id=source, name=source)
    return Caller(tenant=tenant, actor=actor, scopes=frozenset({Scope.INGEST}), source=source)
