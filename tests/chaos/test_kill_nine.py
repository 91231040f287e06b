"""A real process under load, killed by ``kill -9`` at random instants: nothing accepted is lost, no page missed."""

import os
from pathlib import Path

import pytest

from tests.chaos.kill_nine import kill_nine

KILLS = int(os.environ.get("CHAOS_KILLS", "6"))
SECONDS = float(os.environ.get("CHAOS_SECONDS", "15"))
SEED = os.environ.get("CHAOS_SEED")


@pytest.mark.requirement("ING-05")
@pytest.mark.requirement("ING-08")
@pytest.mark.requirement("REL-03")
@pytest.mark.requirement("REL-05")
@pytest.mark.requirement("NTF-03")
@pytest.mark.requirement("DEP-01")
@pytest.mark.timeout(240 + KILLS * 20)
async def test_whatever_was_promised_is_kept_after_kill_9_at_any_instant(tmp_path: Path) -> None:
    report = await kill_nine(tmp_path, kills=KILLS, seconds=SECONDS, seed=int(SEED) if SEED else None)
    print(report)
    assert not report.faults, str(report)
    assert report.kills >= KILLS
    assert report.figures["events"] > 100
