"""``python -m benchmarks.grpc_client``: events over gRPC streams for some seconds; prints what was answered as JSON."""

import asyncio
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass

from benchmarks.templates import KIND, sentinel_event

STREAMS = 8


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """What a client saw; ``cpu_seconds`` is its own share of the processor."""

    events: int
    refused: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Return accepted events a second."""
        return self.events / self.seconds


async def streamed(address: str, key: str, seconds: float, batch: int, prefix: str) -> Streamed:
    """Send over several streams at once; each has one message under way, of ``batch`` events, or a single event."""
    import grpc.aio

    from llm_incident_manager.api.grpc.generated import incident_pb2 as pb

    document = json.loads(json.dumps(sentinel_event()).replace(KIND, "000000"))
    document["payload"] = {name: str(value) for name, value in document["payload"].items()}
    resource_of = pb.Resource(**document.pop("resource"))
    accepted = refused = 0

    def event(event_id: str) -> pb.IncidentRequest:
        return pb.IncidentRequest(**document | {"event_id": event_id}, resource=resource_of)

    async def send(number: int, channel: grpc.aio.Channel) -> None:
        nonlocal accepted, refused
        method = "StreamEvents" if batch == 1 else "StreamBatches"
        stream = channel.stream_stream(f"/llm.incident.v1.IncidentService/{method}")(metadata=(("x-api-key", key),))
        sent = 0
        while time.monotonic() < end:
            ids = [f"{prefix}-{number}-{sent + place}" for place in range(batch)]
            sent += batch
            if batch == 1:
                await stream.write(event(ids[0]).SerializeToString())
                answer = pb.IncidentResponse.FromString(await stream.read())
                good = int(answer.status == "accepted")
            else:
                await stream.write(pb.EventBatch(events=map(event, ids)).SerializeToString())
                good = pb.BatchResponse.FromString(await stream.read()).accepted
            accepted += good
            refused += batch - good
        stream.cancel()

    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        started = time.monotonic()
        end = started + seconds
        await asyncio.gather(*(send(number, channel) for number in range(STREAMS)))
        took = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Streamed(events=accepted, refused=refused, seconds=took, cpu_seconds=used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    given = sys.argv[1:]
    found = asyncio.run(streamed(given[0], given[1], float(given[2]), int(given[3]), given[4]))
    print(json.dumps(asdict(found)))
