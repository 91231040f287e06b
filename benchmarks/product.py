"""The product as its users run it: a child process of its own, on the real disk, reached over HTTP."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.calls import Calls
from benchmarks.database import Counted, counted
from benchmarks.load import Target, until
from benchmarks.missing import Missing

KEY = "benchmark-0123456789abcdef"
PROGRAM = Path(sys.executable).parent / "llm-incident-manager"
START_SECONDS = 60.0
_TICK = os.sysconf("SC_CLK_TCK")

CONFIG = """
limits: {{events_per_minute_per_source: 1000000000}}
outgoing: {{allow: ["127.0.0.0/8"]}}
users:
  - {{id: ana, name: Ana, contacts: {{webhook: "{receiver}/ana"}}}}
teams:
  - {{id: platform, name: Platform, members: [ana]}}
catch_all: {{targets: [{{type: user, id: ana}}], channels: [webhook]}}
routes:
  - {{name: soon, priority: 1, conditions: {{source: soon}}, assign: {{team: platform}}, policy: soon}}
  - {{name: everything, priority: 0, conditions: {{}}, assign: {{team: platform}}, policy: all}}
escalation_policies:
  - name: all
    conditions: {{}}
    levels:
      - {{level: 1, targets: [{{type: user, id: ana}}], escalate_after: 86400, channels: [webhook]}}
      - {{level: 2, targets: [{{type: user, id: ana}}], channels: [webhook]}}
  - name: soon
    conditions: {{}}
    levels:
      - {{level: 1, targets: [{{type: user, id: ana}}], escalate_after: {soon_seconds}, channels: [webhook]}}
      - {{level: 2, targets: [{{type: user, id: ana}}], channels: [webhook]}}
"""
SOON_SECONDS = 15
"""After this an incident of source ``soon`` climbs to level 2; all others take a day."""


class Product:
    """A running server; ``url`` is where it listens, ``ready_seconds`` how long it took from start to ready."""

    def __init__(
        self, process: subprocess.Popen[bytes], url: str, database: str, ready_seconds: float, output: Path
    ) -> None:
        self._process = process
        self._output = output
        self.url = url
        self.database = database
        self.ready_seconds = ready_seconds

    @property
    def events(self) -> Target:
        """Return where events go."""
        return Target(url=self.url, path="/api/v1/events", header=f"X-API-Key: {KEY}")

    @property
    def grpc(self) -> str:
        """Return where it listens for gRPC."""
        words = self._output.read_text(encoding="utf-8", errors="replace").partition("  gRPC ")[2].split()
        if not words or ":" not in words[0]:
            raise Missing("the product has no gRPC here")
        return words[0]

    def calls(self) -> Calls:
        """Return a client of its API."""
        return Calls(self.url, KEY)

    def counted(self) -> Counted:
        """Return what the database holds, asked beside the product."""
        return counted(self.database)

    def wait_counted(self, events: int, seconds: float = 60.0) -> bool:
        """Wait until that many events are counted; false after ``seconds``."""
        return until(lambda: self.counted().events >= events, seconds)

    def memory_bytes(self) -> int:
        """Return the resident memory now."""
        return self._status("VmRSS")

    def peak_memory_bytes(self) -> int:
        """Return the most resident memory so far."""
        return self._status("VmHWM")

    def cpu_seconds(self) -> float:
        """Return the processor time used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def stop(self) -> None:
        """Stop it as an operator would; it is killed only if it does not end by itself."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        return 0


@contextlib.contextmanager
def product(
    folder: Path,
    *,
    receiver: str = "http://127.0.0.1:1",
    database_url: str | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Product]:
    """Start the product on ``folder`` and yield it when it is ready."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(receiver=receiver, soon_seconds=SOON_SECONDS), encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "FAST_INTAKE")}
    variables |= {
        "HTTP_PORT": "0",
        "GRPC_PORT": "0",
        "OTLP_GRPC_PORT": "",
        "WS_PORT": "",
        "DATA_DIR": str(folder / "data"),
        "CONFIG_FILE": str(config),
        "BOOTSTRAP_API_KEY": KEY,
        "LOG_LEVEL": "warning",
    }
    if database_url is not None:
        variables["DATABASE_URL"] = database_url
    variables |= environment or {}
    output = folder / "output.txt"
    started = time.monotonic()
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [str(PROGRAM), "serve"], env=variables, stdout=stream, stderr=subprocess.STDOUT, cwd=folder
        )
    try:
        url = _listening(process, output)
        calls = Calls(url, KEY)
        if not until(lambda: calls.get("/ready").status == 200, START_SECONDS, every=0.01):
            raise Missing("the product does not become ready")
        running = Product(
            process, url, database_url or str(folder / "data" / "incidents.db"), time.monotonic() - started, output
        )
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        yield running
    finally:
        running.stop()


def _listening(process: subprocess.Popen[bytes], output: Path) -> str:
    """Return the URL that the start line says."""
    last = time.monotonic() + START_SECONDS
    while time.monotonic() < last:
        text = output.read_text(encoding="utf-8", errors="replace")
        found = text.partition("listens on ")[2]
        if "\n" in found:
            return found.split()[0]
        if process.poll() is not None:
            raise Missing(f"the product ended while it started: {' '.join(text.split())[-300:]}")
        time.sleep(0.005)
    raise Missing("the product did not say where it listens")
