"""A WebSocket client that costs little: frames made beforehand and sent as they are, acknowledgments only counted."""

import base64
import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from benchmarks.product import KEY

SECONDS = 60.0
_MASK = b"\0\0\0\0"
"""A mask is demanded (RFC 6455 §5.3); this one leaves the payload as it is."""
_ACK = b'"type":"ack"'


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """What all streams saw: events acknowledged, in how many seconds, at what cost to the client."""

    events: int
    seconds: float
    client_cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Events acknowledged a second."""
        return self.events / max(self.seconds, 1e-9)


class Stream:
    """One connection to ``/ws/events``."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        nonce = base64.b64encode(struct.pack("!QQ", time.monotonic_ns(), id(self))).decode()
        self._socket.sendall(
            f"GET /ws/events HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\nX-API-Key: {KEY}\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(4096)
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise ConnectionError(answer.decode(errors="replace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, frames: bytes) -> None:
        """Send frames."""
        self._socket.sendall(frames)

    def await_acknowledged(self, number: int) -> None:
        """Return when so many acknowledgments have come."""
        rest, found = b"", 0
        while found < number:
            data = self._socket.recv(262_144)
            if not data:
                raise ConnectionError(f"it was closed after {found} of {number} acknowledgments")
            text = rest + data
            found += text.count(_ACK)
            rest = text[-(len(_ACK) - 1) :]


def frame(payload: bytes) -> bytes:
    """Return a text frame as a client sends it."""
    size = len(payload)
    if size < 126:
        return b"\x81" + bytes([0x80 | size]) + _MASK + payload
    if size < 65_536:
        return b"\x81\xfe" + struct.pack("!H", size) + _MASK + payload
    return b"\x81\xff" + struct.pack("!Q", size) + _MASK + payload


def stream(url: str, rounds: Sequence[Sequence[tuple[bytes, int]]]) -> Streamed:
    """Send each list of (frames, events in them) over a connection of its own, all at once."""
    connections = [Stream(url) for _ in rounds]
    cpu: list[float] = []

    def write(connection: Stream, pieces: Sequence[tuple[bytes, int]]) -> None:
        for frames, _ in pieces:
            connection.send(frames)
        cpu.append(time.thread_time())

    def read(connection: Stream, pieces: Sequence[tuple[bytes, int]]) -> None:
        connection.await_acknowledged(sum(events for _, events in pieces))
        cpu.append(time.thread_time())

    threads = [
        threading.Thread(target=work, args=(connection, pieces))
        for connection, pieces in zip(connections, rounds, strict=True)
        for work in (write, read)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    for connection in connections:
        connection.close()
    if len(cpu) != len(threads):
        raise ConnectionError("a stream broke off; the server's log says why")
    return Streamed(
        events=sum(events for each in rounds for _, events in each), seconds=took, client_cpu_seconds=sum(cpu)
    )
