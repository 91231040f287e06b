"""A disk that can be watched and made to refuse, and records in one word each."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_incident_manager.journal.disk import Disk
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.journal.record import Entry, Position, Record

START = datetime(2025, 11, 11, 12, tzinfo=UTC)


class WatchedDisk(Disk):
    """The real disk; writes down its calls and refuses those in ``refusals``, after ``short`` bytes of a write."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusals: dict[str, int] = {}
        self.short: int | None = None

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.refusals:
            raise OSError(self.refusals[name], os.strerror(self.refusals[name]))

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        self._call("read")
        return super().read(descriptor, offset, length)

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        if self.short is not None and len(content) > self.short:
            return super().write(descriptor, content[: self.short], offset)
        self._call("write")
        return super().write(descriptor, content, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        self._call("truncate")
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self._call("sync")
        super().sync(descriptor)

    def unlink(self, path: Path) -> None:
        self._call("unlink")
        super().unlink(path)

    def create(self, path: Path) -> int:
        self._call("create")
        return super().create(path)

    def replace(self, source: Path, target: Path) -> None:
        self._call("replace")
        super().replace(source, target)

    def sync_folder(self, folder: Path) -> None:
        self._call("sync folder")
        super().sync_folder(folder)


def record(name: str, *, opens: bool = False, at: int = 0, size: int = 0) -> Record:
    return Record(
        received_at=at,
        tenant="default",
        source_key="key-1",
        incident_id="INC-20251111-00001",
        opens=opens,
        body=name.encode() + b"." * size,
    )


def records(*names: str) -> list[Record]:
    return [record(name) for name in names]


def names(entries: list[Entry]) -> list[str]:
    return [entry.record.body.rstrip(b".").decode() for entry in entries]


def places(entries: list[Entry]) -> list[Position]:
    return [entry.position for entry in entries]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


def restarted(journal: Journal, folder: Path, **limits: Any) -> Journal:
    journal.abandon()
    return Journal.open(folder, **limits)
