"""The APIs over one house: REST and the dashboard on one port, each asking the same engine."""

import asyncio
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.types import Receive, Scope, Send

from llm_incident_manager import __version__
from llm_incident_manager.api.dashboard.engine_port import EnginePort
from llm_incident_manager.api.dashboard.routes import dashboard_routes
from llm_incident_manager.api.dashboard.settings import DashboardSettings
from llm_incident_manager.api.rest.app import rest_app
from llm_incident_manager.api.rest.port import Limits, Readiness, RestPort
from llm_incident_manager.api.websocket.doors import WebSocketDoors
from llm_incident_manager.api.websocket.paths import PATHS
from llm_incident_manager.api.websocket.port import WebSocketLimits, WebSocketPort
from llm_incident_manager.app.audit_key import audit_key
from llm_incident_manager.app.config import ServerConfig
from llm_incident_manager.app.config_door import ConfigDoor, Reload
from llm_incident_manager.app.file_settings import FileSettings
from llm_incident_manager.app.house import House
from llm_incident_manager.app.modes import Loops
from llm_incident_manager.app.secrets_on_disk import kept_or_new
from llm_incident_manager.engine.accept_stream import accept_messages
from llm_incident_manager.engine.audit import Audit
from llm_incident_manager.engine.checkpoints import Checkpoints
from llm_incident_manager.engine.configure import Configure
from llm_incident_manager.engine.dead_letters import DeadLetters
from llm_incident_manager.engine.identify import Identify
from llm_incident_manager.engine.import_history import ImportHistory
from llm_incident_manager.engine.import_schedules import ImportSchedules
from llm_incident_manager.engine.keys import Keys
from llm_incident_manager.engine.links import Links
from llm_incident_manager.engine.live import LiveChanges
from llm_incident_manager.engine.memory import Identity
from llm_incident_manager.engine.open_by_hand import OpenByHand
from llm_incident_manager.engine.page_answers import Answers
from llm_incident_manager.engine.page_tokens import PageTokens
from llm_incident_manager.engine.pages import Pages
from llm_incident_manager.engine.query import Query
from llm_incident_manager.engine.report import Report
from llm_incident_manager.engine.reseal import Reseal
from llm_incident_manager.engine.templates import check as check_template
from llm_incident_manager.sources.again import Again
from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.statuspage import read_history


class Apis:
    """What the APIs serve from, and what the loops of housekeeping need of it."""

    def __init__(
        self,
        house: House,
        config: ServerConfig,
        file: FileSettings,
        loops: Loops,
        url: str,
        reload: Reload,
        tokens: PageTokens,
    ) -> None:
        self.version = __version__
        self.stopping = asyncio.Event()
        self.config = config
        self.file = file
        self.url = url
        self._house = house
        self._loops = loops
        bootstrap = config.bootstrap_api_key.reveal() if config.bootstrap_api_key else None
        store, clock = house.store, house.clock
        self.identify = Identify(store, clock, bootstrap, people=house.settings.of)
        self.links = Links(store, people=house.settings.of)
        self.answers = Answers(store, house.context, house.settings.tenants, tokens, house.committed)
        self.checkpoints = Checkpoints(store, _private_key(config))
        self.audit = Audit(store, trusted=(self.checkpoints.public_key,))
        self.query = Query(store, house.context, house.untriaged, clock, house.sealing)
        self.report = Report(store, clock, house.telemetry)
        again = Again(source_specs(), lambda tenant: house.settings.of(tenant).sources, house.intake, house.source_acts)
        self.dead_letters = DeadLetters(store, house.intake, clock, house.seen, again, house.sealing)
        self.configure = Configure(store, self._configured, check_template=check_template)
        self.import_schedules = ImportSchedules(self.configure, house.settings.of, clock)
        self.rest = RestPort(
            intake=house.intake,
            acts=house.source_acts,
            heartbeats=house.heartbeats,
            silences=house.silences,
            shifts=house.shifts,
            calendar_feeds=house.calendar_feeds,
            import_schedules=self.import_schedules,
            alerts=house.alerts,
            identify=self.identify,
            query=self.query,
            respond=house.respond,
            open_by_hand=OpenByHand(store, house.context, clock, house.numbers, house.telemetry, house.committed),
            report=self.report,
            configure=self.configure,
            keys=Keys(store, house.ids, house.settings.of, self.identify.refresh),
            dead_letters=self.dead_letters,
            audit=self.audit,
            imports=ImportHistory(
                store,
                house.context,
                house.numbers,
                house.ids,
                read_statuspage=read_history,
                committed=house.committed,
                counted=self._imported,
            ),
            pages=Pages(store, house.context, house.channels, house.render, clock, house.ids),
            links=self.links,
            reseal=Reseal(store, house.sealing),
            config_file=ConfigDoor(file, store, reload),
            answers=self.answers,
            channels=house.channels,
            settings=house.settings.of,
            store=store,
            clock=clock,
            telemetry=house.telemetry,
            readiness=self._readiness,
            key_headers=self._key_headers,
            limits=Limits(body_bytes=house.settings.server.limits.body_bytes),
            version=__version__,
            public_url=url,
        )

        self.live = LiveChanges(store, house.bus.listen)
        self.websockets = WebSocketDoors(
            WebSocketPort(
                accept=partial(accept_messages, house.intake),
                identify=self.identify,
                live=self.live,
                clock=clock,
                telemetry=house.telemetry,
                key_headers=self._key_headers,
                limits=WebSocketLimits(message_bytes=house.settings.server.limits.body_bytes),
            )
        )

    def stop(self) -> None:
        """Say that the process stops: streams end once they have answered what has arrived."""
        self.stopping.set()
        self.live.stop()
        self.websockets.stop()

    async def close(self) -> None:
        """Write down what the last minutes left: when keys were used, and a checkpoint over what changed."""
        await self.identify.flush_last_use()
        await self.checkpoints.make()

    def _imported(self, identity: Identity, incident_id: str | None) -> None:
        """Know the event again, and sign its incident's chain: looking back does not find what changed in the past."""
        self._house.seen.add(identity, incident_id)
        if incident_id is not None:
            self.checkpoints.note_changed(identity[0], [incident_id])

    async def _configured(self, tenant: str) -> None:
        await self._house.settings.refresh(self._house.store)
        await self.identify.refresh()

    def _readiness(self) -> Readiness:
        journal = self._house.journal
        if self.stopping.is_set():
            return Readiness(ready=False, reason="it is stopping")
        if not journal.healthy:
            return Readiness(ready=False, degraded=("journal",), reason=journal.last_error or "the journal is unwell")
        return Readiness(ready=True, degraded=tuple(sorted(self._loops.degraded)))

    def _key_headers(self) -> frozenset[str]:
        headers = self._house.settings
        return frozenset(
            source.key_header.lower()
            for tenant in headers.tenants()
            for source in headers.of(tenant).sources.values()
            if source.key_header
        )


