"""Triage takes from the journal: openings first, in order, bounded in memory."""

import asyncio
import errno
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.journal.record import Position
from tests.contract.journal.kit import START, WatchedDisk, names, places, record, records, restarted, segments


def test_openings_are_taken_before_repeats_each_in_order(journal: Journal) -> None:
    journal.append_inline([record("r1"), record("o1", opens=True), record("r2"), record("o2", opens=True)])
    assert names(journal.take(3)) == ["o1", "o2", "r1"]
    journal.append_inline([record("o3", opens=True)])
    assert names(journal.take(10)) == ["o3", "r2"]
    assert journal.take(10) == []
    assert journal.depth() == 5


def test_openings_can_be_taken_alone(journal: Journal) -> None:
    journal.append_inline([record("r1"), record("o1", opens=True)])
    assert names(journal.take(10, repeats=False)) == ["o1"]
    assert names(journal.take(10)) == ["r1"]


def test_what_is_released_comes_again_in_its_old_order(journal: Journal) -> None:
    journal.append_inline(records("1", "2", "3", "4", "5", "6"))
    first, second = journal.take(2), journal.take(2)
    journal.release(places(second))
    journal.release(places(first))
    third = journal.take(3)
    assert names(third) == ["1", "2", "3"]
    fourth = journal.take(2)
    journal.release(places(third))
    journal.release(places(fourth))
    assert names(journal.take(10)) == ["1", "2", "3", "4", "5", "6"]


def test_done_twice_and_done_with_unknown_places_are_harmless(journal: Journal) -> None:
    journal.append_inline(records("1", "2"))
    first = places(journal.take(1))
    journal.done(first)
    journal.done([*first, Position(1, 2)])
    journal.release(first)
    assert journal.depth() == 1
    assert names(journal.take(10)) == ["2"]


@pytest.mark.requirement("ING-08")
def test_a_segment_is_unlinked_once_all_of_it_is_done_and_not_before(folder: Path) -> None:
    journal = Journal.open(folder, segment_bytes=300)
    for n in range(8):
        journal.append_inline([record(str(n), size=100)])
    assert len(segments(folder)) == 4
    entries = journal.take(8)
    journal.done(places(entries)[1:])
    assert len(segments(folder)) == 2, "the first holds one that is not done, the last is still written to"
    journal.done(places(entries)[:1])
    assert len(segments(folder)) == 1
    journal.close()
    assert segments(folder) == []


def test_a_segment_that_cannot_be_unlinked_is_tried_again(folder: Path, disk: WatchedDisk) -> None:
    journal = Journal.open(folder, segment_bytes=100, disk=disk)
    journal.append_inline([record("1", size=100)])
    journal.append_inline([record("2", size=100)])
    disk.refusals["unlink"] = errno.EIO
    journal.done(places(journal.take(1)))
    assert not journal.healthy
    assert "unlink" in (journal.last_error or "")
    del disk.refusals["unlink"]
    journal.append_inline([record("3", size=100)])
    assert journal.healthy
    assert len(segments(folder)) == 2
    journal.abandon()


async def test_waiting_ends_when_something_can_be_taken(journal: Journal) -> None:
    assert not await journal.wait(0)
    waiting = asyncio.ensure_future(journal.wait())
    await journal.append(records("1"))
    assert await waiting
    entries = journal.take(10)
    assert not await journal.wait(0)
    waiting = asyncio.ensure_future(journal.wait())
    await asyncio.wait([waiting], timeout=0)
    journal.release(places(entries))
    assert await waiting
    assert await journal.wait(0)


async def test_one_can_wait_for_openings_alone(journal: Journal) -> None:
    waiting = asyncio.ensure_future(journal.wait(repeats=False))
    await journal.append([record("r1")])
    assert await journal.wait(0)
    assert not await journal.wait(0, repeats=False)
    assert not waiting.done()
    await journal.append([record("o1", opens=True)])
    assert await waiting


