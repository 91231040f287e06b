"""The real server as a child process: started, stopped, killed and started again on the same folder."""

import http.client
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

PROGRAM = Path(sys.executable).with_name("llm-incident-manager")
KEY = "lim-tests-bootstrap-key-0123456789"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
_START_LINE = re.compile(r"^LLM-Incident-Manager listens on (\S+)$", re.MULTILINE)
_GRPC = re.compile(r"^\s+gRPC\s+(\S+:\d+)\n", re.MULTILINE)
_OTLP = re.compile(r"^\s+OTLP logs\s+\S+, gRPC (\S+:\d+)\n", re.MULTILINE)
_STREAMS = re.compile(r"^\s+Streams\s+(wss?://\S+)$", re.MULTILINE)
_SIGN_IN = re.compile(r"^\s+Dashboard\s+(\S+/sign-in/\S+)", re.MULTILINE)


class Answer(NamedTuple):
    """One HTTP answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


class ServerProcess:
    """``with ServerProcess(folder) as server``: the server runs on a free port with its data in ``folder/data``.

    ``config_yaml`` becomes its config file. ``before`` are words put before the command (``strace …``),
    ``file_bytes`` the largest file it may write (RLIMIT_FSIZE). What it says stands in ``log_path``.
    """

    def __init__(
        self,
        folder: Path,
        config_yaml: str | None = None,
        env: Mapping[str, str] | None = None,
        *,
        before: Sequence[str] = (),
        file_bytes: int | None = None,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log_path = folder / "server.log"
        self.key = KEY
        self.starts = 0
        self._before = tuple(before)
        self._file_bytes = file_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0
        self._url: str | None = None
        folder.mkdir(parents=True, exist_ok=True)
        own = {
            "DATA_DIR": str(self.data),
            "HTTP_PORT": "0",
            "GRPC_PORT": "0",
            "OTLP_GRPC_PORT": "",
            "WS_PORT": "",
            "BOOTSTRAP_API_KEY": KEY,
            "PYTHONUNBUFFERED": "1",  # kill -9 must not take the last lines with it
        }
        if config_yaml is not None:
            (folder / "config.yaml").write_text(config_yaml)
            own["CONFIG_FILE"] = str(folder / "config.yaml")
        kept = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ
        }
        self.env = kept | own | dict(env or {})

    # -- its life

    def start(self, *, wait: bool = True) -> Self:
        """Start it; with ``wait`` return when it answers."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        self._url = None
        self.starts += 1
        limit = self._file_bytes
        with self.log_path.open("ab") as log:
            self._log_from = log.seek(0, os.SEEK_END)
            self._process = subprocess.Popen(
                [*self._before, str(PROGRAM), "serve"],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = START_SECONDS) -> str:
        """Return its URL once it said so; fails with its log if it ends before."""
        until = time.monotonic() + seconds
        while (found := _START_LINE.search(self.log)) is None:
            assert self.running, (
                f"the server ended with code {self.process.returncode} before it was ready\n{self.tail}"
            )
            assert time.monotonic() < until, f"the server is not ready after {seconds:.0f} s\n{self.tail}"
            self._pause()
        self._url = found[1]
        return found[1]

    def terminate(self) -> None:
        """Ask it to stop (SIGTERM) and return at once."""
        self.process.send_signal(signal.SIGTERM)

    def wait_ended(self, seconds: float = STOP_SECONDS) -> int:
        """Return its exit code once it has ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server still runs after {seconds:.0f} s\n{self.tail}") from None

    def stop(self) -> int:
        """SIGTERM, and return the exit code; harmless when it has ended."""
        if self.running:
            self.terminate()
        return self.wait_ended()

    def kill9(self) -> None:
        """End it without a warning: nothing of it runs on."""
        if self._process is None:
            return
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> Self:
        """Start it again on the same folder."""
        return self.start()

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The child."""
        assert self._process is not None, "it was never started"
        return self._process

    @property
    def running(self) -> bool:
        """Whether the child lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def url(self) -> str:
        """Where this life of it answers."""
        assert self._url is not None, "it is not ready"
        return self._url

    @property
    def sign_in_link(self) -> str:
        """The one-time link that it printed at this start."""
        found = _SIGN_IN.search(self.log)
        assert found is not None, self.tail
        return found[1]

    @property
    def grpc(self) -> str:
        """Where this life of it answers gRPC."""
        self.until("it says where", lambda: _GRPC.search(self.log) is not None)
        found = _GRPC.search(self.log)
        assert found is not None, self.tail
        return found[1]

    @property
    def otlp(self) -> str:
        """Where this life of it takes OpenTelemetry's logs over gRPC; OTLP_GRPC_PORT must be set."""
        self.until("it says where", lambda: _OTLP.search(self.log) is not None)
        found = _OTLP.search(self.log)
        assert found is not None, self.tail
        return found[1]

    @property
    def websocket_url(self) -> str:
        """Where it said that events are streamed to."""
        self.until("it says where", lambda: _STREAMS.search(self.log) is not None)
        found = _STREAMS.search(self.log)
        assert found is not None, self.tail
        return found[1]

    @property
    def log(self) -> str:
        """What it said since its last start."""
        with self.log_path.open("rb") as file:
            file.seek(self._log_from)
            return file.read().decode(errors="replace")

    @property
    def tail(self) -> str:
        """The last lines of its log, for messages of failures."""
        lines = self.log_path.read_text(errors="replace").splitlines()
        return "\n".join(["-- the server's log ends:", *(line[:600] for line in lines[-25:])])

    def _pause(self) -> None:
        try:
            self.process.wait(0.02)  # the pause between two looks ends early if the server dies
        except subprocess.TimeoutExpired:
            return

    # -- asking it

    def ask(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
    ) -> Answer:
        """Send one request with the bootstrap key; raises OSError or HTTPException if it does not answer."""
        where = urlsplit(self.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=seconds)
        try:
            body = None if document is None else json.dumps(document).encode()
            sent = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} | dict(headers or {})
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """GET with the bootstrap key."""
        return self.ask("GET", path)

    def post(self, path: str, document: object = None) -> Answer:
        """POST with the bootstrap key."""
        return self.ask("POST", path, document)

    def metric(self, name: str) -> float:
        """Return the first sample of a metric that has no labels."""
        found = re.search(rf"^{name} (\S+)$", self.get("/metrics").body.decode(), re.MULTILINE)
        assert found is not None, f"no metric {name}"
        return float(found[1])

    def until(self, what: str, holds: Any, seconds: float = 30.0) -> None:
        """Return once ``holds()`` is true; fails with the log after ``seconds``."""
        end = time.monotonic() + seconds
        while not holds():
            assert self.running, f"it ended while waiting until {what}\n{self.tail}"
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}\n{self.tail}"
            self._pause()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill9()
