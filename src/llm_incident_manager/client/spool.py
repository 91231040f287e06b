"""Events on their way: appended to files before they are sent, gone from them when they are acknowledged."""

import fcntl
import json
import os
import threading
import time
import zlib
from collections import OrderedDict
from pathlib import Path

from llm_incident_manager.client.errors import ClientError

SEGMENT_BYTES = 1_048_576
_LINE = b"%08x %b\n"
_OVERHEAD = 10


class SpoolFull(ClientError):
    """The spool holds as much as it may, or the disk does: nothing of the event was kept."""

    def __init__(self, folder: Path, waiting: int, reason: str) -> None:
        super().__init__(f"the spool {folder} is full: {waiting} events wait, {reason}; the event was not kept")
        self.waiting = waiting


class SpoolInUse(ClientError):
    """Another client has this spool; each needs a folder of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the spool {folder} is used by another client; give each one a folder of its own")


class Entry:
    """One event on its way."""

    __slots__ = ("added_at", "body", "event_id", "segment")

    def __init__(self, event_id: str, body: bytes, segment: "_Segment", added_at: float) -> None:
        self.event_id = event_id
        self.body = body
        self.segment = segment
        self.added_at = added_at


class _Segment:
    def __init__(self, path: Path, descriptor: int, size: int = 0) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size = size
        self.pending = 0


class Spool:
    """A folder of append-only files; safe between threads, and over a kill -9 of the process.

    What was appended and not :meth:`done` is there again when the folder is opened next: an event may so be sent twice,
    under the same event id, which counts once. ``fsync`` makes it survive a loss of power too, for a disk access per
    event. All that waits is held in memory as well, so ``max_bytes`` bounds both.
    """

    def __init__(self, folder: Path | str, *, max_bytes: int = 67_108_864, fsync: bool = False) -> None:
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self.damaged = 0
        self._fsync = fsync
        self._guard = threading.RLock()
        self._bytes = 0
        self._unsent: OrderedDict[str, Entry] = OrderedDict()
        self._under_way: OrderedDict[str, Entry] = OrderedDict()
        self._active: _Segment | None = None
        self._next = 1
        self._closed = False
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise SpoolInUse(self.folder) from error
        self._recover()

    def append(self, event_id: str, body: bytes) -> bool:
        """Keep one event, JSON text on one line; false where one of that id waits already. Raises SpoolFull."""
        with self._guard:
            if event_id in self._unsent or event_id in self._under_way:
                return False
            size = len(body) + _OVERHEAD
            if self._bytes + size > self.max_bytes:
                raise SpoolFull(self.folder, self.waiting, f"{self._bytes} of {self.max_bytes} bytes")
            segment = self._write(_LINE % (zlib.crc32(body), body))
            segment.pending += 1
            self._bytes += size
            self._unsent[event_id] = Entry(event_id, body, segment, time.monotonic())
            return True

    def take(self, most: int, most_bytes: int) -> list[Entry]:
        """Return the oldest events that are not under way, which they are then; always one if there is any."""
        with self._guard:
            taken: list[Entry] = []
            size = 0
            while self._unsent and len(taken) < most:
                event_id, entry = next(iter(self._unsent.items()))
                size += len(entry.body) + 1
                if taken and size > most_bytes:
                    break
                del self._unsent[event_id]
                self._under_way[event_id] = entry
                taken.append(entry)
            return taken

    def alone_under_way(self) -> str | None:
        """Return the id of the event that is under way, if it is just one."""
        with self._guard:
            return next(iter(self._under_way)) if len(self._under_way) == 1 else None

    def done(self, event_id: str) -> bool:
        """Forget an event that was acknowledged; false if none of that id was under way."""
        with self._guard:
            entry = self._under_way.pop(event_id, None)
            if entry is None:
                return False
            self._bytes -= len(entry.body) + _OVERHEAD
            segment = entry.segment
            segment.pending -= 1
            if segment.pending == 0:
                self._clear(segment)
            return True

    def put_back(self, event_id: str | None = None) -> None:
        """Let an event be sent again, ``None`` every one that is under way; they keep their place before newer ones."""
        with self._guard:
            names = list(self._under_way) if event_id is None else [event_id] * (event_id in self._under_way)
            for name in reversed(names):
                self._unsent[name] = self._under_way.pop(name)
                self._unsent.move_to_end(name, last=False)

    @property
    def waiting(self) -> int:
        """How many events are not acknowledged yet."""
        with self._guard:
            return len(self._unsent) + len(self._under_way)

    @property
    def unsent(self) -> int:
        """How many are not under way."""
        with self._guard:
            return len(self._unsent)

    @property
    def under_way(self) -> int:
        """How many were sent and not answered yet."""
        with self._guard:
            return len(self._under_way)

    @property
    def oldest_age(self) -> float:
        """Seconds that the oldest unsent event has waited here; 0 if there is none."""
        with self._guard:
            return time.monotonic() - next(iter(self._unsent.values())).added_at if self._unsent else 0.0

    def close(self) -> None:
        """Close the files; what waits stays in them."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            if self._active is not None:
                os.close(self._active.descriptor)
                if self._active.pending == 0:
                    self._active.path.unlink(missing_ok=True)
                self._active = None
            os.close(self._lock)

    def _write(self, line: bytes) -> _Segment:
        if self._closed:
            raise ClientError(f"the spool {self.folder} is closed")
        segment = self._active
        if segment is None or segment.size >= SEGMENT_BYTES:
            segment = self._rotate()
        try:
            written = os.write(segment.descriptor, line)
            if written != len(line):
                raise OSError("the disk is full")
            if self._fsync:
                os.fsync(segment.descriptor)
        except OSError as error:
            os.ftruncate(segment.descriptor, segment.size)
            raise SpoolFull(self.folder, self.waiting, str(error)) from error
        segment.size += len(line)
        return segment

    def _rotate(self) -> _Segment:
        old = self._active
        path = self.folder / f"{self._next:08d}.events"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        except OSError as error:
            raise SpoolFull(self.folder, self.waiting, str(error)) from error
        self._next += 1
        self._active = _Segment(path, descriptor)
        if old is not None:
            os.close(old.descriptor)
            if old.pending == 0:
                old.path.unlink(missing_ok=True)
        return self._active

    def _clear(self, segment: _Segment) -> None:
        """Nothing of a file is needed any more."""
        if segment is self._active:
            os.ftruncate(segment.descriptor, 0)
            segment.size = 0
        else:
            segment.path.unlink(missing_ok=True)

    def _recover(self) -> None:
        """Read what an earlier process left; a line that was cut off is dropped: nobody was told that it was kept."""
        for path in sorted(self.folder.glob("*.events")):
            self._next = max(self._next, int(path.stem) + 1) if path.stem.isdigit() else self._next
            segment = _Segment(path, -1)
            for line in path.read_bytes().split(b"\n"):
                found = _event_of(line)
                if found is None:
                    self.damaged += bool(line)
                elif found[0] not in self._unsent:
                    event_id, body = found
                    segment.pending += 1
                    self._bytes += len(body) + _OVERHEAD
                    self._unsent[event_id] = Entry(event_id, body, segment, time.monotonic())
            if segment.pending == 0:
                path.unlink(missing_ok=True)


def _event_of(line: bytes) -> tuple[str, bytes] | None:
    """Return the id and the JSON text of a line, ``None`` where it is not whole."""
    body = line[9:]
    try:
        if int(line[:8], 16) != zlib.crc32(body):
            return None
        return str(json.loads(body)["event_id"]), body
    except (ValueError, KeyError, TypeError):
        return None
