"""Processes in which Apprise runs: started when first needed, kept, and ended when they hang."""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import IO

import msgspec

from llm_incident_manager.channels.outgoing import OutgoingGuard

START_SECONDS = 60.0
"""Apprise reads all its services when it starts: seconds on a busy machine. This is not part of a message's time."""

_CHILD = "llm_incident_manager.channels.apprise_child"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One message: ``kind`` is Apprise's ``success``, ``warning`` or ``failure``."""

    url: str
    title: str
    text: str
    kind: str

    def __repr__(self) -> str:
        return "Job(…)"


class Said(StrEnum):
    """How it went."""

    SENT = "sent"
    FAILED = "failed"
    INVALID = "invalid"
    GUARDED = "guarded"


class AppriseWorkers:
    """At most ``count`` processes; each does one message at a time. ``ask`` blocks and is called in :attr:`threads`."""

    def __init__(self, guard: OutgoingGuard, count: int) -> None:
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="apprise")
        self._allow = guard.allowed
        self._free: list[subprocess.Popen[bytes]] = []
        self._all: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, job: Job, timeout_seconds: float) -> tuple[Said, int | None]:
        """Send one message and return how it went, with the service's HTTP status where Apprise names it.

        Raises:
            TimeoutError: it took longer; the process has been ended.
            OSError: the process ended by itself.
        """
        worker = self._taken()
        try:
            _write(worker, msgspec.json.encode(job))
            answer = json.loads(_line(worker, timeout_seconds))
        except BaseException:
            self._end(worker)
            raise
        with self._lock:
            self._free.append(worker)
        return Said(answer["said"]), answer["status"]

    def warm(self) -> None:
        """Start a process, if none is there, so that the first message does not wait for it; raises OSError."""
        worker = self._taken()
        with self._lock:
            self._free.append(worker)

    def close(self) -> None:
        """End all processes, and wait for the threads that notice it."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()
        self.threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            workers = list(self._all)
        for worker in workers:
            self._end(worker)

    def _taken(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._free:
                return self._free.pop()
        # Nothing of our environment goes along: it holds secrets, and proxies that would lead around the guard.
        worker = subprocess.Popen(
            [sys.executable, "-I", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
        )
        with self._lock:
            self._all.add(worker)
            closed = self._closed
        try:
            if closed:
                raise OSError("closed")
            _write(worker, msgspec.json.encode({"allow": self._allow}))
            _line(worker, START_SECONDS)
        except BaseException:
            self._end(worker)
            raise
        return worker

    def _end(self, worker: subprocess.Popen[bytes]) -> None:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with self._lock:
            self._all.discard(worker)


def _write(worker: subprocess.Popen[bytes], line: bytes) -> None:
    stdin = _pipe(worker.stdin)
    stdin.write(line + b"\n")
    stdin.flush()


def _line(worker: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return the next line: the child writes each at once and whole."""
    stdout = _pipe(worker.stdout)
    ready, _, _ = select.select([stdout], [], [], seconds)
    if not ready:
        raise TimeoutError
    line = stdout.readline()
    if not line:
        raise OSError("the process ended")
    return line


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
