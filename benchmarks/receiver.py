"""Where pages arrive: a webhook receiver that answers at once and notes when."""

import asyncio
import json
import threading
import time
from typing import Any

_ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Receiver:
    """Counts pages, and notes for each title of an incident when its first page came (``time.monotonic``).

    ``climbed`` says for each incident's id when level 2 was told (``time.time``).
    """

    def __init__(self) -> None:
        self.pages = 0
        self.first: dict[str, float] = {}
        self.climbed: dict[str, float] = {}
        self.kinds: dict[str, int] = {}
        self.url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread.start()
        self._ready.wait(10)

    def got(self, body: bytes) -> None:
        """Note a page."""
        now = time.monotonic()
        self.pages += 1
        page: dict[str, Any] = json.loads(body)
        kind = str(page.get("type"))
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        incident = page["incident"]
        self.first.setdefault(str(incident["title"]), now)
        if page.get("level") == 2:
            self.climbed.setdefault(str(incident["id"]), time.time())

    def close(self) -> None:
        """Stop listening."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        server = loop.run_until_complete(loop.create_server(lambda: _Connection(self), "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        loop.run_forever()
        server.close()
        loop.close()


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._transport.write(_ANSWER)
            self._receiver.got(rest[:length])
