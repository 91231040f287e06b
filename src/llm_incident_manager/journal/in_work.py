"""The mark "triage is at work on these": it survives ``kill -9`` and shows which record kills the process."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from struct import Struct
from zlib import crc32

import msgspec

from llm_incident_manager.journal.disk import Disk
from llm_incident_manager.journal.record import Position

_HEADER = Struct("<II")


class Marks(msgspec.Struct, array_like=True):
    """The content of the file: places in work, and how often the process ended while a place was in work."""

    in_work: list[Position]
    restarts: list[tuple[Position, int]]


class InWorkMarks:
    """Keeps the marks in one small file, written in place by one call and never synced.

    ``kill -9`` leaves written pages to the kernel, so the mark survives exactly what it is for; a loss of power may
    take it, and is not the fault of a record. A mark that cannot be written is left out: a full disk must not keep
    triage from emptying the journal.
    """

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._descriptor = disk.open(path)
        self._in_work: set[Position] = set()
        self.restarts: dict[Position, int] = {}
        found = self._load()
        if found is not None:
            self.restarts = dict(found.restarts)
            for position in found.in_work:
                self.restarts[position] = self.restarts.get(position, 0) + 1
            self._save()

    def _load(self) -> Marks | None:
        content = self._disk.read(self._descriptor, 0, self._disk.size(self._descriptor))
        if len(content) < _HEADER.size:
            return None
        length, checksum = _HEADER.unpack_from(content)
        payload = content[_HEADER.size : _HEADER.size + length]
        if len(payload) != length or crc32(payload) != checksum:
            return None
        try:
            return msgspec.msgpack.decode(payload, type=Marks)
        except msgspec.MsgspecError:
            return None

    def _save(self) -> None:
        payload = msgspec.msgpack.encode(Marks(list(self._in_work), list(self.restarts.items())))
        with contextlib.suppress(OSError):
            self._disk.write_all(self._descriptor, _HEADER.pack(len(payload), crc32(payload)) + payload, 0)

    def mark(self, positions: Iterable[Position]) -> None:
        """Mark these as in work, besides those marked already."""
        self._in_work.update(positions)
        self._save()

    def clear(self, positions: Iterable[Position]) -> None:
        """Take the mark off; the count of restarts stays."""
        before = len(self._in_work)
        self._in_work.difference_update(positions)
        if len(self._in_work) != before:
            self._save()

    def finished(self, positions: Iterable[Position]) -> None:
        """Forget these altogether."""
        if not self._in_work and not self.restarts:
            return
        for position in positions:
            self._in_work.discard(position)
            self.restarts.pop(position, None)
        self._save()

    def close(self) -> None:
        """Close the file; the marks stay."""
        self._disk.close(self._descriptor)
