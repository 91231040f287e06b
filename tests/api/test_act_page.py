"""The page behind a one-tap link: seen without sign-in, acted from by a button, refusing what is not its own."""

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.notifications.answers import Offer, PageAction
from tests.api.test_dashboard_pages import NEWEST, Visitor
from tests.dashboard_night import HOSTILE
from tests.dashboard_world import NightPort


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 24, 2, 7, tzinfo=UTC))


def an_offer(**changes: object) -> Offer:
    facts: dict[str, object] = {
        "incident_id": NEWEST,
        "heading": HOSTILE,
        "severity": "P0",
        "facts": (("Hits", "/v1/chat/completions"),),
        "state": "Nobody has it yet. Also paged: Bo.",
        "actions": (PageAction.TAKE, PageAction.RESOLVE),
        "reader": "Ana Ruiz",
    }
    return Offer(**(facts | changes))  # type: ignore[arg-type]


@pytest.mark.requirement("NTF-05")
async def test_a_one_tap_link_needs_no_sign_in_asks_once_and_acts_when_pressed(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))
    guest.port.offers["t0ken"] = an_offer()
    page = await guest.http.get("/a/t0ken")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert HOSTILE not in page.text, "what came with an event is escaped"
    assert "Take it as Ana Ruiz" in page.text
    assert "Also paged: Bo." in page.text
    assert (await guest.http.head("/a/t0ken")).status_code == 200
    assert not guest.port.pressed, "mail scanners look"
    done = await guest.http.post("/a/t0ken", data={"action": "take"})
    assert done.status_code == 200
    assert "You have it. Also paged: Bo." in done.text
    assert [(each.token, each.action) for each in guest.port.pressed] == [("t0ken", "take")]


@pytest.mark.requirement("NTF-05")
async def test_a_one_tap_link_refuses_what_is_not_its_own(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))
    guest.port.offers |= {"t0ken": an_offer(), "team": an_offer(people=(("ana", "Ana Ruiz"), ("bo", "Bo")))}
    assert (await guest.http.get("/a/other")).status_code == 404
    assert (await guest.http.post("/a/t0ken", data={"action": "close"})).status_code == 422
    assert (await guest.http.post("/a/t0ken", data={})).status_code == 422
    assert (await guest.http.post("/a/t0ken", json={"action": "take"})).status_code == 422
    elsewhere = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert (await guest.http.post("/a/t0ken", data={"action": "take"}, headers=elsewhere)).status_code == 403
    assert "Who are you?" in (await guest.http.get("/a/team")).text
    assert (await guest.http.post("/a/team", data={"action": "take"})).status_code == 422
    assert not guest.port.pressed
    assert (await guest.http.post("/a/team", data={"action": "take", "person": "bo"})).status_code == 200
    assert guest.port.pressed[0].person == "bo"


@pytest.mark.requirement("NTF-05")
async def test_a_spent_link_says_so(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))
    guest.port.offers["spent"] = an_offer(actions=(), why_not="This link was used already; each works once.")
    page = await guest.http.get("/a/spent")
    assert "This link was used already" in page.text
    assert "<form" not in page.text


async def test_a_page_that_fails_keeps_its_token_out_of_the_log(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))

    async def broken(token: str) -> Offer | None:
        raise RuntimeError("broken")

    guest.port.look_at_page = broken  # type: ignore[method-assign]
    with capture_logs() as logged:
        assert (await guest.http.get("/a/s3cret-t0ken")).status_code == 500
    assert [(each["event"], each["path"]) for each in logged] == [("dashboard_page_failed", "/a/{token}")]
