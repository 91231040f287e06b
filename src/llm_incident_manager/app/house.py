"""The whole engine put together over one store, one journal and the channels: what every mode and every test runs."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from llm_incident_manager.bus.spec import Bus
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.oncall.schedule import users_at
from llm_incident_manager.engine.accept import Intake
from llm_incident_manager.engine.alerts import Alerts
from llm_incident_manager.engine.calendar_feeds import CalendarFeeds
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.deliver import Deliver, Render, Sender
from llm_incident_manager.engine.explain import Explain
from llm_incident_manager.engine.heartbeats import Heartbeats
from llm_incident_manager.engine.live_messages import LiveMessages
from llm_incident_manager.engine.memory import OpenFingerprints, SeenEvents
from llm_incident_manager.engine.overtaken import Overtaken
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.rate_port import SharedWindows
from llm_incident_manager.engine.relay import Relay
from llm_incident_manager.engine.respond import Respond
from llm_incident_manager.engine.sealing import Sealing
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.engine.shifts import Shifts
from llm_incident_manager.engine.silences import Silences
from llm_incident_manager.engine.source_acts import SourceActs
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.engine.timers import Timers
from llm_incident_manager.engine.triage import Triage
from llm_incident_manager.engine.waiting import Untriaged
from llm_incident_manager.ids import IdSource, IncidentNumbers

log = structlog.get_logger("house")
PAGE = 5000


class House:
    """The rooms of the walk, connected. Nothing here waits or repeats: the loops are in ``modes``."""

    def __init__(
        self,
        *,
        store: Store,
        journal: Any,
        channels: Mapping[str, Sender],
        bus: Bus,
        clock: Clock,
        settings: SettingsMemory,
        render: Render,
        numbers: IncidentNumbers | None = None,
        ids: IdSource | None = None,
        enrich: Callable[[Event], Event] = lambda event: event,
        jitter: Callable[[], float] = random.random,
        busy_seconds: Callable[[], float] = lambda: 0.0,
        alert_keepers: frozenset[str] = frozenset(),
        shared_windows: SharedWindows | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        self.sealing = sealing or Sealing()
        self.store = store
        self.journal = journal
        self.channels = channels
        self._alert_keepers = alert_keepers
        self.bus = bus
        self.clock = clock
        self.settings = settings
        self.ids = ids or IdSource()
        self.numbers = numbers or IncidentNumbers()
        self.telemetry = Telemetry()
        self.untriaged = Untriaged()
        self.open_fingerprints = OpenFingerprints()
        self.seen = SeenEvents()
        self._contexts: dict[str, Context] = {}
        self.after_commit: Callable[[], None] = lambda: None
        self.render = render
        self.intake = Intake(
            journal,
            store,
            self.context,
            clock=clock,
            numbers=self.numbers,
            open_fingerprints=self.open_fingerprints,
            seen=self.seen,
            untriaged=self.untriaged,
            telemetry=self.telemetry,
            ids=self.ids,
            shared_windows=shared_windows,
            sealing=self.sealing,
        )
        self.triage = Triage(
            journal,
            store,
            self.context,
            clock=clock,
            numbers=self.numbers,
            open_fingerprints=self.open_fingerprints,
            untriaged=self.untriaged,
            telemetry=self.telemetry,
            ids=self.ids,
            enrich=enrich,
            decoded=self.intake.decoded,
            busy_seconds=busy_seconds,
            sealing=self.sealing,
        )
        self.timers = Timers(store, self.context, clock, self.telemetry, self.committed)
        self.deliver = Deliver(
            store,
            self.context,
            channels,
            self.render,
            clock=clock,
            telemetry=self.telemetry,
            jitter=jitter,
        )
        self.live_messages = LiveMessages(store, self.context, channels, self.render, clock)
        self.heartbeats = Heartbeats(store, self.intake, clock)
        self.explain = Explain(store, settings, self.context, clock, self.committed)
        self.relay = Relay(store, bus)
        self.respond = Respond(store, self.context, self.untriaged, self.ids, self.committed)
        self.alerts = Alerts(store, self.intake, clock)
        self.overtaken = Overtaken(store, self.context, clock, self.committed)
        self.silences = Silences(
            store, self.context, settings, clock, self.committed, lambda _: settings.refresh(store)
        )
        self.shifts = Shifts(store, settings, clock, lambda _: settings.refresh(store))
        self.calendar_feeds = CalendarFeeds(store, settings, clock, lambda _: settings.refresh(store))
        self.source_acts = SourceActs(store, self.context, self.untriaged, self.open_fingerprints, self.committed)

    def context(self, tenant: str) -> Context:
        """Return the tenant's present context; built anew only when its settings changed."""
        settings = self.settings.of(tenant)
        context = self._contexts.get(tenant)
        if context is None or context.settings is not settings:

            def on_call_now(schedule_id: str, at: datetime) -> tuple[str, ...]:
                schedule = settings.schedules.get(schedule_id)
                return users_at(schedule, at) if schedule is not None else ()

            context = Context(
                settings=settings,
                directory=settings.directory(on_call_now),
                channels=frozenset(self.channels),
                ids=self.ids,
                alert_keepers=self._alert_keepers,
            )
            self._contexts[tenant] = context
        return context

    def committed(self, incident: Incident) -> None:
        """Keep the memory of open fingerprints true after a command, before its answer leaves; wake the loops."""
        self.after_commit()
        if incident.is_open:
            self.open_fingerprints.put(incident.tenant, incident.fingerprint, incident.id)
            if incident.fold is not None:
                own = (report.fingerprint for report in incident.fold.reports)
                self.open_fingerprints.report(incident.tenant, (incident.fingerprint, *own), incident.id)
        else:
            self.open_fingerprints.drop(incident.tenant, incident.fingerprint, incident.id)
        if incident.times.mttr is not None and incident.resolved_at == incident.updated_at:
            self.telemetry.observe("incident_mttr_seconds", None, incident.times.mttr)
        if incident.times.mtta is not None and incident.acknowledged_at == incident.updated_at:
            self.telemetry.observe("incident_mtta_seconds", None, incident.times.mtta)

    async def recall(self) -> None:
        """Read what must be known before the first event: settings, ids in use, open fingerprints."""
        await self.settings.refresh(self.store, everything=True)
        for incident_id in await self.store.system_read(lambda tx: tx.last_incident_ids()):
            self.numbers.seen(incident_id)
        after: str | None = None
        while True:
            page = await self.store.system_read(
                lambda tx, after=after: tx.open_fingerprints(after=after, limit=PAGE)  # type: ignore[misc]
            )
            for row in page:
                self.open_fingerprints.put(row.tenant, row.fingerprint, row.incident_id)
            if len(page) < PAGE:
                break
            after = f"{page[-1].tenant}/{page[-1].incident_id}"
        await self._recall_reports()

    async def _recall_reports(self) -> None:
        place = ("", "")
        while True:
            page = await self.store.system_read(
                lambda tx, place=place: tx.open_reports(after=place, limit=PAGE)  # type: ignore[misc]
            )
            for row in page:
                self.open_fingerprints.report(row.tenant, (row.fingerprint, row.folded), row.incident_id)
            if len(page) < PAGE:
                return
            place = (page[-1].tenant, page[-1].fingerprint)

    async def warm(self) -> None:
        """Read all identities that were ever counted; until then the database is asked about each event."""
        after: tuple[str, str, str] | None = None
        while True:
            page = await self.store.system_read(
                lambda tx, after=after: tx.event_keys(after=after, limit=PAGE)  # type: ignore[misc]
            )
            self.seen.warm(page)
            if len(page) < PAGE:
                break
            after = page[-1]
        self.seen.warmed()
        log.info("identities_known", open_incidents=len(self.open_fingerprints))
