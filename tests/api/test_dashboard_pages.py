"""The dashboard's pages over a port held in memory: what they show, whom they let in, what they refuse."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from starlette.applications import Starlette

from llm_incident_manager.api.dashboard.render import SECURITY_HEADERS
from llm_incident_manager.api.dashboard.routes import dashboard_routes
from llm_incident_manager.api.dashboard.settings import DashboardSettings
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.transitions import TRANSITIONS, allowed_actions
from llm_incident_manager.domain.vocabulary import Status
from tests.dashboard_night import HOSTILE
from tests.dashboard_world import NightPort

SECRET = "a secret of at least thirty-two characters"
NEWEST = "INC-20261124-00031"
IN_PROGRESS = "INC-20261124-00017"


class Visitor:
    """A browser without scripts: keeps cookies, follows nothing by itself."""

    def __init__(self, port: NightPort, *, public_url: str = "http://dash.test", **settings: object) -> None:
        self.port = port
        routes = dashboard_routes(
            port,
            DashboardSettings(secret=SECRET, public_url=public_url, clock=port.clock, **settings),  # type: ignore[arg-type]
        )
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=Starlette(routes=routes)), base_url=public_url
        )

    async def sign_in(self, link: str = "ana-link") -> httpx2.Response:
        page = await self.http.get(f"/sign-in/{link}")
        return await self.http.post(f"/sign-in/{link}", data={"csrf": token_in(page.text)})

    async def post(self, path: str, data: dict[str, object] | None = None, **headers: str) -> httpx2.Response:
        """Post a form as a page of ours would."""
        csrf = token_in((await self.http.get("/incidents?status=all")).text)
        return await self.http.post(path, data={"csrf": csrf, **(data or {})}, headers=headers)


def token_in(html: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, html[:500]
    return found[1]


def actions_in(html: str) -> set[str]:
    return set(re.findall(r'data-action="([^"]+)"', html))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 11, 24, 2, 7, tzinfo=UTC))


@pytest.fixture
async def visitor(clock: ManualClock) -> AsyncIterator[Visitor]:
    guest = Visitor(NightPort(clock))
    await guest.sign_in()
    yield guest
    await guest.http.aclose()


async def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))
    asked = await guest.http.get(f"/incidents/{NEWEST}")
    assert (asked.status_code, asked.headers["location"]) == (303, f"/sign-in?next=%2Fincidents%2F{NEWEST}")
    await guest.http.get(asked.headers["location"])
    entered = await guest.sign_in()
    assert (entered.status_code, entered.headers["location"]) == (303, f"/incidents/{NEWEST}")


@pytest.mark.requirement("SEC-05")
async def test_looking_at_a_link_does_not_spend_it_and_pressing_the_button_does(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))
    for _ in range(3):
        assert (await guest.http.get("/sign-in/ana-link")).status_code == 200
    assert (await guest.sign_in()).headers["location"] == "/incidents"
    other = Visitor(guest.port)
    refused = await other.sign_in()
    assert refused.status_code == 401
    assert "does not work any more" in refused.text


async def test_a_sign_in_form_from_elsewhere_is_refused(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))
    refused = await guest.http.post("/sign-in/ana-link", data={"csrf": "guessed"})
    assert refused.status_code == 403
    assert "ana-link" in guest.port.links


@pytest.mark.parametrize("wanted", ["https://evil.test/incidents", "//evil.test", "/incidents\\@evil", "/api/v1/keys"])
async def test_nobody_is_sent_to_another_place_after_signing_in(clock: ManualClock, wanted: str) -> None:
    guest = Visitor(NightPort(clock))
    await guest.http.get("/sign-in", params={"next": wanted})
    assert (await guest.sign_in()).headers["location"] == "/incidents"


async def test_the_session_cookie_is_closed_to_scripts_and_bound_to_tls(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock), public_url="https://dash.test")
    cookies = (await guest.sign_in()).headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if "session=" in cookie]
    assert session.startswith("__Host-lim_session=")
    assert all(word in session for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))


async def test_a_session_ends(visitor: Visitor, clock: ManualClock) -> None:
    clock.advance(timedelta(days=15))
    assert (await visitor.http.get("/incidents")).status_code == 303


async def test_signing_out_ends_the_session(visitor: Visitor) -> None:
    assert (await visitor.post("/sign-out")).status_code == 303
    assert (await visitor.http.get("/incidents")).status_code == 303


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    "path", ["/incidents", f"/incidents/{NEWEST}", "/incidents/none", "/sign-in", "/static/shell.css", "/stream"]
)
async def test_every_answer_carries_the_strict_headers(clock: ManualClock, path: str) -> None:
    guest = Visitor(NightPort(clock))
    if path != "/stream":
        await guest.sign_in()
    answer = await guest.http.get(path)
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.requirement("UI-01")
@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("path", ["/incidents", f"/incidents/{NEWEST}", "/incidents?q=zebra", "/sign-in"])
async def test_no_page_holds_anything_that_the_policy_forbids(visitor: Visitor, path: str) -> None:
    html = (await visitor.http.get(path)).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script>", html)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html)


@pytest.mark.parametrize(
    ("headers", "csrf"),
    [
        ({"origin": "https://evil.test"}, None),
        ({"sec-fetch-site": "cross-site", "origin": "null"}, None),
        ({"sec-fetch-site": "same-site"}, None),
        ({}, ""),
        ({}, "guessed"),
    ],
)
@pytest.mark.requirement("SEC-05")
async def test_a_forged_form_is_refused_and_changes_nothing(
    visitor: Visitor, headers: dict[str, str], csrf: str | None
) -> None:
    fields: dict[str, object] = {} if csrf is None else {"csrf": csrf}
    for path in (f"/incidents/{NEWEST}/take", "/incidents/bulk", "/sign-out"):
        refused = await visitor.post(path, {**fields, "ids": NEWEST, "action": "take"}, **headers)
        assert refused.status_code == 403
        assert "This form was refused" in refused.text
    assert visitor.port.done == []
    assert (await visitor.http.get("/incidents")).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": "http://dash.test"}, {"origin": "null", "sec-fetch-site": "same-origin"}, {}]
)
async def test_a_form_of_ours_is_taken_whatever_the_browser_tells_of_its_origin(
    visitor: Visitor, headers: dict[str, str]
) -> None:
    assert (await visitor.post(f"/incidents/{NEWEST}/take", **headers)).status_code == 303
    assert visitor.port.incidents[NEWEST]["assigned_to"] == "ana"


async def test_a_form_sent_after_the_session_ended_gives_back_what_was_written(
    visitor: Visitor, clock: ManualClock
) -> None:
    csrf = token_in((await visitor.http.get("/incidents")).text)
    clock.advance(timedelta(days=15))
    late = await visitor.http.post(f"/incidents/{NEWEST}/comment", data={"csrf": csrf, "text": "long <b>thoughts</b>"})
    assert late.status_code == 401
    assert "long &lt;b&gt;thoughts&lt;/b&gt;" in late.text


@pytest.mark.requirement("SEC-01")
async def test_an_unknown_or_foreign_incident_is_a_page_that_says_so(visitor: Visitor) -> None:
    for answer in (await visitor.http.get("/incidents/INC-1"), await visitor.post("/incidents/INC-1/take")):
        assert answer.status_code == 404
        assert "There is no incident INC-1." in answer.text


@pytest.mark.requirement("UI-01")
@pytest.mark.parametrize("status", list(Status))
async def test_the_page_has_exactly_the_allowed_actions_as_buttons(visitor: Visitor, status: Status) -> None:
    visitor.port.add("INC-1", "P1", status.value, "one", owner="bo")
    html = (await visitor.http.get("/incidents/INC-1")).text
    assert actions_in(html) == {action.value for action in allowed_actions(status)}
    errands = {"comment", "assign", "page", "snooze", "link", "merge"}
    targets = set(re.findall(r'action="/incidents/INC-1/([^"]+)"', html)) - errands
    assert len(targets) == len(allowed_actions(status))


@pytest.mark.requirement("UI-01")
@pytest.mark.parametrize(("status", "action"), list(TRANSITIONS))
async def test_each_allowed_action_works_by_a_plain_form(visitor: Visitor, status: Status, action: str) -> None:
    visitor.port.add("INC-1", "P1", status.value, "one")
    answer = await visitor.post(f"/incidents/INC-1/{action}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/incidents/INC-1")
    assert visitor.port.incidents["INC-1"]["status"] == TRANSITIONS[status, action]  # type: ignore[index]


@pytest.mark.requirement("UI-01")
async def test_who_may_only_read_sees_no_buttons_and_cannot_act(clock: ManualClock) -> None:
    reader = Visitor(NightPort(clock))
    await reader.sign_in("reader-link")
    page = (await reader.http.get(f"/incidents/{NEWEST}")).text
    assert actions_in(page) == set()
    csrf = token_in(page)
    for path in (f"/incidents/{NEWEST}/take", "/incidents/bulk"):
        refused = await reader.http.post(path, data={"csrf": csrf, "ids": NEWEST, "action": "take"})
        assert refused.status_code == 403
    assert reader.port.done == []


async def test_an_action_that_became_impossible_keeps_what_was_written_as_a_comment(visitor: Visitor) -> None:
    refused = await visitor.post(f"/incidents/{NEWEST}/resolve", {"root_cause": "a <loop>"})
    assert refused.status_code == 409
    assert "a &lt;loop&gt;" in refused.text
    assert f'action="/incidents/{NEWEST}/comment"' in refused.text


async def test_resolving_what_changed_meanwhile_asks_again_and_keeps_what_was_written(visitor: Visitor) -> None:
    refused = await visitor.post(
        f"/incidents/{IN_PROGRESS}/resolve", {"version": "3", "root_cause": "disk", "resolution_notes": "bigger disk"}
    )
    assert refused.status_code == 412
    assert ">disk</textarea>" in refused.text
    assert ">bigger disk</textarea>" in refused.text
    assert 'name="version"' not in refused.text


async def test_an_empty_comment_and_an_assignment_to_nobody_are_explained(visitor: Visitor) -> None:
    assert "The comment is empty" in (await visitor.post(f"/incidents/{NEWEST}/comment", {"text": " "})).text
    assert "Nobody was chosen" in (await visitor.post(f"/incidents/{NEWEST}/assign")).text
    assert (await visitor.post(f"/incidents/{NEWEST}/explode")).status_code == 404


async def test_resolving_can_be_undone_by_the_button_that_the_page_shows(visitor: Visitor) -> None:
    await visitor.post(f"/incidents/{IN_PROGRESS}/resolve", {"root_cause": "disk"})
    page = (await visitor.http.get(f"/incidents/{IN_PROGRESS}")).text
    assert "data-undo" in page
    assert f'action="/incidents/{IN_PROGRESS}/reopen"' in page
    await visitor.post(f"/incidents/{IN_PROGRESS}/reopen")
    assert visitor.port.incidents[IN_PROGRESS]["status"] == "IN_PROGRESS"


async def test_a_notice_is_said_once(visitor: Visitor) -> None:
    await visitor.post(f"/incidents/{NEWEST}/take")
    path = f"/incidents/{NEWEST}"
    fetched = (await visitor.http.get(path, headers={"x-dashboard": "live"})).text
    assert "You have it. The ladder has stopped." not in fetched
    assert "You have it. The ladder has stopped." in (await visitor.http.get(path)).text
    assert "You have it. The ladder has stopped." not in (await visitor.http.get(path)).text


async def test_several_incidents_are_acted_on_at_once_and_the_refused_ones_named(visitor: Visitor) -> None:
    closed = "INC-20261123-00214"
    answer = await visitor.post("/incidents/bulk", {"ids": [NEWEST, closed], "action": "escalate"})
    assert answer.status_code == 303
    page = (await visitor.http.get("/incidents")).text
    assert "1 escalated." in page
    assert f"{closed}: CLOSED does not allow escalate." in page
    assert (await visitor.post("/incidents/bulk", {"action": "take"})).status_code == 422


@pytest.mark.requirement("UI-01")
async def test_filters_live_in_the_url_and_reach_the_port_spelled_out(visitor: Visitor) -> None:
    await visitor.http.get("/incidents?severity=P0&severity=P1&assigned_to=me&q=leak&status=nonsense&tag=tier:1")
    assert visitor.port.asked[-1] == {
        "status": ["NEW", "ACKNOWLEDGED", "IN_PROGRESS", "ESCALATED"],
        "severity": ["P0", "P1"],
        "assigned_to": ["ana"],
        "tag": ["tier:1"],
        "q": ["leak"],
    }
    await visitor.http.get("/incidents?status=all")
    assert "status" not in visitor.port.asked[-1]


async def test_the_list_is_read_page_by_page(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock), page_size=5)
    await guest.sign_in()
    seen: list[str] = []
    path: str | None = "/incidents?status=all"
    while path:
        html = (await guest.http.get(path)).text
        seen += re.findall(r'<tr role="row" id="row-([^"]+)"', html)
        more = re.search(r'rel="next" href="([^"]+)"', html)
        path = more[1].replace("&amp;", "&") if more else None
    assert sorted(seen) == sorted(guest.port.incidents)


@pytest.mark.requirement("UI-01")
async def test_the_first_visit_shows_the_command_that_makes_an_incident(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock, empty=True))
    await guest.sign_in()
    html = (await guest.http.get("/incidents")).text
    assert "curl http://dash.test/api/v1/events" in html
    assert "No incidents yet" in html


async def test_no_match_and_a_lost_database_are_told_apart(visitor: Visitor) -> None:
    assert "Nothing matches" in (await visitor.http.get("/incidents?q=zebra")).text
    visitor.port.away = True
    answer = await visitor.http.get("/incidents?q=zebra&severity=P0")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "8")
    assert "The database does not answer." in answer.text
    assert 'value="zebra"' in answer.text
    assert (await visitor.http.get(f"/incidents/{NEWEST}")).status_code == 503


@pytest.mark.requirement("SEC-05")
async def test_hostile_text_is_text_everywhere(visitor: Visitor) -> None:
    visitor.port.add("INC-1", "P0", "NEW", HOSTILE, resource=HOSTILE, source=HOSTILE, category=HOSTILE, owner=HOSTILE)
    visitor.port.incidents["INC-1"].update(
        description=HOSTILE,
        impact=HOSTILE,
        tags={HOSTILE: HOSTILE},
        labels=[HOSTILE],
        environment=HOSTILE,
        external_id="javascript:alert(1)",
        fingerprint=HOSTILE,
    )
    visitor.port.comments.append(("INC-1", HOSTILE))
    for path in ("/incidents", "/incidents/INC-1", f"/incidents?q={HOSTILE}&source={HOSTILE}", "/incidents/INC-1/row"):
        html = (await visitor.http.get(path)).text
        assert "<script>" not in html
        assert "<img src=x" not in html
        assert 'href="javascript' not in html
        assert "49" not in re.findall(r"script&gt; ([^&<\"]{1,9})", html)


@pytest.mark.requirement("UI-01")
async def test_no_page_is_larger_than_100_kilobytes(clock: ManualClock) -> None:
    guest = Visitor(NightPort(clock))
    await guest.sign_in()
    for number in range(60):
        guest.port.add(f"INC-20261124-{number:05}", "P0", "NEW", "ä" * 500, resource="r" * 300, source="s" * 300)
    guest.port.incidents["INC-20261124-00001"].update(description="d" * 90_000, impact="i" * 90_000)
    guest.port.comments += [("INC-20261124-00001", "c" * 19_000)]
    for path in ("/incidents", "/incidents/INC-20261124-00001"):
        assert len((await guest.http.get(path)).content) < 100_000


async def test_a_form_larger_than_its_bound_is_refused(visitor: Visitor) -> None:
    assert (await visitor.post(f"/incidents/{NEWEST}/comment", {"text": "x" * 70_000})).status_code == 413
    assert "at most 20,000" in (await visitor.post(f"/incidents/{NEWEST}/comment", {"text": "x" * 21_000})).text
    odd = await visitor.http.post(f"/incidents/{NEWEST}/take", json={"csrf": "x"})
    assert odd.status_code == 422


async def test_files_are_named_by_their_content_and_kept_by_the_browser(visitor: Visitor) -> None:
    html = (await visitor.http.get("/incidents")).text
    addresses = set(re.findall(r'"(/static/[^"#]+)', html))
    assert len(addresses) >= 6
    for address in addresses:
        first = await visitor.http.get(address)
        assert "immutable" in first.headers["cache-control"]
        again = await visitor.http.get(address, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert (await visitor.http.get("/static/shell.css?v=old")).headers["cache-control"] == "no-cache"
    for stray in ("/static/..%2fport.py", "/static/port.py", "/static/nothing.css"):
        assert (await visitor.http.get(stray)).status_code == 404


async def test_the_script_gets_the_row_as_it_is_after_taking(visitor: Visitor) -> None:
    answer = await visitor.post(f"/incidents/{NEWEST}/take", None, **{"x-dashboard": "act"})
    told = answer.json()
    assert told["message"] == "You have it. The ladder has stopped."
    assert 'class="st st-ack"' in told["row"]
    assert ">You</span>" in told["row"]


async def test_what_resolved_by_itself_says_so(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor.port.add("INC-1", "P1", "RESOLVED", "one")

    async def log(*_: object) -> dict[str, object]:
        actor = {"type": "integration", "id": "alertmanager", "name": "Alertmanager"}
        return {"entries": [{"event_type": "resolved", "actor": actor, "timestamp": "2026-11-24T02:00:00Z"}]}

    monkeypatch.setattr(visitor.port, "timeline", log)
    assert "Resolved by itself: Alertmanager said that it is over." in (await visitor.http.get("/incidents/INC-1")).text
