"""A disk in memory that remembers what was synced, so that a loss of power takes what a real one may take."""

import errno
import random
from collections.abc import Callable
from pathlib import Path

from llm_incident_manager.journal.disk import Disk


class File:
    """A file: what it holds, and what of that is safe."""

    __slots__ = ("content", "synced")

    def __init__(self) -> None:
        self.content = bytearray()
        self.synced = b""


class MemoryDisk(Disk):
    """The journal's system calls over dictionaries; ``trouble(call)`` may raise, as a real disk does."""

    def __init__(self, chance: random.Random, trouble: Callable[[str], None]) -> None:
        self._chance = chance
        self._trouble = trouble
        self._files: dict[Path, File] = {}
        self._durable: dict[Path, File] = {}
        self._open: dict[int, File] = {}
        self._locked: set[int] = set()
        self._next = 10

    def crash(self, *, power: bool) -> None:
        """The process is gone; with ``power`` so is what was never synced, wholly or in part."""
        self._open.clear()
        self._locked.clear()
        if not power:
            return
        for path in sorted(self._files.keys() ^ self._durable.keys()):
            survives = self._chance.random() < 0.5
            there = self._files if path in self._files else self._durable
            (self._files if survives else {}).__setitem__(path, there[path])
            if not survives:
                self._files.pop(path, None)
        for file in self._files.values():
            kept = len(file.synced)
            more = bytes(file.content[kept:])
            file.content = bytearray(file.synced + more[: self._chance.randint(0, len(more))])
            file.synced = bytes(file.content)
        self._durable = dict(self._files)

    def make_folder(self, folder: Path) -> None:
        pass

    def names(self, folder: Path) -> list[str]:
        return [path.name for path in self._files if path.parent == folder]

    def lock(self, path: Path) -> int:
        if self._locked:
            raise BlockingIOError(errno.EAGAIN, "locked")
        descriptor = self._descriptor(File())
        self._locked.add(descriptor)
        return descriptor

    def create(self, path: Path) -> int:
        self._trouble("create")
        if path in self._files:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        file = self._files[path] = File()
        return self._descriptor(file)

    def open(self, path: Path) -> int:
        return self._descriptor(self._files.setdefault(path, File()))

    def size(self, descriptor: int) -> int:
        return len(self._open[descriptor].content)

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        return bytes(self._open[descriptor].content[offset : offset + length])

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        self._trouble("write")
        held = self._open[descriptor].content
        if len(held) < offset:
            held.extend(bytes(offset - len(held)))
        held[offset : offset + len(content)] = content
        return len(content)

    def truncate(self, descriptor: int, size: int) -> None:
        self._trouble("truncate")
        del self._open[descriptor].content[size:]

    def sync(self, descriptor: int) -> None:
        self._trouble("sync")
        file = self._open[descriptor]
        file.synced = bytes(file.content)

    def sync_folder(self, folder: Path) -> None:
        self._durable = dict(self._files)

    def replace(self, source: Path, target: Path) -> None:
        self._files[target] = self._files.pop(source)

    def unlink(self, path: Path) -> None:
        self._trouble("unlink")
        del self._files[path]

    def salt(self) -> int:
        return self._chance.getrandbits(32)

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        self._locked.discard(descriptor)

    def _descriptor(self, file: File) -> int:
        self._next += 1
        self._open[self._next] = file
        return self._next