async def build_apis(
    house: House,
    config: ServerConfig,
    file: FileSettings,
    loops: Loops,
    url: str,
    reload: Reload,
    tokens: PageTokens,
) -> Apis:
    """Return the APIs with every key in memory; ``tokens`` are those that pages were written with."""
    apis = Apis(house, config, file, loops, url, reload, tokens)
    await apis.identify.refresh()
    return apis


def asgi_app(apis: Apis, house: House) -> "Front":
    """Return the application: REST first, then the dashboard's pages."""
    app = rest_app(apis.rest, data_folder=str(apis.config.data_dir))
    port = EnginePort(
        store=house.store,
        query=apis.query,
        respond=house.respond,
        identify=apis.identify,
        links=apis.links,
        settings=house.settings.of,
        listen=house.bus.listen,
        answers=apis.answers,
        shifts=house.shifts,
        feeds=house.calendar_feeds,
        configure=apis.configure,
        public_url=apis.url,
    )
    secret = kept_or_new(apis.config.data_dir / "session.key")
    app.router.routes.extend(dashboard_routes(port, DashboardSettings(secret=secret, public_url=apis.url)))
    return Front(app, apis.websockets, apis.stopping)


class Front:
    """The outermost layer: our WebSocket doors before all else; while the process stops, open streams end."""

    def __init__(self, app: Any, websockets: WebSocketDoors, stopping: asyncio.Event) -> None:
        self._app = app
        self._websockets = websockets
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if (scope["type"] == "websocket" and scope["path"].startswith("/ws/")) or scope["path"] in PATHS:
            await self._websockets(scope, receive, send)
            return
        if scope["type"] != "http" or scope["path"] != "/stream":
            await self._app(scope, receive, send)
            return
        stream = asyncio.ensure_future(self._app(scope, receive, send))
        end = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({stream, end}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not stream.done():
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class WebSocketsOnly:
    """What answers on the port of WebSockets: those, and ``/health``; everything else is on the other port."""

    def __init__(self, front: "Front", websockets: WebSocketDoors) -> None:
        self._front = front
        self._websockets = websockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in ("/health", "/ready"):
            await self._websockets(scope, receive, send)
            return
        await self._front(scope, receive, send)


def _private_key(config: ServerConfig) -> Ed25519PrivateKey:
    return audit_key(config.data_dir / "audit.key")
