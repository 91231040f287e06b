"""The gRPC doors: opened where grpc is installed; whoever named their ports gets them, or is told why not."""

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import structlog

from llm_incident_manager.app.apis import Apis
from llm_incident_manager.app.config import ServerConfig
from llm_incident_manager.app.house import House
from llm_incident_manager.errors import Conflict, Invalid
from llm_incident_manager.sources.receive import Receive

if TYPE_CHECKING:
    from llm_incident_manager.api.grpc.listener import Tls
    from llm_incident_manager.api.grpc.port import GrpcPort

log = structlog.get_logger("grpc")
INSTALL = "pip install 'llm-incident-manager[grpc]'"
INSTALL_OTLP = "pip install 'llm-incident-manager[grpc,otel]'"


class Bindable(Protocol):
    """A server of gRPC."""

    def bind(self, host: str, port: int) -> int: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class GrpcDoor:
    """The servers, bound, where there are any; ``said`` and ``otlp_said`` are where they listen, or why not."""

    def __init__(self, said: str, otlp_said: str, servers: Sequence[Bindable] = ()) -> None:
        self.said = said
        self.otlp_said = otlp_said
        self._servers = tuple(servers)

    async def start(self) -> None:
        """Return when calls are answered."""
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Finish what is under way; harmless when it was stopped already."""
        servers, self._servers = self._servers, ()
        await asyncio.gather(*(server.stop() for server in servers))


def open_grpc(house: House, apis: Apis, config: ServerConfig) -> GrpcDoor:
    """Return the door, bound and not answering yet; a closed one where nobody asked for it and it cannot be had.

    Raises Invalid or Conflict where GRPC_PORT or OTLP_GRPC_PORT was set and cannot be had.
    """
    # What the library itself prints is neither JSON nor ours to vouch for, and strangers can make it print.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from llm_incident_manager.api.grpc.listener import Tls
        from llm_incident_manager.api.grpc.port import GrpcPort
        from llm_incident_manager.api.grpc.server import GrpcServer
    except ImportError as missing:
        _require_foreign(missing)
        without = f"gRPC needs its extra: {INSTALL}"
        for wanted, name in ((config.grpc_wanted, "GRPC_PORT"), (config.otlp_wanted, "OTLP_GRPC_PORT")):
            if wanted:
                raise Invalid(f"{name}: {without}", code="grpc_not_installed") from None
        log.info("grpc_not_installed", install=INSTALL)
        return GrpcDoor(f"off; {without}", f"off; {without}")
    tls = None
    if config.tls_cert_file and config.tls_key_file:
        tls = Tls(certificate=config.tls_cert_file, key=config.tls_key_file, client_ca=config.tls_client_ca_file)
    rest = apis.rest
    port = GrpcPort(
        intake=house.intake,
        identify=apis.identify,
        query=apis.query,
        respond=house.respond,
        store=house.store,
        clock=house.clock,
        telemetry=house.telemetry,
        readiness=rest.readiness,
        listen=house.bus.listen,
        stopping=apis.stopping,
        receive=Receive(house.intake, house.source_acts),
        sources=lambda tenant: house.settings.of(tenant).sources,
        trusted_proxies=lambda: house.settings.server.incoming.trusted_proxies,
        message_bytes=rest.limits.body_bytes,
        logs_bytes=rest.limits.unpacked_bytes,
    )
    servers: list[Bindable] = []
    said = _bound(GrpcServer(port, tls=tls), config.host, config.grpc_port, servers, must=config.grpc_wanted)
    return GrpcDoor(said, _open_logs(port, tls, config, servers), servers)


def _open_logs(port: "GrpcPort", tls: "Tls | None", config: ServerConfig, servers: list[Bindable]) -> str:
    """Open OTLP's door, if it can be had, and return where it listens, or why not."""
    if config.otlp_grpc_port is None:
        return "off; OTLP_GRPC_PORT is set to nothing"
    try:
        from llm_incident_manager.api.grpc.logs import LogsServer
    except ImportError as missing:
        _require_foreign(missing)
        without = f"OTLP over gRPC needs its extra: {INSTALL_OTLP}"
        if config.otlp_wanted:
            raise Invalid(f"OTLP_GRPC_PORT: {without}", code="otel_not_installed") from None
        log.info("otel_not_installed", install=INSTALL_OTLP)
        return f"off; {without}"
    return _bound(LogsServer(port, tls=tls), config.host, config.otlp_grpc_port, servers, must=config.otlp_wanted)


def _bound(server: Bindable, host: str, port: int, servers: list[Bindable], *, must: bool) -> str:
    """Bind the server and put it among ``servers``; return where it listens, or why it does not."""
    try:
        number = server.bind(host, port)
    except Conflict as taken:
        if must:
            raise
        log.warning("grpc_port_in_use", port=port)
        return f"off; {taken.message}"
    servers.append(server)
    named = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"[{named}]:{number}" if ":" in named else f"{named}:{number}"


def _require_foreign(missing: ImportError) -> None:
    """Raise what is missing where it is ours: a fault, not an extra that was not installed."""
    if (missing.name or "").startswith("llm_incident_manager"):
        raise missing
