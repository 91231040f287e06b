"""Whatever comes over a WebSocket is answered, or ends the connection with a code: never silence, never a fault."""

import asyncio
import base64
import contextlib
import os
import random
import struct
import time
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.api.app import PLATFORM_KEY, a_document
from tests.api.streaming import SECONDS, Doors, doors_of, heard, say
from tests.hostile.stream_messages import Mutation

pytestmark = [pytest.mark.requirement("ING-03"), pytest.mark.requirement("SEC-05")]
BUDGET = float(os.environ.get("LIM_FUZZ_SECONDS", "8"))
CODES = {1000, 1002, 1003, 1007, 1008, 1009}


def seed() -> int:
    return int(os.environ.get("LIM_SEED", random.randrange(1 << 30)))


async def test_every_message_is_answered(tmp_path: Path) -> None:
    drawn = seed()
    print(f"again: LIM_SEED={drawn}")
    messages = 0
    async with doors_of(tmp_path) as doors:
        mutation = Mutation(random.Random(drawn), lambda: a_document(doors.api.story))
        until = time.monotonic() + BUDGET / 2
        while time.monotonic() < until:
            for path in ("/ws/events", "/ws/incidents"):
                messages += await _one_connection(doors, mutation, path)
            await doors.api.story.settle()
            doors.api.story.pages.clear()
        async with doors.connect() as connection:
            await say(connection, a_document(doors.api.story))
            assert (await heard(connection))["type"] == "ack"
        await doors.api.story.settle()
        doors.api.story.pages.clear()
    print(f"{messages} messages")
    assert messages > 20


async def _one_connection(doors: Doors, mutation: Mutation, path: str) -> int:
    sent = 0
    async with doors.connect(path) as connection:
        for _ in range(30):
            message = mutation.message()
            sent += 1
            if not await _answered(connection, message, doors):
                break
    return sent


async def _answered(connection: ClientConnection, message: str | bytes, doors: Doors) -> bool:
    """Send a message and a question behind it: whatever is answered before the question's answer is the message's."""
    try:
        await connection.send(message)
        await connection.send('{"no such question": 17')
        while True:
            answer = await heard(connection)
            assert answer["type"] in ("ack", "error", "heartbeat", "subscribed", "incident"), answer
            assert answer.get("code") != "internal_error", (message, answer)
            if answer["type"] == "error":
                assert answer["message"], answer
                if answer["code"] == "malformed_json" and "line 1, column 24" in answer["message"]:
                    return True
    except websockets.ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd is not None else None
        assert code in CODES, (message, code)
        return False


async def test_frames_made_by_hand_end_with_a_code_or_an_answer(tmp_path: Path) -> None:
    """Bytes that no library would send: reserved bits, lengths that lie, fragments, long control frames."""
    drawn = seed()
    print(f"again: LIM_SEED={drawn}")
    chance, connections = random.Random(drawn), 0
    async with doors_of(tmp_path) as doors:
        until = time.monotonic() + BUDGET / 2
        while time.monotonic() < until:
            reader, writer = await asyncio.open_connection("127.0.0.1", doors.port)
            key = base64.b64encode(chance.randbytes(16)).decode()
            writer.write(
                f"GET /ws/events HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nX-API-Key: {PLATFORM_KEY}\r\n\r\n".encode()
            )
            async with asyncio.timeout(SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101"), head
                for _ in range(chance.randint(1, 6)):
                    writer.write(_frame(chance))
                writer.write(_masked(8, struct.pack("!H", 1000), chance))
                writer.write_eof()  # a frame that says it is longer than it is would be waited for
                with contextlib.suppress(ConnectionError):
                    await reader.read()  # whatever it says, it ends: nothing hangs
            writer.close()
            connections += 1
        async with doors.connect() as connection:
            await say(connection, a_document(doors.api.story))
            assert (await heard(connection))["type"] == "ack"
        await doors.api.story.settle()
        doors.api.story.pages.clear()
    print(f"{connections} connections")
    assert connections > 5


def _frame(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return chance.randbytes(chance.randint(1, 40))
    opcode = chance.choice([0, 1, 1, 1, 2, 3, 8, 9, 10, 11])
    payload = chance.choice([b"", b"{}", b"\xff\xfe", chance.randbytes(130), b'{"type":"heartbeat"}', b"x" * 70_000])
    frame = bytearray(_masked(opcode, payload, chance))
    if chance.random() < 0.4:
        frame[0] ^= chance.choice([0x80, 0x40, 0x20, 0x10])
    if chance.random() < 0.1:
        frame[1] ^= 0x80
    return bytes(frame)


def _masked(opcode: int, payload: bytes, chance: random.Random) -> bytes:
    mask = chance.randbytes(4)
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 65_536:
        head = bytes([0x80 | opcode, 0x80 | 126]) + struct.pack("!H", size)
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + struct.pack("!Q", size)
    return head + mask + bytes(each ^ mask[place % 4] for place, each in enumerate(payload))


@pytest.mark.parametrize(
    "lines",
    [
        "GET /ws/\xff HTTP/1.1\r\nHost: a",
        "GET /ws/events?key=%ff%00 HTTP/1.1\r\nHost: a",
        "POST /ws/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5",
        "POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2",
        "GET /ws/events HTTP/1.1\r\nHost: a\r\nX-API-Key: \xff\xfe",
        "GET /ws/events HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: permessage-deflate; x=y;;,",
        "GET /ws/events HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Version: 8",
        "GET /ws/events HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: short",
    ],
)
async def test_a_strange_handshake_is_refused_and_harms_nobody(tmp_path: Path, lines: str) -> None:
    async with doors_of(tmp_path) as doors:
        reader, writer = await asyncio.open_connection("127.0.0.1", doors.port)
        upgrade = "Upgrade: websocket\r\nConnection: Upgrade"
        if "Sec-WebSocket-Version" not in lines:
            upgrade += "\r\nSec-WebSocket-Version: 13"
        if "Sec-WebSocket-Key" not in lines:
            upgrade += "\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        body = "x" * int(lines.rpartition("Length: ")[2]) if "Length" in lines else ""
        writer.write(f"{lines}\r\n{upgrade}\r\n\r\n{body}".encode("latin-1"))
        async with asyncio.timeout(SECONDS):
            answer = await reader.read()
        assert answer.split()[1][:1] == b"4", answer
        writer.close()
        async with doors.connect() as connection:
            await say(connection, a_document(doors.api.story))
            assert (await heard(connection))["type"] == "ack"
        await doors.api.story.settle()
        doors.api.story.pages.clear()
