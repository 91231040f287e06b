"""Threads that run transactions: what people wait for goes before background batches."""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from llm_incident_manager.errors import Unavailable

T = TypeVar("T")


class Lanes:
    """Two queues and the threads that serve them: one thread makes the one writer of a SQLite file."""

    def __init__(self, name: str, *, threads: int) -> None:
        self._ready = threading.Condition()
        self._people: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._background: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._closed = False
        # Daemons, so that a process that was not closed properly can still end.
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], T], *, background: bool) -> "Future[T]":
        """Return the future result of ``work``; cancelled before its turn, it is not run."""
        future: Future[T] = Future()
        with self._ready:
            if self._closed:
                raise Unavailable("the store is closed", code="database_unavailable")
            (self._background if background else self._people).append((future, work))
            self._ready.notify()
        return future

    def close(self) -> None:
        """Run what is queued, then end the threads; returns when they have ended."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            future, work = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as fault:  # handed to whoever awaits the future
                future.set_exception(fault)
            else:
                future.set_result(result)
            # Nothing of the finished job may live on while the thread waits for the next.
            del job, future, work

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._ready:
            while not (self._people or self._background):
                if self._closed:
                    return None
                self._ready.wait()
            return (self._people or self._background).popleft()
