"""The real server with its dashboard, and what tests ask of it over REST while Chromium looks on."""

import importlib
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llm_incident_manager.domain.vocabulary import Status
from tests.process import ServerProcess

playwright: Any = (
    importlib.import_module("playwright.sync_api") if importlib.util.find_spec("playwright") is not None else None
)
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if playwright is not None and (found := shutil.which(name))
    ),
    None,
)
BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no playwright, or no Chromium on PATH: the dashboard is not proven"),
]
"""What every module here is marked with."""
AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.1.min.js"
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Visit = Callable[..., Any]
"""Opens a page as Ana: ``visit(path, width=…, theme=…, signed_in=…)``."""
NOWHERE = "http://127.0.0.1:9/nobody-listens"
"""The discard port: pages to it are refused at once and tried again."""
COMPANY = f"""
outgoing: {{allow: ["127.0.0.0/8"]}}
users:
  - {{id: ana, name: Ana Ruiz, contacts: {{webhook: "{NOWHERE}"}}}}
  - {{id: bo, name: Bo Lindqvist, contacts: {{webhook: "{NOWHERE}"}}}}
  - {{id: noor, name: Noor Haddad, contacts: {{sms: "+34600000000"}}}}
teams:
  - {{id: platform, name: Platform, members: [ana, bo]}}
  - {{id: finance, name: Finance, members: [noor]}}
routes:
  - {{name: money, priority: 9, conditions: {{category: cost}}, assign: {{team: finance}}}}
  - {{name: everything, priority: 0, conditions: {{}}, assign: {{team: platform}}}}
"""
WAYS: dict[Status, tuple[str, ...]] = {
    Status.NEW: (),
    Status.ACKNOWLEDGED: ("acknowledge",),
    Status.IN_PROGRESS: ("acknowledge", "start_work"),
    Status.ESCALATED: ("escalate",),
    Status.RESOLVED: ("acknowledge", "start_work", "resolve"),
    Status.CLOSED: ("acknowledge", "start_work", "resolve", "close"),
}
"""How an incident gets into each status, through REST (specification §4.2)."""


class Site:
    """A running server; ``event`` and ``command`` speak REST with the administrator's key."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.sent = 0

    @property
    def url(self) -> str:
        return self.server.url

    def event(self, title: str, *, tenant: str | None = None, **fields: Any) -> str:
        """Send one event of its own fingerprint and return its incident's id, which is triaged then."""
        headers = {"X-Tenant": tenant} if tenant else {}
        answer = self.server.ask("POST", "/api/v1/events", self.document(title, **fields), headers=headers)
        assert answer.status == 202, answer.body
        incident_id: str = answer.json["incident_id"]
        assert self.server.ask("GET", f"/api/v1/incidents/{incident_id}", headers=headers).status == 200
        return incident_id

    def events(self, titles: list[str]) -> list[str]:
        """Send one batch; returns the incidents' ids, which are triaged then."""
        answer = self.server.post("/api/v1/events", {"events": [self.document(title) for title in titles]})
        assert answer.status == 202, answer.body
        ids = [result["incident_id"] for result in answer.json["results"]]
        self.server.until("all are triaged", lambda: self.incident(ids[-1])["id"] == ids[-1])
        return ids

    def document(self, title: str, **fields: Any) -> dict[str, Any]:
        """Return an event that no other one joins."""
        self.sent += 1
        return {
            "event_id": f"browser-{self.sent}",
            "source": "llm-sentinel",
            "timestamp": "2026-11-24T03:00:00Z",
            "event_type": "alert",
            "category": "performance",
            "severity": "high",
            "title": title,
            "resource": {"type": "endpoint", "id": f"ep-{self.sent}", "name": f"/v1/{self.sent}"},
            "metrics": {"p95_latency_ms": 5400},
            "tags": {"environment": "production"},
        } | fields

    def incident(self, incident_id: str) -> Any:
        """Return the incident as REST shows it."""
        return self.server.get(f"/api/v1/incidents/{incident_id}").json

    def command(self, incident_id: str, action: str, document: object = None) -> Any:
        """Act through REST, and return the incident."""
        answer = self.server.post(f"/api/v1/incidents/{incident_id}/{action}", document or {})
        assert answer.status == 200, answer.body
        return answer.json

    def in_status(self, status: Status, title: str = "one") -> str:
        """Return a new incident that stands in ``status``."""
        incident_id = self.event(f"{title} {status} {self.sent}")
        for action in WAYS[status]:
            self.command(incident_id, action)
        assert self.incident(incident_id)["status"] == status
        return incident_id

    def link(self, user: str) -> str:
        """Return a personal one-time link."""
        answer = self.server.ask("POST", f"/api/v1/users/{user}/sign_in_links")
        assert answer.status == 201, answer.body
        link: str = answer.json["url"]
        return link


def sign_in(page: Any, link: str) -> None:
    """Open the link and press its button."""
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/incidents")


def is_live(page: Any) -> None:
    """Return once the page listens to the stream."""
    playwright.expect(page.locator("#live")).to_be_visible()


def click_through(page: Any, link_or_button: Any) -> None:
    """Click, and return once the page that answers has loaded and heeds keys: its scripts run before its load event."""
    with page.expect_navigation(wait_until="load"):
        link_or_button.click()


def path_of(address: str) -> str:
    """Return the path and the query of an address."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def token_of(page: Any) -> str:
    """Return what every form of this session carries."""
    token: str = page.locator("input[name=csrf]").first.get_attribute("value")
    return token


def post(page: Any, url: str, form: dict[str, str], headers: dict[str, str] | None = None) -> Any:
    """Post a form with the page's cookies, as no button did."""
    return page.context.request.post(url, form=form, headers=headers or {}, max_redirects=0)


def rows_of(page: Any) -> set[str]:
    """Return the ids of the incidents that the list shows."""
    found: list[str] = page.locator("#rows > tr").evaluate_all("rows => rows.map((row) => row.id.slice(4))")
    return set(found)
