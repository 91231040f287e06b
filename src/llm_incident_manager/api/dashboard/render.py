"""Turns view models into pages: Jinja2 with everything escaped, and the headers that every page carries."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from llm_incident_manager.api.dashboard import words
from llm_incident_manager.api.dashboard.port import Session
from llm_incident_manager.api.dashboard.settings import DashboardSettings
from llm_incident_manager.api.dashboard.static_files import StaticFiles

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What every answer of the dashboard carries. Nothing inline runs, nothing comes from another host."""


class Renderer:
    """Renders the templates of this folder."""

    def __init__(self, settings: DashboardSettings, static: StaticFiles) -> None:
        self._settings = settings
        self._environment = Environment(
            loader=PackageLoader("llm_incident_manager.api.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(static=static.address, public_url=settings.public_url.rstrip("/"))
        self._environment.filters.update(
            iso=words.iso,
            exact=words.exact,
            spell=words.spell,
            grouped=words.grouped,
            initials=words.initials,
            listed=words.listed,
        )

    def text(self, template: str, session: Session | None, context: Mapping[str, Any]) -> str:
        """Return a rendered template; ``session`` and ``now`` are there in each."""
        now = self._settings.clock.now()
        return self._environment.get_template(template).render(session=session, now=now, **context)

    def page(
        self,
        template: str,
        session: Session | None,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """Return a page that no cache keeps."""
        kept_out = {"Cache-Control": "no-store", **(headers or {})}
        return HTMLResponse(self.text(template, session, context), status_code=status, headers=kept_out)
