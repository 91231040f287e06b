"""The segment files of a journal's folder: numbered, appended to, read back, unlinked."""

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from llm_incident_manager.journal.disk import Disk
from llm_incident_manager.journal.frames import FRAME_HEADER, SEGMENT_HEADER, Piece, decoded, frame_end, framed, scan
from llm_incident_manager.journal.record import Position, Record

_NAME = re.compile(r"(\d{12,})-([0-9a-f]{8})\.segment")
_NEXT = "next"
_WINDOW_BYTES = 256 << 10


class Segment:
    """One open file; ``size`` is where the confirmed bytes end."""

    __slots__ = ("descriptor", "number", "path", "salt", "size")

    def __init__(self, number: int, salt: int, path: Path, descriptor: int, size: int) -> None:
        self.number = number
        self.salt = salt
        self.path = path
        self.descriptor = descriptor
        self.size = size


class Segments:
    """All segments of a folder. Appending is for one thread at a time; the rest for any, one at a time.

    A number is never used twice, even after every file was unlinked and whatever happened to the clock: what triage
    did is remembered by (segment, offset), and a new event at an old place would pass for done. So numbers go up
    from a file ``next``, which is written before a segment is used; where it is missing, from the seconds since 1970.
    A segment found at start is never appended to, because what stood in its torn tail may have been read before.
    """

    def __init__(self, disk: Disk, folder: Path, segment_bytes: int, seconds: int) -> None:
        self._disk = disk
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments: dict[int, Segment] = {}
        self._tail: Segment | None = None
        self._size_lock = threading.Lock()
        self._window: tuple[int, int, bytes] = (-1, 0, b"")
        self.bytes_used = 0
        self.syncs = 0
        self.slowest_sync_seconds = 0.0
        self._find_segments()
        self._next = max([self._stored_next() or seconds, *(number + 1 for number in self._segments)])

    def _find_segments(self) -> None:
        found = sorted(
            (int(match[1]), int(match[2], 16), match[0])
            for name in self._disk.names(self._folder)
            if (match := _NAME.fullmatch(name))
        )
        for number, salt, name in found:
            path = self._folder / name
            descriptor = self._disk.open(path)
            size = self._disk.size(descriptor)
            self._segments[number] = Segment(number, salt, path, descriptor, size)
            self.bytes_used += size

    def _stored_next(self) -> int | None:
        if _NEXT not in self._disk.names(self._folder):
            return None
        descriptor = self._disk.open(self._folder / _NEXT)
        try:
            content = self._disk.read(descriptor, 0, 32).strip()
        finally:
            self._disk.close(descriptor)
        return int(content) if content.isdigit() else None

    def contents(self) -> Iterator[tuple[int, Piece]]:
        """Yield what stands in every segment, in order; the torn tail of the last one is cut from its file."""
        newest = max(self._segments, default=0)
        for segment in list(self._segments.values()):
            data = self._disk.read(segment.descriptor, 0, segment.size)
            for piece in scan(data, segment.salt, last=segment.number == newest):
                if piece.torn:
                    self._disk.truncate(segment.descriptor, piece.start)
                    self._disk.sync(segment.descriptor)
                    self._grow(segment, piece.start - segment.size)
                yield segment.number, piece

    def append(self, payloads: Sequence[bytes]) -> list[Position]:
        """Write all payloads and return their places once a loss of power cannot take them.

        Raises:
            OSError: none of them counts, and the next call does not write behind half a record.
        """
        tail = self._tail
        if tail is None or tail.size >= self._segment_bytes:
            tail = self._roll()
        number, salt, offset = tail.number, tail.salt, tail.size
        frames = [framed(payload, salt) for payload in payloads]
        positions = []
        for frame in frames:
            positions.append(Position(number, offset))
            offset += len(frame)
        try:
            self._disk.write_all(tail.descriptor, b"".join(frames), tail.size)
        except OSError:
            self._cut(tail)
            raise
        started = time.perf_counter()
        try:
            self._disk.sync(tail.descriptor)
        except OSError:
            # After a failed sync the kernel may call dropped pages clean, so that a second one would lie: the segment
            # is given up. What stands in it unconfirmed may be read after a restart, and duplicates are harmless.
            self._tail = None
            self._cut(tail)
            raise
        self.syncs += 1
        self.slowest_sync_seconds = max(self.slowest_sync_seconds, time.perf_counter() - started)
        self._grow(tail, offset - tail.size)
        return positions

    def _cut(self, segment: Segment) -> None:
        try:
            self._disk.truncate(segment.descriptor, segment.size)
        except OSError:
            self._tail = None  # half a record may stand at its end: nothing is appended behind it

    def _roll(self) -> Segment:
        number = self._next
        self._next += 1  # even if what follows fails halfway, the number is spent
        salt = self._disk.salt()
        path = self._folder / f"{number:012d}-{salt:08x}.segment"
        descriptor = self._disk.create(path)
        try:
            self._disk.write_all(descriptor, SEGMENT_HEADER, 0)
            self._store_next()
            self._disk.sync_folder(self._folder)
        except OSError:
            self._disk.close(descriptor)
            with contextlib.suppress(OSError):  # an empty segment does no harm; the next start unlinks it
                self._disk.unlink(path)
            raise
        segment = Segment(number, salt, path, descriptor, 0)
        self._tail = segment  # before it is listed: a listed segment that is empty and not the tail is unlinked
        self._segments[number] = segment
        self._grow(segment, len(SEGMENT_HEADER))
        return segment

    def _store_next(self) -> None:
        fresh = self._folder / f"{_NEXT}.new"
        descriptor = self._disk.open(fresh)
        try:
            content = b"%d\n" % self._next
            self._disk.write_all(descriptor, content, 0)
            self._disk.truncate(descriptor, len(content))
            self._disk.sync(descriptor)
        finally:
            self._disk.close(descriptor)
        self._disk.replace(fresh, self._folder / _NEXT)

    def _grow(self, segment: Segment, by: int) -> None:
        with self._size_lock:
            segment.size += by
            self.bytes_used += by

    def read(self, position: Position) -> Record | None:
        """Return the record at ``position``, or ``None`` if it can no longer be read."""
        segment = self._segments.get(position.segment)
        if segment is None:
            return None
        data, start = self._bytes_at(segment, position.offset)
        end = frame_end(data, start)
        if end is None:  # longer than the window
            header = self._disk.read(segment.descriptor, position.offset, FRAME_HEADER.size)
            if len(header) < FRAME_HEADER.size:
                return None
            length = min(FRAME_HEADER.size + FRAME_HEADER.unpack(header)[0], segment.size - position.offset)
            data, start = self._disk.read(segment.descriptor, position.offset, length), 0
            end = frame_end(data, start)
        return None if end is None else decoded(data, start, end, segment.salt)

    def _bytes_at(self, segment: Segment, offset: int) -> tuple[bytes, int]:
        number, begin, data = self._window
        start = offset - begin
        if number != segment.number or start < 0 or frame_end(data, start) is None:
            # Only what is confirmed: behind it a write may be under way, or be cut off and written anew.
            length = min(_WINDOW_BYTES, segment.size - offset)
            data, start = self._disk.read(segment.descriptor, offset, length), 0
            self._window = (segment.number, offset, data)
        return data, start

    def bytes_at(self, position: Position, length: int) -> bytes:
        """Return raw bytes of a segment."""
        return self._disk.read(self._segments[position.segment].descriptor, position.offset, length)

    def full_tail(self) -> Segment | None:
        """Return the segment that the next append leaves behind, if it is that far."""
        tail = self._tail
        return tail if tail is not None and tail.size >= self._segment_bytes else None

    def left_behind(self) -> list[int]:
        """Return the numbers of the segments that nothing will be appended to."""
        tail = self._tail
        return [number for number in list(self._segments) if tail is None or number != tail.number]

    def remove(self, number: int) -> None:
        """Unlink a segment. The folder is not synced: if it is there again after a loss of power, nothing is lost.

        Raises:
            OSError: it is still there.
        """
        segment = self._segments[number]
        self._disk.unlink(segment.path)
        del self._segments[number]
        if self._tail is segment:
            self._tail = None
        with self._size_lock:
            self.bytes_used -= segment.size
        self._disk.close(segment.descriptor)

    def retire_tail(self) -> None:
        """Append no more to the segment in use."""
        self._tail = None

    def close(self) -> None:
        """Close every file."""
        for segment in self._segments.values():
            self._disk.close(segment.descriptor)
        self._segments.clear()
        self._tail = None
