"""A tenant's incidents as they change, over connections that are made again whenever they are cut."""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from llm_incident_manager.client.address import DEFAULT_URL, is_loopback, websocket_url
from llm_incident_manager.client.errors import Refused, Unreachable

LONGEST_WAIT_SECONDS = 30.0


class IncidentStream:
    """Yields ``{kind, incident, resume}`` for each incident that opens or changes; iterate with ``async for``.

    After a cut it goes on from the last change that it has: a change may come twice, none is missed unless more than
    500 incidents changed meanwhile, which raises Refused (``resume_too_far``).

    Args:
        url: the server.
        key: an API key with the scope ``read``.
        filters: those of ``GET /api/v1/incidents``, such as ``{"severity": ["P0", "P1"]}``.
        resume: the ``resume`` of the last change of an earlier stream.
        attempts: failed connections in a row before Unreachable is raised.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        filters: Mapping[str, str | Sequence[str]] | None = None,
        resume: str | None = None,
        tenant: str | None = None,
        attempts: int = 10,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.url = websocket_url(url, "/ws/incidents")
        self.resume = resume
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._headers |= {"X-Tenant": tenant} if tenant else {}
        self._filters = dict(filters or {})
        self._attempts = attempts
        self._tls = tls

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        failed = 0
        while True:
            try:
                trouble = "it closed the connection"
                async with self._connection() as connection:
                    await connection.send(json.dumps(self._subscription()))
                    async for text in connection:
                        failed = 0
                        message: dict[str, Any] = json.loads(text)
                        if message["type"] == "incident":
                            self.resume = message["resume"]
                            yield message
                        elif "retry_after_seconds" in message:
                            trouble = message["message"]
                            break
                        elif message["type"] == "error":
                            raise Refused(422, {**message, "detail": message["message"]})
            except InvalidStatus as refused:
                status = refused.response.status_code
                if status < 500 and status != 429:
                    raise Refused(status, _document(refused.response.body)) from refused
                trouble = f"it answered {status}"
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError) as cut:
                trouble = str(cut) or type(cut).__name__
            failed += 1
            if failed >= self._attempts:
                raise Unreachable(self.url, trouble)
            await asyncio.sleep(min(LONGEST_WAIT_SECONDS, 0.5 * 2**failed) * random.uniform(0.1, 1.0))

    def _connection(self) -> connect:
        given: dict[str, Any] = {"ssl": self._tls} if self._tls is not None else {}
        if is_loopback(self.url):
            given["proxy"] = None
        return connect(self.url, additional_headers=self._headers, max_size=8_388_608, **given)

    def _subscription(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"type": "subscribe", "filters": self._filters}
        return asked | ({"resume": self.resume} if self.resume is not None else {})


def _document(body: object) -> dict[str, Any]:
    try:
        document = json.loads(bytes(body))  # type: ignore[call-overload]
    except (ValueError, TypeError):
        return {}
    return document if isinstance(document, dict) else {}
