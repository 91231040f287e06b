"""Schedules of Opsgenie, PagerDuty (layers and shifts) and Grafana OnCall, as their APIs answer them, with parity."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.app import Api, opened

DAYS = ("04", "05", "06", "07", "08")
OPSGENIE: dict[str, Any] = {
    "data": [
        {
            "id": "d875e654-9b4e-4219-a803-0c26936cbf45", "name": "Ops Schedule", "timezone": "Europe/Kirov",
            "enabled": True, "description": "",
            "rotations": [
                {"id": "r1", "name": "Week", "startDate": "2027-01-04T06:00:00Z", "type": "weekly", "length": 1,
                 "participants": [{"type": "user", "id": "u1", "username": "ana@example.com"},
                                  {"type": "none"}, {"type": "user", "id": "u2", "username": "bo@example.com"}],
                 "timeRestriction": {"type": "weekday-and-time-of-day", "restrictions": [
                     {"startDay": "monday", "startHour": 9, "startMin": 0, "endDay": "friday", "endHour": 18,
                      "endMin": 0}]}},
                {"id": "r2", "name": "Nights", "startDate": "2027-01-04T17:00:00Z", "type": "hourly", "length": 12,
                 "participants": [{"type": "user", "id": "u3"}],
                 "timeRestriction": {"type": "time-of-day", "restriction": {
                     "startHour": 20, "startMin": 0, "endHour": 8, "endMin": 0}}},
            ],
            "overrides": [{"alias": "o", "user": {"type": "user", "id": "u2", "username": "bo@example.com"},
                           "startDate": "2027-01-06T05:00:00Z", "endDate": "2027-01-06T15:00:00Z", "rotations": []}],
            "timeline": {"data": {"finalTimeline": {"rotations": [
                {"name": "Week", "periods": [
                    {"startDate": "2027-01-04T06:00:00Z", "endDate": "2027-01-06T05:00:00Z", "type": "default",
                     "recipient": {"id": "u1", "type": "user", "name": "ana@example.com"}},
                    {"startDate": "2027-01-06T05:00:00Z", "endDate": "2027-01-06T15:00:00Z", "type": "override",
                     "recipient": {"id": "u2", "type": "user", "name": "bo@example.com"}},
                    {"startDate": "2027-01-06T15:00:00Z", "endDate": "2027-01-08T15:00:00Z", "type": "default",
                     "recipient": {"id": "u1", "type": "user", "name": "ana@example.com"}}]},
                {"name": "Nights", "periods": [
                    {"startDate": f"2027-01-0{day}T17:00:00Z", "endDate": f"2027-01-0{day + 1}T05:00:00Z",
                     "type": "default", "recipient": {"id": "u3", "type": "user", "name": "cy@example.com"}}
                    for day in (4, 5, 6, 7)]}]}}},
        }
    ],
    "users": {"data": [{"id": "u3", "username": "cy@example.com", "fullName": "Cy"}]},
}  # fmt: skip

LAYERS: dict[str, Any] = {
    "schedule": {
        "id": "PI7DH85", "type": "schedule", "name": "Primary On-Call", "time_zone": "America/New_York",
        "users": [{"id": "PA", "summary": "Ana Ruiz", "type": "user_reference"}],
        "schedule_layers": [
            {"name": "Layer 2", "start": "2027-01-01T00:00:00-05:00", "end": None,
             "rotation_virtual_start": "2027-01-01T22:00:00-05:00", "rotation_turn_length_seconds": 86400,
             "users": [{"user": {"id": "PC", "type": "user_reference", "summary": "Cy"}}],
             "restrictions": [{"type": "daily_restriction", "start_time_of_day": "22:00:00",
                               "duration_seconds": 28800}]},
            {"name": "Layer 1", "start": "2027-03-01T00:00:00-05:00", "end": None,
             "rotation_virtual_start": "2027-03-01T09:00:00-05:00", "rotation_turn_length_seconds": 604800,
             "users": [{"user": {"id": "PA"}}, {"user": {"id": "PB", "summary": "Bo", "email": "bo@example.com"}}],
             "restrictions": []},
        ],
        "overrides_subschedule": {"rendered_schedule_entries": [
            {"start": "2027-03-10T12:00:00-05:00", "end": "2027-03-10T13:00:00-05:00", "user": {"id": "PC"}}]},
        "final_schedule": {"rendered_schedule_entries": [
            {"start": "2027-03-13T06:00:00-05:00", "end": "2027-03-13T22:00:00-05:00", "user": {"id": "PB"}},
            {"start": "2027-03-13T22:00:00-05:00", "end": "2027-03-14T06:00:00-04:00", "user": {"id": "PC"}},
            {"start": "2027-03-14T06:00:00-04:00", "end": "2027-03-14T22:00:00-04:00", "user": {"id": "PB"}},
            {"start": "2027-03-14T22:00:00-04:00", "end": "2027-03-15T06:00:00-04:00", "user": {"id": "PC"}},
            {"start": "2027-03-15T06:00:00-04:00", "end": "2027-03-15T09:00:00-04:00", "user": {"id": "PB"}},
            {"start": "2027-03-15T09:00:00-04:00", "end": "2027-03-15T22:00:00-04:00", "user": {"id": "PA"}}]},
    },
    "users": [{"id": "PA", "name": "Ana Ruiz", "email": "ana@example.com"}, {"id": "PC", "email": "cy@example.com"}],
}  # fmt: skip


def v3_event(**more: Any) -> dict[str, Any]:
    return {
        "id": "E", "type": "schedule_event", "name": "Office",
        "start_time": {"date_time": "2027-01-04T09:00:00-08:00", "time_zone": "America/Los_Angeles"},
        "end_time": {"date_time": "2027-01-04T17:00:00-08:00", "time_zone": "America/Los_Angeles"},
        "effective_since": "2027-01-04T17:00:00Z", "effective_until": None,
        "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"],
        "assignment_strategy": {"type": "rotating_member_assignment_strategy", "shifts_per_member": 1, "members": [
            {"type": "user_member", "user_id": "PA"}, {"type": "user_member", "user_id": "PB"}]},
    } | more  # fmt: skip


def v3(event: dict[str, Any], *days: tuple[str, str]) -> dict[str, Any]:
    return {
        "schedule": {
            "id": "PS", "type": "schedule_v3", "name": "Shifts", "time_zone": "America/Los_Angeles",
            "rotations": [{"id": "R", "events": [event]}],
            "custom_shifts": [{"type": "custom_shift", "start_time": "2027-01-09T17:00:00Z",
                               "end_time": "2027-01-09T18:00:00Z", "assignments": [
                                   {"member": {"type": "user_member", "user_id": "PC"}}]}],
            "overrides": [{"id": "OV", "rotation_id": "R", "start_time": "2027-01-12T17:00:00Z",
                           "end_time": "2027-01-12T19:00:00Z",
                           "overridden_member": {"type": "user_member", "user_id": "PA"},
                           "overriding_member": {"type": "user_member", "user_id": "PC"}}],
            "final_schedule": {"computed_shift_assignments": [
                *({"start_time": f"2027-01-{day}T17:00:00Z", "end_time": f"2027-01-{int(day) + 1:02}T01:00:00Z",
                   "member": {"type": "user_member", "user_id": user}} for day, user in days),
                {"start_time": "2027-01-09T17:00:00Z", "end_time": "2027-01-09T18:00:00Z",
                 "member": {"type": "user_member", "user_id": "PC"}},
                {"start_time": "2027-01-10T17:00:00Z", "end_time": "2027-01-10T18:00:00Z",
                 "member": {"type": "empty_member"}}]},
        },
        "users": [{"id": "PA", "email": "ana@example.com"}, {"id": "PB", "email": "bo@example.com"},
                  {"id": "PC", "email": "cy@example.com"}],
    }  # fmt: skip


GRAFANA: dict[str, Any] = {
    "schedules": {"results": [{
        "id": "S1", "name": "Web", "type": "web", "time_zone": "Europe/Madrid", "shifts": ["A", "B", "C", "D"],
        "final_shifts": {"results": [
            {"user_email": "ana@example.com", "user_username": "ana", "shift_start": "2027-03-26T08:00:00Z",
             "shift_end": "2027-03-26T19:00:00Z"},
            {"user_email": "cy@example.com", "user_username": "cy", "shift_start": "2027-03-26T19:00:00Z",
             "shift_end": "2027-03-27T07:00:00Z"},
            {"user_email": "ana@example.com", "user_username": "ana", "shift_start": "2027-03-27T07:00:00Z",
             "shift_end": "2027-03-28T07:00:00Z"},
            {"user_email": "bo@example.com", "user_username": "bo", "shift_start": "2027-03-28T07:00:00Z",
             "shift_end": "2027-03-29T07:00:00Z"},
            {"user_email": "cy@example.com", "user_username": "cy", "shift_start": "2027-03-28T07:00:00Z",
             "shift_end": "2027-03-29T07:00:00Z"}]}}]},
    "on_call_shifts": {"results": [
        {"id": "A", "name": "days", "type": "rolling_users", "level": 0, "start": "2027-03-27T09:00:00",
         "duration": 86400, "frequency": "daily", "interval": 1, "rolling_users": [["UB", "UC"], ["UA"]],
         "start_rotation_from_user_index": 1},
        {"id": "B", "name": "friday night", "type": "single_event", "level": 1, "start": "2027-03-26T20:00:00",
         "duration": 43200, "users": ["UC"]},
        {"id": "C", "name": "friday", "type": "recurrent_event", "level": 0, "start": "2027-03-26T09:00:00",
         "duration": 86400, "frequency": "monthly", "by_monthday": [26], "users": ["UA"]},
        {"id": "D", "name": "office", "type": "rolling_users", "level": 0, "start": "2027-04-05T09:00:00",
         "duration": 28800, "frequency": "weekly", "interval": 1, "week_start": "MO", "by_day": ["MO", "WE"],
         "rolling_users": [["UA"], ["UB"]]}]},
    "users": {"results": [{"id": "UA", "username": "ana", "email": "ana@example.com"},
                          {"id": "UB", "username": "bo", "email": "bo@example.com"},
                          {"id": "UC", "username": "cyrus", "email": "cy@example.com"}]},
    "shift_swaps": {"results": [{"id": "X", "schedule": "S1", "beneficiary": "UA", "benefactor": "UB",
                                 "swap_start": "2027-04-05T00:00:00Z", "swap_end": "2027-04-06T00:00:00Z"}]},
}  # fmt: skip


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as found:
        for user, name in (("ana.r", "Ana Ruiz"), ("bo.l", "Bo L"), ("cy", "Cy")):
            mail = f"{user.partition('.')[0]}@example.com"
            document = {"id": user, "name": name, "contacts": {"email": mail}}
            assert (await found.client.post("/api/v1/users", json=document)).status_code == 201
        yield found


async def brought_in(api: Api, tool: str, document: Any, **more: Any) -> dict[str, Any]:
    answer = await api.client.post("/api/v1/imports/schedules", params={"from": tool} | more, json=document)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["schedules"][0]
    return found


async def who(api: Api, schedule: str, at: str) -> list[str]:
    answer = await api.client.get(f"/api/v1/schedules/{schedule}/on_call", params={"at": at})
    return list(answer.json()["on_call"])


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize(
    ("tool", "document", "schedule", "compared"),
    [
        ("opsgenie", OPSGENIE, "ops-schedule", 10),
        ("pagerduty", LAYERS, "primary-on-call", 6),
        (
            "pagerduty",
            v3(v3_event(), ("04", "PA"), ("05", "PB"), ("06", "PA"), ("07", "PB"), ("08", "PA")),
            "shifts",
            11,
        ),
        ("grafana-oncall", GRAFANA, "web", 4),
    ],
)
async def test_a_schedule_comes_with_shift_by_shift_parity_twice_the_same(
    api: Api, tool: str, document: Any, schedule: str, compared: int
) -> None:
    found = await brought_in(api, tool, document)
    assert found["faults"] == []
    assert [row for row in found["parity"]["rows"] if not row["same"]] == []
    assert (found["id"], found["imported"], found["parity"]["same"]) == (schedule, True, compared)
    assert found["parity"]["compared"] == compared
    assert await brought_in(api, tool, document) == found


@pytest.mark.requirement("RTE-03")
async def test_shifts_per_member_become_a_weekly_rotation_and_overrides_of_one_member_swaps(api: Api) -> None:
    members = v3_event()["assignment_strategy"] | {"shifts_per_member": 5}
    found = await brought_in(api, "pagerduty", v3(v3_event(assignment_strategy=members), ("04", "PA"), ("08", "PA")))
    assert found["notes"] == []
    layer = (await api.client.get("/api/v1/schedules/shifts")).json()["layers"][0]
    assert (layer["rotation"]["type"], layer["rotation"]["users"]) == ("weekly", ["ana.r", "bo.l"])
    assert await who(api, "shifts", "2027-01-13T18:00:00Z") == ["bo.l"]
    assert await who(api, "shifts", "2029-01-01T18:00:00Z") == ["ana.r"]
    swaps = (await api.client.get("/api/v1/swaps")).json()["swaps"]
    assert [(each["user"], each["by"]) for each in swaps] == [("ana.r", "cy")]


@pytest.mark.requirement("RTE-03")
async def test_what_has_no_rotation_here_is_carried_over_shift_by_shift_and_says_so(api: Api) -> None:
    found = await brought_in(api, "grafana-oncall", GRAFANA)
    assert any("friday: its recurrence is no rotation here" in note for note in found["notes"])
    assert "ana.r" in await who(api, "web", "2027-04-26T10:00:00Z")
    assert await who(api, "web", "2027-04-05T14:00:00Z") == ["bo.l", "cy"]
    layers = (await api.client.get("/api/v1/schedules/web")).json()["layers"]
    office = next(layer for layer in layers if layer["name"] == "office")
    assert office["restrictions"] == [{"start": "09:00:00", "end": "17:00:00", "days": ["mon", "wed"]}]


@pytest.mark.requirement("RTE-03")
async def test_a_shift_that_differs_is_named(api: Api) -> None:
    changed = json.loads(json.dumps(LAYERS))
    changed["schedule"]["final_schedule"]["rendered_schedule_entries"][1]["user"] = {"id": "PB"}
    found = await brought_in(api, "pagerduty", changed, dry_run=True)
    assert not found["imported"]
    assert [row for row in found["parity"]["rows"] if not row["same"]] == [
        {"start": "2027-03-14T03:00:00Z", "end": "2027-03-14T10:00:00Z", "theirs": ["bo.l"], "ours": ["cy"],
         "same": False},
    ]  # fmt: skip
    assert (await api.client.get("/api/v1/schedules/primary-on-call")).status_code == 404


@pytest.mark.requirement("RTE-03")
async def test_people_are_found_by_address_or_name_or_as_mapped_else_named(api: Api) -> None:
    strange = json.loads(json.dumps(LAYERS).replace("bo@example.com", "robert@example.org").replace('"Bo"', '"Robert"'))
    found = await brought_in(api, "pagerduty", strange)
    assert not found["imported"]
    assert "PB Robert robert@example.org" in found["faults"][0]["message"]
    assert "make one or map it" in found["faults"][0]["message"]
    assert (await brought_in(api, "pagerduty", strange | {"map": {"robert@example.org": "bo.l"}}))["imported"]


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize(
    ("tool", "document", "field"),
    [
        ("pagerduty", {}, "schedules"),
        ("pagerduty", {"schedule": []}, "schedules[0]"),
        ("pagerduty", {"schedule": {"time_zone": "Mars/Olympus"}}, "schedules[0].time_zone"),
        ("opsgenie", {"data": [{"name": "x", "rotations": [{"type": "yearly"}]}]}, "schedules[0].rotations[0].type"),
        ("grafana-oncall", {"schedules": "no"}, "schedules"),
    ],
)
async def test_a_file_of_another_kind_is_refused_with_its_place(api: Api, tool: str, document: Any, field: str) -> None:
    answer = await api.client.post("/api/v1/imports/schedules", params={"from": tool}, json=document)
    assert answer.status_code == 422, answer.text
    assert field in [each["field"] for each in answer.json()["errors"]]
    responder = api.of(await api.key("respond", "read"))
    refused = await responder.post("/api/v1/imports/schedules", params={"from": tool}, json=document)
    assert refused.status_code == 403
