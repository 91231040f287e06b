"""The dashboard in a real browser: widths, themes, accessibility, keys, and pages that live."""

import asyncio
import hashlib
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from llm_incident_manager.api.dashboard.routes import dashboard_routes
from llm_incident_manager.api.dashboard.settings import DashboardSettings
from llm_incident_manager.domain.incidents.transitions import allowed_actions
from llm_incident_manager.domain.vocabulary import Status
from tests.browser.site import click_through, is_live
from tests.dashboard_night import HOSTILE
from tests.dashboard_world import NightPort

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: the dashboard's look is not proven"),
]
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VENDOR = Path(__file__).parent / "vendor"
ALL_LOOKS = [(width, theme) for width in (360, 800, 1280, 2560) for theme in ("light", "dark")]
LOOKS = [(360, "dark"), (800, "light"), (1280, "light"), (2560, "dark")]
"""One of each in `make test`; `make soak` looks at all."""
NEWEST = "INC-20261124-00031"
PAGES = [
    "/incidents",
    "/incidents?severity=P0&environment=production&q=storm",
    "/incidents?q=zebra",
    f"/incidents/{NEWEST}",
    "/incidents/INC-20261124-00017",
    "/incidents/INC-20261124-00003",
    "/incidents/none",
    "/sign-in",
]


