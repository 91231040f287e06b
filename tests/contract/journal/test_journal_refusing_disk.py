"""A disk that is full or broken: refused as a whole, no garbage, recovers by itself."""

import asyncio
import errno
from pathlib import Path

import pytest

from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.journal import Journal
from tests.contract.journal.kit import WatchedDisk, names, places, record, records, restarted, segments


@pytest.mark.requirement("ING-08")
async def test_a_full_disk_refuses_the_whole_group_and_leaves_no_garbage(
    journal: Journal, folder: Path, disk: WatchedDisk
) -> None:
    await journal.append(records("before"))
    size = journal.bytes_used()
    disk.short, disk.refusals["write"] = 5, errno.ENOSPC
    outcomes = await asyncio.gather(*(journal.append(records("lost")) for _ in range(8)), return_exceptions=True)
    for outcome in outcomes:
        assert isinstance(outcome, Unavailable)
        assert (outcome.code, outcome.retry_after_seconds) == ("journal_full", 5.0)
    assert not journal.healthy
    assert "No space left" in (journal.last_error or "")
    assert segments(folder)[0].stat().st_size == size
    disk.short = None
    disk.refusals.clear()
    await journal.append(records("after"))
    assert journal.healthy
    again = restarted(journal, folder)
    assert (names(again.take(10)), again.damaged, again.cut_bytes) == (["before", "after"], [], 0)
    again.abandon()


@pytest.mark.requirement("ING-08")
def test_after_a_failed_sync_the_segment_is_given_up(journal: Journal, folder: Path, disk: WatchedDisk) -> None:
    (before,) = journal.append_inline(records("before"))
    disk.refusals["sync"] = errno.EIO
    with pytest.raises(Unavailable) as refused:
        journal.append_inline(records("failed"))
    assert refused.value.code == "journal_unwritable"
    disk.refusals.clear()
    (after,) = journal.append_inline(records("after"))
    assert after.segment > before.segment
    assert names(journal.take(10)) == ["before", "after"]
    journal.done([before])
    assert len(segments(folder)) == 1


def test_half_a_record_that_cannot_be_cut_off_is_left_behind(journal: Journal, folder: Path, disk: WatchedDisk) -> None:
    (before,) = journal.append_inline(records("before"))
    disk.short = 5
    disk.refusals.update(write=errno.EIO, truncate=errno.EIO)
    with pytest.raises(Unavailable):
        journal.append_inline(records("half"))
    disk.short = None
    disk.refusals.clear()
    (after,) = journal.append_inline(records("after"))
    assert after.segment > before.segment
    again = restarted(journal, folder)
    assert names(again.take(10)) == ["before", "after"]
    assert [damage.position.segment for damage in again.damaged] == [before.segment]
    again.abandon()


def test_a_segment_that_cannot_be_made_refuses_and_spends_its_number(folder: Path, disk: WatchedDisk) -> None:
    journal = Journal.open(folder, disk=disk)
    disk.refusals["create"] = errno.EACCES
    with pytest.raises(Unavailable) as refused:
        journal.append_inline(records("1"))
    assert refused.value.code == "journal_unwritable"
    disk.refusals = {"sync": errno.ENOSPC}
    with pytest.raises(Unavailable):
        journal.append_inline(records("1"))
    assert segments(folder) == []
    disk.refusals.clear()
    journal.append_inline(records("2"))
    assert names(journal.take(10)) == ["2"]
    journal.abandon()


def test_what_is_not_confirmed_is_never_read(folder: Path) -> None:
    class ReadFromInTheMidst(WatchedDisk):
        def write(self, descriptor: int, content: bytes, offset: int) -> int:
            written = super().write(descriptor, content, offset)
            if self.short is not None:
                assert names(journal.take(1)) == ["2"]
                self.short = None
                self.refusals["write"] = errno.ENOSPC
            return written

    disk = ReadFromInTheMidst()
    journal = Journal.open(folder, disk=disk, memory_records=1)
    _, second, third = journal.append_inline(records("1", "2", "-"))
    assert names(journal.take(1)) == ["1"]
    disk.short = 2 * (third.offset - second.offset)
    with pytest.raises(Unavailable):
        journal.append_inline(records("3", "4", "5"))
    disk.refusals.clear()
    journal.append_inline(records("6", "7", "8"))
    assert names(journal.take(10)) == ["-", "6", "7", "8"]
    journal.abandon()


def test_short_writes_are_continued(journal: Journal, folder: Path, disk: WatchedDisk) -> None:
    disk.short = 7
    journal.append_inline(records("1", "2"))
    again = restarted(journal, folder)
    assert names(again.take(10)) == ["1", "2"]
    again.abandon()


def test_it_recovers_by_a_probe_while_nobody_sends(journal: Journal, disk: WatchedDisk) -> None:
    disk.refusals["write"] = errno.ENOSPC
    with pytest.raises(Unavailable):
        journal.append_inline(records("1"))
    assert not journal.probe()
    assert not journal.healthy
    disk.refusals.clear()
    assert journal.probe()
    assert journal.healthy


@pytest.mark.requirement("ING-08")
def test_over_its_limit_it_refuses_until_triage_has_made_room(folder: Path) -> None:
    journal = Journal.open(folder, max_bytes=4000)
    accepted = 0
    while journal.healthy:
        journal.append_inline([record("x", size=200)])
        accepted += 1
    with pytest.raises(Unavailable) as refused:
        journal.append_inline([record("x", size=400)])
    assert (refused.value.code, refused.value.retry_after_seconds) == ("journal_full", 5.0)
    assert 10 < accepted < 20
    assert journal.bytes_used() <= 4000
    assert journal.depth() == accepted
    journal.done(places(journal.take(8)))
    assert journal.healthy
    journal.append_inline([record("x", size=200)])
    journal.abandon()


def test_a_full_journal_of_one_drained_segment_accepts_again(folder: Path) -> None:
    journal = Journal.open(folder, max_bytes=4000)
    journal.append_inline([record("large", size=3500)])
    with pytest.raises(Unavailable):
        journal.append_inline([record("next", size=1000)])
    assert journal.depth() == 1
    journal.done(places(journal.take(1)))
    journal.append_inline([record("next", size=1000)])
    assert len(segments(folder)) == 1
    journal.abandon()
