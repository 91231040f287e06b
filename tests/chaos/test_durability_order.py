"""In which order things reach the disk and the sender: no 202 before its sync, no unlink before the database's."""

import asyncio
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from llm_incident_manager.app.house import House
from llm_incident_manager.bus.memory import MemoryBus
from llm_incident_manager.clock import SystemClock
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.journal.disk import Disk
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.storage.store import migrate, open_store
from tests.chaos.load import EVENTS, a_document, config_yaml, drained
from tests.chaos.traced import Call, calls, strace_words
from tests.process import ServerProcess
from tests.stories.app import person

pytestmark = [pytest.mark.requirement("ING-08"), pytest.mark.requirement("REL-03")]
EVENT_ID = re.compile(r"traced-\d{5}-end")
ROUNDS = 12
BIG = "x" * 8_000


class RecordingDisk(Disk):
    """A real disk that keeps, for each segment, which events are written, and which are durable."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._paths: dict[int, Path] = {}
        self.written: dict[Path, set[str]] = {}
        self.durable: set[str] = set()
        self.unlinked: list[Path] = []
        self.too_early: list[str] = []

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._paths[descriptor] = path
        self.written[path] = set()
        return descriptor

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        taken = super().write(descriptor, content, offset)
        if (path := self._paths.get(descriptor)) is not None:
            self.written[path] |= set(EVENT_ID.findall(content[:taken].decode("latin-1")))
        return taken

    def sync(self, descriptor: int) -> None:
        path = self._paths.get(descriptor)
        before = set(self.written[path]) if path is not None else set()
        super().sync(descriptor)
        self.durable |= before

    def unlink(self, path: Path) -> None:
        events = self.written.get(path, set())
        # A connection of its own sees what is committed, and nothing else.
        with closing(sqlite3.connect(self._database)) as other:
            committed = {row[0] for row in other.execute("SELECT event_id FROM event_keys")}
        self.too_early += sorted(events - committed)
        if events:
            self.unlinked.append(path)
        super().unlink(path)

    def close(self, descriptor: int) -> None:
        self._paths.pop(descriptor, None)
        super().close(descriptor)


def documents(number: int) -> Iterator[dict[str, object]]:
    """Events with ids that are found again in any file; half of them repeat one resource."""
    for n in range(number):
        yield a_document("repeated" if n % 2 else None, event_id=f"traced-{n:05d}-end", description=BIG)


async def test_the_walk_answers_after_the_sync_and_unlinks_after_the_commit(tmp_path: Path) -> None:
    database = tmp_path / "incidents.db"
    url = f"sqlite:///{database}"
    migrate(url)
    store, clock, disk = open_store(url), SystemClock(), RecordingDisk(database)
    journal = Journal.open(tmp_path / "journal", disk=disk, clock=clock, segment_bytes=40_000)
    house = House(
        store=store,
        journal=journal,
        channels={},
        bus=MemoryBus(),
        clock=clock,
        settings=SettingsMemory(),
        render=lambda *_: pytest.fail("nobody is paged here"),
    )
    await house.recall()
    caller = person("ana")
    answered = 0

    async def send(document: dict[str, object]) -> None:
        nonlocal answered
        receipt = await house.intake.accept(json.dumps(document).encode(), caller)
        assert receipt.event_id in disk.durable, f"{receipt.event_id} was answered before it was durable"
        answered += 1

    async def triage() -> None:
        while answered < ROUNDS * 8 or journal.depth():
            await journal.wait(0.1)
            await house.triage.run_once()

    async with asyncio.TaskGroup() as group:
        group.create_task(triage())
        several = list(documents(ROUNDS * 8))
        for start in range(0, len(several), 8):
            await asyncio.gather(*(send(document) for document in several[start : start + 8]))
    journal.close()
    await store.close()
    assert disk.too_early == []
    assert len(disk.unlinked) >= 5
    print(f"{answered} answers after their sync, {len(disk.unlinked)} segments unlinked after the commit")


def test_the_process_answers_after_fdatasync_and_unlinks_after_the_databases(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian package: strace)")
    trace = tmp_path / "trace"
    yaml = config_yaml()
    # A small buffer has small segments, which are soon left behind.
    server = ServerProcess(tmp_path, yaml, {"BUFFER_BYTES": str(1 << 20)}, before=strace_words(trace))
    with server:
        several = list(documents(ROUNDS * 6))
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(several), 6):
                four, batch = several[start : start + 4], several[start + 4 : start + 6]
                answers = list(pool.map(lambda document: server.post(EVENTS, document), [*four, batch]))
                assert [answer.status for answer in answers] == [202] * 5
                drained(server)
        assert server.stop() == 0
        assert "ptrace" not in server.log, server.tail
    found = calls(trace)
    written = _events_written(found)
    segments = {event: call.on for event, call in written.items()}
    assert len(written) == ROUNDS * 6, "every event was written to the journal"
    assert _answered_too_early(found, written) == []
    unlinks = [call for call in found if call.is_unlink and ".segment" in call.text]
    early = [each for unlink in unlinks for each in _unlinked_too_early(found, unlink, segments)]
    assert early == []
    print(f"{len(written)} events answered after fdatasync, {len(unlinks)} segments unlinked after the database's")
    assert len(unlinks) >= 3


ORDER = """\
7 pwrite64(9</j/1-a.segment>, "..traced-00001-end..", 99, 8) = 99
7 fdatasync(9</j/1-a.segment> <unfinished ...>
8 pwrite64(11</d/incidents.db-wal>, "..traced-00001-end..", 4096, 0) = 4096
7 <... fdatasync resumed>)                 = 0
6 writev(14<socket:[1]>, [{iov_base="HTTP/1.1 202 Accepted", iov_len=9}, {iov_base="traced-00001-end"}], 2) = 99
8 fdatasync(11</d/incidents.db-wal>)    = 0
6 unlink("/j/1-a.segment") = 0
"""


@pytest.mark.parametrize(
    ("moved", "to", "wrong"), [(None, 0, ""), (3, 5, "answer"), (4, 2, "answer"), (6, 4, "unlink"), (5, 2, "unlink")]
)
def test_this_check_finds_a_wrong_order(tmp_path: Path, moved: int | None, to: int, wrong: str) -> None:
    lines = ORDER.splitlines()
    if moved is not None:
        lines.insert(to, lines.pop(moved))
    (tmp_path / "trace").write_text("\n".join(lines))
    found = calls(tmp_path / "trace")
    written = _events_written(found)
    (unlink,) = (call for call in found if call.is_unlink)
    assert bool(_answered_too_early(found, written)) == (wrong == "answer")
    segments = {event: call.on for event, call in written.items()}
    assert bool(_unlinked_too_early(found, unlink, segments)) == (wrong == "unlink")


def _events_written(found: list[Call]) -> dict[str, Call]:
    return {
        event: call
        for call in found
        if call.name == "pwrite64" and call.on.endswith(".segment")
        for event in EVENT_ID.findall(call.text)
    }


def _answered_too_early(found: list[Call], written: dict[str, Call]) -> list[str]:
    """Return the events whose answer began to leave before a sync of their segment, begun after the write, ended."""
    answered = {
        event: call for call in reversed(found) if call.to_socket for event in EVENT_ID.findall(call.text)
    }  # the first one of each stays
    assert answered.keys() == written.keys(), "every event was answered"
    return [
        event
        for event, answer in answered.items()
        if not _synced(found, written[event].on, after=written[event].ended, before=answer.began)
    ]


def _unlinked_too_early(found: list[Call], unlink: Call, segments: dict[str, str]) -> list[str]:
    """Return the segment's events that were not durable in the database when it was unlinked."""
    late = []
    for event, segment in segments.items():
        if Path(segment).name not in unlink.text:
            continue
        into_log = [
            call for call in found if call.on.endswith("-wal") and call.name == "pwrite64" and event in call.text
        ]
        log = into_log[0] if into_log else None
        if log is None or not _synced(found, log.on, after=log.ended, before=unlink.began):
            late.append(f"{event} in {segment}")
    return late


def _synced(found: list[Call], file: str, *, after: int, before: int) -> bool:
    return any(call.is_sync and call.on == file and after <= call.began and call.ended < before for call in found)
