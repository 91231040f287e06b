"""Requests that nobody would send on purpose: structure, types, sizes, bytes of a good one changed at random."""

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, 1e308, "", " ", "\x00", "a\ud800b", "x" * 70_000, [], {}, [[]], {"": {}},
    "<script>alert(1)</script>", "{{7*7}}", "../../etc/passwd", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
    "2026-02-30T00:00:00Z", "NaN", "\u202e", [None] * 50, {"a": {"b": {"c": {"d": {}}}}}, "critical", "resolved",
)  # fmt: skip


def mutants(body: bytes, chance: random.Random) -> Iterator[bytes]:
    """Yield without end: first whole bodies that are nothing, then one or several changes to the good one."""
    yield from (b"", b"null", b"[]", b"{}", b'"x"', b"0", b"[" * 20_000, b"\xff\xfe", b'{"a":' * 5_000, b"payload=%7B")
    while True:
        try:
            document = json.loads(body)
        except ValueError:
            yield bytes_changed(body, chance)
            continue
        if chance.random() < 0.1:
            yield bytes_changed(body, chance)
            continue
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            document = _changed(document, chance)
        yield json.dumps(document).encode()[:900_000]


def _changed(document: Any, chance: random.Random) -> Any:
    places = list(_places(document))
    if not places:
        return _hostile(chance)
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1:
            holder[key] = [deepcopy(holder[key]) for _ in range(chance.choice((1, 2, 30)))]
        case 2 if isinstance(holder, dict):
            holder[str(chance.choice(HOSTILE))] = holder.pop(key)
        case 3:
            holder[key] = {"value": holder[key]}
        case _:
            holder[key] = _hostile(chance)
    return document


def _hostile(chance: random.Random) -> Any:
    return deepcopy(chance.choice(HOSTILE))


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(document, dict):
        for key, value in list(document.items()):
            yield document, key
            yield from _places(value)
    elif isinstance(document, list):
        for index, value in enumerate(list(document)):
            yield document, index
            yield from _places(value)


def bytes_changed(body: bytes, chance: random.Random) -> bytes:
    """Return the bytes with some of them replaced, taken out or put in."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        if not changed:
            break
        at = chance.randrange(len(changed))
        match chance.randrange(3):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randint(1, 20)]
            case _:
                changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 5)))
    return bytes(changed)
