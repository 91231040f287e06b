"""One connection to one server: the key, the time limit, repeats where the server asks, errors as exceptions."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2

from llm_incident_manager.client.address import DEFAULT_URL, is_loopback
from llm_incident_manager.client.errors import Refused, Unreachable

ROOT = "/api/v1"
_TRY_AGAIN = frozenset({429, 503})
_LONGEST_WAIT_SECONDS = 10.0


class Connection:
    """Speaks HTTP to one server; close it, or use it in a ``with`` statement.

    A call answered 429 or 503 is repeated up to ``repeats`` times after the time that the server names; a write carries
    an ``Idempotency-Key``, so that a repeat counts once. ``transport`` and ``wait`` are for tests.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        tenant: str | None = None,
        timeout_seconds: float = 30.0,
        repeats: int = 2,
        transport: httpx2.BaseTransport | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._repeats = repeats
        self._wait = wait
        headers = {"User-Agent": "llm-incident-manager-client", "Accept": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if tenant:
            headers["X-Tenant"] = tenant
        # A proxy of the environment never leads to this machine itself; plain HTTP needs no certificates loaded.
        try:
            self._http = httpx2.Client(
                base_url=self.url,
                headers=headers,
                timeout=timeout_seconds,
                transport=transport,
                verify=urlsplit(self.url).scheme == "https",
                trust_env=not is_loopback(self.url),
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise Unreachable(self.url, f"that is no address of a server ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | None = None,
    ) -> Any:
        """Return the decoded answer, ``None`` where there is none; ``content`` is JSON sent as it is.

        Raises Refused for every answer of 400 and above, Unreachable when none comes.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())} if method != "GET" else {}
        if content is not None:
            headers["Content-Type"] = "application/json"
        repeats = self._repeats
        while True:
            try:
                answer = self._http.request(
                    method,
                    ROOT + path,
                    params=_present(parameters),
                    headers=headers,
                    **({"content": content} if content is not None else {"json": body} if body is not None else {}),
                )
            except httpx2.RequestError as error:
                raise _unreachable(self.url, error) from error
            if answer.status_code in _TRY_AGAIN and repeats > 0:
                repeats -= 1
                self._wait(min(_retry_after(answer) or 1.0, _LONGEST_WAIT_SECONDS))
                continue
            return _decoded(answer)

    def pages(self, path: str, plural: str, *, parameters: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.call("GET", path, parameters={**(parameters or {}), "cursor": cursor})
            yield from page[plural]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def lines(self, path: str, *, parameters: Mapping[str, Any] | None = None) -> Iterator[str]:
        """Yield the lines of a streamed answer as they come."""
        try:
            with self._http.stream("GET", ROOT + path, params=_present(parameters)) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    _decoded(answer)
                yield from answer.iter_lines()
        except httpx2.RequestError as error:
            raise _unreachable(self.url, error) from error


def _present(parameters: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Return name and value of what is there; a list's values are repeated."""
    pairs: list[tuple[str, Any]] = []
    for name, value in (parameters or {}).items():
        several = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, each) for each in several if each is not None]
    return pairs


def _decoded(answer: httpx2.Response) -> Any:
    if answer.status_code == 204 or (answer.is_success and not answer.content):
        return None
    try:
        document = answer.json()
    except ValueError:
        document = None
    if answer.is_success and document is not None:
        return document
    if answer.status_code < 400 or not isinstance(document, dict):
        document = {
            "code": "not_an_incident_manager",
            "detail": f"the answer ({answer.status_code}) is not one of an incident manager; is the address right?",
        }
    raise Refused(answer.status_code, document, retry_after_seconds=_retry_after(answer))


def _retry_after(answer: httpx2.Response) -> float | None:
    try:
        return max(0.0, float(answer.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None


def _unreachable(url: str, error: httpx2.RequestError) -> Unreachable:
    if isinstance(error, httpx2.ConnectTimeout | httpx2.ReadTimeout | httpx2.WriteTimeout):
        return Unreachable(url, "it took too long")
    if isinstance(error, httpx2.UnsupportedProtocol):
        return Unreachable(url, "the address must begin with http:// or https://")
    reason = str(error) or type(error).__name__
    return Unreachable(url, reason, refused=isinstance(error, httpx2.ConnectError) and "refused" in reason.lower())
