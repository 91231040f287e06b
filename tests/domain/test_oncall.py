from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType
from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.schedule import OnCall, Override, Schedule, on_call

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
    return on_call(built(schedule), datetime.fromisoformat(text))


def built(document: dict[str, Any]) -> Schedule:
    layers = tuple(Layer(name=layer["name"], rotation=turns(layer["rotation"])) for layer in document.get("layers", []))
    overrides = tuple(
        Override(
            user=each["user"], start=datetime.fromisoformat(each["start"]), end=datetime.fromisoformat(each["end"])
        )
        for each in document.get("overrides", [])
    )
    zone = document.get("time_zone", "UTC")
    return Schedule(id=document["id"], name=document["id"], time_zone=zone, layers=layers, overrides=overrides)


def turns(given: dict[str, Any]) -> Rotation:
    return Rotation(
        type=RotationType(given["type"]),
        length=given["length"],
        hand_off=time.fromisoformat(given["hand_off"]),
        starts=date.fromisoformat(given["starts"]),
        users=tuple(given["users"]),
    )


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
