"""④ Layers that are a calendar elsewhere: asked every quarter of an hour; a bad answer keeps the last good one."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.schedule import Schedule
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.calendars.reading import read_calendar
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.schedules import feed_of
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import ConfigurationItem
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import IncidentManagerError, NotFound, Unavailable

Fetch = Callable[[str], Awaitable[str]]
"""Gets a calendar's text; raises the product's errors, which never show the URL's path."""
EVERY = timedelta(minutes=15)
BEFORE, AFTER = timedelta(days=7), timedelta(days=400)
log = structlog.get_logger("calendars")


class CalendarFeeds:
    """Polls every calendar that a schedule names. Only what changed is written, so every node may ask."""

    def __init__(
        self, store: Store, settings: SettingsMemory, clock: Clock, on_changed: Callable[[str], Awaitable[object]]
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._on_changed = on_changed
        self._due: dict[tuple[str, str], datetime] = {}
        self.fetch: Fetch = _nobody_fetches

    async def run_due(self) -> int:
        """Ask those that are due; returns how many were asked."""
        asked = 0
        for tenant in self._settings.tenants():
            for schedule in list(self._settings.of(tenant).schedules.values()):
                for layer in schedule.layers:
                    key = tenant, feed_of(schedule.id, layer.calendar)
                    if layer.calendar and self._due.get(key, self._clock.now()) <= self._clock.now():
                        self._due[key] = self._clock.now() + EVERY
                        await self._ask(tenant, schedule, layer, key[1])
                        asked += 1
        return asked

    def states(self, caller: Caller, schedule_id: str) -> list[dict[str, Any]]:
        """Return how each calendar of a schedule is; raises NotFound.

        ``{layer, state, fetched_at, failing_since, error, shifts, unknown}``, state ``good``, ``failing`` (the last
        good one counts) or ``never`` read; ``unknown`` are those whom no user fits.
        """
        caller.require(Scope.READ)
        settings = self._settings.of(caller.tenant)
        schedule = settings.schedules.get(schedule_id)
        if schedule is None:
            raise NotFound(f"there is no schedule {schedule_id}")
        found: list[dict[str, Any]] = []
        for layer in schedule.layers:
            if layer.calendar:
                feed = settings.calendar_feeds.get(feed_of(schedule.id, layer.calendar), {})
                failing = bool(feed.get("error"))
                state = "failing" if failing else "good" if feed.get("fetched_at") else "never"
                found.append(
                    {"layer": layer.name, "state": state, "shifts": len(layer.shifts)}
                    | {name: feed.get(name) for name in ("fetched_at", "failing_since", "error")}
                    | {"unknown": settings.unknown_on_call(schedule.id, layer.calendar)}
                )
        return found

    async def _ask(self, tenant: str, schedule: Schedule, layer: Layer, feed_id: str) -> None:
        now = self._clock.now()
        error, told = None, list[list[str]]()
        try:
            text = await self.fetch(layer.calendar)
            day = now.replace(hour=0, minute=0, second=0, microsecond=0)
            read = await asyncio.to_thread(read_calendar, text, day - BEFORE, day + AFTER, schedule.time_zone)
            told = [[who, iso(start), iso(end)] for who, start, end in read]
        except IncidentManagerError as failure:
            error = failure.message
        if error is not None:
            log.warning("calendar_not_read", tenant=tenant, schedule=schedule.id, layer=layer.name, reason=error)
        changed = await self._store.transact(tenant, lambda tx: _keep(tx, schedule.id, feed_id, told, error))
        if changed:
            await self._on_changed(tenant)


async def _nobody_fetches(url: str) -> str:
    raise Unavailable("calendars are not asked here")


def _keep(tx: Transaction, schedule: str, feed_id: str, told: list[list[str]], error: str | None) -> bool:
    """Write down what came, unless it is what is known; returns whether it was written."""
    try:
        before: ConfigurationItem | None = tx.configuration.get(Kind.CALENDAR_FEEDS, feed_id)
    except NotFound:
        before = None
    old = before.document if before is not None else {}
    if error is not None:
        if old.get("error") == error:
            return False
        since = old.get("failing_since") or iso(tx.now)
        new = {**old, "error": error, "failing_since": since}
    else:
        if old.get("shifts") == told and not old.get("error"):
            return False
        new = {"shifts": told, "fetched_at": iso(tx.now)}
    tx.configuration.put(
        ConfigurationItem(
            kind=Kind.CALENDAR_FEEDS,
            id=feed_id,
            document=new | {"schedule": schedule},
            created_at=before.created_at if before is not None else tx.now,
            updated_at=tx.now,
            created_by="system",
        )
    )
    return True
