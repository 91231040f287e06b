"""The event stream for programs without an event loop: a thread of its own does the sending."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llm_incident_manager.client.address import DEFAULT_URL
from llm_incident_manager.client.event_stream import EventStream


class EventClient:
    """Sends events from ordinary code; close it, or use it in a ``with`` statement.

    Takes what :class:`~llm_incident_manager.client.event_stream.EventStream` takes.

    >>> with EventClient("http://127.0.0.1:3000", key, spool="spool") as client:
    ...     client.send({"source": "my-app", "event_type": "alert", ...})
    """

    def __init__(self, url: str = DEFAULT_URL, key: str | None = None, *, spool: Path | str, **options: Any) -> None:
        self._stream = EventStream(url, key, spool=spool, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event-client", daemon=True)
        self._thread.start()
        self._call(self._stream.__aenter__())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def stream(self) -> EventStream:
        """What it runs: ``waiting``, ``connected``, ``cut_off``, ``acknowledged``, ``rejected``, ``last_error``."""
        return self._stream

    def send(self, event: Mapping[str, Any]) -> str:
        """Keep an event and return its id, as :meth:`EventStream.send` does; never waits for the network."""
        return self._stream.send(event)

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Send all at once; returns whether everything was acknowledged in time."""
        return bool(self._call(self._stream.flush(timeout_seconds)))

    def close(self, timeout_seconds: float = 10.0) -> bool:
        """Flush and end; returns whether everything was acknowledged. What was not is sent by the next client."""
        if self._loop.is_closed():
            return self._stream.waiting == 0
        complete = bool(self._call(self._stream.close(timeout_seconds)))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        return complete

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
