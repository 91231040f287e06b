"""A wire to a server that can be cut and mended: how a database goes away."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class CutWire:
    """``with CutWire(host, port) as wire``: ``wire.port`` leads there until ``wire.cut()``.

    Cut, every connection ends and new ones are refused.
    """

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.mend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def mend(self) -> None:
        """Let everything pass."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self) -> None:
        """End every connection and take no new one."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for end in self._ends:
                _shut(end)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=[near], daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        """Carry both ways until both ends are shut."""
        with near, socket.create_connection(self._there) as far:
            with self._lock:
                self._ends |= {near, far}
            back = threading.Thread(target=_carry, args=[far, near], daemon=True)
            back.start()
            _carry(near, far)
            back.join()
            with self._lock:
                self._ends -= {near, far}


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    _shut(source)
    _shut(target)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
