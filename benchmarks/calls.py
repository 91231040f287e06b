"""A plain client that keeps its connection and measures each call."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; ``document`` is its JSON, or the text where it is none."""

    status: int
    document: Any
    seconds: float


class Calls:
    """Calls to one server, one after another."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def get(self, path: str) -> Answer:
        """Return the answer of a GET."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Any = None) -> Answer:
        """Return the answer of a POST; ``body`` is bytes, or a document to send as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: bytes | None) -> Answer:
        started = time.perf_counter()
        try:
            self._connection.request(method, path, body=body, headers=self._headers)
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        seconds = time.perf_counter() - started
        try:
            document: Any = json.loads(text)
        except ValueError:
            document = text.decode("utf-8", "replace")
        return Answer(status=response.status, document=document, seconds=seconds)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def percentile(values: list[float], share: float) -> float:
    """Return the value that ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
