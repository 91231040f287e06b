"""The client's spool: what was kept is there again, what was cut off is not, and it never grows beyond its bound."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llm_incident_manager.client import spool as module
from llm_incident_manager.client.spool import Spool, SpoolFull, SpoolInUse

pytestmark = pytest.mark.requirement("ING-03")


def body(event_id: str, text: str = "") -> bytes:
    return json.dumps({"event_id": event_id, "title": text}).encode()


def kept(spool: Spool) -> list[str]:
    return [entry.event_id for entry in spool.take(10_000, 1 << 30)]


def fill(spool: Spool, *names: str) -> None:
    for name in names:
        assert spool.append(name, body(name))


def test_what_was_not_acknowledged_is_there_again_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    fill(spool, "a", "b", "c", "d")
    assert [entry.event_id for entry in spool.take(2, 1 << 20)] == ["a", "b"]
    assert spool.done("a")
    assert not spool.done("a")
    assert not spool.done("c"), "it was never sent"
    spool.close()
    again = Spool(tmp_path)
    assert kept(again) == ["a", "b", "c", "d"], "files forget only as a whole; the server knows a again by its id"
    for name in ("a", "b", "c", "d"):
        assert again.done(name)
    again.close()
    assert list(tmp_path.glob("*.events")) == []


def test_the_same_event_waits_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    fill(spool, "a")
    assert not spool.append("a", body("a"))
    kept(spool)
    assert not spool.append("a", body("a")), "under way is waiting, too"
    spool.done("a")
    assert spool.append("a", body("a"))
    spool.close()


def test_what_comes_back_keeps_its_place_before_newer_ones(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    fill(spool, "a", "b", "c")
    spool.take(2, 1 << 20)
    fill(spool, "d")
    spool.put_back("b")
    assert (spool.unsent, spool.under_way, spool.waiting) == (3, 1, 4)
    spool.put_back()
    assert kept(spool) == ["a", "b", "c", "d"]
    spool.close()


def test_a_full_spool_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=1000)
    with pytest.raises(SpoolFull, match=r"is full: \d+ events wait") as full:
        fill(spool, *(f"event-{number}" for number in range(1000)))
    assert full.value.waiting == spool.waiting > 5
    assert sum(path.stat().st_size for path in tmp_path.glob("*.events")) <= 1000
    first = spool.take(1, 1 << 20)[0].event_id
    spool.done(first)
    assert spool.append("one more", body("one more"))
    spool.close()


def test_a_disk_that_is_full_says_so_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path)
    fill(spool, "a")
    real = os.write
    monkeypatch.setattr(module.os, "write", lambda descriptor, line: real(descriptor, line[:5]))
    with pytest.raises(SpoolFull, match="disk is full"):
        spool.append("b", body("b"))
    monkeypatch.undo()
    fill(spool, "c")
    spool.close()
    again = Spool(tmp_path)
    assert (kept(again), again.damaged) == (["a", "c"], 0)
    again.close()


def test_a_line_cut_off_or_damaged_is_dropped_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    fill(spool, "a", "b", "c")
    spool.close()
    (path,) = tmp_path.glob("*.events")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"b"', b'"x"')[:-4])
    again = Spool(tmp_path)
    assert (kept(again), again.damaged) == (["a"], 2)
    fill(again, "d")
    again.close()
    third = Spool(tmp_path)
    assert kept(third) == ["a", "d"]
    third.close()


def test_files_are_left_behind_when_all_in_them_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 100)
    spool = Spool(tmp_path)
    for number in range(50):
        fill(spool, f"event-{number}")
    many = len(list(tmp_path.glob("*.events")))
    assert many > 10
    for name in kept(spool):
        spool.done(name)
    assert len(list(tmp_path.glob("*.events"))) == 1
    spool.close()
    assert list(tmp_path.glob("*.events")) == []


def test_two_clients_do_not_share_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolInUse, match="folder of its own"):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_what_was_kept_survives_a_kill_9(tmp_path: Path) -> None:
    program = (
        "import sys, json\n"
        "from llm_incident_manager.client.spool import Spool\n"
        "spool = Spool(sys.argv[1])\n"
        "number = 0\n"
        "while True:\n"
        "    name = f'event-{number}'\n"
        "    spool.append(name, json.dumps({'event_id': name}).encode())\n"
        "    print(number, flush=True)\n"
        "    number += 1\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = -1
    for line in child.stdout:
        told = int(line)
        if told == 500:
            child.send_signal(signal.SIGKILL)
    child.wait(20)
    child.stdout.close()
    spool = Spool(tmp_path)
    found = kept(spool)
    assert len(found) >= told + 1 > 500
    assert found == [f"event-{number}" for number in range(len(found))]
    spool.close()
