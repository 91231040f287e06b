"""On-call schedules through REST: asked, arranged, exported, shared by a secret link."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import icalendar
import pytest
import recurring_ical_events

from tests.api.app import Api, opened
from tests.api.test_rest_contract import foreign_key

NIGHTS: dict[str, Any] = {
    "id": "primary",
    "name": "Primary",
    "time_zone": "Europe/Madrid",
    "layers": [
        {
            "name": "week",
            "rotation": {"type": "weekly", "hand_off": "09:00", "starts": "2027-01-04", "users": ["ana", "bo"]},
            "restrictions": [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "09:00", "end": "17:00"}],
        },
        {"name": "night", "rotation": {"type": "daily", "hand_off": "20:00", "starts": "2027-01-04", "users": ["cy"]},
         "restrictions": [{"start": "20:00", "end": "06:00"}]},
    ],
}  # fmt: skip


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as found:
        for user in ("ana", "bo", "cy"):
            contacts = {"webhook": f"http://127.0.0.1:8801/{user}"}

            await found.client.post("/api/v1/users", json={"id": user, "name": user.title(), "contacts": contacts})
        made = await found.client.post("/api/v1/schedules", json=NIGHTS)
        assert made.status_code == 201, made.text
        yield found


async def who(api: Api, at: str) -> list[str]:
    answer = await api.client.get("/api/v1/schedules/primary/on_call", params={"at": at})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["on_call"])


@pytest.mark.requirement("RTE-03")
async def test_restrictions_name_their_gaps(api: Api) -> None:
    assert await who(api, "2027-01-05T10:00:00Z") == ["ana"]
    assert await who(api, "2027-01-05T17:00:00Z") == []
    assert await who(api, "2027-01-05T19:00:00Z") == ["cy"]
    assert await who(api, "2027-01-06T04:59:59Z") == ["cy"]
    span = {"start": "2027-01-05T00:00:00Z", "end": "2027-01-06T00:00:00Z"}
    found = (await api.client.get("/api/v1/schedules/primary/coverage", params=span)).json()
    assert [(each["start"], each["end"], each["reason"]) for each in found["gaps"]] == [
        ("2027-01-05T05:00:00Z", "2027-01-05T08:00:00Z", "restricted"),
        ("2027-01-05T16:00:00Z", "2027-01-05T19:00:00Z", "restricted"),
    ]
    assert found["overlaps"] == []
    shifts = (await api.client.get("/api/v1/schedules/primary/shifts", params=span)).json()["shifts"]
    assert [(each["users"], each["why"], each["via"]) for each in shifts] == [
        (["cy"], "layer", "night"), ([], "nobody", ""), (["ana"], "layer", "week"), ([], "nobody", ""),
        (["cy"], "layer", "night"),
    ]  # fmt: skip


@pytest.mark.requirement("RTE-03")
async def test_gaps_are_looked_for_in_the_next_twelve_months(api: Api) -> None:
    found = (await api.client.get("/api/v1/schedules/primary/coverage")).json()
    days = (datetime.fromisoformat(found["end"]) - datetime.fromisoformat(found["start"])).days
    assert days == 366
    assert len(found["gaps"]) > 500


@pytest.mark.requirement("RTE-03")
async def test_an_override_and_a_swap_are_arranged_by_whoever_responds(api: Api) -> None:
    key = await api.key("respond", "read")
    responder = api.of(key)
    override = {"schedule": "primary", "user": "bo", "start": "2027-01-05T10:00:00Z", "end": "2027-01-05T11:00:00Z"}
    made = await responder.post("/api/v1/overrides", json=override | {"reason": "dentist"})
    assert made.status_code == 201, made.text
    assert made.json()["id"].startswith("override-")
    assert await who(api, "2027-01-05T10:30:00Z") == ["bo"]
    twice = override | {"user": "cy", "start": "2027-01-05T10:15:00Z"}
    assert (await responder.post("/api/v1/overrides", json=twice)).status_code == 201
    assert await who(api, "2027-01-05T10:30:00Z") == ["cy"]
    span = {"start": "2027-01-05T09:00:00Z", "end": "2027-01-05T12:00:00Z"}
    overlaps = (await api.client.get("/api/v1/schedules/primary/coverage", params=span)).json()["overlaps"]
    assert overlaps == [
        {"start": "2027-01-05T10:15:00Z", "end": "2027-01-05T11:00:00Z", "users": ["bo", "cy"], "reason": "overrides"}
    ]
    offer = {"schedule": "primary", "user": "ana", "start": "2027-01-06T00:00:00Z", "end": "2027-01-07T00:00:00Z",
             "return_start": "2027-01-12T00:00:00Z", "return_end": "2027-01-13T00:00:00Z"}  # fmt: skip
    swap = (await responder.post("/api/v1/swaps", json=offer)).json()
    assert await who(api, "2027-01-06T10:00:00Z") == ["ana"]
    assert (await responder.put(f"/api/v1/swaps/{swap['id']}", json=swap | {"by": "bo"})).status_code == 200
    assert await who(api, "2027-01-06T10:00:00Z") == ["bo"]
    assert await who(api, "2027-01-06T20:00:00Z") == ["cy"]
    assert await who(api, "2027-01-12T10:00:00Z") == ["ana"]
    audit = (await api.client.get("/api/v1/audit")).text
    assert made.json()["id"] in audit
    assert swap["id"] in audit
    assert (await responder.post("/api/v1/schedules", json=NIGHTS | {"id": "other"})).status_code == 403
    assert (await api.client.delete("/api/v1/schedules/primary")).status_code == 204
    assert (await api.client.get("/api/v1/overrides")).json()["overrides"] == []


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize(
    ("change", "field", "remedy"),
    [
        ({"time_zone": "Europe/Madird"}, "time_zone", "write it like Europe/Madrid"),
        ({"layers": [{"rotation": {"starts": "2027-01-04", "users": ["eve"]}}]}, "layers[0].rotation.users[0]",
         "does not exist; known users: ana, bo"),
        ({"layers": [{"rotation": {"starts": "soon", "users": ["ana"]}}]}, "layers[0].rotation.starts", "2027-01-04"),
        ({"layers": [{"rotation": {"starts": "2027-01-04", "users": [None]}}]}, "layers[0].rotation.users",
         "at least one turn needs a person"),
        ({"layers": [{"rotation": {"starts": "2027-01-04", "users": ["ana"], "hand_off": "9"}}]},
         "layers[0].rotation.hand_off", "'09:00'"),
        ({"layers": [{"name": "empty"}]}, "layers[0].rotation", "or shifts"),
        ({"layers": [{"beside": True, "rotation": {"starts": "2027-01-04", "users": ["ana"]}}]}, "layers[0].beside",
         "leave it out"),
        ({"layers": [{"rotation": {"starts": "2027-01-04", "users": ["ana"]},
                      "restrictions": [{"days": ["mo"]}]}]}, "layers[0].restrictions[0].days[0]", "days are mon"),
        ({"layers": [{"rotation": {"starts": "2027-01-04", "users": ["ana"]},
                      "restrictions": [{"days": ["mon", "tue"], "until": "fri"}]}]},
         "layers[0].restrictions[0].until", "needs one day"),
        ({"layers": [{"shifts": [{"user": "ana", "start": "2027-01-04T09:00:00Z", "end": "2027-01-04T09:00:00Z"}]}]},
         "layers[0].shifts[0].end", "is not after the start"),
        ({"layers": [{"rotation": {"starts": "2027-01-04", "users": ["ana"]}, "ends_at": "2027-01-01"}]},
         "layers[0].ends_at", "an instant with its zone"),
        ({"layers": [{"rotation": {"starts": "0001-01-01", "users": ["ana"]}}]}, "layers[0].rotation.starts",
         "between the years"),
    ],
)  # fmt: skip
async def test_a_faulty_schedule_names_field_value_and_remedy(
    api: Api, change: dict[str, Any], field: str, remedy: str
) -> None:
    answer = await api.client.put("/api/v1/schedules/primary", json=NIGHTS | change)
    assert answer.status_code == 422, answer.text
    faults = {each["field"]: each["message"] for each in answer.json()["errors"]}
    assert remedy in faults[field]


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize("view", ["shifts", "rules"])
async def test_a_schedule_is_a_calendar(api: Api, view: str) -> None:
    span = {"start": "2027-01-04T00:00:00Z", "end": "2027-02-04T00:00:00Z"}
    answer = await api.client.get("/api/v1/schedules/primary.ics", params={"view": view} | span)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert all(len(line) <= 75 for line in answer.content.split(b"\r\n"))
    calendar = icalendar.Calendar.from_ical(answer.content)
    assert calendar.errors == []
    assert all(each.errors == [] for each in calendar.walk())
    assert len({each["UID"] for each in calendar.walk("VEVENT")}) == len(calendar.walk("VEVENT"))
    assert bool(calendar.walk("VTIMEZONE")) is (view == "rules")
    if view == "shifts":
        at = recurring_ical_events.of(calendar).at(datetime(2027, 1, 5, 10, 30, tzinfo=UTC))
        assert [str(each["SUMMARY"]) for each in at] == ["Ana: Primary"]
    again = await api.client.get(
        "/api/v1/schedules/primary.ics",
        params={"view": view} | span,
        headers={"If-None-Match": answer.headers["etag"]},
    )
    assert again.status_code == 304


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize(
    ("kind", "item", "events"), [("schedules", "primary", {"Ana", "Bo", "Cy"}), ("users", "bo", {"Bo"})]
)
async def test_a_secret_link_shows_the_calendar_until_it_is_replaced(
    api: Api, kind: str, item: str, events: set[str]
) -> None:
    made = await api.client.post(f"/api/v1/{kind}/{item}/calendar_link")
    assert made.status_code == 201, made.text
    path = made.json()["url"].removeprefix(api.port.public_url)
    anybody = api.of(None)
    found = await anybody.get(path)
    assert found.status_code == 200
    calendar = icalendar.Calendar.from_ical(found.content)
    assert {str(each["SUMMARY"]).partition(":")[0] for each in calendar.walk("VEVENT")} == events
    renewed = (await api.client.post(f"/api/v1/{kind}/{item}/calendar_link")).json()["url"]
    assert (await anybody.get(path)).status_code == 404
    path = renewed.removeprefix(api.port.public_url)
    assert (await anybody.get(path)).status_code == 200
    assert path.split("/")[-1].removesuffix(".ics") not in (await api.client.get("/api/v1/audit")).text
    assert (await api.client.delete(f"/api/v1/{kind}/{item}/calendar_link")).status_code == 204
    assert (await anybody.get(path)).status_code == 404
    assert (await anybody.get("/calendars/.ics")).status_code == 404


@pytest.mark.requirement("SEC-01")
async def test_another_tenant_sees_nothing_of_it(api: Api) -> None:
    assert (await api.client.post("/api/v1/tenants", json={"id": "other", "name": "Other"})).status_code == 201
    stranger = api.of(await foreign_key(api))
    for path in ("on_call", "shifts", "coverage"):
        assert (await stranger.get(f"/api/v1/schedules/primary/{path}")).status_code == 404
    assert (await stranger.get("/api/v1/schedules/primary.ics")).status_code == 404
    assert (await stranger.post("/api/v1/schedules/primary/calendar_link")).status_code == 404
    override = {"schedule": "primary", "user": "bo", "start": "2027-01-05T10:00:00Z", "end": "2027-01-05T11:00:00Z"}
    assert (await stranger.post("/api/v1/overrides", json=override)).status_code == 422
