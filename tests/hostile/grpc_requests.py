"""gRPC requests that nobody would send on purpose, drawn from one seed."""

import random
import string

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb

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
