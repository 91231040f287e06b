from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from llm_incident_manager.domain.oncall import rotation as rotations
from llm_incident_manager.domain.oncall.coverage import gaps, overlaps
from llm_incident_manager.domain.oncall.layer import Layer
from llm_incident_manager.domain.oncall.restriction import Restriction
from llm_incident_manager.domain.oncall.rotation import Rotation, RotationType
from llm_incident_manager.domain.oncall.schedule import OnCall, Override, Schedule, Swap, on_call, users_at

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


def test_a_restriction_over_the_fold_is_one_window_and_one_in_the_gap_does_not_open() -> None:
    zone = ZoneInfo("Europe/Madrid")
    night = Restriction(start=time(1, 30), end=time(2, 30))
    assert night.on(date(2027, 10, 31), zone) == (
        datetime(2027, 10, 30, 23, 30, tzinfo=UTC), datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
    )  # fmt: skip
    assert Restriction(start=time(2, 30), end=time(3, 15)).on(date(2027, 3, 28), zone) is None


def test_who_is_paged_is_found_in_no_time_however_old_and_crowded_the_schedule() -> None:
    turn = Rotation(
        type=RotationType.DAILY, length=1, hand_off=time(9), starts=date(1990, 1, 1), users=tuple(map(str, range(100)))
    )
    hours = tuple(Restriction(start=time(hour), end=time(hour, 30)) for hour in range(24))
    layers = tuple(Layer(name=str(number), rotation=turn, restrictions=hours) for number in range(10))
    crowded = Schedule(id="s", name="s", time_zone="America/New_York", layers=layers)
    at = datetime(2027, 1, 1, 12, 45, tzinfo=UTC)
    asked = Counter[str]()
    original = rotations.local_instant

    def counted(*given: Any) -> datetime:
        asked["instants"] += 1
        return original(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rotations, "local_instant", counted)
        assert users_at(crowded, at) == ()
    assert asked["instants"] <= 10 * 6


def test_layers_beside_each_other_are_on_call_together_and_swaps_exchange_one_of_them() -> None:
    def layer(name: str, user: str, **more: Any) -> Layer:
        turn = Rotation(type=RotationType.DAILY, length=1, hand_off=time(), starts=date(2027, 1, 1), users=(user,))
        return Layer(name=name, rotation=turn, **more)

    noon = datetime(2027, 1, 2, 12, tzinfo=UTC)
    swaps = (
        Swap(user="bo", by="cy", start=noon, end=noon + timedelta(hours=1)),
        Swap(user="cy", by="di", start=noon, end=noon + timedelta(minutes=30)),
    )
    schedule = Schedule(
        id="s", name="s", swaps=swaps, layers=(layer("1", "eve"), layer("2", "ana"), layer("3", "bo", beside=True))
    )
    assert users_at(schedule, noon - timedelta(minutes=1)) == ("ana", "bo")
    assert users_at(schedule, noon) == ("ana", "di")
    assert users_at(schedule, noon + timedelta(minutes=30)) == ("ana", "cy")
    assert [(each.users, each.reason) for each in overlaps(schedule, noon, noon + timedelta(hours=1))] == [
        (("ana", "di"), "together"), (("ana", "cy"), "together"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "not_started"),
        ({"ends_at": datetime(2026, 1, 1, tzinfo=UTC)}, "ended"),
        ({"starts": date(2026, 1, 1), "restrictions": (Restriction(start=time(5), end=time(6)),)}, "restricted"),
        ({"starts": date(2026, 1, 1), "users": ("", "ana"), "length": 7000}, "empty_turn"),
    ],
)
def test_a_gap_names_its_reason(change: dict[str, Any], reason: str) -> None:
    turn = Rotation(
        type=RotationType.DAILY, length=change.pop("length", 1), hand_off=time(),
        starts=change.pop("starts", date(2028, 1, 1)), users=change.pop("users", ("ana",)),
    )  # fmt: skip
    schedule = Schedule(id="s", name="s", layers=(Layer(name="l", rotation=turn, **change),))
    at = datetime(2027, 1, 1, 12, tzinfo=UTC)
    found = gaps(schedule, at, at + timedelta(hours=1))
    assert [(each.start, each.end, each.reason) for each in found] == [(at, at + timedelta(hours=1), reason)]