class Site:
    """A running dashboard whose world the test may change while pages look at it."""

    def __init__(self, port: NightPort, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.port, self.url, self._loop = port, url, loop

    def change(self, work: Callable[[], object]) -> None:
        """Run ``work`` where the server runs, and wait for it."""

        async def there() -> None:
            work()

        asyncio.run_coroutine_threadsafe(there(), self._loop).result(5)


@pytest.fixture
def site() -> Iterator[Site]:
    port = NightPort()
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    routes = dashboard_routes(port, DashboardSettings(secret="s" * 40, public_url=url))
    config = uvicorn.Config(Starlette(routes=routes), log_level="error", timeout_graceful_shutdown=1, ws="none")
    server, loop = uvicorn.Server(config), asyncio.new_event_loop()

    def run() -> None:
        loop.run_until_complete(server.serve([listening]))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield Site(port, url, loop)
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: playwright.Browser, site: Site) -> Iterator[Callable[..., playwright.Page]]:
    """Open signed-in pages; a script error or a broken policy anywhere fails the test."""
    faults: list[str] = []
    contexts: list[playwright.BrowserContext] = []

    def open_page(
        path: str = "/incidents", *, width: int = 1280, theme: str = "light", **kind: object
    ) -> playwright.Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme, **kind)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        site.port.links["ana-link"] = ["read", "respond"]
        page.goto(f"{site.url}/sign-in/ana-link")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/incidents")
        page.goto(site.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.mark.requirement("UI-01")
@pytest.mark.parametrize(("width", "theme"), ALL_LOOKS if os.environ.get("LIM_ALL_LOOKS") else LOOKS)
def test_no_page_scrolls_sideways_and_axe_finds_nothing(
    visit: Callable[..., playwright.Page], site: Site, width: int, theme: str
) -> None:
    source = (VENDOR / "axe-core-4.14.1.min.js").read_text()
    page = visit(width=width, theme=theme)
    for path in PAGES:
        page.goto(site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(245, 246, 247)" if theme == "light" else "rgb(12, 14, 17)"
        )
        if width == 800:  # between the layouts: the width is what can break
            continue
        found = page.evaluate(f"(() => {{ {source} }})(); axe.run()")
        assert len(found["passes"]) > 10
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == [], path


@pytest.mark.requirement("UI-01")
def test_axe_finds_nothing_in_open_forms_the_bulk_bar_and_the_keys(
    visit: Callable[..., playwright.Page], site: Site
) -> None:
    source = (VENDOR / "axe-core-4.14.1.min.js").read_text()
    page = visit("/incidents/INC-20261124-00017")

    def is_clean(where: str) -> None:
        found = page.evaluate(f"(() => {{ {source} }})(); axe.run()")
        assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == [], where

    page.keyboard.press("r")
    playwright.expect(page.locator("#root-cause")).to_be_focused()
    is_clean("resolve")
    page.goto(f"{site.url}/incidents")
    page.locator("#rows input").first.check()
    page.locator("#filter summary").click()
    is_clean("bulk and filter")
    page.keyboard.press("?")
    is_clean("keys")


def test_the_vendored_file_is_the_published_one() -> None:
    for line in (VENDOR / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest


@pytest.mark.requirement("UI-01")
def test_the_buttons_are_exactly_the_allowed_actions(visit: Callable[..., playwright.Page], site: Site) -> None:
    page = visit(width=360)
    for status in Status:
        site.change(lambda status=status: site.port.add("INC-1", "P1", status.value, "one"))
        page.goto(f"{site.url}/incidents/INC-1")
        shown = page.locator("button[data-action]:visible")
        assert sorted(button.get_attribute("data-action") for button in shown.all()) == sorted(allowed_actions(status))


@pytest.mark.requirement("UI-01")
def test_take_is_large_and_at_the_thumb_on_a_phone_and_says_who_else_was_paged(
    visit: Callable[..., playwright.Page],
) -> None:
    page = visit(f"/incidents/{NEWEST}", width=360)
    box = page.get_by_role("button", name="Take").bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["width"] >= 100
    assert box["y"] > 700
    playwright.expect(page.locator("#acts .holder")).to_have_text(
        "Bo Lindqvist and Mei Tanaka were paged too. Nobody has it yet."
    )
    page.get_by_role("button", name="Take").click()
    playwright.expect(page.locator("#said")).to_contain_text("You have it. The ladder has stopped.")
    playwright.expect(page.locator("#acts .holder")).to_contain_text("You have it.")


@pytest.mark.requirement("UI-01")
def test_everything_can_be_done_from_the_keyboard(visit: Callable[..., playwright.Page], site: Site) -> None:
    page = visit()
    is_live(page)
    first, second = page.locator("#rows tr").nth(0), page.locator("#rows tr").nth(1)
    page.keyboard.press("j")
    page.keyboard.press("j")
    playwright.expect(second).to_have_class("needs is-cursor")
    page.keyboard.press("k")
    page.keyboard.press("x")
    playwright.expect(first.locator("input")).to_be_checked()
    playwright.expect(page.get_by_role("toolbar")).to_be_visible()
    page.keyboard.press("Escape")
    playwright.expect(first.locator("input")).not_to_be_checked()
    page.keyboard.press("j")
    page.keyboard.press("a")
    playwright.expect(first.locator(".c-own")).to_contain_text("You")
    page.keyboard.press("e")
    page.wait_for_url(f"**/{NEWEST}")
    playwright.expect(page.locator("#esc-note")).to_be_focused()
    page.keyboard.type("j a x e: keys rest while typing")
    click_through(page, page.get_by_role("button", name="Escalate", exact=True))
    playwright.expect(page.locator("#said")).to_contain_text("Escalated.")
    playwright.expect(page.locator("#head .st")).to_contain_text("Escalated")
    assert site.port.done[-1] == ("ana", NEWEST, "escalate", {"note": "j a x e: keys rest while typing"})
    page.keyboard.press("r")
    playwright.expect(page.locator("#announce")).to_have_text("Resolve: not possible now.")
    playwright.expect(page.locator("#announce")).to_be_in_viewport()
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/incidents")
    page.keyboard.press("/")
    playwright.expect(page.locator("#q")).to_be_focused()


@pytest.mark.requirement("UI-01")
def test_a_new_incident_appears_without_a_reload(visit: Callable[..., playwright.Page], site: Site) -> None:
    page = visit()
    is_live(page)
    page.evaluate("window.same = true")
    site.change(lambda: (site.port.add("INC-1", "P0", "NEW", "Fresh fire"), site.port.announce("INC-1")))
    playwright.expect(page.locator("#row-INC-1")).to_be_visible()
    playwright.expect(page.locator("#announce")).to_have_text("New P0: Fresh fire")
    assert page.evaluate("window.same") is True


@pytest.mark.requirement("UI-01")
def test_rows_do_not_jump_while_somebody_reads(visit: Callable[..., playwright.Page], site: Site) -> None:
    page = visit()
    is_live(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    before = [row.get_attribute("id") for row in page.locator("#rows tr").all()]
    site.change(lambda: (site.port.add("INC-1", "P0", "NEW", "Fresh fire"), site.port.announce("INC-1")))
    playwright.expect(page.locator("#held")).to_contain_text("1 new")
    site.change(lambda: (site.port.incidents[NEWEST].update(event_count=9999), site.port.announce(NEWEST)))
    playwright.expect(page.locator(f"#row-{NEWEST} .c-n")).to_contain_text("9,999")
    assert [row.get_attribute("id") for row in page.locator("#rows tr").all()] == before
    page.keyboard.press(".")
    playwright.expect(page.locator("#row-INC-1")).to_be_visible()


@pytest.mark.requirement("UI-01")
def test_the_first_incident_replaces_the_empty_page(visit: Callable[..., playwright.Page], site: Site) -> None:
    site.change(site.port.incidents.clear)
    page = visit()
    playwright.expect(page.get_by_role("heading", name="No incidents yet")).to_be_visible()
    is_live(page)
    site.change(lambda: (site.port.add("INC-1", "P3", "NEW", "Hello"), site.port.announce("INC-1")))
    playwright.expect(page.locator("#row-INC-1")).to_be_visible()


@pytest.mark.requirement("UI-01")
def test_the_incident_page_lives_and_leaves_a_half_written_comment_alone(
    visit: Callable[..., playwright.Page], site: Site
) -> None:
    page = visit("/incidents/INC-20261124-00017")
    is_live(page)
    page.locator("#say").fill("half a thought")
    site.change(lambda: site.port.comments.append(("INC-20261124-00017", "from a colleague")))
    site.change(lambda: site.port.announce("INC-20261124-00017"))
    playwright.expect(page.locator("#entries")).to_contain_text("from a colleague")
    playwright.expect(page.locator("#say")).to_have_value("half a thought")
    page.get_by_role("button", name="Comment", exact=True).click()
    playwright.expect(page.locator("#entries")).to_contain_text("half a thought")


@pytest.mark.requirement("SEC-05")
def test_hostile_text_is_shown_as_text(visit: Callable[..., playwright.Page], site: Site) -> None:
    site.change(lambda: site.port.add("INC-1", "P0", "NEW", HOSTILE, resource=HOSTILE, source=HOSTILE))
    page = visit()
    is_live(page)
    assert page.locator("#row-INC-1 .c-title a").text_content() == HOSTILE
    site.change(lambda: site.port.announce("INC-1"))
    page.goto(f"{site.url}/incidents/INC-1")
    playwright.expect(page.locator("h1")).to_have_text(HOSTILE)
    assert page.locator("img[src=x]").count() == 0
    assert "Incident Manager" in page.title()


@pytest.mark.requirement("SEC-05")
def test_a_form_on_another_site_can_change_nothing(visit: Callable[..., playwright.Page], site: Site) -> None:
    page = visit()
    forged = page.context.new_page()
    forged.set_content(
        f'<form method="post" action="{site.url}/incidents/{NEWEST}/take"><button>Win a prize</button></form>'
    )
    forged.get_by_role("button").click()
    playwright.expect(forged.get_by_role("heading")).to_contain_text(["This form was refused"])
    assert site.port.done == []


def test_without_scripts_one_reads_and_acts_all_the_same(visit: Callable[..., playwright.Page], site: Site) -> None:
    page = visit(java_script_enabled=False)
    page.get_by_role("button", name=f"Take {NEWEST}").click()
    playwright.expect(page.locator("#said")).to_contain_text("You have it.")
    page.goto(f"{site.url}/incidents/INC-20261124-00017")
    page.get_by_role("button", name="Resolve…").click()
    page.locator("#root-cause").fill("disk")
    page.get_by_role("button", name="Resolve", exact=True).click()
    playwright.expect(page.locator("#head .st")).to_have_text("Resolved")
    page.get_by_role("button", name="Undo").click()
    playwright.expect(page.locator("#head .st")).to_have_text("In progress")


def test_a_lost_connection_is_said_and_made_again(visit: Callable[..., playwright.Page]) -> None:
    page = visit()
    is_live(page)
    page.route("**/stream", lambda route: route.abort())
    page.reload()
    playwright.expect(page.locator("#stale")).to_be_visible(timeout=15_000)
    playwright.expect(page.locator("#stale")).to_contain_text("This list is not live.")


def test_the_theme_can_be_chosen_and_stays(visit: Callable[..., playwright.Page]) -> None:
    page = visit(theme="light")
    switch = page.locator("[data-theme-toggle]:visible")
    switch.click()
    switch.click()
    playwright.expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 14, 17)"


def test_times_are_told_in_the_viewers_zone(visit: Callable[..., playwright.Page]) -> None:
    page = visit(f"/incidents/{NEWEST}", timezone_id="Asia/Kathmandu", locale="en-GB")
    clock = page.locator("#entries time").first
    playwright.expect(clock).not_to_contain_text("UTC")
    assert page.evaluate(
        "t => new Date(t.dateTime).toLocaleTimeString('en-GB', {timeZone: 'Asia/Kathmandu'}) === t.textContent",
        clock.element_handle(),
    )


def test_a_clock_that_is_wrong_does_not_move_the_deadlines(visit: Callable[..., playwright.Page], site: Site) -> None:
    page = visit()
    page.clock.install(time="2020-01-01T00:00:00Z")
    page.goto(f"{site.url}/incidents")
    playwright.expect(page.locator(f"#row-{NEWEST} .c-age")).to_have_text("3\u00a0min")
    page.clock.run_for(2000)
    playwright.expect(page.locator(f"#row-{NEWEST} .c-age")).to_have_text("3\u00a0min")
