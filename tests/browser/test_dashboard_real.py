"""The two pages over the real server: a child process on SQLite, and Chromium."""

from typing import Any

import pytest

from llm_incident_manager.domain.incidents.transitions import TRANSITIONS, allowed_actions
from llm_incident_manager.domain.vocabulary import Action, Status
from tests.browser.site import AXE, BROWSER, Site, Visit, click_through, is_live, playwright, post, rows_of, token_of

pytestmark = BROWSER


def says(page: Any, text: str) -> None:
    playwright.expect(page.locator("#said")).to_contain_text(text)


# -- the list lives


@pytest.mark.requirement("UI-01")
def test_an_event_comes_onto_the_open_list_without_a_reload(visit: Visit, site: Site) -> None:
    site.event("there is one already")
    page = visit()
    is_live(page)
    page.evaluate("window.same = true")
    incident_id = site.server.post("/api/v1/events", site.document("Fresh fire")).json["incident_id"]
    playwright.expect(page.locator(f"#row-{incident_id}")).to_be_visible(timeout=20_000)
    assert page.evaluate("window.same") is True


@pytest.mark.requirement("AUD-01", "RES-02")
def test_take_on_the_list_and_on_the_page_makes_the_signed_in_person_the_owner(visit: Visit, site: Site) -> None:
    listed, opened = site.event("take me on the list"), site.in_status(Status.ESCALATED, "take me on my page")
    page = visit(f"/incidents?q={listed}")
    page.get_by_role("button", name=f"Take {listed}").click()
    playwright.expect(page.locator(f"#row-{listed} .c-own")).to_contain_text("You")
    page.goto(f"{site.url}/incidents/{opened}")
    page.get_by_role("button", name="Take").click()
    says(page, "You have it. The ladder has stopped.")
    found = {each: site.incident(each) for each in (listed, opened)}
    assert [(each["status"], each["assigned_to"]) for each in found.values()] == [
        ("ACKNOWLEDGED", "ana"),
        ("IN_PROGRESS", "ana"),
    ]
    for each in found:
        actors = [entry["actor"] for entry in site.server.get(f"/api/v1/audit?incident={each}").json["audit"]]
        assert ("user", "ana", "Ana Ruiz") in {(actor["type"], actor["id"], actor["name"]) for actor in actors}


# -- §4.2


@pytest.mark.requirement("UI-01", "RES-01")
@pytest.mark.parametrize("status", list(Status))
def test_the_buttons_are_exactly_what_the_status_allows_and_only_that_can_be_posted(
    visit: Visit, site: Site, status: Status
) -> None:
    incident_id = site.in_status(status)
    page = visit(f"/incidents/{incident_id}")
    shown = [button.get_attribute("data-action") for button in page.locator("button[data-action]:visible").all()]
    assert sorted(shown) == sorted(allowed_actions(status))
    csrf = token_of(page)
    for action in Action:
        after = TRANSITIONS.get((status, action))
        target = site.in_status(status) if after is not None else incident_id
        answer = post(page, f"{site.url}/incidents/{target}/{action}", {"csrf": csrf})
        assert answer.status == (409 if after is None else 303), (status, action)
        assert site.incident(target)["status"] == (after or status)


# -- acting


@pytest.mark.requirement("UI-01")
def test_comment_assign_and_resolve_with_a_root_cause(visit: Visit, site: Site) -> None:
    incident_id = site.in_status(Status.IN_PROGRESS, "a whole life")
    page = visit(f"/incidents/{incident_id}")
    page.locator("#say").fill("Not us: the <b>provider</b> is slow.")
    click_through(page, page.get_by_role("button", name="Comment", exact=True))
    playwright.expect(page.locator("#entries")).to_contain_text("Not us: the <b>provider</b> is slow.")
    is_live(page)
    page.keyboard.press("u")
    page.locator("#form-assign #as-user").select_option("bo")
    click_through(page, page.locator("#form-assign").get_by_role("button", name="Assign"))
    playwright.expect(page.locator("#facts")).to_contain_text("Bo Lindqvist")
    is_live(page)
    page.keyboard.press("r")
    page.locator("#root-cause").fill("A cold cache")
    page.locator("#notes").fill("Warmed it up")
    page.get_by_role("button", name="Resolve", exact=True).click()
    playwright.expect(page.locator("#resolution")).to_contain_text("A cold cache")
    found = site.incident(incident_id)
    assert (found["status"], found["assigned_to"]) == ("RESOLVED", "bo")
    assert found["resolution"]["root_cause"] == "A cold cache"
    page.get_by_role("button", name="Undo").click()
    playwright.expect(page.locator("#head .st")).to_have_text("In progress")


