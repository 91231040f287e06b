"""The journal accepts: durable before the answer, many callers to a sync."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.errors import Conflict, Invalid, Unavailable
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.journal.record import Record
from tests.contract.journal.kit import START, WatchedDisk, names, places, records, restarted, segments


@pytest.mark.requirement("ING-08")
async def test_what_was_appended_is_found_after_a_restart_at_the_same_places(journal: Journal, folder: Path) -> None:
    whole = Record(
        received_at=1_762_862_400_000_000,
        tenant="acme",
        source_key="key-9",
        incident_id=None,
        opens=True,
        body=b'{"a": "\xc3\xa9"}',
        kept=False,
        context={"batch": "b-1"},
    )
    positions = await journal.append([whole, *records("b", "c")])
    again = restarted(journal, folder)
    entries = again.take(10)
    assert places(entries) == positions
    assert entries[0].record == whole
    assert names(entries)[1:] == ["b", "c"]
    again.abandon()


@pytest.mark.requirement("ING-08")
async def test_nobody_is_answered_before_the_sync(journal: Journal, disk: WatchedDisk) -> None:
    async def caller() -> None:
        await journal.append(records("a"))
        disk.calls.append("answered")

    await journal.append(records("warm"))
    disk.calls.clear()
    await caller()
    assert disk.calls == ["write", "sync", "answered"]


@pytest.mark.requirement("ING-08")
def test_a_new_segment_and_the_next_number_are_named_durably_before_it_is_used(
    journal: Journal, disk: WatchedDisk
) -> None:
    journal.append_inline(records("a"))
    header, number, content = ["write"], ["write", "truncate", "sync", "replace", "sync folder"], ["write", "sync"]
    assert disk.calls[-9:] == ["create", *header, *number, *content]


async def test_concurrent_callers_share_one_sync(journal: Journal) -> None:
    found = await asyncio.gather(*(journal.append(records(f"{n}a", f"{n}b")) for n in range(64)))
    assert journal.syncs == 1
    by_place = {entry.position: entry for entry in journal.take(1000)}
    for n, positions in enumerate(found):
        assert names([by_place[position] for position in positions]) == [f"{n}a", f"{n}b"]


async def test_a_raw_caller_is_answered_in_the_thread_of_its_loop(journal: Journal) -> None:
    answered: asyncio.Future[tuple[int, object]] = asyncio.get_running_loop().create_future()
    journal.append_nowait(records("a"), lambda outcome: answered.set_result((threading.get_ident(), outcome)))
    thread, outcome = await answered
    assert thread == threading.get_ident()
    assert outcome == places(journal.take(1))


async def test_a_caller_that_goes_away_does_not_stop_the_others(journal: Journal) -> None:
    gone = asyncio.ensure_future(journal.append(records("gone")))
    stays = asyncio.ensure_future(journal.append(records("stays")))
    await asyncio.wait([gone], timeout=0)
    gone.cancel()
    assert len(await stays) == 1
    assert names(journal.take(10)) == ["gone", "stays"]


def test_without_a_loop_the_same_happens_in_the_callers_thread(journal: Journal, folder: Path) -> None:
    before = set(threading.enumerate())
    positions = journal.append_inline(records("a", "b"))
    assert set(threading.enumerate()) <= before
    again = restarted(journal, folder)
    assert places(again.take(10)) == positions
    again.abandon()


async def test_after_closing_it_accepts_nothing_and_keeps_what_waits(journal: Journal, folder: Path) -> None:
    waiting = asyncio.ensure_future(journal.append(records("in flight")))
    await asyncio.wait([waiting], timeout=0)
    journal.close()
    assert len(await waiting) == 1
    with pytest.raises(Unavailable) as refused:
        await journal.append(records("late"))
    assert refused.value.code == "journal_closed"
    again = Journal.open(folder)
    assert names(again.take(10)) == ["in flight"]
    again.abandon()


def test_a_second_opener_is_turned_away(journal: Journal, folder: Path) -> None:
    with pytest.raises(Conflict) as refused:
        Journal.open(folder)
    assert refused.value.code == "journal_in_use"


def test_limits_that_make_no_sense_are_named(folder: Path) -> None:
    with pytest.raises(Invalid, match="segment_bytes is 0"):
        Journal.open(folder, segment_bytes=0)
    with pytest.raises(Invalid, match="max_bytes is -1"):
        Journal.open(folder, max_bytes=-1)


@pytest.mark.requirement("ING-08")
def test_a_segment_number_is_never_used_again(folder: Path) -> None:
    used: list[int] = []
    for restart in range(5):
        journal = Journal.open(folder, clock=ManualClock(START - timedelta(days=restart)))
        (position,) = journal.append_inline(records("x"))
        used.append(position.segment)
        journal.done(places(journal.take(10)))
        journal.close()
        assert segments(folder) == []
    assert used == sorted(set(used))


def test_with_its_folder_lost_numbers_go_on_from_the_clock(tmp_path: Path) -> None:
    used = []
    for days in (0, 1):
        clock = ManualClock(START + timedelta(days=days))
        journal = Journal.open(tmp_path / f"journal{days}", clock=clock)
        used.append(journal.append_inline(records("x"))[0].segment)
        journal.abandon()
    assert used[1] > used[0]


def test_a_found_segment_is_read_and_never_appended_to(journal: Journal, folder: Path) -> None:
    (first,) = journal.append_inline(records("1"))
    again = restarted(journal, folder)
    (second,) = again.append_inline(records("2"))
    assert second.segment > first.segment
    again.abandon()
