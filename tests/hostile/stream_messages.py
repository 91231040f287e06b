"""Messages for a WebSocket that nobody would send on purpose, drawn from one seed."""

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

NASTY: list[Any] = [
    None, True, -1, 1e308, 10**400, "", " ", "\x00", "\ud800", "é" * 300, "x" * 40_000, [], {}, [[]], {"a": {"b": []}},
    "2026-99-99T00:00:00Z", "P0", "heartbeat", "subscribe", "<script>", "${jndi:ldap://x}", "' OR 1=1 --",
]  # fmt: skip


class Mutation:
    """Draws messages: some valid, most slightly or wholly wrong; ``good`` returns an event that is right."""

    def __init__(self, chance: random.Random, good: Callable[[], dict[str, Any]]) -> None:
        self._chance = chance
        self._good = good

    def message(self) -> str | bytes:
        chance = self._chance
        text = self._text()
        match chance.randrange(8):
            case 0:
                data = bytearray(text.encode("utf-8", "surrogatepass"))
                for _ in range(chance.randint(1, 8)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
                return bytes(data)
            case 1:
                return gzip.compress(text.encode("utf-8", "surrogatepass"), 1, mtime=0)[: chance.choice([None, 20, -3])]
            case 2:
                return chance.randbytes(chance.randint(0, 200))
            case 3:
                return text[: chance.randrange(len(text))].encode("utf-8", "replace").decode("utf-8", "replace")
            case _:
                return text.encode("utf-8", "replace").decode()

    def _text(self) -> str:
        chance = self._chance
        document: Any = self._good()
        for _ in range(chance.randint(0, 3)):
            self._spoil(document)
        match chance.randrange(8):
            case 0:
                document = [document] * chance.randint(0, 3)
            case 1:
                document = {"batch_id": chance.choice(NASTY), "events": [document], "count": chance.choice([1, 2, "x"])}
            case 2:
                document = chance.choice(NASTY)
            case 3:
                document = {"type": "subscribe", "filters": {chance.choice(["severity", "q", "x"]): self._nasty()}}
            case 4:
                document = {"type": "heartbeat"}
        text = json.dumps(document)
        if chance.random() < 0.05:
            text = chance.choice("[{") * chance.randint(1, 5000) + text
        return text

    def _spoil(self, document: dict[str, Any]) -> None:
        name = self._chance.choice([*document, "unknown", "metrics", "tags", "labels", "payload"])
        if self._chance.random() < 0.3:
            document.pop(name, None)
        else:
            document[name] = self._nasty()

    def _nasty(self) -> Any:
        return self._chance.choice(NASTY)
