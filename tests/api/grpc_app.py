"""The gRPC API over one story, on a real port, with clients that present keys."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import msgspec
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.generated import incident_pb2_grpc as calls
from llm_incident_manager.api.grpc.listener import Tls
from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.api.grpc.server import GrpcServer
from llm_incident_manager.sources.receive import Receive
from tests.api.app import PLATFORM_KEY, Api, a_document

SECONDS = 20.0
"""Every call's deadline: no test waits for ever."""
PACKAGE = "/llm.incident.v1.IncidentService/"
DETAILS = (
    error_details_pb2.BadRequest,
    error_details_pb2.ErrorInfo,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.RetryInfo,
)


class Client:
    """One channel, one key."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self.channel = channel
        self.metadata = metadata
        self.stub = calls.IncidentServiceStub(channel)  # type: ignore[no-untyped-call]

    async def create(self, request: pb.IncidentRequest, **more: Any) -> pb.IncidentResponse:
        return await self.stub.CreateIncident(request, metadata=self.metadata, **{"timeout": SECONDS} | more)

    async def get(self, incident_id: str) -> pb.Incident:
        return await self.stub.GetIncident(
            pb.GetRequest(incident_id=incident_id), metadata=self.metadata, timeout=SECONDS
        )

    async def update(self, incident: str, action: str = "", version: int | None = None, **fields: str) -> str:
        """Do an action and return the incident's status after it."""
        request = pb.UpdateRequest(incident_id=incident, action=action, fields=fields, if_version=version)
        answer = await self.stub.UpdateIncident(request, metadata=self.metadata, timeout=SECONDS)
        assert answer.incident_id == incident
        return str(answer.status)

    async def raw(self, method: str, message: bytes) -> bytes:
        """Send bytes as they are."""
        call = self.channel.unary_unary(method if method.startswith("/") else PACKAGE + method)
        answer: bytes = await call(message, metadata=self.metadata, timeout=SECONDS)
        return answer

    def stream(self, **more: Any) -> Any:
        return self.stub.StreamEvents(metadata=self.metadata, **{"timeout": SECONDS} | more)

    def watch(self, request: pb.WatchRequest | None = None) -> Any:
        return self.stub.WatchIncidents(request or pb.WatchRequest(), metadata=self.metadata, timeout=SECONDS)


class Grpc:
    """The running server; ``client`` presents the platform's key."""

    def __init__(self, api: Api, port: GrpcPort, server: GrpcServer, number: int) -> None:
        self.api = api
        self.port = port
        self.server = server
        self.address = f"127.0.0.1:{number}"
        self._channels: list[grpc.aio.Channel] = []
        self.client = self.of(PLATFORM_KEY)

    def of(self, key: str | None, **metadata: str) -> Client:
        """Return a client that presents this key."""
        channel = grpc.aio.insecure_channel(self.address)
        self._channels.append(channel)
        presented = (("authorization", f"Bearer {key}"),) if key else ()
        return Client(channel, (*presented, *((name.replace("_", "-"), text) for name, text in metadata.items())))

    def event(self, **fields: Any) -> pb.IncidentRequest:
        """Return an event that nothing joined yet."""
        return request_of(a_document(self.api.story) | fields)

    async def incident(self, **fields: Any) -> str:
        """Open an incident by an event and return its id."""
        answer = await self.client.create(self.event(**fields))
        await self.client.get(answer.incident_id)
        return str(answer.incident_id)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


def request_of(document: Mapping[str, Any]) -> pb.IncidentRequest:
    """Return a document of specification §5.1 as the message."""
    plain = {name: value for name, value in document.items() if name != "resource"}
    return pb.IncidentRequest(**plain, resource=pb.Resource(**document["resource"]))


@asynccontextmanager
async def answering(api: Api, *, tls: Tls | None = None, **instead: Any) -> AsyncIterator[Grpc]:
    """Run the server over the story; what is accepted is triaged meanwhile, as the process's loops do it."""
    house = api.story.house
    port = GrpcPort(
        intake=house.intake,
        identify=api.port.identify,  # type: ignore[arg-type]
        query=api.port.query,
        respond=api.port.respond,
        store=api.port.store,
        clock=api.port.clock,
        telemetry=api.port.telemetry,
        readiness=api.port.readiness,
        listen=house.bus.listen,
        stopping=asyncio.Event(),
        receive=Receive(house.intake, house.source_acts),
        sources=lambda tenant: api.port.settings(tenant).sources,
    )
    port = msgspec.structs.replace(port, **instead)
    server = GrpcServer(port, tls=tls)
    number = server.bind("127.0.0.1", 0)
    await server.start()

    async def work() -> None:
        while True:
            # Repeats are folded once a second of the story's clock: until it moves only openings wake this.
            await api.story.journal.wait(0.05, repeats=house.triage.takes_repeats())
            await api.story.settle()

    working = asyncio.create_task(work())
    running = Grpc(api, port, server, number)
    try:
        yield running
    finally:
        working.cancel()
        await running.close()
        port.stopping.set()
        await server.stop()
        api.story.pages.clear()


class Refused:
    """How a call was refused: the code, the message, and the details by their kind."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.message = error.details() or ""
        status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type]
        self._details = list(status.details) if status is not None else []

    def detail(self, kind: type[Any]) -> Any:
        """Return the detail of this kind, or ``None``."""
        for packed in self._details:
            if packed.Is(kind.DESCRIPTOR):
                found = kind()
                packed.Unpack(found)
                return found
        return None

    @property
    def reason(self) -> str:
        """The stable code."""
        return str(self.detail(error_details_pb2.ErrorInfo).reason)

    @property
    def fields(self) -> list[str]:
        """The fields at fault."""
        return [each.field for each in self.detail(error_details_pb2.BadRequest).field_violations]


async def refused(call: Any) -> Refused:
    """Await a call that must fail, and return how."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return Refused(error)
    raise AssertionError(f"it was not refused: {answer}")
