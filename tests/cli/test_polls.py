"""A status page in the config file is watched by the real server, and `lim sources polls` says how it does."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Lim, lim_of
from tests.cli.fake_rest import FakeRest
from tests.contract.fakes.status_page import StatusPage, a_page, an_outage
from tests.process import KEY, ServerProcess

CONFIG = """
outgoing: {{allow: ["127.0.0.0/8"]}}
sources:
  openai-status:
    plugin: statuspage
    mode: pull
    endpoint: {url}
    provider: openai
    poll: {{interval_seconds: 5}}
"""


@pytest.mark.requirement("ING-10")
@pytest.mark.requirement("ING-13")
def test_a_page_in_the_config_file_is_watched_and_so_is_its_end(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    with StatusPage() as page, ServerProcess(tmp_path, CONFIG.format(url=page.url)) as server:
        page.show(a_page(an_outage(began)))

        def statuses() -> list[str]:
            return [each["status"] for each in server.get("/api/v1/incidents?source=openai-status").json["incidents"]]

        server.until("the outage is an incident", lambda: len(statuses()) == 1)
        server.kill9()
        page.show(a_page(an_outage(began, ("resolved", "All is well.", began))))
        server.start()
        server.until("the outage is over", lambda: statuses() == ["RESOLVED"], 120)
        lim = lim_of(server.url, KEY)
        (poll,) = json.loads(lim("sources", "polls", "-o", "json").stdout)
        assert (poll["source"], poll["plugin"], poll["state"], poll["error"]) == (
            "openai-status",
            "statuspage",
            "ok",
            "",
        )
        assert "openai-status" in lim("sources", "polls").stdout


def test_without_such_sources_it_says_what_to_do(fake: FakeRest, lim: Lim) -> None:
    fake.answer({"polls": [], "next_cursor": None, "total": 0})
    assert "set mode: pull and endpoint" in " ".join(lim("sources", "polls").stdout.split())
