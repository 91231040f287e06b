"""① Events in: one call, or a stream that is answered event by event (ING-02, ING-08)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from llm_incident_manager.api.grpc.arrivals import Arrivals
from llm_incident_manager.api.grpc.calls import Lasting
from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.identity import Context, identified
from llm_incident_manager.api.grpc.messages import batch_message, decoded, event_json, receipt_message
from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.domain.events.document import require_batch
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.receipts import Receipt, rejected
from llm_incident_manager.errors import Invalid, Unavailable


class EventsDoor:
    """Takes events; when it answers ``accepted`` they survive the process and the power."""

    def __init__(self, port: GrpcPort, lasting: Lasting) -> None:
        self._port = port
        self._lasting = lasting

    async def create(self, raw: bytes, caller: Caller) -> bytes:
        """Take one event."""
        caller.require(Scope.INGEST)
        event = event_json(decoded(pb.IncidentRequest, raw))
        return receipt_message(await self._port.intake.accept(event, caller)).SerializeToString()

    async def stream(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Take what arrives and answer each event in order; what arrived together becomes durable together."""
        async with aclosing(self._arriving(requests, context)) as arriving:
            async for events, caller in arriving:
                for receipt in await self._lasting(self._taken(events, caller)):
                    await context.write(receipt_message(receipt).SerializeToString())

    async def stream_batches(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Take batch after batch and answer each; a message that is no batch ends the stream with its faults."""
        async with aclosing(self._arriving(requests, context)) as arriving:
            async for batches, caller in arriving:
                for raw in batches:
                    batch = decoded(pb.EventBatch, raw)
                    require_batch(len(batch.events))
                    events = [event_json(event) for event in batch.events]
                    receipt = await self._lasting(self._port.intake.accept_items(events, caller, each=True))
                    await context.write(batch_message(batch.batch_id, receipt).SerializeToString())

    async def _arriving(
        self, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncGenerator[tuple[list[bytes], Caller]]:
        """Yield what has arrived, with whoever sends it: looked at each time, so that a revoked key ends the stream.

        While its consumer works nothing more is read than :class:`Arrivals` holds. Raises Unavailable when the server
        stops.
        """
        identified(self._port, context).require(Scope.INGEST)
        arrivals = Arrivals()
        filling = asyncio.create_task(arrivals.fill(requests))
        ending = asyncio.create_task(self._end_when_stopping(filling))
        try:
            while arrived := await arrivals.take():
                caller = identified(self._port, context)
                caller.require(Scope.INGEST)
                yield arrived, caller
            if self._port.stopping.is_set():
                raise Unavailable("the server is stopping; send what was not answered again", code="stopping")
            await filling  # raises what reading broke on
        finally:
            filling.cancel()
            ending.cancel()

    async def _end_when_stopping(self, filling: "asyncio.Task[None]") -> None:
        """Read nothing more once the server stops, however fast somebody sends; what was read is answered."""
        await self._port.stopping.wait()
        filling.cancel()

    async def _taken(self, arrived: Sequence[bytes], caller: Caller) -> list[Receipt]:
        """Return a receipt for each; a message that cannot be read is rejected like an event that is wrong."""
        receipts: list[Receipt | None] = []
        events: list[bytes] = []
        for raw in arrived:
            try:
                events.append(event_json(decoded(pb.IncidentRequest, raw)))
                receipts.append(None)
            except Invalid as unreadable:
                receipts.append(rejected(None, unreadable))
        taken = iter((await self._port.intake.accept_items(events, caller, each=True)).results)
        return [receipt or next(taken) for receipt in receipts]
