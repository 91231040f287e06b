"""A web server that gives prepared answers, for what a healthy incident manager seldom says."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Prepared(NamedTuple):
    """One answer to give."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class FakeRest:
    """Answers in the order prepared; the last answer stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._answers: list[Prepared] = []

    def answer(self, document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self._answers.append(Prepared(status, body, headers or {"Content-Type": "application/json"}))

    def problem(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        document = {"type": "urn:x", "title": "x", "status": status, "code": code, "detail": detail, **facts}
        self.answer(document, status, {"Content-Type": "application/problem+json", **(headers or {})})

    def next_answer(self) -> Prepared:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@contextmanager
def fake_rest() -> Iterator[FakeRest]:
    """Run one."""
    fake = FakeRest()

    class Door(BaseHTTPRequestHandler):
        def do(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            fake.asked.append(Asked(self.command, self.path, dict(self.headers), self.rfile.read(length)))
            prepared = fake.next_answer()
            self.send_response(prepared.status)
            for name, value in prepared.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(prepared.body)))
            self.end_headers()
            self.wfile.write(prepared.body)

        do_GET = do_POST = do_DELETE = do  # noqa: N815 - the library asks for these names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
