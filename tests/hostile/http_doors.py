"""The doors of HTTP: every source by its examples, events as such, the API of an Alertmanager, and OTLP's protobuf."""

import http.client
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from llm_incident_manager.sources.registry import source_specs
from tests.contract.mutants import mutants
from tests.hostile.door import Door, Opening, Sender
from tests.hostile.log_requests import log_requests

SECONDS = 30.0
"""Longer waits for nobody: it is a fault then, not only slow."""
_NATIVE = {
    "event_id": "e-1", "source": "my-service", "timestamp": "2026-10-31T10:30:00Z", "event_type": "alert",
    "category": "performance", "title": "Answers are slow", "severity": "high", "labels": ["a"], "tags": {"a": "b"},
    "metrics": {"p99": 5400.0}, "resource": {"type": "service", "id": "chat", "metadata": {"zone": "a"}},
}  # fmt: skip
_ALERT = {
    "labels": {"alertname": "Slow", "severity": "critical", "service": "chat"}, "annotations": {"summary": "Slow"},
    "startsAt": "2026-10-31T10:30:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph",
}  # fmt: skip
_SILENCE = {
    "matchers": [{"name": "alertname", "value": "S.*", "isRegex": True, "isEqual": True}], "createdBy": "ana",
    "startsAt": "2026-10-31T10:30:00Z", "endsAt": "2036-10-31T10:30:00Z", "comment": "known",
}  # fmt: skip


class Request(NamedTuple):
    """One request; ``body`` is a good one, whose mutants are sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpSender:
    """Sends mutants of some requests in turn, over one connection that it keeps."""

    def __init__(
        self,
        opening: Opening,
        requests: Sequence[Request],
        changed: Callable[[bytes, random.Random], Iterator[bytes]] = mutants,
    ) -> None:
        self._chance = random.Random(opening.seed)
        self._address = urlsplit(opening.server.url).netloc
        self._requests = requests
        self._bodies = [changed(request.body, self._chance) for request in requests]
        self._turn = 0
        self._connection = http.client.HTTPConnection(self._address, timeout=SECONDS)

    def draw(self) -> Request:
        """Return the next mutant: a changed body, and now and then a changed header or query as well."""
        self._turn += 1
        place = self._turn % len(self._requests)
        request, chance = self._requests[place], self._chance
        path, headers = request.path, dict(request.headers)
        if chance.random() < 0.05:
            sign = "&" if "?" in path else "?"
            path += sign + "&".join(f"{quote(self._text())}={quote(self._text())}" for _ in range(chance.randint(1, 5)))
        if headers and chance.random() < 0.05:
            headers[chance.choice(list(headers))] = self._text()
        return Request(request.method, path, headers, next(self._bodies[place]))

    def attempt(self, mutant: object) -> str:
        """Send it; a connection that the server has closed meanwhile is opened again, once."""
        assert isinstance(mutant, Request)
        for last in (False, True):
            try:
                self._connection.request(mutant.method, mutant.path, mutant.body, mutant.headers)
                answer = self._connection.getresponse()
                said = answer.read()
                if answer.will_close:
                    self._connection.close()
                return f"{answer.status}: {said[:300]!r}" if answer.status >= 500 else ""
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if last or isinstance(error, TimeoutError):
                    return f"no answer: {error!r}"
        return ""

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _text(self) -> str:
        return "".join(chr(self._chance.randrange(0x20, 0x7F)) for _ in range(self._chance.randrange(12))).strip()


def http_doors() -> list[Door]:
    """Return every door of HTTP that takes what a sender says."""
    return [
        *(Door(name, _source(name)) for name in source_specs(entries=())),
        Door("events", _posting("/api/v1/events", _NATIVE, {"batch_id": "b-1", "events": [_NATIVE, _NATIVE]})),
        Door("alertmanager-api", _posting("/api/v2/alerts", [_ALERT, _ALERT])),
        Door("alertmanager-silences", _posting("/api/v2/silences", _SILENCE, manage=True)),
        Door("otlp-protobuf", _protobuf),
    ]


def _source(name: str) -> Callable[[Opening], Sender]:
    def opened(opening: Opening) -> Sender:
        spec, key = source_specs(entries=())[name], opening.key
        requests = []
        for example in spec.examples:
            path = (example.path or f"/api/v1/sources/{name}").replace("{key}", key)
            headers = {header: value.replace("{key}", key) for header, value in example.headers.items()}
            if not any("{key}" in each for each in (example.path or "", example.body, *example.headers.values())):
                headers |= {"Authorization": f"Bearer {key}"}
            requests.append(Request(example.method, path, headers, example.body.replace("{key}", key).encode()))
        return HttpSender(opening, requests)

    return opened


def _posting(path: str, *documents: object, manage: bool = False) -> Callable[[Opening], Sender]:
    def opened(opening: Opening) -> Sender:
        key = opening.server.key if manage else opening.key
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return HttpSender(
            opening, [Request("POST", path, headers, json.dumps(document).encode()) for document in documents]
        )

    return opened


def _protobuf(opening: Opening) -> Sender:
    headers = {"Authorization": f"Bearer {opening.key}", "Content-Type": "application/x-protobuf"}
    return HttpSender(opening, [Request("POST", "/v1/logs", headers, b"")], lambda _, chance: log_requests(chance))
