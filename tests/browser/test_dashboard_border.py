"""Who may see and do what on the dashboard of a real server, and for how long."""

import time
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.vocabulary import Action
from tests.browser.site import (
    BROWSER,
    COMPANY,
    Site,
    Visit,
    is_live,
    path_of,
    playwright,
    post,
    rows_of,
    sign_in,
    token_of,
)
from tests.process import ServerProcess

pytestmark = BROWSER
LEAVING = "  - {id: noor,"


# -- signing in


@pytest.mark.requirement("SEC-01")
def test_a_link_signs_in_once_and_looking_at_it_does_not_spend_it(visit: Visit, site: Site) -> None:
    link = site.link("bo")
    first, scanner, second = (visit(signed_in=False) for _ in range(3))
    scanner.goto(link)
    second.goto(link)
    sign_in(first, link)
    playwright.expect(first.locator(".me").first).to_contain_text("Bo Lindqvist")
    second.get_by_role("button", name="Sign in").click()
    playwright.expect(second.get_by_role("heading", level=1)).to_have_text("This link does not work any more")
    second.goto(f"{site.url}/incidents")
    assert path_of(second.url) == "/sign-in"


def test_the_link_that_the_start_prints_signs_the_administrator_in(visit: Visit, site: Site) -> None:
    page = visit(signed_in=False)
    sign_in(page, site.server.sign_in_link)
    playwright.expect(page.locator(".me").first).to_contain_text("Administrator")


@pytest.mark.requirement("SEC-05")
def test_a_forged_form_is_refused_and_changes_nothing(visit: Visit, site: Site) -> None:
    incident_id = site.event("leave me alone")
    page = visit()
    take, true = f"{site.url}/incidents/{incident_id}/take", token_of(page)
    for form, headers in (
        ({}, {}),
        ({"csrf": ""}, {}),
        ({"csrf": "x" * len(true)}, {}),
        ({"csrf": true}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": true}, {"Origin": "https://evil.example"}),
    ):
        assert post(page, take, form, headers).status == 403
    forged = page.context.new_page()
    forged.set_content(f'<form method="post" action="{take}"><button>Win a prize</button></form>')
    forged.get_by_role("button").click()
    playwright.expect(forged.get_by_role("heading", level=1)).to_have_text("This form was refused")
    assert site.incident(incident_id)["status"] == "NEW"
    assert post(page, take, {"csrf": true}).status == 303


# -- tenants and sessions


@pytest.mark.requirement("SEC-02")
def test_another_tenants_incident_is_404_everywhere_and_never_on_the_stream(visit: Visit, site: Site) -> None:
    made = site.server.post("/api/v1/tenants", {"id": "other", "name": "Other"})
    assert made.status == 201, made.body
    foreign = site.event("their secret", tenant="other")
    page = visit()
    is_live(page)
    page.evaluate(
        """() => new Promise((done) => {
            window.told = [];
            const stream = new EventSource('/stream');
            stream.addEventListener('change', (event) => window.told.push(JSON.parse(event.data).incident_id));
            stream.addEventListener('hello', done);
        })"""
    )
    csrf = token_of(page)
    for path in (foreign, f"{foreign}/row", "INC-20000101-00001"):
        assert page.context.request.get(f"{site.url}/incidents/{path}").status == 404
    for action in (*Action, "take", "comment", "assign", "page", "snooze"):
        form = {"csrf": csrf, "text": "x", "user_id": "ana", "target": "user:ana", "minutes": "60"}
        assert post(page, f"{site.url}/incidents/{foreign}/{action}", form).status == 404, action
    ours = site.event("our own")
    for action, field in (("link", "incident_id"), ("merge", "into")):
        form = {"csrf": csrf, field: foreign}
        assert post(page, f"{site.url}/incidents/{ours}/{action}", form).status == 422, action
    another = site.event("their second secret", tenant="other")
    last = site.event("our last")
    page.wait_for_function("id => window.told.includes(id)", arg=last)
    assert not {foreign, another} & set(page.evaluate("window.told"))
    page.goto(f"{site.url}/incidents?status=all&q=secret")
    assert rows_of(page) == set()


@pytest.mark.requirement("SEC-01")
def test_a_session_ends_when_its_person_is_removed(visit: Visit, site: Site) -> None:
    page = visit(signed_in=False)
    sign_in(page, site.link("noor"))
    is_live(page)
    incident_id = site.event("before she leaves")
    csrf = token_of(page)
    config = site.server.folder / "config.yaml"
    config.write_text(
        "\n".join(
            line for line in COMPANY.replace("members: [noor]", "members: [bo]").splitlines() if LEAVING not in line
        )
    )
    try:
        assert site.server.post("/api/v1/config/reload").status == 200
        assert post(page, f"{site.url}/incidents/{incident_id}/take", {"csrf": csrf}).status == 401
        assert page.context.request.get(f"{site.url}/stream").status == 204
        site.event("nobody shows her this")
        playwright.expect(page.locator("#stale")).to_contain_text("You are signed out.", timeout=15_000)
        page.goto(f"{site.url}/incidents/{incident_id}")
        assert path_of(page.url).startswith("/sign-in")
        assert site.incident(incident_id)["status"] == "NEW"
    finally:
        config.write_text(COMPANY)
        assert site.server.post("/api/v1/config/reload").status == 200


@pytest.mark.requirement("REL-03")
def test_sigterm_ends_open_streams_at_once(browser: Any, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, COMPANY) as server:
        page = browser.new_context().new_page()
        sign_in(page, server.sign_in_link)
        playwright.expect(page.get_by_role("heading", name="No incidents yet")).to_be_visible()
        playwright.expect(page.locator("#first-event")).to_contain_text(f"curl {server.url}/api/v1/events")
        is_live(page)
        others = [page.context.new_page() for _ in range(3)]
        for other in others:
            other.goto(f"{server.url}/incidents")
            is_live(other)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 5.0
        playwright.expect(page.locator("#stale")).to_be_visible(timeout=15_000)
        page.context.close()
