"""Load through wrk: one light client for both sides, told by a script what to send."""

import contextlib
import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.missing import Missing

SCRIPT = Path(__file__).parent / "lua" / "load.lua"
CONNECTIONS = 64
LONGEST_SECONDS = 1800


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where requests go: the server's URL, the path, and one header line."""

    url: str
    path: str
    header: str = "X-Nothing: 0"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What the client saw. ``events`` are those answered with success; ``unknown`` may have been accepted besides."""

    events: int
    requests: int
    refused: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float
    unknown: int

    @property
    def per_second(self) -> float:
        """Return accepted events a second."""
        return self.events / self.seconds


class Load:
    """A running wrk; ``wait`` returns what it saw."""

    def __init__(
        self,
        target: Target,
        template: Path,
        *,
        prefix: str,
        seconds: float | None = None,
        requests: int = 0,
        batch: int = 1,
        fingerprints: int = 1,
        rate: float = 0,
        connections: int = CONNECTIONS,
    ) -> None:
        program = shutil.which("wrk")
        if program is None:
            raise Missing("wrk is not installed")
        assert len(prefix) == 8, "all ids are of one length, so that the request's head never changes"
        self._batch, self._requests, self._connections = batch, requests, connections
        self._span: tuple[float, float] | None = None
        self._report: dict[str, Any] | None = None
        self._said: list[str] = []
        length = f"{seconds or LONGEST_SECONDS:.0f}s"
        what = [str(template), target.path, target.header, prefix, batch, fingerprints, requests, rate]
        command = [program, "-t1", f"-c{connections}", f"-d{length}", "--timeout", "30s", "-s", str(SCRIPT), target.url]
        self._process = subprocess.Popen(
            [*command, "--", *map(str, what)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reading = threading.Thread(target=self._read, name="wrk", daemon=True)
        self._reading.start()

    def running(self) -> bool:
        """Whether it is still sending."""
        return self._reading.is_alive() and self._span is None

    def wait(self) -> Answered:
        """Return what the client saw, once it has sent everything."""
        self._reading.join()
        self._process.wait()
        report, span = self._report, self._span
        if report is None:
            raise Missing("wrk failed: " + " ".join("".join(self._said).split())[:300])
        seconds = span[1] - span[0] if span else report["seconds"]
        succeeded = report["requests"] - report["refused"]
        return Answered(
            events=succeeded * self._batch,
            requests=report["requests"],
            refused=report["refused"],
            broken=report["broken"],
            seconds=seconds,
            p50_ms=report["p50_ms"],
            p99_ms=report["p99_ms"],
            unknown=0 if self._requests else self._connections * self._batch,
        )

    def stop(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reading.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._said.append(line)
                if line.startswith("finished "):
                    _, first, last = line.split()
                    self._span = (float(first), float(last))
                    self._process.send_signal(signal.SIGINT)  # wrk itself only knows how to wait for its time to pass
                elif line.startswith("{"):
                    self._report = json.loads(line)


@contextlib.contextmanager
def loading(target: Target, template: Path, **how: Any) -> Iterator[Load]:
    """Yield a running load that ends with the block."""
    load = Load(target, template, **how)
    try:
        yield load
    finally:
        load.stop()


def send(target: Target, template: Path, **how: Any) -> Answered:
    """Send, and return what was answered."""
    with loading(target, template, **how) as load:
        return load.wait()


def until(condition: Any, seconds: float, every: float = 0.05) -> bool:
    """Look again and again until ``condition()`` holds; false after ``seconds``."""
    last = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > last:
            return False
        time.sleep(every)
    return True
