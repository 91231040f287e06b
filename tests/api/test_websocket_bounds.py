"""Bounds on what comes over a WebSocket: packed, huge, in pieces, or no text at all; each ends as RFC 6455 says."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from llm_incident_manager.api.websocket.protocol import WebSocketProtocol
from tests.api.app import a_document
from tests.api.streaming import ALERT, Doors, doors_of, ended, heard, say

pytestmark = pytest.mark.requirement("ING-03")


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors_of(tmp_path) as doors:
        yield doors


async def test_packed_messages_are_unpacked_and_a_bomb_is_not(doors: Doors) -> None:
    async with doors.connect(compression="deflate") as connection:
        assert "permessage-deflate" in connection.response.headers.get("Sec-WebSocket-Extensions", "")  # type: ignore[union-attr]
        await say(connection, a_document(doors.api.story) | {"description": "long " * 4000})
        assert (await heard(connection))["type"] == "ack"
        await connection.send(gzip.compress(json.dumps([a_document(doors.api.story)] * 2).encode(), mtime=0))
        assert [(await heard(connection))["status"] for _ in range(2)] == ["accepted", "duplicate"]
        await connection.send(gzip.compress(b" " * 20_000_000, mtime=0))
        refused = await heard(connection)
        assert (refused["type"], refused["code"]) == ("error", "too_large")
        await connection.send(b"\x1f\x8bno gzip at all")
        assert (await heard(connection))["code"] == "malformed_body"
        await connection.send(json.dumps(a_document(doors.api.story)).encode())
        assert (await heard(connection))["type"] == "ack"
    assert await doors.counted() == 3


@pytest.mark.requirement("SEC-05")
async def test_many_small_bombs_unpack_one_after_the_other(doors: Doors) -> None:
    """A thousand packed bytes become a million: what is unpacked and not yet looked at stays bounded all the same."""
    deflate = zlib.compressobj(9, wbits=-12)
    packed = deflate.compress(b" " * 1_000_000) + deflate.flush(zlib.Z_SYNC_FLUSH)
    bomb = _packed_frame(packed[:-4])
    assert len(bomb) < 1200
    async with doors.connect(compression="deflate") as connection:
        (session,) = doors.doors._sessions["/ws/events"]
        protocols = doors.server._server.server_state.connections
        (protocol,) = [each for each in protocols if isinstance(each, WebSocketProtocol)]
        held: list[int] = []
        take = session.take

        async def watched(messages: list[str | bytes], caller: Any) -> None:
            queued = [len(each.get("text") or "") for each in protocol.queue._queue]
            held.append(sum(map(len, messages)) + session._bytes + sum(queued))
            await take(messages, caller)

        session.take = watched  # type: ignore[method-assign]
        connection.transport.write(bomb * 100)
        answers = [await heard(connection) for _ in range(100)]
        assert {each["code"] for each in answers} == {"malformed_json"}
        await say(connection, ALERT)
        assert (await heard(connection))["type"] == "ack"
    assert max(held) < 8_000_000, held


@pytest.mark.requirement("SEC-05")
async def test_a_message_in_many_fragments_is_one_message_and_costs_no_more(doors: Doors) -> None:
    async with doors.connect(compression=None) as connection:
        protocols = doors.server._server.server_state.connections
        (protocol,) = [each for each in protocols if isinstance(each, WebSocketProtocol)]
        body = ALERT.encode()
        head, empty = b"\x01\x80" + bytes(4), b"\x00\x80" + bytes(4)
        connection.transport.write(head + empty * 5000)
        connection.transport.write(b"".join(b"\x00\x81" + bytes(4) + bytes([each]) for each in body))
        await connection.ping()
        await (await connection.ping())
        assert len(protocol.frames) == 1
        connection.transport.write(b"\x80\x80" + bytes(4))
        assert (await heard(connection))["type"] == "ack"


def _packed_frame(payload: bytes) -> bytes:
    """Return a masked text frame with RSV1 set, as permessage-deflate wants it (RFC 7692 §6.1)."""
    return b"\xc1\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


@pytest.mark.requirement("SEC-05")
async def test_text_that_is_not_utf_8_ends_the_connection_with_1007(doors: Doors) -> None:
    async with doors.connect(compression=None) as connection:
        await connection.send(b'{"title": "\xff"}', text=True)
        code, reason = await ended(connection)
    assert code == 1007
    assert "byte 11" in reason
    assert "UTF-8" in reason


@pytest.mark.requirement("SEC-05")
async def test_a_huge_message_ends_the_connection_with_1009(doors: Doors) -> None:
    for compression in (None, "deflate"):
        async with doors.connect(compression=compression) as connection:
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.gather(connection.send("x" * 20_000_000), connection.recv())
            assert connection.close_code == 1009
            assert "8388608" in (connection.close_reason or "")
