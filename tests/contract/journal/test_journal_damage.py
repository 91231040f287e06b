"""Torn and damaged bytes: nothing is lost silently, nothing forged is believed."""

from pathlib import Path

import msgspec
import pytest

from llm_incident_manager.errors import Invalid
from llm_incident_manager.journal.frames import FRAME_HEADER, SEGMENT_HEADER, encoded, framed
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.journal.record import FORMAT, Record
from tests.contract.journal.kit import names, places, record, records, segments


@pytest.mark.requirement("ING-08")
def test_a_tail_torn_at_any_byte_is_cut_and_costs_nothing_confirmed(journal: Journal, folder: Path) -> None:
    journal.append_inline(records("1", "2"))
    kept = journal.bytes_used()
    journal.append_inline(records("torn"))
    journal.abandon()
    (file,) = segments(folder)
    content = file.read_bytes()
    for length in range(kept, len(content)):
        file.write_bytes(content[:length])
        again = Journal.open(folder)
        assert (names(again.take(10)), again.damaged) == (["1", "2"], [])
        assert again.cut_bytes == length - kept
        assert file.stat().st_size == kept
        again.abandon()


@pytest.mark.requirement("ING-08")
def test_any_damaged_byte_costs_only_its_own_record_and_is_reported(journal: Journal, folder: Path) -> None:
    second, third = journal.append_inline(records("1", "2", "3"))[1:]
    journal.abandon()
    (file,) = segments(folder)
    content = file.read_bytes()
    for at in range(second.offset, third.offset):
        broken = bytearray(content)
        broken[at] ^= 0xFF
        file.write_bytes(broken)
        again = Journal.open(folder)
        entries = again.take(10)
        assert names(entries) == ["1", "3"]
        (damage,) = again.damaged
        assert damage.position == second
        assert damage.data == bytes(broken[second.offset : third.offset])
        assert again.depth() == 2
        again.abandon()


def test_a_segment_with_damage_stays_until_the_damage_is_recorded(journal: Journal, folder: Path) -> None:
    second = journal.append_inline(records("1", "2", "3"))[1]
    journal.abandon()
    (file,) = segments(folder)
    with file.open("r+b") as opened:
        opened.seek(second.offset + FRAME_HEADER.size + 3)
        opened.write(b"\x00\x00")
    again = Journal.open(folder)
    again.done(places(again.take(10)))
    assert segments(folder) == [file]
    again.done([damage.position for damage in again.damaged])
    assert segments(folder) == []
    assert again.damaged == []
    again.abandon()


def test_a_record_that_goes_bad_while_it_waits_is_reported(folder: Path) -> None:
    journal = Journal.open(folder, memory_records=1)
    second = journal.append_inline(records("1", "2", "3"))[1]
    with segments(folder)[0].open("r+b") as opened:
        opened.seek(second.offset + FRAME_HEADER.size + 3)
        opened.write(b"\x00\x00")
    entries = journal.take(10)
    assert names(entries) == ["1", "3"]
    assert [damage.position for damage in journal.damaged] == [second]
    journal.done([*places(entries), second])
    journal.close()
    assert segments(folder) == []


def test_a_body_that_looks_like_a_record_is_never_taken_for_one(journal: Journal, folder: Path) -> None:
    forged = framed(encoded(record("forged", opens=True)), 0)
    carrier = msgspec.structs.replace(record(""), body=b"x" + forged + b"x" * 50)
    (position,) = journal.append_inline([carrier])
    journal.abandon()
    (file,) = segments(folder)
    content = file.read_bytes()
    file.write_bytes(content[:-10])
    again = Journal.open(folder)
    assert again.take(10) == []
    assert again.cut_bytes == len(content) - 10 - position.offset
    again.abandon()


def test_a_damaged_segment_header_costs_no_record(journal: Journal, folder: Path) -> None:
    journal.append_inline(records("1"))
    journal.abandon()
    with segments(folder)[0].open("r+b") as opened:
        opened.write(b"\x00\x00")
    again = Journal.open(folder)
    assert names(again.take(10)) == ["1"]
    assert len(again.damaged) == 1
    again.abandon()


def test_a_segment_of_a_newer_version_is_refused_and_left_alone(journal: Journal, folder: Path) -> None:
    journal.append_inline(records("1"))
    journal.abandon()
    (file,) = segments(folder)
    content = SEGMENT_HEADER[:-1] + b"\x02" + file.read_bytes()[len(SEGMENT_HEADER) :]
    file.write_bytes(content)
    with pytest.raises(Invalid, match="layout 2"):
        Journal.open(folder)
    assert file.read_bytes() == content


def test_records_written_before_a_field_was_added_are_read() -> None:
    old = msgspec.msgpack.encode([FORMAT, 7, "default", "key-1", None, True, b"{}"])
    found = msgspec.msgpack.decode(old, type=Record)
    assert (found.received_at, found.kept, found.context) == (7, True, {})
