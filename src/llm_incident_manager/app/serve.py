"""Standalone: one process, everything opened here in order and closed in the reverse order (DEP-01, REL-05)."""

import asyncio
import shutil
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from ipaddress import ip_network

import click
import msgspec
import structlog
import uvicorn

from llm_incident_manager.api.proxies import BehindProxies
from llm_incident_manager.api.rest.fast_protocol import PROVEN_UVICORN, Answers, FastProtocol, proven_here
from llm_incident_manager.api.websocket.paths import EVENTS
from llm_incident_manager.api.websocket.port import WebSocketLimits
from llm_incident_manager.api.websocket.protocol import WebSocketProtocol
from llm_incident_manager.app.apis import Apis, WebSocketsOnly, asgi_app, build_apis
from llm_incident_manager.app.calendar_fetch import CalendarFetch
from llm_incident_manager.app.config import DatabaseType, ServerConfig
from llm_incident_manager.app.file_settings import FileSettings
from llm_incident_manager.app.grpc_door import GrpcDoor, open_grpc
from llm_incident_manager.app.house import House
from llm_incident_manager.app.housekeeping import Housekeeping
from llm_incident_manager.app.http_server import HttpServer, bind
from llm_incident_manager.app.interpreter import settle
from llm_incident_manager.app.logs import configure_logs
from llm_incident_manager.app.modes import Loops
from llm_incident_manager.app.pollers import Pollers
from llm_incident_manager.app.queues import QueueReaders
from llm_incident_manager.app.secrets_on_disk import keep, kept_or_new
from llm_incident_manager.app.waiting_records import WaitingRecords
from llm_incident_manager.bus.registry import open_bus
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.registry import channel_specs, open_channels
from llm_incident_manager.clock import Clock, SystemClock
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.engine.documents.apply import Difference
from llm_incident_manager.engine.keys import make_first_key
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.page_tokens import PageTokens
from llm_incident_manager.engine.sealing import Sealing
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.engine.tenants import Tenants
from llm_incident_manager.enrichers.registry import enricher_specs
from llm_incident_manager.errors import Conflict, Invalid, Unavailable
from llm_incident_manager.ids import IdSource, IncidentNumbers
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.storage.migrate import migrate
from llm_incident_manager.storage.shared_windows import RedisWindows
from llm_incident_manager.storage.store import open_store

log = structlog.get_logger("serve")
LAST_WORDS_SECONDS = 2.0
LIVE_SECONDS = 0.05
"""How long changes are gathered before those who watch are told."""
STOP_SECONDS = 9.0
"""After SIGTERM the process is gone within 10 s; what was not worked off waits in the journal."""


