"""The gRPC door: opened where grpc is installed; whoever named GRPC_PORT gets it, or is told why not."""

import os
from typing import TYPE_CHECKING

import structlog

from llm_incident_manager.app.apis import Apis
from llm_incident_manager.app.config import ServerConfig
from llm_incident_manager.app.house import House
from llm_incident_manager.errors import Conflict, Invalid

if TYPE_CHECKING:
    from llm_incident_manager.api.grpc.server import GrpcServer

log = structlog.get_logger("grpc")
INSTALL = "pip install 'llm-incident-manager[grpc]'"


class GrpcDoor:
    """The server, bound, where there is one; ``said`` is where it listens, or why there is none."""

    def __init__(self, said: str, server: "GrpcServer | None" = None) -> None:
        self.said = said
        self._server = server

    async def start(self) -> None:
        """Return when calls are answered."""
        if self._server is not None:
            await self._server.start()

    async def stop(self) -> None:
        """Finish what is under way; harmless when it was stopped already."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()


def open_grpc(house: House, apis: Apis, config: ServerConfig) -> GrpcDoor:
    """Return the door, bound and not answering yet; a closed one where nobody asked for it and it cannot be had.

    Raises Invalid or Conflict where GRPC_PORT was set and cannot be had.
    """
    # What the library itself prints is neither JSON nor ours to vouch for, and strangers can make it print.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from llm_incident_manager.api.grpc.port import GrpcPort
        from llm_incident_manager.api.grpc.server import GrpcServer, Tls
    except ImportError as missing:
        if (missing.name or "").startswith("llm_incident_manager"):
            raise  # a fault of ours, not an extra that was not installed
        without = f"gRPC needs its extra: {INSTALL}"
        if config.grpc_wanted:
            raise Invalid(f"GRPC_PORT: {without}", code="grpc_not_installed") from None
        log.info("grpc_not_installed", install=INSTALL)
        return GrpcDoor(f"off; {without}")
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
        trusted_proxies=lambda: house.settings.server.incoming.trusted_proxies,
        message_bytes=rest.limits.body_bytes,
    )
    server = GrpcServer(port, tls=tls)
    try:
        number = server.bind(config.host, config.grpc_port)
    except Conflict as taken:
        if config.grpc_wanted:
            raise
        log.warning("grpc_port_in_use", port=config.grpc_port)
        return GrpcDoor(f"off; {taken.message}")
    host = "127.0.0.1" if config.host in ("0.0.0.0", "::") else config.host
    return GrpcDoor(f"[{host}]:{number}" if ":" in host else f"{host}:{number}", server)
