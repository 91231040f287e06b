"""⑧ What changes, as it changes: one listener on the bus for everybody who watches, each with a filter of their own."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.matching import matches
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.relay import TOPIC
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Invalid, Unavailable

MOST_BEHIND = 1000
"""A watcher further behind than this is let go: memory is bounded by it."""
MOST_RESUMED = 500
OVERLAP = timedelta(seconds=5)
"""Changes commit in another order than they are stamped in: whoever resumes gets so much twice rather than not."""
_READ_AT_ONCE = 200


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One incident as it is now; ``opened`` if it was not there before."""

    incident: Incident
    opened: bool


class Watcher:
    """One who watches. ``wake`` is called when there is something to take, or it was let go."""

    def __init__(self, tenant: str, wanted: IncidentFilter, wake: Callable[[], None]) -> None:
        self.tenant = tenant
        self.wanted = wanted
        self.let_go: str | None = None
        self._wake = wake
        self._seen: deque[Seen] = deque()

    def want(self, wanted: IncidentFilter) -> None:
        """Watch for something else from now on; what waits and fits stays."""
        self.wanted = wanted
        self._seen = deque(seen for seen in self._seen if matches(wanted, seen.incident))

    def take(self) -> Seen | None:
        """Return the oldest change that was not taken yet."""
        return self._seen.popleft() if self._seen else None

    def offer(self, seen: Seen) -> None:
        """Keep a change for it if its filter lets it through; one too many lets it go."""
        if self.let_go is not None or not matches(self.wanted, seen.incident):
            return
        if len(self._seen) >= MOST_BEHIND:
            self.release(f"too slow: {MOST_BEHIND} changes wait; read faster or filter more, then resume")
            return
        self._seen.append(seen)
        self._wake()

    def release(self, reason: str) -> None:
        """Let it go; what it has not taken is dropped."""
        self.let_go = reason
        self._seen.clear()
        self._wake()


class LiveChanges:
    """Tells watchers of their tenant's changes. Several changes of one incident in a row may be told as one."""

    def __init__(self, store: Store, listen: Callable[[str], AsyncIterator[Mapping[str, Any]]]) -> None:
        self._store = store
        self._listen = listen
        self._watchers: dict[str, set[Watcher]] = {}
        self._pending: dict[str, dict[str, bool]] = {}
        self._stopped = asyncio.Event()

    def watch(self, caller: Caller, wanted: IncidentFilter, wake: Callable[[], None]) -> Watcher:
        """Return a new watcher of the caller's tenant; :meth:`leave` ends it. Raises Forbidden."""
        caller.require(Scope.READ)
        watcher = Watcher(caller.tenant, wanted, wake)
        self._watchers.setdefault(caller.tenant, set()).add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Tell it nothing more."""
        watchers = self._watchers.get(watcher.tenant, set())
        watchers.discard(watcher)
        if not watchers:
            self._watchers.pop(watcher.tenant, None)

    async def since(self, caller: Caller, wanted: IncidentFilter, instant: datetime) -> list[Incident]:
        """Return what changed since ``instant`` and a little before, oldest change first.

        Raises Invalid (``resume_too_far``) where that is more than 500 incidents: the list is the better question.
        """
        caller.require(Scope.READ)
        newest = msgspec.structs.replace(wanted, sort="-updated_at", limit=MOST_RESUMED + 1, cursor=None)
        page = await self._store.read(caller.tenant, lambda tx: tx.incidents.search(newest))
        changed = [incident for incident in page.incidents if incident.updated_at >= instant - OVERLAP]
        if len(changed) > MOST_RESUMED:
            raise Invalid(
                f"more than {MOST_RESUMED} incidents changed since then; read GET /api/v1/incidents?sort=-updated_at",
                code="resume_too_far",
            )
        return changed[::-1]

    async def listen(self) -> None:
        """Collect what the bus says until :meth:`stop`; whoever watched an earlier time has missed something."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.release("the server lost touch with its bus; resume")
        messages = self._listen(TOPIC)
        stopped = asyncio.ensure_future(self._stopped.wait())
        coming: asyncio.Future[Mapping[str, Any]] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(anext(messages))
                await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    return
                self._collect(coming.result())
        finally:
            stopped.cancel()
            if coming is not None:
                coming.cancel()

    def stop(self) -> None:
        """End :meth:`listen`."""
        self._stopped.set()

    async def run_once(self) -> int:
        """Tell the watchers what was collected; returns how many incidents were read. Raises Unavailable."""
        told = 0
        for tenant in list(self._pending):
            changed = self._pending.pop(tenant)
            if tenant not in self._watchers:
                continue
            ids = list(changed)[:_READ_AT_ONCE]
            try:
                found = await self._store.read(tenant, lambda tx, ids=ids: tx.incidents.get_many(ids))  # type: ignore[misc]
            except Unavailable:
                self._later(tenant, changed)
                raise
            for incident_id, incident in found.items():
                seen = Seen(incident=incident, opened=changed.get(incident_id, False))
                for watcher in list(self._watchers.get(tenant, ())):
                    watcher.offer(seen)
            told += len(ids)
            self._later(tenant, {each: opened for each, opened in changed.items() if each not in set(ids)})
        return told

    def _collect(self, message: Mapping[str, Any]) -> None:
        tenant = str(message.get("tenant"))
        if tenant in self._watchers:
            opened = bool(message.get("opened"))
            changed = self._pending.setdefault(tenant, {})
            for incident_id in message.get("ids", ()):
                changed[incident_id] = changed.get(incident_id, False) or opened

    def _later(self, tenant: str, changed: dict[str, bool]) -> None:
        if changed:
            newer = self._pending.get(tenant, {})
            self._pending[tenant] = {
                each: changed.get(each, False) or newer.get(each, False) for each in (*changed, *newer)
            }