@pytest.mark.requirement("UI-01")
def test_what_somebody_wrote_meanwhile_is_not_overwritten_and_what_one_typed_is_kept(visit: Visit, site: Site) -> None:
    incident_id = site.in_status(Status.IN_PROGRESS, "a race")
    page = visit(f"/incidents/{incident_id}")
    is_live(page)
    page.keyboard.press("r")
    page.locator("#root-cause").fill("My long thought")
    site.command(incident_id, "resolve", {"root_cause": "somebody else's"})
    page.get_by_role("button", name="Resolve", exact=True).click()
    playwright.expect(page.locator("#again-text, #again-root_cause")).to_contain_text(["My long thought"])
    assert site.incident(incident_id)["resolution"]["root_cause"] == "somebody else's"


@pytest.mark.requirement("UI-01")
def test_page_by_hand_snooze_link_and_merge(visit: Visit, site: Site) -> None:
    incident_id, other = site.event("errands"), site.event("the other one")
    page = visit(f"/incidents/{incident_id}")

    def errand(label: str) -> Any:
        page.get_by_label("More…").click()
        page.locator(".menu-acts").get_by_role("button", name=label).click()
        return page.locator(".sheet:popover-open")

    sheet = errand("Page somebody…")
    sheet.get_by_label("Whom").select_option("user:bo")
    sheet.get_by_label("Note for them").fill("Can you look at the gateway?")
    sheet.get_by_role("button", name="Page").click()
    says(page, "They are being paged.")
    playwright.expect(page.locator("#entries")).to_contain_text("paged Bo Lindqvist by webhook")
    sheet = errand("Page somebody…")
    sheet.get_by_label("Whom").select_option("user:noor")
    sheet.get_by_role("button", name="Page").click()
    playwright.expect(page.locator(".faults")).to_contain_text("sms")
    page.goto(f"{site.url}/incidents/{incident_id}")
    errand("Snooze…").get_by_role("button", name="Snooze").click()
    says(page, "Snoozed")
    playwright.expect(page.locator("#now")).to_contain_text("of snooze left")
    page.get_by_label("More…").click()
    page.get_by_role("button", name="End the snooze").click()
    says(page, "Awake again")
    sheet = errand("Link…")
    sheet.get_by_label("The other incident").fill("INC-20000101-00001")
    sheet.get_by_role("button", name="Link").click()
    playwright.expect(page.locator(".faults")).to_contain_text("INC-20000101-00001 is no incident of yours")
    page.get_by_label("The other incident").fill(other.lower())
    page.get_by_role("button", name="Do it as it is now").click()
    says(page, "Linked, both ways.")
    sheet = errand("Merge into another…")
    sheet.get_by_label("Into which incident").fill(other)
    sheet.get_by_role("button", name="Merge").click()
    says(page, "Merged and resolved.")
    playwright.expect(page.locator("#head")).to_contain_text(f"Merged into {other}")
    assert site.incident(incident_id)["duplicate_of"] == other


@pytest.mark.requirement("RTE-08")
def test_where_nobody_can_be_told_both_pages_say_so_in_red_and_a_metric_counts_it(visit: Visit, site: Site) -> None:
    incident_id = site.event("Budget burn", category="cost")
    page = visit(f"/incidents/{incident_id}")
    banner = page.locator("#untold").get_by_role("alert")
    playwright.expect(banner).to_contain_text("Nobody has been told of this incident.")
    playwright.expect(banner).to_contain_text("Noor Haddad: there is no sms channel here yet.")
    page.goto(f"{site.url}/incidents?q={incident_id}")
    playwright.expect(page.locator("#untold")).to_contain_text("One incident has reached nobody")
    playwright.expect(page.locator(f"#row-{incident_id}")).to_contain_text("nobody told")
    site.server.until("the metric counts it", lambda: site.server.metric("incidents_untold") >= 1)
    page.get_by_role("button", name=f"Take {incident_id}").click()
    playwright.expect(page.locator("#untold")).to_be_empty()