def test_the_lag_is_the_wait_of_the_oldest_that_is_not_done(folder: Path) -> None:
    clock = ManualClock(START)
    journal = Journal.open(folder, clock=clock, memory_records=1)
    at = int(START.timestamp()) * 1_000_000
    journal.append_inline([record("r1", at=at), record("r2", at=at + 1), record("o", at=at + 2_000_000, opens=True)])
    clock.advance(timedelta(seconds=5))
    assert journal.lag_seconds() == 5.0
    taken = journal.take(2)
    assert names(taken) == ["o", "r1"]
    assert journal.oldest_received_at() == at
    journal.done(places(taken)[1:])
    assert journal.oldest_received_at() == at + 1
    journal.done(places(journal.take(1)))
    assert journal.oldest_received_at() == at + 2_000_000
    journal.done(places(taken))
    assert journal.oldest_received_at() is None
    assert journal.lag_seconds() == 0.0
    journal.abandon()


def test_a_backlog_stays_on_disk_and_keeps_its_order(folder: Path) -> None:
    journal = Journal.open(folder, memory_records=100, segment_bytes=1 << 20)
    tracemalloc.start()
    try:
        for batch in range(200):
            journal.append_inline([record(f"{batch}/{n}", size=1000) for n in range(50)])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert journal.bytes_used() > 10_000_000
    assert held < 2_000_000
    expected = [f"{batch}/{n}" for batch in range(200) for n in range(50)]
    again = restarted(journal, folder, memory_records=100)
    taken: list[str] = []
    while entries := again.take(333):
        taken += names(entries)
        again.done(places(entries))
        if len(taken) == 3330:
            again.append_inline(records("last"))
    assert taken == [*expected, "last"]
    again.abandon()


def test_few_large_bodies_are_bounded_in_memory_by_bytes(folder: Path) -> None:
    journal = Journal.open(folder, memory_bytes=1 << 20)
    tracemalloc.start()
    try:
        for n in range(40):
            journal.append_inline([record(str(n), size=500_000)])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4_000_000
    entries = journal.take(100)
    assert names(entries) == [str(n) for n in range(40)]
    assert all(len(entry.record.body) >= 500_000 for entry in entries)
    journal.abandon()


def test_a_place_that_cannot_be_read_now_is_read_later(folder: Path, disk: WatchedDisk) -> None:
    journal = Journal.open(folder, disk=disk, memory_records=1)
    journal.append_inline(records("1", "2", "3"))
    disk.refusals["read"] = errno.EIO
    assert names(journal.take(3)) == ["1"]
    with pytest.raises(Unavailable) as refused:
        journal.take(3)
    assert refused.value.code == "journal_unreadable"
    disk.refusals.clear()
    assert names(journal.take(3)) == ["2", "3"]
    assert journal.depth() == 3
    journal.abandon()


@pytest.mark.requirement("ING-09")
def test_an_entry_in_work_at_two_ends_of_the_process_is_a_suspect(journal: Journal, folder: Path) -> None:
    journal.append_inline(records("good", "deadly", "fine"))
    good, deadly, fine = places(journal.take(3))
    journal.mark_in_work([good, deadly])
    journal.done([good])
    journal.mark_in_work([fine])
    journal.release([fine])
    journal = restarted(journal, folder)
    assert [(names([entry]), count) for entry, count in journal.suspects()] == [(["deadly"], 1)]
    journal = restarted(journal, folder)
    assert journal.restarts(deadly) == 1, "it was not in work when the process ended this time"
    journal.mark_in_work([deadly])
    journal = restarted(journal, folder)
    assert journal.restarts(deadly) == 2
    assert journal.restarts(fine) == 0
    assert deadly in places(journal.take(10))
    journal.done([deadly])
    journal = restarted(journal, folder)
    assert journal.suspects() == []
    journal.abandon()


def test_a_torn_mark_is_no_mark(journal: Journal, folder: Path) -> None:
    (position,) = journal.append_inline(records("x"))
    journal.mark_in_work([position])
    journal.abandon()
    file = folder / "in-work"
    file.write_bytes(file.read_bytes()[:-1])
    again = Journal.open(folder)
    assert again.suspects() == []
    again.abandon()
