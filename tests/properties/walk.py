"""One tenant's incidents in a database in memory, moved by any sequence of commands and timers, without a process."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.changes import Change
from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor, Incident
from llm_incident_manager.domain.vocabulary import ActorType, Severity
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.records import Record
from llm_incident_manager.engine.timers import decide_due
from llm_incident_manager.engine.triage_batch import Item, triage_batch
from llm_incident_manager.ids import CountingIds, IncidentNumbers
from llm_incident_manager.storage.schema import SCHEMA
from llm_incident_manager.storage.store import SqlStore, open_store
from tests.build import NOON, an_event
from tests.simulator.town import CHANNELS, settings_of

T = TypeVar("T")
TENANT = "default"


def at_once(work: Awaitable[T]) -> T:
    """Return the result of something that never waits."""
    try:
        work.__await__().send(None)
    except StopIteration as over:
        return over.value  # type: ignore[no-any-return]
    raise AssertionError("it waits")


class _Now:
    """The clock of the walk that runs now: one database serves all of them."""

    clock = ManualClock(NOON)

    def now(self) -> Any:
        return self.clock.now()

    def monotonic(self) -> float:
        return self.clock.monotonic()


@cache
def _database() -> tuple[SqlStore, _Now]:
    now = _Now()
    return open_store("sqlite://", clock=now, inline=True), now


class Walk:
    """Incidents of one tenant, and the commands that move them."""

    def __init__(self) -> None:
        self.store, now = _database()
        self.clock = now.clock = ManualClock(NOON)
        with self.store._writer.begin() as connection:
            for table in reversed(SCHEMA.sorted_tables):
                connection.execute(table.delete())
        ids, settings = CountingIds(), settings_of(TENANT)
        self.numbers = IncidentNumbers()
        self.context = Context(settings=settings, directory=settings.directory(), channels=frozenset(CHANNELS), ids=ids)

    def event(self, *, fingerprint: str, severity: Severity, recovers: bool = False, **fields: Any) -> str | None:
        """Triage one event; returns the incident that stands for its fingerprint, if any does."""
        event = an_event(
            fingerprint=fingerprint, source_severity=severity, received_at=self.clock.now(),
            timestamp=self.clock.now(), event_type="resolved" if recovers else "anomaly", **fields,
        )  # fmt: skip
        record = Record(received_at=0, tenant=TENANT, source_key="k", incident_id=None, opens=not recovers, body=b"{}")
        result = self.transact(
            lambda tx: triage_batch(
                tx, [Item(event=event, record=record)], self.context, lambda at: self.numbers.reserve(at.date())
            )
        )
        return result.standing.get(fingerprint)

    def command(
        self, incident_id: str, decided: Callable[[Incident], Sequence[Change]], *, who: str = "ana"
    ) -> Incident:
        """Decide against the stored state and commit."""
        by = Actor(type=ActorType.USER, id=who, name=who)

        def work(tx: Transaction) -> Incident:
            incident = tx.incidents.get(incident_id)
            return commit(tx, incident, decided(incident), by=by, context=self.context)

        return self.transact(work)

    def pass_time(self, seconds: float) -> None:
        """Move the clock and fire everything due, as often as something is."""
        self.clock.advance(timedelta(seconds=seconds))
        for _ in range(100):
            due = at_once(self.store.system(lambda tx: tx.claim_due_timers(limit=50, lease_seconds=30)))
            if not due:
                return
            for timer in due:
                self.command_by_timer(timer)
        raise AssertionError("timers never come to rest")

    def command_by_timer(self, timer: Any) -> None:
        """Fire one claimed timer."""

        def work(tx: Transaction) -> None:
            incident = tx.incidents.get(timer.incident_id)
            changes = decide_due(incident, timer, self.context, at=tx.now)
            commit(tx, incident, changes, by=SYSTEM, context=self.context)

        self.transact(work)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run one transaction."""
        return at_once(self.store.transact(TENANT, work))

    def incident(self, incident_id: str) -> Incident:
        """Return it as stored."""
        return self.transact(lambda tx: tx.incidents.get(incident_id))
