"""The gRPC server in our own loop: bound before anything is promised, and nothing is cut off at the end (ING-02)."""

import ssl
from pathlib import Path

import grpc
import grpc.aio
import msgspec
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from llm_incident_manager.api.grpc.calls import Border
from llm_incident_manager.api.grpc.commands import EDIT, update
from llm_incident_manager.api.grpc.described import PACKAGED, SERVICES, described
from llm_incident_manager.api.grpc.events import EventsDoor
from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.health import Health
from llm_incident_manager.api.grpc.messages import decoded, incident_message, updated_message
from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.api.grpc.watch import Watch
from llm_incident_manager.api.rest.asking import require_plain
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import Conflict, Invalid

GRACE_SECONDS = 3.0
MOST_CALLS = 1000
"""Calls and streams open at once on one connection; more wait at the client."""


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Certificate and key; with ``client_ca`` only clients whose certificate it signed may connect."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class GrpcServer:
    """The service under both its names, with health and reflection. ``bind``, then ``start``, then ``stop``."""

    def __init__(self, port: GrpcPort, *, tls: Tls | None = None) -> None:
        self._port = port
        self._tls = tls
        self._border = Border(port)
        self._server = grpc.aio.server(options=_options(port.message_bytes))
        handlers = self._handlers()
        for name in sorted(SERVICES):
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(Health(port, SERVICES), self._server)
        named = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(named, self._server, pool=described())

    def bind(self, host: str, port: int) -> int:
        """Take the port, 0 for a free one, and return it; raises Conflict ``port_in_use`` where it is not to be had."""
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._tls is None:
                return self._server.add_insecure_port(place)
            return self._server.add_secure_port(place, _credentials(self._tls))
        except RuntimeError as error:
            raise Conflict(
                f"cannot listen on {place}; set GRPC_PORT to another port, or 0 for a free one", code="port_in_use"
            ) from error

    async def start(self) -> None:
        """Return when calls are answered."""
        await self._server.start()

    async def stop(self) -> None:
        """Take nothing new, finish what is under way, and return within the grace time."""
        await self._server.stop(GRACE_SECONDS)
        await self._border.lasting.finished(GRACE_SECONDS)

    def _handlers(self) -> dict[str, "grpc.RpcMethodHandler[bytes, bytes]"]:
        """Return the methods by name. Messages pass as bytes: what cannot be read is ours to answer, not gRPC's."""
        border, events = self._border, EventsDoor(self._port, self._border.lasting)

        def path(method: str) -> str:
            return f"/{PACKAGED}/{method}"

        return {
            "CreateIncident": grpc.unary_unary_rpc_method_handler(border.unary(path("CreateIncident"), events.create)),
            "UpdateIncident": grpc.unary_unary_rpc_method_handler(border.unary(path("UpdateIncident"), self._update)),
            "GetIncident": grpc.unary_unary_rpc_method_handler(border.unary(path("GetIncident"), self._get)),
            "StreamEvents": grpc.stream_stream_rpc_method_handler(
                border.conversation(path("StreamEvents"), events.stream)
            ),
            "StreamBatches": grpc.stream_stream_rpc_method_handler(
                border.conversation(path("StreamBatches"), events.stream_batches)
            ),
            "WatchIncidents": grpc.unary_stream_rpc_method_handler(
                border.telling(path("WatchIncidents"), Watch(self._port).tell)
            ),
        }

    async def _get(self, raw: bytes, caller: Caller) -> bytes:
        caller.require(Scope.READ)
        incident_id = decoded(pb.GetRequest, raw).incident_id
        return incident_message(await self._port.query.incident(caller, require_plain(incident_id))).SerializeToString()

    async def _update(self, raw: bytes, caller: Caller) -> bytes:
        caller.require(Scope.RESPOND)
        asked = decoded(pb.UpdateRequest, raw)
        version = asked.if_version if asked.HasField("if_version") else None
        incident = await update(
            self._port, caller, asked.incident_id, asked.action, dict(asked.fields), if_match=version
        )
        return updated_message(incident, asked.action or EDIT).SerializeToString()


def _options(message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_concurrent_streams", MOST_CALLS),
        ("grpc.so_reuseport", 0),  # else a second server would share the port and half the calls
        ("grpc.keepalive_time_ms", 60_000),  # a watcher whose network is gone is noticed
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ]


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    """Return the credentials; raises Invalid naming the setting at fault, where gRPC would only fail to bind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password="")  # without one OpenSSL would ask the terminal
    except (ssl.SSLError, OSError) as error:
        raise Invalid(
            f"TLS_CERT_FILE, TLS_KEY_FILE: {tls.certificate} and {tls.key} cannot be used; "
            "they must be a PEM certificate and its key, not encrypted"
        ) from error
    try:
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
    except (ssl.SSLError, OSError) as error:
        raise Invalid(f"TLS_CLIENT_CA_FILE: {tls.client_ca} cannot be used; it must hold PEM certificates") from error
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    if tls.client_ca is None:
        return grpc.ssl_server_credentials([pair])
    return grpc.ssl_server_credentials([pair], tls.client_ca.read_bytes(), require_client_auth=True)