class Server:
    """The running product. ``start`` returns when requests are answered; ``stop`` loses nothing."""

    def __init__(self, config: ServerConfig, *, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.sign_in_link: str | None = None
        self._stack = AsyncExitStack()
        self._listener: socket.socket | None = None
        self._ws_listener: socket.socket | None = None
        self._servers: list[HttpServer] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        """Where people and programs reach it."""
        if self.config.public_url:
            return self.config.public_url.rstrip("/")
        return self._address("http", self._listener)

    @property
    def websocket_url(self) -> str:
        """Where events are streamed to."""
        if self._ws_listener is None:
            return self.url.replace("http", "ws", 1) + EVENTS
        return self._address("ws", self._ws_listener) + EVENTS

    def _address(self, scheme: str, listener: socket.socket | None) -> str:
        assert listener is not None
        host = "127.0.0.1" if self.config.host in ("0.0.0.0", "::") else self.config.host
        secure = "s" if self.config.tls_cert_file else ""
        return f"{scheme}{secure}://{host}:{listener.getsockname()[1]}"

    async def start(self) -> None:
        """Open everything and answer. Raises the product's own errors for what a person can mend."""
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise

    async def _open(self) -> None:
        config = self.config
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._listener = bind(config.host, config.http_port)
        self._stack.callback(self._listener.close)
        self._ws_listener = self._bind_websockets(self._listener.getsockname()[1])
        specs = channel_specs()
        self.file = FileSettings(config.config_file, frozenset(specs))
        read = self.file.read()
        url = config.database_url.reveal() if config.database_url else f"sqlite:///{config.db_path.absolute()}"
        await asyncio.to_thread(migrate, url)
        # PostgreSQL tells the time itself; a clock of our own is for the demo and tests.
        foreign = config.database is DatabaseType.POSTGRESQL and isinstance(self.clock, SystemClock)
        store = open_store(url, clock=None if foreign else self.clock)
        self._stack.push_async_callback(store.close)
        await self.file.apply(store, read)
        await Tenants(store).ensure(["default", *read.tenants])
        numbers = IncidentNumbers()
        waiting = WaitingRecords(numbers)
        journal = Journal.open(
            config.data_dir / "journal",
            clock=self.clock,
            max_bytes=config.buffer_bytes or read.server.limits.buffer_bytes,
            seen=waiting.remember,
        )
        self._stack.callback(journal.close)
        guard = OutgoingGuard([ip_network(text) for text in read.server.outgoing.allow])
        channels = open_channels(read.server.channels, guard=guard, clock=self.clock)
        for channel in channels.values():
            self._stack.push_async_callback(channel.aclose)
        windows = self._shared_windows()
        bus = open_bus(config.bus_url.reveal())
        self._stack.push_async_callback(bus.close)
        tokens = PageTokens(kept_or_new(config.data_dir / "pages.key"))
        self.house = House(
            store=store,
            journal=journal,
            channels=channels,
            bus=bus,
            clock=self.clock,
            settings=SettingsMemory(read.server),
            render=renderer(self.url, tokens),
            numbers=numbers,
            ids=IdSource(),
            enrich=_enrichment(),
            busy_seconds=time.thread_time,
            alert_keepers=frozenset(name for name, spec in specs.items() if spec.keeps_alerts),
            shared_windows=windows,
            sealing=Sealing(config.encryption_keys),
        )
        calendars = CalendarFetch(guard)
        self._stack.push_async_callback(calendars.aclose)
        self.house.calendar_feeds.fetch = calendars.get
        await self.house.recall()
        waiting.recall(self.house)
        await self._first_key()
        self.loops = Loops(self.house)
        self.house.after_commit = self.loops.poke
        self.queues = QueueReaders(self.house, addresses=guard.addresses, data_dir=config.data_dir)
        self.loops.watch("queues", self.queues.is_away)
        self.pollers = Pollers(self.house, guard)
        self._stack.push_async_callback(self.pollers.aclose)
        self.apis: Apis = await build_apis(self.house, config, self.file, self.loops, self.url, self.reload, tokens)
        self.grpc: GrpcDoor = open_grpc(self.house, self.apis, config)
        self._stack.push_async_callback(self.grpc.stop)
        await self._drain()
        await self._run_loops()
        await self._serve_http()
        await self.grpc.start()
        token = await self.apis.links.create(None, None, ttl_seconds=3600)
        self.sign_in_link = f"{self.url}/sign-in/{token}"
        log.info("ready", url=self.url, version=self.apis.version, data_dir=str(config.data_dir))

    def _shared_windows(self) -> RedisWindows | None:
        if not self.config.redis_enabled or self.config.redis_url is None:
            return None
        windows = RedisWindows(self.config.redis_url.reveal())
        self._stack.push_async_callback(windows.close)
        return windows

    def _takes_short_cut(self) -> bool:
        wanted = self.config.fast_intake
        if wanted is None and not proven_here():
            log.warning("short_cut_not_taken", uvicorn=uvicorn.__version__, proven_with=PROVEN_UVICORN)
        return proven_here() if wanted is None else wanted

    def _bind_websockets(self, http_port: int) -> socket.socket | None:
        config = self.config
        if config.ws_port is None or config.ws_port == http_port:
            return None
        try:
            listener = bind(config.host, config.ws_port, "WS_PORT")
        except (Conflict, Invalid) as taken:
            if config.ws_port_chosen:
                raise
            log.warning("websockets_on_http_port_only", reason=taken.message, port=config.ws_port)
            return None
        self._stack.callback(listener.close)
        return listener

    async def _serve_http(self) -> None:
        """Answer on the port of everything, and on the one of WebSockets."""
        config = self.config
        serving = partial(
            HttpServer,
            tls_cert=config.tls_cert_file,
            tls_key=config.tls_key_file,
            tls_client_ca=config.tls_client_ca_file,
            websockets=WebSocketProtocol if proven_here() else "websockets-sansio",
            message_bytes=max(WebSocketLimits().unpacked_bytes, self.house.settings.server.limits.body_bytes),
        )
        front = asgi_app(self.apis, self.house)
        behind = partial(BehindProxies, trusted=lambda: self.house.settings.server.incoming.trusted_proxies)
        assert self._listener is not None
        protocol = (
            partial(FastProtocol, self.apis.rest, Answers(self.apis.rest)) if self._takes_short_cut() else "httptools"
        )
        self._servers = [serving(behind(front), self._listener, protocol=protocol)]
        if self._ws_listener is not None:
            self._servers.append(serving(behind(WebSocketsOnly(front, self.apis.websockets)), self._ws_listener))
        for server in self._servers:
            await server.start()

    async def _first_key(self) -> None:
        if self.config.bootstrap_api_key is not None:
            return
        key = await make_first_key(self.house.store, self.house.ids)
        if key is not None:
            keep(self.config.admin_key_file, key + "\n")

    async def _drain(self) -> None:
        """Work off what an earlier process accepted, so that its ids answer at once; at most a few seconds."""
        started = self.clock.monotonic()
        while self.house.journal.depth() and self.clock.monotonic() - started < 5.0:
            if not await self.house.triage.run_once():
                return

    async def _run_loops(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self.loops.run(), name="loops"),
            loop.create_task(self.house.warm(), name="warm"),
        ]
        live: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
            ("live-listen", 1.0, self.apis.live.listen),
            ("live", LIVE_SECONDS, self.apis.live.run_once),
            ("websockets", 1.0, self.apis.websockets.tick),
            ("queues", 1.0, self.queues.run_once),
            ("polls", 1.0, self.pollers.step),
        )
        housekeeping = Housekeeping(self.house, self.apis, self.config)
        for name, seconds, step in (*live, *housekeeping.steps()):
            self._tasks.append(loop.create_task(self.loops.every(name, seconds, step), name=name))

    async def reload(self) -> dict[str, Difference]:
        """Read the config file again and apply it; a faulty file changes nothing and raises ConfigFileInvalid."""
        read = self.file.read()
        changed = await self.file.apply(self.house.store, read)
        self.house.settings.server = read.server
        await self.house.settings.refresh(self.house.store, everything=True)
        await self.apis.identify.refresh()
        return changed

    async def stop(self) -> None:
        """Answer what is in flight, finish the step under way, close everything; the rest waits in the journal."""
        self.apis.stop()
        await asyncio.gather(*(server.stop() for server in self._servers), self.grpc.stop())
        await self.queues.stop()
        self.loops.stop()
        late: set[asyncio.Task[None]] = set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=3.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if not late and "database" not in self.loops.degraded:
            await self._last_words()
        await self._stack.aclose()
        log.info("stopped")

    async def _last_words(self) -> None:
        """Write what is nice to have; a database that hangs must not cost the time to end properly."""
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self.apis.close()
        except (TimeoutError, Unavailable):
            log.warning("not_sealed_at_the_end")


