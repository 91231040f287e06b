"""The journal when its process is killed, and when the power fails: what was confirmed is there afterwards."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.disk import Disk
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.journal.record import Position, Record

KILL_SECONDS = float(os.environ.get("JOURNAL_KILL_SECONDS", "12"))

WRITER = """
import asyncio, os, sys
from pathlib import Path
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.journal.record import Record

def say(word, entries):
    # One write of less than PIPE_BUF: kill -9 leaves whole lines.
    os.write(1, "".join(f"{word} {name} {p.segment} {p.offset}\\n" for name, p in entries).encode())

async def caller(journal, prefix):
    number = 0
    while True:
        names = [f"{prefix}.{number}.{n}" for n in range(1 + number % 3)]
        number += 1
        records = [
            Record(received_at=number, tenant="default", source_key="k", incident_id=None, opens=number % 5 == 0,
                   body=name.encode() + b" " * (number * 7 % 400))
            for name in names
        ]
        say("confirmed", zip(names, await journal.append(records)))

async def triage(journal):
    while await journal.wait():
        entries = journal.take(50)
        journal.mark_in_work([entry.position for entry in entries])
        say("done", [(entry.record.body.split()[0].decode(), entry.position) for entry in entries])
        journal.done([entry.position for entry in entries])
        await asyncio.sleep(0)

