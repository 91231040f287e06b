"""A layer that is a calendar elsewhere: polled, guarded, and kept while the calendar is bad or away."""

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.app.calendar_fetch import CalendarFetch
from llm_incident_manager.channels.outgoing import OutgoingGuard
from tests.api.app import Api, opened

GOOD = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//Example//EN\r
BEGIN:VEVENT\r
UID:1\r
DTSTAMP:20270101T000000Z\r
DTSTART;TZID=Europe/Madrid:20270104T090000\r
DTEND;TZID=Europe/Madrid:20270105T090000\r
RRULE:FREQ=DAILY;INTERVAL=2\r
EXDATE;TZID=Europe/Madrid:20270108T090000\r
SUMMARY:Ana Ruiz\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:2\r
DTSTAMP:20270101T000000Z\r
DTSTART;VALUE=DATE:20270105\r
DTEND;VALUE=DATE:20270106\r
SUMMARY:on call\r
ATTENDEE;CN=Bo:mailto:bo@example.com\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:3\r
DTSTAMP:20270101T000000Z\r
DTSTART:20270112T090000Z\r
DTEND:20270112T100000Z\r
SUMMARY:Stranger\r
END:VEVENT\r
END:VCALENDAR\r
"""


class Elsewhere:
    """A calendar's server; ``answer`` is what it says next."""

    def __init__(self) -> None:
        self.answer: tuple[int, str, dict[str, str]] = (200, GOOD, {})
        outer = self

        class OneAnswer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body, headers = outer.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), OneAnswer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/private-s3cret/team.ics"


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    found = Elsewhere()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


@pytest.fixture
async def api(tmp_path: Path, elsewhere: Elsewhere) -> AsyncIterator[Api]:
    async with opened(tmp_path) as found:
        for user, name in (("ana.r", "Ana Ruiz"), ("bo.l", "Bo L")):
            document = {"id": user, "name": name, "contacts": {"email": f"{user[:-2].rstrip('.')}@example.com"}}
            assert (await found.client.post("/api/v1/users", json=document)).status_code == 201
        layers = [{"name": "team", "calendar": elsewhere.url}]
        made = {"id": "team", "time_zone": "Europe/Madrid", "layers": layers}
        answer = await found.client.post("/api/v1/schedules", json=made)
        assert answer.status_code == 201, answer.text
        assert "s3cret" not in answer.text
        fetch = CalendarFetch(OutgoingGuard(["127.0.0.0/8"]))
        found.story.house.calendar_feeds.fetch = fetch.get
        yield found
        await fetch.aclose()


async def polled(api: Api) -> dict[str, Any]:
    await api.story.fast_forward(minutes=16)
    await api.story.house.calendar_feeds.run_due()
    answer = await api.client.get("/api/v1/schedules/team/calendars")
    assert answer.status_code == 200, answer.text
    assert "s3cret" not in answer.text
    found: dict[str, Any] = answer.json()["calendars"][0]
    return found


async def who(api: Api, at: str) -> list[str]:
    return list((await api.client.get("/api/v1/schedules/team/on_call", params={"at": at})).json()["on_call"])


@pytest.mark.requirement("RTE-03")
async def test_a_calendar_elsewhere_says_who_is_on_call(api: Api) -> None:
    before = (await api.client.get("/api/v1/schedules/team/calendars")).json()["calendars"][0]
    assert before["state"] == "never"
    found = await polled(api)
    assert (found["state"], found["unknown"]) == ("good", ["Stranger"])
    assert await who(api, "2027-01-04T08:00:00Z") == ["ana.r"]
    assert sorted(await who(api, "2027-01-05T07:00:00Z")) == ["ana.r", "bo.l"]
    assert await who(api, "2027-01-05T12:00:00Z") == ["bo.l"]
    assert await who(api, "2027-01-08T12:00:00Z") == []


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (500, "", "answered 500"),
        (200, "<html>sign in</html>", "not an iCalendar file"),
        (200, GOOD.replace("FREQ=DAILY;INTERVAL=2", "FREQ=SECONDLY"), "every minute or more often"),
        (200, "BEGIN:VCALENDAR\r\n" + "x" * 5_000_000, "larger than 4 MiB"),
    ],
)
async def test_a_bad_calendar_keeps_the_last_good_one_and_says_so(
    api: Api, elsewhere: Elsewhere, status: int, body: str, reason: str
) -> None:
    await polled(api)
    elsewhere.answer = (status, body, {})
    found = await polled(api)
    assert found["state"] == "failing"
    assert reason in found["error"]
    assert found["failing_since"] is not None
    assert await who(api, "2027-01-04T08:00:00Z") == ["ana.r"]
    since = found["failing_since"]
    assert (await polled(api))["failing_since"] == since
    elsewhere.answer = (200, GOOD, {})
    assert (await polled(api))["state"] == "good"


@pytest.mark.requirement("SEC-05")
async def test_private_and_metadata_addresses_are_refused_also_after_a_redirect(api: Api, elsewhere: Elsewhere) -> None:
    elsewhere.answer = (302, "", {"Location": "http://169.254.169.254/latest/meta-data"})
    found = await polled(api)
    assert found["state"] == "failing"
    assert "169.254.169.254 is in a link-local network" in found["error"]
    closed = CalendarFetch(OutgoingGuard())
    api.story.house.calendar_feeds.fetch = closed.get
    assert "allow it under outgoing.allow" in (await polled(api))["error"]
    await closed.aclose()


@pytest.mark.requirement("RTE-03")
async def test_a_schedule_put_back_with_the_mask_keeps_its_calendar(api: Api) -> None:
    read = (await api.client.get("/api/v1/schedules/team")).json()
    assert (await api.client.put("/api/v1/schedules/team", json=read | {"name": "Team"})).status_code == 200
    assert (await polled(api))["state"] == "good"
    wrong = {"id": "t", "layers": [{"calendar": "ftp://example.com/x"}]}
    answer = await api.client.post("/api/v1/schedules", json=wrong)
    assert answer.json()["errors"][0]["field"] == "layers[0].calendar"
    assert (await api.client.delete("/api/v1/schedules/team")).status_code == 204
