"""``IncidentService`` over gRPC: bound before anything is promised, and nothing is cut off at the end (ING-02)."""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from llm_incident_manager.api.grpc.calls import Border
from llm_incident_manager.api.grpc.commands import EDIT, update
from llm_incident_manager.api.grpc.described import PACKAGED, SERVICES, described
from llm_incident_manager.api.grpc.events import EventsDoor
from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.health import Health
from llm_incident_manager.api.grpc.listener import GRACE_SECONDS, Listener, Tls
from llm_incident_manager.api.grpc.messages import decoded, incident_message, updated_message
from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.api.grpc.watch import Watch
from llm_incident_manager.api.rest.asking import require_plain
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller


class GrpcServer:
    """The service under both its names, with health and reflection. ``bind``, then ``start``, then ``stop``."""

    def __init__(self, port: GrpcPort, *, tls: Tls | None = None) -> None:
        self._port = port
        self._border = Border(port)
        self._listener = Listener(port.message_bytes, tls=tls, setting="GRPC_PORT")
        server, handlers = self._listener.server, self._handlers()
        for name in sorted(SERVICES):
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(Health(port, SERVICES), server)
        named = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(named, server, pool=described())

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
