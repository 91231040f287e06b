"""HTTP by hand over a real socket: bytes as a hostile or odd client would send them."""

import asyncio
import json
from typing import Any, NamedTuple, Self

SECONDS = 10


class RawAnswer(NamedTuple):
    """One answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


class RawConnection:
    """One connection: ``send`` bytes, ``answer`` reads the next answer, ``ended`` whether the server hung up."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._place)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass

    async def send(self, *pieces: bytes) -> None:
        """Send pieces one after another, each as a packet of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            for _ in range(3):
                await asyncio.sleep(0)

    async def answer(self) -> RawAnswer:
        """Return the next answer."""
        async with asyncio.timeout(SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            line, *rest = head.decode("latin-1").split("\r\n")
            headers = {}
            for each in rest:
                name, colon, value = each.partition(":")
                if colon:
                    headers[name.lower()] = value.strip()
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return RawAnswer(int(line.split()[1]), headers, body)

    async def ended(self) -> bool:
        """Whether the server closes the connection without another byte."""
        async with asyncio.timeout(SECONDS):
            try:
                return await self._reader.read(1) == b""
            except ConnectionError:
                return True


def request(
    body: bytes, *headers: str, key: str | None, path: str = "/api/v1/events", length: int | None = None
) -> bytes:
    """Return the bytes of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: test", *headers]
    if key is not None:
        lines.append(f"X-API-Key: {key}")
    if length is None or length >= 0:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
