"""Mutated requests for a while: every one gets a status that fits, in time, and the server goes on (SEC-05)."""

import os
import random
import time

import grpc
import grpc.aio
import pytest

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from tests.api.grpc_app import Grpc
from tests.hostile.grpc_requests import Mutations

SECONDS = 8.0
SLOW_SECONDS = 5.0
"""A call's deadline: generous, because the machine may be busy; a hang is what it finds."""
SEED = "LIM_TEST_SEED"
FITTING = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
}
MESSAGES = 400


@pytest.mark.requirement("SEC-05")
@pytest.mark.timeout(SECONDS + 60)
async def test_whatever_is_sent_gets_a_fitting_status_in_time(rpc: Grpc) -> None:
    await rpc.api.story.configure({"sources": [{"name": "llm-sentinel", "events_per_minute": 100_000_000}]})
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))
    known = [await rpc.incident() for _ in range(3)]
    mutations = Mutations(seed, known)
    counts: dict[str, int] = {}
    end, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        method, message = mutations.call(rpc.event())
        call = rpc.client.channel.unary_unary(f"/llm.incident.v1.IncidentService/{method}")(
            message, metadata=rpc.client.metadata, timeout=SLOW_SECONDS
        )
        code, said = await call.code(), await call.details()
        number += 1
        counts[code.name] = counts.get(code.name, 0) + 1
        assert code in FITTING, f"{SEED}={seed}, call {number}: {method} {message!r:.2000} gave {code.name}: {said}"
    print(f"{number} calls with {SEED}={seed}: {counts}")
    assert (await rpc.client.create(rpc.event())).status == "accepted"
    assert counts.get("OK", 0) > 0
    assert counts.get("INVALID_ARGUMENT", 0) > 0


@pytest.mark.requirement("ING-02", "SEC-05")
async def test_a_stream_answers_whatever_it_is_sent(rpc: Grpc) -> None:
    await rpc.api.story.configure({"sources": [{"name": "llm-sentinel", "events_per_minute": 100_000_000}]})
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))
    print(f"{SEED}={seed}")
    mutations = Mutations(seed, [])
    call = rpc.client.channel.stream_stream("/llm.incident.v1.IncidentService/StreamEvents")
    stream = call(metadata=rpc.client.metadata, timeout=60)
    statuses = []
    for number in range(MESSAGES):
        message = mutations.event(rpc.event())
        await stream.write(message)
        answer = pb.IncidentResponse.FromString(await stream.read())  # type: ignore[arg-type]
        assert answer.status in ("accepted", "duplicate", "rejected"), f"{SEED}={seed}, message {number}: {answer}"
        assert (answer.status == "rejected") == bool(answer.code), f"{SEED}={seed}, message {number}: {answer}"
        statuses.append(answer.status)
    await stream.done_writing()
    assert await stream.code() is grpc.StatusCode.OK
    assert {"accepted", "rejected"} <= set(statuses)
