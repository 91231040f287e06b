"""⑤ Nobody is heard: a heartbeat that is not pinged in time opens an incident; the next ping ends it.

A dead-man's switch for any sender: jobs, probes, a Prometheus whose watchdog alert has gone quiet. Heartbeats are rows,
so they outlive the process; one that ran out meanwhile is told of at the start. Everything here may be done twice:
events have identities, and what was to be told is looked for again until the journal has it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.document import written
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.accept import Intake
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import Heartbeat
from llm_incident_manager.errors import Conflict, FieldFault, Invalid, NotFound, Unavailable

log = structlog.get_logger("heartbeats")
MOST = 1000
"""Heartbeats of one source."""
TRY_AGAIN = timedelta(seconds=60)
"""When an event that the intake refused (its rate, a disabled source) is tried again."""
Change = Callable[[Heartbeat, datetime], Heartbeat]


class Heartbeats:
    """Heartbeats of a source of the caller's tenant. All raise NotFound for an unknown name, and Unavailable."""

    def __init__(self, store: Store, intake: Intake, clock: Clock) -> None:
        self._store = store
        self._intake = intake
        self._clock = clock

    async def all(self, caller: Caller, source: str) -> list[Heartbeat]:
        """Return them by name."""
        return await self._store.read(caller.tenant, lambda tx: tx.heartbeats.of_source(source))

    async def get(self, caller: Caller, source: str, name: str) -> Heartbeat:
        """Return one."""
        return await self._store.read(caller.tenant, lambda tx: tx.heartbeats.get(source, name))

    async def create(self, caller: Caller, given: Heartbeat) -> Heartbeat:
        """Store a new one; it must be pinged from now on. Raises Conflict where the name is taken, and Invalid."""

        def work(tx: Transaction) -> Heartbeat:
            names = [each.name for each in tx.heartbeats.of_source(given.source)]
            if given.name in names:
                raise Conflict(f"there is a heartbeat {given.name} already; change that one", code="already_exists")
            if len(names) >= MOST:
                raise Invalid(f"there are {MOST} heartbeats already", [FieldFault("name", "delete one first")])
            made = msgspec.structs.replace(given, due_at=tx.now + given.interval if given.enabled else None)
            tx.heartbeats.put(made)
            _note(tx, caller, "heartbeat_created", made)
            return made

        return await self._store.transact(caller.tenant, work)

    async def change(self, caller: Caller, source: str, name: str, **fields: Any) -> Heartbeat:
        """Change ``description``, ``enabled``, the interval and so on; it must be pinged anew from now on.

        Disabling one that has run out ends its incident.
        """

        def changed(before: Heartbeat, now: datetime) -> Heartbeat:
            after = msgspec.structs.replace(before, **fields)
            due_at = now + after.interval if after.enabled else None
            return msgspec.structs.replace(after, due_at=due_at, expired=False, told=False)

        return await self._ended_and(caller, source, name, changed, "was changed", event_type="heartbeat_changed")

    async def delete(self, caller: Caller, source: str, name: str) -> Heartbeat:
        """Remove one, and end its incident."""
        before = await self._ended_and(
            caller,
            source,
            name,
            lambda each, _: msgspec.structs.replace(each, enabled=False, due_at=None),
            "was deleted",
        )

        def work(tx: Transaction) -> None:
            tx.heartbeats.delete(source, name)
            _note(tx, caller, "heartbeat_deleted", before)

        await self._store.transact(caller.tenant, work)
        return before

    async def ping(self, caller: Caller, source: str, name: str) -> Heartbeat:
        """Hear from it: it counts from now again, and its incident ends; durable when it returns."""

        def heard(before: Heartbeat, now: datetime) -> Heartbeat:
            due_at = now + before.interval if before.enabled else None
            return msgspec.structs.replace(before, last_ping_at=now, due_at=due_at, expired=False, told=False)

        return await self._ended_and(caller, source, name, heard, "was heard again")

    async def run_due(self, limit: int = 100) -> int:
        """Tell of those that ran out; returns how many were looked at."""
        due = await self._store.system_read(lambda tx: tx.due_heartbeats(self._clock.now(), limit))
        for heartbeat in due:
            try:
                await self._expire(heartbeat)
            except Unavailable:
                raise
            except Exception:
                # One that fails must not keep those behind it from being told of.
                log.exception("heartbeat_failed", tenant=heartbeat.tenant, source=heartbeat.source, name=heartbeat.name)
                await self._look_later(heartbeat)
        return len(due)

    async def _ended_and(
        self, caller: Caller, source: str, name: str, change: Change, why: str, *, event_type: str = ""
    ) -> Heartbeat:
        """End the incident first, if there is one, and change the row only then: a crash between is made good by the
        next ping. Somebody may find it expired meanwhile; then once more.
        """
        ended: datetime | None = None
        while True:
            before = await self.get(caller, source, name)
            if before.expired and before.due_at is not None and before.due_at != ended:
                await self._accept(before, _recovery(before, self._clock.now(), why))
                ended = before.due_at

            def work(tx: Transaction, ended: datetime | None = ended) -> Heartbeat | None:
                now = tx.heartbeats.get(source, name)
                if now.expired and now.due_at != ended:
                    return None
                after = change(now, tx.now)
                tx.heartbeats.put(after)
                if event_type:
                    _note(tx, caller, event_type, after)
                return after

            done = await self._store.transact(caller.tenant, work)
            if done is not None:
                return done

    async def _expire(self, seen: Heartbeat) -> None:
        marked = await self._marked(seen, expired=True)
        if marked is None:
            return
        if not await self._accept(marked, _expiry(marked)):
            await self._look_later(seen)
            log.warning("heartbeat_not_told", tenant=seen.tenant, source=seen.source, name=seen.name)
            return
        if await self._marked(marked, expired=True, told=True) is None:
            # It was heard in the same moment: what was just opened is over. Its own name, since the ping said so too.
            await self._accept(marked, _recovery(marked, self._clock.now(), "was heard again", state="over after all"))
        log.info("heartbeat_expired", tenant=seen.tenant, source=seen.source, name=seen.name)

    async def _look_later(self, seen: Heartbeat) -> None:
        later = self._clock.now() + TRY_AGAIN
        await self._store.transact(seen.tenant, lambda tx: tx.heartbeats.look_later(seen.source, seen.name, later))

    async def _marked(self, seen: Heartbeat, **fields: bool) -> Heartbeat | None:
        """Mark the row if it still waits for the same instant; None where it was heard or changed meanwhile."""

        def work(tx: Transaction) -> Heartbeat | None:
            try:
                now = tx.heartbeats.get(seen.source, seen.name)
            except NotFound:
                return None
            if not now.enabled or now.due_at != seen.due_at or now.told:
                return None
            after = msgspec.structs.replace(now, **fields)
            tx.heartbeats.put(after)
            return after

        return await self._store.transact(seen.tenant, work)

    async def _accept(self, heartbeat: Heartbeat, event: dict[str, Any]) -> bool:
        source = heartbeat.source
        caller = Caller(
            tenant=heartbeat.tenant,
            actor=Actor(type=ActorType.INTEGRATION, id=source, name=source),
            scopes=frozenset({Scope.INGEST}),
            key_id="heartbeats",
            source=source,
        )
        taken = await self._intake.accept_items([written(event)], caller)
        return taken.rejected == 0


