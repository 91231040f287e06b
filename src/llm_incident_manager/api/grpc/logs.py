"""① OpenTelemetry's ``LogsService`` over gRPC: the rules, events and limits of the source ``otlp`` (ING-02, ING-12).

An exporter sends again what ended with UNAVAILABLE, or with RESOURCE_EXHAUSTED that says when (RetryInfo); whatever
else it is told is for good, as the OTLP specification has it.
"""

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from llm_incident_manager.api.grpc.calls import Border
from llm_incident_manager.api.grpc.health import Health
from llm_incident_manager.api.grpc.identity import Context, metadata_of, presented_key
from llm_incident_manager.api.grpc.listener import GRACE_SECONDS, Listener, Tls
from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.sources import otlp
from llm_incident_manager.sources.receive import choose
from llm_incident_manager.sources.spec import SourceRequest

SERVICE = logs_service_pb2.DESCRIPTOR.services_by_name["LogsService"].full_name
PATH = f"/{SERVICE}/Export"
_SPECS = {otlp.SPEC.name: otlp.SPEC}
_CARRY_KEYS = frozenset({"authorization", "x-api-key"})


class LogsServer:
    """The service on a port of its own, with health and reflection. ``bind``, then ``start``, then ``stop``."""

    def __init__(self, port: GrpcPort, *, tls: Tls | None = None) -> None:
        self._port = port
        self._border = Border(port)
        self._listener = Listener(max(port.logs_bytes, port.message_bytes), tls=tls, setting="OTLP_GRPC_PORT")
        server = self._listener.server
        export: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
            self._border.knowing(PATH, self._export)
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
        health_pb2_grpc.add_HealthServicer_to_server(Health(port, frozenset({SERVICE})), server)
        named = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(named, server, pool=_described())

    def bind(self, host: str, port: int) -> int:
        """Take the port, 0 for a free one, and return it; raises Conflict ``port_in_use`` where it is not to be had."""
        return self._listener.bind(host, port)

    async def start(self) -> None:
        """Return when calls are answered."""
        await self._listener.start()

    async def stop(self) -> None:
        """Take nothing new, finish what is under way, and return within the grace time."""
        await self._listener.stop()
        await self._border.lasting.finished(GRACE_SECONDS)

    async def _export(self, raw: bytes, caller: Caller, context: Context) -> bytes:
        port, sent = self._port, metadata_of(context)
        caller.require(Scope.INGEST)
        chosen = choose(_SPECS, port.sources(caller.tenant), otlp.SPEC.name, caller)
        port.receive.require_open(caller, chosen.source)
        headers = {name: value for name, value in sent.items() if name not in _CARRY_KEYS}
        headers |= {"content-type": otlp.PROTOBUF}
        now, settings = port.clock.now(), chosen.settings
        if settings is not None and settings.signing_secret:
            chosen.spec.signature.verify(settings.signing_secret, raw, headers, now, header=settings.signature_header)
        request = SourceRequest(
            source=chosen.source,
            body=raw,
            received_at=now,
            path=PATH,
            headers=headers,
            sender="" if caller.source is not None else caller.lineage,
        )
        read, outcomes = await port.receive.take(chosen, request, caller, key=presented_key(sent) or "")
        return otlp.answer(request, read, outcomes).body


def _described() -> descriptor_pool.DescriptorPool:
    """Return every file that a client may ask reflection for, those that others need first."""
    pool = descriptor_pool.DescriptorPool()
    for module in (common_pb2, resource_pb2, logs_pb2, logs_service_pb2, health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    return pool