async def serve(config: ServerConfig, *, clock: Clock | None = None, announce: bool = True) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads the config file."""
    configure_logs(config.log_level)
    server = Server(config, clock=clock)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)  # before it starts: told to stop meanwhile, it stops as properly
    await server.start()
    settle()
    if announce and not ended.is_set():
        _announce(server)
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(_reload(server))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    await ended.wait()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await server.stop()
    except TimeoutError:
        log.warning("stopped_late", waiting=server.house.journal.depth())


async def _reload(server: Server) -> None:
    try:
        await server.reload()
    except Exception as failure:
        log.error("config_not_reloaded", reason=str(failure))


def _announce(server: Server) -> None:
    width = min(shutil.get_terminal_size().columns, 100)
    line = "─" * width
    key = "BOOTSTRAP_API_KEY" if server.config.bootstrap_api_key else str(server.config.admin_key_file)
    click.echo(
        f"{line}\nLLM-Incident-Manager listens on {server.url}\n"
        f"  Dashboard   {server.sign_in_link}   (works once, for an hour)\n"
        f"  API key     {key}\n"
        f"  Streams     {server.websocket_url}\n"
        f"  API docs    {server.url}/api/docs\n"
        f"  gRPC        {server.grpc.said}\n"
        f"  OTLP logs   {server.url}/v1/logs, gRPC {server.grpc.otlp_said}\n{line}"
    )


def _enrichment() -> Callable[[Event], Event]:
    specs = enricher_specs()

    def enrich(event: Event) -> Event:
        found = dict(event.enrichment)
        for spec in specs:
            found = {**spec.enrich(event), **found}
        return msgspec.structs.replace(event, enrichment=found)

    return enrich
