"""One real server and one Chromium for the tests of a module."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.site import CHROMIUM, COMPANY, SWITCHES, Site, Visit, playwright, sign_in
from tests.process import ServerProcess


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ServerProcess(tmp_path_factory.mktemp("dashboard"), COMPANY) as server:
        yield Site(server)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def cookies(browser: Any, site: Site) -> list[Any]:
    """Ana's session."""
    context = browser.new_context()
    sign_in(context.new_page(), site.link("ana"))
    kept: list[Any] = context.cookies()
    context.close()
    return kept


@pytest.fixture
def visit(browser: Any, site: Site, cookies: list[Any]) -> Iterator[Visit]:
    """Open a page as Ana; a script error or a broken policy fails the test."""
    faults: list[str] = []
    contexts: list[Any] = []

    def open_page(path: str = "/incidents", *, width: int = 1280, theme: str = "light", signed_in: bool = True) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
        contexts.append(context)
        if signed_in:
            context.add_cookies(cookies)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        if signed_in:
            page.goto(site.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