# -- finding


@pytest.mark.requirement("UI-01")
def test_filters_search_and_views_live_in_the_address(visit: Visit, site: Site) -> None:
    slow, leak = site.event("zebra answers slowly"), site.event("zebra leak", category="security", severity="critical")
    page = visit("/incidents?q=zebra")
    assert rows_of(page) == {slow, leak}
    page.locator("#facets").get_by_role("link", name="P0").click()
    page.wait_for_url("**severity=P0*")
    assert rows_of(page) == {leak}
    playwright.expect(page.locator("#q")).to_have_value("zebra")
    page.get_by_label("Save this list as a view").click()
    page.get_by_label("Name of this view").fill("Zebra fires")
    page.get_by_role("button", name="Save the view").click()
    page.goto(f"{site.url}/incidents?assigned_to=me&q=zebra")
    playwright.expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("link", name="Zebra fires").click()
    assert rows_of(page) == {leak}
    page.locator("#filter summary").click()
    page.locator("#f-status").select_option("RESOLVED")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url("**status=RESOLVED*")
    playwright.expect(page.get_by_role("link", name="Remove the filter status RESOLVED")).to_be_visible()


@pytest.mark.requirement("UI-01")
def test_many_incidents_are_read_page_by_page_forwards_and_back_and_taken_together(visit: Visit, site: Site) -> None:
    ids = set(site.events([f"giraffe {number}" for number in range(120)]))
    page = visit("/incidents?q=giraffe")
    assert len(page.content().encode()) < 100_000
    seen = [rows_of(page)]
    for _ in range(2):
        page.get_by_role("link", name="Next").click()
        page.wait_for_function("first => !document.getElementById(`row-${first}`)", arg=sorted(seen[-1])[0])
        seen.append(rows_of(page))
    assert [len(each) for each in seen] == [50, 50, 20]
    assert set().union(*seen) == ids
    click_through(page, page.get_by_role("link", name="Previous"))
    playwright.expect(page.locator("#foot-count")).to_contain_text("page 2")
    assert rows_of(page) == seen[1]
    click_through(page, page.get_by_role("link", name="Previous"))
    playwright.expect(page.locator("#foot-count")).to_contain_text("page 1")
    assert rows_of(page) == seen[0]
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    picked = [box.get_attribute("value") for box in page.locator("#rows input:checked").all()]
    assert len(picked) == 2
    page.get_by_role("toolbar").get_by_role("button", name="Take").click()
    says(page, "2 taken.")
    assert {site.incident(each)["assigned_to"] for each in picked} == {"ana"}


@pytest.mark.requirement("UI-01")
def test_the_keys_work_over_the_real_server(visit: Visit, site: Site) -> None:
    incident_id = site.event("okapi")
    page = visit(f"/incidents?q={incident_id}")
    is_live(page)
    page.keyboard.press("j")
    page.keyboard.press("a")
    playwright.expect(page.locator("#rows .c-own")).to_contain_text("You")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/incidents/{incident_id}")
    is_live(page)
    with page.expect_navigation(wait_until="load"):
        page.keyboard.press("s")
    says(page, "Work has started.")
    is_live(page)
    page.keyboard.press("e")
    playwright.expect(page.locator("#esc-note")).to_be_focused()
    page.keyboard.type("over to you")
    click_through(page, page.get_by_role("button", name="Escalate", exact=True))
    playwright.expect(page.locator("#head .st")).to_contain_text("Escalated")
    is_live(page)
    page.keyboard.press("w")
    playwright.expect(page.locator("#announce")).to_have_text("Close: not possible now.")


@pytest.mark.requirement("UI-01")
@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light")])
def test_axe_finds_nothing_on_real_incidents(visit: Visit, site: Site, width: int, theme: str) -> None:
    source = AXE.read_text()
    closed, untold = site.in_status(Status.CLOSED, "done"), site.event("Money burns", category="cost")
    page = visit(width=width, theme=theme)
    for path in ("/incidents?status=all", f"/incidents/{closed}", f"/incidents/{untold}"):
        page.goto(site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = page.evaluate(f"(() => {{ {source} }})(); axe.run()")
        assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == [], path
