"""A status page, or an agent's ``/health``, over real HTTP: what it shows is set, what was asked is remembered."""

import hashlib
import json
import threading
from collections.abc import Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class StatusPage:
    """``with StatusPage() as page``: ``page.show(document)``; conditional requests are answered as RFC 9110 says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answered: list[int] = []
        self._body = b"{}"
        self._kind = "application/json"
        self._status = 200
        self._headers: dict[str, str] = {}
        self._cut = False

    def __enter__(self) -> Self:
        page = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                page._answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def show(self, document: object) -> None:
        """Show a document, well, from now on."""
        self.show_bytes(json.dumps(document).encode(), "application/json")

    def show_bytes(self, body: bytes, kind: str) -> None:
        self._body, self._kind, self._status, self._headers, self._cut = body, kind, 200, {}, False

    def fail(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer so from now on."""
        self._status, self._headers = status, dict(headers or {})

    def cut(self) -> None:
        """Hang up in the middle of every body from now on."""
        self._cut = True

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.path, headers))
        etag = f'W/"{hashlib.sha256(self._body).hexdigest()[:16]}"'
        same = self._status == 200 and headers.get("if-none-match") == etag
        status = 304 if same else self._status
        body = b"" if same else self._body if status == 200 else b"no"
        self.answered.append(status)
        request.send_response(status)
        if status in (200, 304):
            request.send_header("ETag", etag)
        for name, value in self._headers.items():
            request.send_header(name, value)
        request.send_header("Content-Type", self._kind)
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self._cut:
            request.wfile.write(body[: len(body) // 2])
            request.close_connection = True
        else:
            request.wfile.write(body)


def an_outage(
    at: datetime, *updates: tuple[str, str, datetime], id: str = "out-1", impact: str = "major", **more: Any
) -> dict[str, Any]:
    """Return an incident as Statuspage shows it; ``updates`` are (status, text, when), oldest first."""
    told = updates or (("investigating", "We are investigating elevated errors.", at),)
    ends = [when for status, _, when in told if status == "resolved"]
    return {
        "id": id,
        "name": "Elevated errors on the API",
        "impact": impact,
        "status": told[-1][0],
        "created_at": at.isoformat(),
        "started_at": at.isoformat(),
        "resolved_at": ends[-1].isoformat() if ends and told[-1][0] == "resolved" else None,
        "shortlink": f"https://stspg.io/{id}",
        "components": [{"id": "c-1", "name": "Chat Completions"}],
        "incident_updates": [
            {"id": f"{id}-{number}", "status": status, "body": text, "created_at": when.isoformat()}
            for number, (status, text, when) in reversed(list(enumerate(told)))
        ],
    } | more


def a_page(*incidents: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the document of ``/api/v2/incidents.json``."""
    return (
        {"page": {"id": "p-openai", "name": "OpenAI", "url": "https://status.openai.example"}}
        | {"incidents": list(incidents)}
        | more
    )
