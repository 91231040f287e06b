"""Mutated requests for a while: every one gets a status that fits, in time, and the server goes on (SEC-05)."""

import os
import random
import string
import time

import grpc
import grpc.aio
import pytest

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from tests.api.grpc_app import Grpc

SECONDS = 20.0
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
ACTIONS = (
    *("acknowledge", "start_work", "escalate", "de-escalate", "resolve", "reopen", "close", "take", "assign"),
    *("comment", "link", "merge", "snooze", "page", "update", "", "fly"),
)
FIELDS = (
    *("note", "walk", "user_id", "team_id", "text", "incident_id", "kind", "into", "until", "targets", "channels"),
    *("title", "tags", "labels", "metadata", "severity", "assigned_to", "root_cause", "x"),
)
TEXTS = (
    *("", " ", "x", "P0", "critical", "security", "ana", "platform", "parent", "null", "true", "-1", "1e999"),
    *(
        "a\0b",
        "\u202e",
        "\ufffd",
        "😀" * 50,
        "x" * 700,
        "x" * 40_000,
        "{}",
        "[]",
        "[" * 2000,
        '{"a": {"b": [1, null]}}',
    ),
    *('[{"type": "user", "id": "ana"}]', "2026-11-02T09:00:00Z", "2026-11-02", "9999-12-31T23:59:59+14:00"),
)


class Mutations:
    """Requests from one seed."""

    def __init__(self, seed: int, known: list[str]) -> None:
        self._random = random.Random(seed)
        self._known = known

    def call(self, good: pb.IncidentRequest) -> tuple[str, bytes]:
        """Return a method and what to send it."""
        method = self._random.choice(("CreateIncident", "CreateIncident", "UpdateIncident", "GetIncident"))
        match method:
            case "CreateIncident":
                return method, self.event(good)
            case "UpdateIncident":
                message = self._update().SerializeToString()
            case _:
                message = pb.GetRequest(incident_id=self._id()).SerializeToString()
        return method, self._cut(message) if self._random.random() < 0.3 else message

    def event(self, good: pb.IncidentRequest) -> bytes:
        """Return an event, every third of them cut to pieces."""
        message = self._event(good).SerializeToString()
        return self._cut(message) if self._random.random() < 0.3 else message

    def _text(self) -> str:
        if self._random.random() < 0.7:
            return self._random.choice(TEXTS)
        letters = string.printable + "\0äß😀\u202e"
        return "".join(self._random.choices(letters, k=self._random.randrange(40)))

    def _id(self) -> str:
        return self._random.choice((*self._known, "INC-20261102-99999", self._text()))

    def _event(self, good: pb.IncidentRequest) -> pb.IncidentRequest:
        event = pb.IncidentRequest()
        event.CopyFrom(good)
        texts = [
            field.name for field in event.DESCRIPTOR.fields if field.type == field.TYPE_STRING and not field.is_repeated
        ]
        for name in self._random.sample(texts, self._random.randrange(4)):
            setattr(event, name, self._text())
        match self._random.randrange(8):
            case 0:
                event.ClearField("resource")
            case 1:
                event.resource.metadata[self._text()] = self._text()
            case 2:
                event.metrics[self._text()] = self._random.choice((float("nan"), float("-inf"), 1e308, -0.0, 5.0))
            case 3:
                event.tags.update({self._text(): self._text() for _ in range(self._random.randrange(150))})
            case 4:
                event.payload[self._text()] = self._text()
            case 5:
                event.labels.extend(self._text() for _ in range(self._random.randrange(120)))
            case 6:
                event.resource.id = self._text()
        return event

    def _update(self) -> pb.UpdateRequest:
        fields = {self._random.choice(FIELDS): self._text() for _ in range(self._random.randrange(4))}
        request = pb.UpdateRequest(incident_id=self._id(), action=self._random.choice(ACTIONS), fields=fields)
        if self._random.random() < 0.2:
            request.if_version = self._random.choice((0, 1, -1, 2**63 - 1))
        return request

    def _cut(self, message: bytes) -> bytes:
        changed = bytearray(message)
        for _ in range(self._random.randrange(1, 6)):
            place = self._random.randrange(len(changed) + 1)
            match self._random.randrange(3):
                case 0:
                    del changed[place:]
                case 1:
                    changed[place:place] = self._random.randbytes(self._random.randrange(1, 8))
                case _:
                    changed[place : place + 1] = self._random.randbytes(1)
        return bytes(changed)


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