def _expiry(heartbeat: Heartbeat) -> dict[str, Any]:
    assert heartbeat.due_at is not None
    last = f"the last ping came at {heartbeat.last_ping_at:%Y-%m-%d %H:%M:%S} UTC" if heartbeat.last_ping_at else (
        "it was never pinged"
    )  # fmt: skip
    said = f"Nothing was heard from it for {heartbeat.every} {heartbeat.unit}; {last}."
    return _event(heartbeat, "expired") | {
        "timestamp": heartbeat.due_at.isoformat(),
        "event_type": "alert",
        "title": heartbeat.message or f"Heartbeat {heartbeat.name} is missing",
        "description": f"{said}\n\n{heartbeat.description}".strip(),
        "severity": heartbeat.severity.value,
        "labels": list(heartbeat.tags),
        "tags": {"heartbeat": heartbeat.name} | ({"team": heartbeat.team} if heartbeat.team else {}),
    }


def _recovery(heartbeat: Heartbeat, now: datetime, why: str, state: str = "over") -> dict[str, Any]:
    return _event(heartbeat, state) | {
        "timestamp": now.isoformat(),
        "event_type": "resolved",
        "title": f"Heartbeat {heartbeat.name} {why}",
        "severity": "info",
    }


def _event(heartbeat: Heartbeat, state: str) -> dict[str, Any]:
    at = heartbeat.due_at.isoformat() if heartbeat.due_at is not None else ""
    key = alias_of(heartbeat.name)
    return {
        "event_id": stable_event_id("heartbeat", heartbeat.name, at, state),
        "source": heartbeat.source,
        "category": "availability",
        "resource": {"type": "heartbeat", "id": heartbeat.name, "name": heartbeat.name, "metadata": {"alias": key}},
        "dedup_key": key,
    }


def alias_of(name: str) -> str:
    """Return the dedup key of a heartbeat's incident."""
    return f"heartbeat:{name}"


def _note(tx: Transaction, caller: Caller, event_type: str, heartbeat: Heartbeat) -> None:
    item_id = f"{heartbeat.source}/{heartbeat.name}"
    note(
        tx, by=caller.actor, request=caller.request, event_type=event_type, kind="heartbeats", item_id=item_id,
        changes=[],
    )  # fmt: skip
