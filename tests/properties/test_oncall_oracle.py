"""Random schedules agree with recurring-ical-events over their calendars, minute by minute around changes of clocks."""

import os
import random
import time
from datetime import date
from datetime import time as clock

import msgspec
import pytest

from llm_incident_manager.domain.oncall import rotation as rotations
from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType
from llm_incident_manager.domain.oncall.schedule import Schedule
from tests.oncall_oracle import USERS, ZONES, a_schedule, changes_of, disagreements

SECONDS = float(os.environ.get("ONCALL_SECONDS", "10"))
FIRST_SEED = int(os.environ.get("ONCALL_SEED", str(time.time_ns() % 10**9)))
EVERY = "ONCALL_EVERY_CHANGE" in os.environ


def weekly(zone: str) -> Schedule:
    turns = Rotation(
        type=RotationType.WEEKLY, length=1, hand_off=clock(2, 30), starts=date(2025, 6, 1), users=USERS[:3]
    )
    return Schedule(id="w", name="W", time_zone=zone, layers=(Layer(name="week", rotation=turns),))


@pytest.mark.requirement("RTE-03")
@pytest.mark.timeout(60 + 2 * SECONDS)
def test_random_schedules_agree_with_the_oracle() -> None:
    deadline, seed, minutes = time.monotonic() + SECONDS, FIRST_SEED, 0
    while time.monotonic() < deadline:
        chance = random.Random(seed)
        zone = chance.choice(ZONES)
        wrong = disagreements(a_schedule(chance, zone), chance.sample(changes_of(zone, 2026, 2028), 2))
        assert not wrong, f"ONCALL_SEED={seed}: {wrong[:3]}"
        seed, minutes = seed + 1, minutes + 1200
    print(f"{seed - FIRST_SEED} schedules, {minutes} minutes, from ONCALL_SEED={FIRST_SEED}")


@pytest.mark.requirement("RTE-03")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("zone", ZONES if EVERY else ("Europe/Madrid", "Australia/Lord_Howe"))
def test_every_change_of_ten_years_agrees_with_the_oracle(zone: str) -> None:
    """Ten years in `make soak` (ONCALL_EVERY_CHANGE), a few changes here."""
    changes = changes_of(zone)
    assert len(changes) >= 10
    changes = changes if EVERY else changes[::9]
    assert disagreements(weekly(zone), changes) == []
    assert disagreements(a_schedule(random.Random(f"{FIRST_SEED} {zone}"), zone), changes) == []


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize("zone", ["Europe/Madrid", "Australia/Lord_Howe", "America/St_Johns"])
def test_the_oracle_notices_wrong_hours(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand-offs an hour wrong after a change of clocks: what a schedule that counts in UTC would do."""
    rotation = weekly(zone).layers[0].rotation
    assert rotation is not None
    daily = msgspec.structs.replace(rotation, type=RotationType.DAILY)
    schedule = msgspec.structs.replace(weekly(zone), layers=(Layer(name="d", rotation=daily),))
    changes = changes_of(zone, 2027, 2027)
    assert disagreements(schedule, changes) == []
    right = rotations.local_instant
    first = right(date(2025, 6, 1), clock(2, 30), rotations.ZoneInfo(zone))
    monkeypatch.setattr(rotations, "local_instant", lambda day, _, __: first + (day - date(2025, 6, 1)))
    assert disagreements(schedule, changes) != []