async def main(folder, run):
    journal = Journal.open(Path(folder), segment_bytes=20_000, memory_records=200)
    os.write(1, b"started\\n")
    await asyncio.gather(triage(journal), *(caller(journal, f"{run}.{n}") for n in range(16)))

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def run_until_killed(folder: Path, run: int, delay_seconds: float) -> list[list[str]]:
    """Return what the process said before it was killed, ``delay_seconds`` after it started to work."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(run)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        killer = threading.Timer(delay_seconds, process.kill)
        killer.start()
        said = process.stdout.read()
        killer.join()
        assert process.wait() == -signal.SIGKILL
    return [line.split() for line in said.decode().splitlines()]


@pytest.mark.requirement("ING-08")
def test_what_was_confirmed_is_found_after_kill_9(tmp_path: Path) -> None:
    seed = int(os.environ.get("JOURNAL_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    until = time.monotonic() + KILL_SECONDS
    runs = confirmed_count = repeated = 0
    names_by_place: dict[Position, str] = {}
    expected: dict[str, Position] = {}
    while time.monotonic() < until or runs < 3:
        done: set[str] = set()
        for word, name, segment, offset in run_until_killed(tmp_path, runs, chance.uniform(0.0, 0.3)):
            position = Position(int(segment), int(offset))
            assert names_by_place.setdefault(position, name) == name, f"place used twice; JOURNAL_SEED={seed}"
            if word == "confirmed":
                expected[name] = position
                confirmed_count += 1
            else:
                done.add(name)
        for name in done:  # "done" may be said before "confirmed"
            expected.pop(name, None)
        journal = Journal.open(tmp_path, memory_records=chance.choice([10, 100_000]))
        found = {entry.position: entry.record.body.split()[0].decode() for entry in journal.take(1_000_000)}
        assert journal.damaged == [], f"JOURNAL_SEED={seed}"
        for position, name in found.items():
            assert names_by_place.setdefault(position, name) == name, f"place used twice; JOURNAL_SEED={seed}"
        lost = {name for name, position in expected.items() if found.get(position) != name}
        assert not lost, f"{len(lost)} confirmed and lost, such as {min(lost)}; JOURNAL_SEED={seed}"
        repeated += len(found.keys() - expected.values())
        journal.abandon()
        runs += 1
    print(f"JOURNAL_SEED={seed}: {runs} kills, {confirmed_count} confirmed, none lost, {repeated} come again")
    assert confirmed_count > 0


class PowerLoss(Disk):
    """A real disk that knows which bytes a loss of power may take, and that can refuse the next calls."""

    def __init__(self) -> None:
        self.synced: dict[int, int] = {}
        self.paths: dict[int, Path] = {}
        self.refuse: set[str] = set()
        self.salts = random.Random(0)

    def salt(self) -> int:
        return self.salts.getrandbits(32)

    def _call(self, name: str) -> None:
        if name in self.refuse:
            self.refuse.discard(name)
            raise OSError(5, f"{name} refused")

    def create(self, path: Path) -> int:
        self._call("create")
        descriptor = super().create(path)
        self.paths[descriptor] = path
        self.synced[descriptor] = 0
        return descriptor

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        if "half" in self.refuse and len(content) > 1:
            self.refuse.discard("half")
            self.refuse.add("write")
            return super().write(descriptor, content[: len(content) // 2], offset)
        self._call("write")
        return super().write(descriptor, content, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        self._call("truncate")
        super().truncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        self._call("sync")
        super().sync(descriptor)
        if descriptor in self.synced:
            self.synced[descriptor] = self.size(descriptor)

    def unlink(self, path: Path) -> None:
        self._call("unlink")
        super().unlink(path)

    def close(self, descriptor: int) -> None:
        self.paths.pop(descriptor, None)
        self.synced.pop(descriptor, None)
        super().close(descriptor)

    def unsynced(self) -> list[tuple[Path, int, int]]:
        """Return path, synced bytes and present bytes of every segment made by this process."""
        return [(path, self.synced[d], self.size(d)) for d, path in self.paths.items() if path.exists()]


class JournalUnderPowerLoss(RuleBasedStateMachine):
    """Appends, triage, refusals and losses of power in any order."""

    @initialize(memory_records=st.sampled_from([1, 3, 1000]))
    def start(self, memory_records: int) -> None:
        self.limits = {"segment_bytes": 400, "memory_records": memory_records}
        self.folder = tempfile.TemporaryDirectory()
        self.count = 0
        self.waiting: dict[Position, str] = {}
        self.taken: dict[Position, str] = {}
        self.forgotten: set[Position] = set()
        self._open()

    def _open(self) -> None:
        self.disk = PowerLoss()
        self.journal = Journal.open(Path(self.folder.name), disk=self.disk, **self.limits)

    @rule(opens=st.lists(st.booleans(), min_size=1, max_size=4), size=st.integers(0, 300))
    def append(self, opens: list[bool], size: int) -> None:
        names = [f"{self.count + n}" for n in range(len(opens))]
        self.count += len(opens)
        records = [
            Record(
                received_at=self.count,
                tenant="t",
                source_key="k",
                incident_id=None,
                opens=opening,
                body=name.encode() + b" " * size,
            )
            for name, opening in zip(names, opens, strict=True)
        ]
        try:
            positions = self.journal.append_inline(records)
        except Unavailable:
            return
        for position, name in zip(positions, names, strict=True):
            assert position not in self.waiting
            assert position not in self.taken
            assert position not in self.forgotten
            self.waiting[position] = name

    @rule(limit=st.integers(1, 6))
    def take(self, limit: int) -> None:
        entries = self.journal.take(limit)
        assert len(entries) == min(limit, len(self.waiting))
        for entry in entries:
            name = entry.record.body.strip().decode()
            assert self.waiting.pop(entry.position) == name
            self.taken[entry.position] = name

    @rule(chance=st.randoms(use_true_random=False))
    def finish_some(self, chance: random.Random) -> None:
        finished = [position for position in self.taken if chance.random() < 0.7]
        self.journal.done(finished)
        for position in finished:
            del self.taken[position]
        self.forgotten.update(finished)

    @rule(chance=st.randoms(use_true_random=False))
    def give_some_back(self, chance: random.Random) -> None:
        back = [position for position in self.taken if chance.random() < 0.5]
        self.journal.release(back)
        for position in back:
            self.waiting[position] = self.taken.pop(position)

    @rule(calls=st.sets(st.sampled_from(["create", "write", "half", "truncate", "sync", "unlink"]), max_size=3))
    def trouble(self, calls: set[str]) -> None:
        self.disk.refuse = calls

    @rule(chance=st.randoms(use_true_random=False))
    def lose_power(self, chance: random.Random) -> None:
        unsynced = self.disk.unsynced()
        self.journal.abandon()
        for path, synced, present in unsynced:
            if present > synced:
                os.truncate(path, chance.randint(synced, present))
        self._reopen()
        self.journal.done([damage.position for damage in self.journal.damaged])

    @rule()
    def stop_and_start(self) -> None:
        self.journal.close()
        self.disk.refuse.clear()
        self._reopen()

    def _reopen(self) -> None:
        self._open()
        found = {entry.position: entry.record.body.strip().decode() for entry in self.journal.take(100_000)}
        for position, name in (self.waiting | self.taken).items():
            assert found[position] == name
        self.journal.release(list(found))
        self.taken.clear()
        self.waiting = found  # also what was done before, or refused and written all the same: duplicates are harmless
        self.forgotten -= found.keys()

    @invariant()
    def everything_accepted_is_counted(self) -> None:
        if hasattr(self, "journal"):
            assert self.journal.depth() == len(self.waiting) + len(self.taken)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.abandon()
            self.folder.cleanup()


TestJournalUnderPowerLoss = JournalUnderPowerLoss.TestCase
TestJournalUnderPowerLoss.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestJournalUnderPowerLoss.pytestmark = [pytest.mark.requirement("ING-08")]
