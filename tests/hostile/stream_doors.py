"""The doors that stay open: gRPC with its calls and streams, OTLP over gRPC, and WebSocket."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import websockets
from google.protobuf.message import DecodeError
from websockets.sync.client import ClientConnection, connect

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from tests.hostile.door import Door, Opening, Sender
from tests.hostile.grpc_requests import Mutations
from tests.hostile.log_requests import log_requests
from tests.hostile.stream_messages import Mutation

SECONDS = 30.0
SERVICE = "/llm.incident.v1.IncidentService/"
EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
OUR_FAULT = frozenset(
    {
        grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.CANCELLED,
    }
)  # fmt: skip
ENDS = frozenset({1000, 1002, 1003, 1007, 1008, 1009})
"""The codes that a WebSocket may be closed with for what was sent; 1011 says that it failed here."""
_QUESTION = '{"no such question": 17'
_MOST_ANSWERS = 50


def _event() -> pb.IncidentRequest:
    event = pb.IncidentRequest(event_id="e-1", source="my-service", event_type="alert", category="performance")
    event.title, event.severity, event.timestamp = "Answers are slow", "high", datetime.now(UTC).isoformat()
    event.resource.type, event.resource.id = "service", "chat"
    event.metrics["p99"], event.tags["model"] = 5400.0, "gpt-4"
    return event


class CallSender:
    """Sends one message per call."""

    def __init__(self, address: str, key: str, drawn: Iterator[tuple[str, bytes]]) -> None:
        self._drawn = drawn
        self._channel = grpc.insecure_channel(address)
        self._metadata = (("authorization", f"Bearer {key}"),)

    def draw(self) -> tuple[str, bytes]:
        """Return a method and what to send it."""
        return next(self._drawn)

    def attempt(self, mutant: Any) -> str:
        """Return the status, where it is one that no message may get."""
        method, message = mutant
        try:
            self._channel.unary_unary(method)(message, metadata=self._metadata, timeout=SECONDS)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()  # type: ignore[attr-defined]
            return f"{code}: {details}" if code in OUR_FAULT else ""
        return ""

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


class StreamSender:
    """Sends one message after the other on a stream, and opens the next where the message ended it."""

    def __init__(self, address: str, key: str, method: str, drawn: Iterator[bytes]) -> None:
        self._drawn = drawn
        self._channel = grpc.insecure_channel(address)
        self._method = method
        self._metadata = (("authorization", f"Bearer {key}"),)

    def draw(self) -> list[bytes]:
        """Return a few messages for one stream."""
        return [next(self._drawn) for _ in range(5)]

    def attempt(self, mutant: Any) -> str:
        """Return what is wrong: a status that no message may get, or messages without an answer."""
        answers = 0
        try:
            stream = self._channel.stream_stream(self._method)(iter(mutant), metadata=self._metadata, timeout=SECONDS)
            for _ in stream:
                answers += 1
        except grpc.RpcError as error:
            code, details = error.code(), error.details()  # type: ignore[attr-defined]
            return f"{code}: {details}" if code in OUR_FAULT else ""
        return "" if answers == len(mutant) else f"{answers} answers to {len(mutant)} messages"

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


class WebSocketSender:
    """Sends a message and a question behind it: what is answered before the question's answer is the message's."""

    def __init__(self, opening: Opening) -> None:
        self._mutation = Mutation(random.Random(opening.seed), _document)
        self._url = f"{opening.server.url.replace('http', 'ws', 1)}/ws/events"
        self._headers = {"X-API-Key": opening.key}
        self._connection: ClientConnection | None = None

    def draw(self) -> str | bytes:
        """Return the next message."""
        return self._mutation.message()

    def attempt(self, mutant: Any) -> str:
        """Return what is wrong: silence, a fault, or an end without a code that fits."""
        if self._connection is None:
            self._connection = connect(self._url, additional_headers=self._headers, open_timeout=SECONDS, max_size=None)
        try:
            self._connection.send(mutant)
            self._connection.send(_QUESTION)
            for _ in range(_MOST_ANSWERS):
                answer = json.loads(self._connection.recv(timeout=SECONDS))
                if answer.get("code") == "internal_error":
                    return str(answer)
                if answer["type"] == "error" and "line 1, column 24" in answer["message"]:
                    return ""
        except websockets.ConnectionClosed as closed:
            self._connection = None
            code = closed.rcvd.code if closed.rcvd is not None else None
            return "" if code in ENDS else f"closed with {code}"
        except TimeoutError:
            self.close()
            return "no answer"
        return "more answers than messages"

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _document() -> dict[str, Any]:
    return {
        "event_id": "e-1", "source": "my-service", "timestamp": datetime.now(UTC).isoformat(), "event_type": "alert",
        "category": "performance", "title": "Answers are slow", "severity": "high",
        "resource": {"type": "service", "id": "chat"},
    }  # fmt: skip


def _calls(opening: Opening) -> Sender:
    known = [str(_opened(opening)) for _ in range(2)]
    mutations = Mutations(opening.seed, known)

    def drawn() -> Iterator[tuple[str, bytes]]:
        while True:
            method, message = mutations.call(_event())
            yield SERVICE + method, message

    return CallSender(opening.server.grpc, opening.server.key, drawn())


def _opened(opening: Opening) -> str:
    document = {"title": "Answers are slow", "severity": "P3", "category": "performance"}
    return str(opening.server.post("/api/v1/incidents", document).json["id"])


def _events(opening: Opening) -> Sender:
    mutations = Mutations(opening.seed, [])
    drawn = iter(lambda: mutations.event(_event()), None)
    return StreamSender(opening.server.grpc, opening.key, f"{SERVICE}StreamEvents", drawn)


def _batches(opening: Opening) -> Sender:
    mutations, chance = Mutations(opening.seed, []), random.Random(opening.seed)

    def drawn() -> Iterator[bytes]:
        while True:
            batch = pb.EventBatch()
            for _ in range(chance.randint(0, 4)):
                event = _event()
                try:
                    event.MergeFromString(mutations.event(_event()))
                except DecodeError:  # what cannot be read is sent as it is, by the other half
                    continue
                batch.events.append(event)
            yield batch.SerializeToString() if chance.random() < 0.6 else mutations.event(_event())

    return StreamSender(opening.server.grpc, opening.key, f"{SERVICE}StreamBatches", drawn())


def _exports(opening: Opening) -> Sender:
    drawn = ((EXPORT, message) for message in log_requests(random.Random(opening.seed)))
    return CallSender(opening.server.otlp, opening.key, drawn)


def stream_doors() -> list[Door]:
    """Return every door that is no request of HTTP."""
    return [
        Door("grpc", _calls),
        Door("grpc-stream", _events),
        Door("grpc-batches", _batches),
        Door("otlp-grpc", _exports),
        Door("websocket", WebSocketSender),
    ]
