from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType, shift_at
from llm_incident_manager.domain.oncall.schedule import Override, Schedule, on_call

ZONES = ("Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "UTC")
instants = st.timedeltas(timedelta(0), timedelta(days=366)).map(lambda step: datetime(2011, 12, 1, tzinfo=UTC) + step)
rotations = st.builds(
    Rotation,
    type=st.sampled_from(list(RotationType)),
    length=st.integers(1, 3),
    hand_off=st.times().map(lambda clock: clock.replace(second=0, microsecond=0)) | st.just(time(2, 30)),
    starts=st.dates(date(2011, 11, 1), date(2012, 6, 1)),
    users=st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(tuple),
)
overrides = st.builds(
    lambda user, start, length: Override(user=user, start=start, end=start + length),
    st.sampled_from("xyz"), instants, st.timedeltas(timedelta(minutes=1), timedelta(days=9)),
)  # fmt: skip
schedules = st.builds(
    lambda zone, turns, over: Schedule(
        id="s", name="s", time_zone=zone,
        layers=tuple(Layer(name=str(index), rotation=turn) for index, turn in enumerate(turns)), overrides=tuple(over),
    ),
    st.sampled_from(ZONES), st.lists(rotations, max_size=2), st.lists(overrides, max_size=3),
)  # fmt: skip


@pytest.mark.requirement("RTE-03")
@given(schedules, instants)
def test_there_is_one_answer_or_a_named_gap_at_every_instant(schedule: Schedule, at: datetime) -> None:
    found = on_call(schedule, at)
    assert len(found.users) <= 1
    assert found.gap is (found.users == ())
    if found.until is None:
        assert found.next_users == found.users
    else:
        assert found.until > at
        assert found.next_users != found.users
        assert on_call(schedule, found.until - timedelta(microseconds=1)).users == found.users
        assert on_call(schedule, found.until).users == found.next_users


@pytest.mark.requirement("RTE-03")
@given(rotations, st.sampled_from(ZONES), instants)
def test_shifts_follow_each_other_without_gap_or_overlap_across_every_clock_change(
    rotation: Rotation, zone: str, at: datetime
) -> None:
    shift = shift_at(rotation, ZoneInfo(zone), at)
    if shift is None:
        return
    shifts = [shift]
    for _ in range(12):
        following = shift_at(rotation, ZoneInfo(zone), shifts[-1].end)
        assert following is not None
        shifts.append(following)
    assert shift.start <= at < shift.end
    for before, after in pairwise(shifts):
        assert before.end == after.start < after.end
