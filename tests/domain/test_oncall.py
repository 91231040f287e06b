from datetime import UTC, datetime
from typing import Any

import pytest

from llm_incident_manager.domain.oncall.reading import parse_schedule
from llm_incident_manager.domain.oncall.schedule import OnCall, on_call
from llm_incident_manager.errors import Invalid

EXAMPLE: dict[str, Any] = {
    "id": "primary",
    "name": "Primary",
    "time_zone": "Europe/Madrid",
    "layers": [
        {
            "name": "week",
            "rotation": {
                "type": "weekly", "length": 1, "hand_off": "09:00", "starts": "2027-01-04", "users": ["ana", "bo"],
            },
        }
    ],
    "overrides": [{"user": "bo", "start": "2027-02-01T08:00:00Z", "end": "2027-02-02T08:00:00Z"}],
}  # fmt: skip


def at(text: str, schedule: dict[str, Any] = EXAMPLE) -> OnCall:
    return on_call(parse_schedule(schedule), datetime.fromisoformat(text))


def rotation(**members: Any) -> dict[str, Any]:
    given = EXAMPLE["layers"][0]["rotation"] | members
    return {"id": "s", "time_zone": "Europe/Madrid", "layers": [{"name": "l", "rotation": given}]}


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize(
    ("instant", "users", "until", "following"),
    [
        ("2027-01-04T07:59:59Z", (), "2027-01-04T08:00:00Z", ("ana",)),
        ("2027-01-04T08:00:00Z", ("ana",), "2027-01-11T08:00:00Z", ("bo",)),
        ("2027-01-11T08:00:00Z", ("bo",), "2027-01-18T08:00:00Z", ("ana",)),
        ("2027-02-01T07:59:59Z", ("bo",), "2027-02-01T08:00:00Z", ("bo",)),
        ("2027-02-01T12:00:00Z", ("bo",), "2027-02-02T08:00:00Z", ("ana",)),
        ("2027-02-02T08:00:00Z", ("ana",), "2027-02-08T08:00:00Z", ("bo",)),
        ("2027-03-28T12:00:00Z", ("bo",), "2027-03-29T07:00:00Z", ("ana",)),
    ],
)
def test_the_example_s_schedule(instant: str, users: tuple[str, ...], until: str, following: tuple[str, ...]) -> None:
    found = at(instant)
    assert found.users == users
    assert found.gap is (not users)
    if users != following:
        assert found.until == datetime.fromisoformat(until)
        assert found.next_users == following
    else:  # a hand-over from bo to bo is none
        assert found.until == datetime(2027, 2, 2, 8, tzinfo=UTC)


@pytest.mark.requirement("RTE-03")
def test_a_hand_off_in_the_spring_gap_happens_after_it() -> None:
    schedule = rotation(type="daily", hand_off="02:30", starts="2027-03-27")
    assert at("2027-03-28T01:29:59Z", schedule).until == datetime(2027, 3, 28, 1, 30, tzinfo=UTC)
    assert at("2027-03-28T01:30:00Z", schedule).users == ("bo",)
    assert at("2027-03-28T01:30:00Z", schedule).until == datetime(2027, 3, 29, 0, 30, tzinfo=UTC)


@pytest.mark.requirement("RTE-03")
def test_a_hand_off_in_the_autumn_fold_happens_once_at_the_first() -> None:
    schedule = rotation(type="daily", hand_off="02:30", starts="2027-10-30")
    assert at("2027-10-31T00:29:59Z", schedule).users == ("ana",)
    assert at("2027-10-31T00:30:00Z", schedule).users == ("bo",)
    assert at("2027-10-31T01:30:00Z", schedule).users == ("bo",)
    assert at("2027-10-31T01:30:00Z", schedule).until == datetime(2027, 11, 1, 1, 30, tzinfo=UTC)


def test_custom_lengths_are_hours_that_really_pass() -> None:
    schedule = rotation(type="custom", length=12, hand_off="20:00", starts="2027-03-27")
    assert at("2027-03-28T06:59:59Z", schedule).users == ("ana",)
    assert at("2027-03-28T07:00:00Z", schedule).users == ("bo",)


def test_the_last_layer_that_has_a_shift_counts_and_overrides_over_all() -> None:
    def layer(name: str, starts: str, *users: str) -> dict[str, Any]:
        turn = {"type": "daily", "length": 1, "hand_off": "00:00", "starts": starts, "users": list(users)}
        return {"name": name, "rotation": turn}

    schedule = {
        "id": "s",
        "layers": [layer("below", "2027-01-01", "ana"), layer("above", "2027-01-05", "bo")],
        "overrides": [
            {"user": "cy", "start": "2027-01-06T00:00:00Z", "end": "2027-01-09T00:00:00Z"},
            {"user": "di", "start": "2027-01-07T00:00:00Z", "end": "2027-01-08T00:00:00Z"},
        ],
    }
    days = {day: at(f"2027-01-0{day}T12:00:00Z", schedule).users for day in range(1, 10)}
    assert days == {
        1: ("ana",), 2: ("ana",), 3: ("ana",), 4: ("ana",), 5: ("bo",), 6: ("cy",), 7: ("di",), 8: ("cy",), 9: ("bo",),
    }  # fmt: skip
    assert at("2027-01-09T12:00:00Z", schedule).until is None


def test_an_empty_schedule_is_a_gap_for_ever() -> None:
    assert at("2027-01-01T00:00:00Z", {"id": "s"}) == OnCall(users=(), until=None, next_users=(), gap=True)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "schedule"),
        (EXAMPLE | {"time_zone": "Mars/Base"}, "schedule.time_zone"),
        (EXAMPLE | {"time_zone": "../etc"}, "schedule.time_zone"),
        (EXAMPLE | {"colour": 1}, "schedule.colour"),
        (EXAMPLE | {"layers": {}}, "schedule.layers"),
        (rotation(type="yearly"), "schedule.layers[0].rotation.type"),
        (rotation(length=0), "schedule.layers[0].rotation.length"),
        (rotation(hand_off=540), "schedule.layers[0].rotation.hand_off"),
        (rotation(hand_off="25:00"), "schedule.layers[0].rotation.hand_off"),
        (rotation(starts="soon"), "schedule.layers[0].rotation.starts"),
        (rotation(users=[]), "schedule.layers[0].rotation.users"),
        (rotation(users=[1]), "schedule.layers[0].rotation.users[0]"),
        (EXAMPLE | {"overrides": [{"user": "a", "start": "2027-01-01T00:00:00", "end": "2027-01-02T00:00:00Z"}]},
         "schedule.overrides[0].start"),
        (EXAMPLE | {"overrides": [{"user": "a", "start": "2027-01-02T00:00:00Z", "end": "2027-01-02T00:00:00Z"}]},
         "schedule.overrides[0].end"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_refused_by_field(document: object, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_schedule(document)
    assert [fault.field for fault in caught.value.faults] == [field]
