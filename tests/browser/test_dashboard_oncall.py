"""The On-call page over a real server: who has it now, gaps, an override by form, a secret calendar link."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.browser.site import AXE, BROWSER, COMPANY, Site, Visit
from tests.process import ServerProcess

pytestmark = BROWSER
NOW = datetime.now(UTC)
SHOTS = os.environ.get("SHOTS")


def day(number: int) -> str:
    return f"{NOW + timedelta(days=number):%Y-%m-%d}"


SCHEDULES = f"""
schedules:
  - id: primary
    name: Platform primary
    time_zone: Europe/Madrid
    layers:
      - {{name: week, rotation: {{type: daily, length: 2, hand_off: '09:00', starts: '{day(-9)}', users: [ana, bo]}}}}
      - name: nights
        rotation: {{type: daily, hand_off: '20:00', starts: '{day(-9)}', users: [noor]}}
        restrictions: [{{days: [thu, fri], start: '20:00', end: '06:00'}}]
    overrides: [{{user: bo, start: '{day(3)}T00:00:00Z', end: '{day(3)}T07:00:00Z'}}]
  - id: hours
    name: Trust & safety
    time_zone: America/New_York
    layers:
      - name: office
        rotation: {{type: weekly, hand_off: '09:00', starts: '{day(-20)}', users: [noor, bo]}}
        restrictions: [{{days: [mon, tue, wed, thu, fri], start: '09:00', end: '17:00'}}]
  - id: leaving
    name: Leaving
    layers:
      - {{name: short, rotation: {{type: weekly, starts: '{day(-20)}', users: [bo]}}, ends_at: '{day(2)}T09:00:00Z'}}
  - id: elsewhere
    name: Elsewhere
    layers: [{{name: team, calendar: "http://127.0.0.1:9/s3cret.ics"}}]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ServerProcess(tmp_path_factory.mktemp("oncall"), COMPANY + SCHEDULES) as server:
        yield Site(server)


@pytest.mark.requirement("RTE-03")
@pytest.mark.parametrize(
    ("path", "width", "theme"),
    [
        ("/on-call", 1280, "light"),
        ("/on-call", 360, "dark"),
        ("/on-call?view=month&schedule=hours", 360, "dark"),
        ("/on-call?view=month&schedule=hours", 2560, "light"),
    ],
)
def test_it_fits_every_width_and_theme_and_axe_has_nothing_to_say(
    visit: Visit, width: int, theme: str, path: str
) -> None:
    page = visit(path, width=width, theme=theme)
    if SHOTS:
        page.screenshot(
            path=f"{SHOTS}/oncall-{theme}-{width}-{'month' if 'month' in path else 'week'}.png", full_page=True
        )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found: Any = page.evaluate(f"(() => {{ {AXE.read_text()} }})(); axe.run()")
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
    assert len(page.content().encode()) < 100_000


@pytest.mark.requirement("RTE-03")
def test_it_says_who_has_it_and_what_is_not_covered(visit: Visit, site: Site) -> None:
    page = visit("/on-call")
    names = page.locator(".duty-c h3").all_inner_texts()
    assert names == ["Elsewhere", "Trust & safety", "Leaving", "Platform primary"]
    now = site.server.get("/api/v1/schedules/leaving/on_call").json
    assert now["on_call"] == ["bo"]
    assert "Bo Lindqvist" in page.locator(".duty-c").nth(2).inner_text()
    assert "Nobody is on Leaving from" in page.locator(".note-bad").inner_text()
    assert "Trust" not in page.locator(".note-bad").inner_text()


@pytest.mark.requirement("RTE-03")
def test_an_override_by_form_counts_and_can_be_removed(visit: Visit, site: Site) -> None:
    page = visit("/on-call?schedule=leaving")
    page.select_option("#o-schedule", "leaving")
    page.select_option("#o-user", "noor")
    page.fill("#o-start", f"{day(5)}T10:00")
    page.fill("#o-end", f"{day(5)}T12:00")
    page.fill("#o-note", "covers the gap")
    page.get_by_role("button", name="Save the override").click()
    assert "The override is saved." in page.locator("#said").inner_text()
    asked = f"/api/v1/schedules/leaving/on_call?at={day(5)}T11:00:00Z"
    assert site.server.get(asked).json["on_call"] == ["noor"]
    page.get_by_role("button", name="Remove: Noor Haddad").click()
    assert "The override is gone." in page.locator("#said").inner_text()
    assert site.server.get(asked).json["on_call"] == []
    page.fill("#o-start", f"{day(5)}T12:00")
    page.fill("#o-end", f"{day(5)}T10:00")
    page.get_by_role("button", name="Save the override").click()
    assert "is not after the start" in page.locator(".faults").inner_text()


@pytest.mark.requirement("RTE-03")
def test_my_calendar_s_address_is_shown_once(visit: Visit, site: Site) -> None:
    page = visit("/on-call")
    page.get_by_role("button", name="New iCal link").first.click()
    address = page.locator(".secret").inner_text()
    assert address.startswith(f"{site.url}/calendars/")
    answer = page.request.get(address)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "SUMMARY:Ana Ruiz" in answer.text()
    page.goto(f"{site.url}/on-call")
    assert page.locator(".secret").count() == 0


@pytest.mark.requirement("RTE-03")
def test_a_calendar_that_cannot_be_read_is_said(visit: Visit, site: Site) -> None:
    asked = "/api/v1/schedules/elsewhere/calendars"
    site.server.until("it was asked", lambda: site.server.get(asked).json["calendars"][0]["state"] == "failing")
    page = visit("/on-call")
    said = page.locator(".note-stale").inner_text()
    assert "The calendar of Elsewhere, team, has not been read since" in said
    assert "The last good one counts." in said
    assert "s3cret" not in page.content()
