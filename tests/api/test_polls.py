"""``GET /api/v1/polls``: how the sources do that are asked; and what of their settings is wrong, with the remedy."""

from datetime import timedelta
from typing import Any

import pytest

from llm_incident_manager.channels.http_get import HttpGet
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.ids import IdSource
from llm_incident_manager.sources.poll_once import Tools
from llm_incident_manager.sources.polls import Polls
from llm_incident_manager.sources.receive import Receive
from llm_incident_manager.sources.registry import source_specs
from tests.api.app import Api
from tests.contract.fakes.status_page import StatusPage, a_page, an_outage

pytestmark = pytest.mark.requirement("ING-10")
PAGE = {"name": "openai-status", "plugin": "statuspage", "mode": "pull", "provider": "openai"}


async def test_how_a_source_does_is_shown_without_its_key(api: Api) -> None:
    with StatusPage() as page:
        page.show(a_page(an_outage(api.story.clock.now(), impact="none")))
        key = {"api_key": "status-secret-0123456789"}
        made = await api.client.post("/api/v1/sources", json=PAGE | {"endpoint": page.url, "authentication": key})
        assert made.status_code == 201, made.text
        assert "status-secret" not in made.text
        (poll,) = (await api.client.get("/api/v1/polls")).json()["polls"]
        assert (poll["source"], poll["state"], poll["last_success_at"], poll["interval_seconds"]) == (
            "openai-status", "waiting", None, 60,
        )  # fmt: skip
        await ask(api)
        (poll,) = (await api.client.get("/api/v1/polls")).json()["polls"]
        assert (poll["state"], poll["failures"], poll["error"]) == ("ok", 0, "")
        assert poll["last_success_at"] == poll["last_news_at"] == poll["last_poll_at"] is not None
        assert page.asked[0][1]["authorization"] == "Bearer status-secret-0123456789"
        page.fail(500)
        api.story.clock.advance(timedelta(seconds=60))
        await ask(api)
        answer = await api.client.get("/api/v1/polls")
        (poll,) = answer.json()["polls"]
        assert (poll["state"], poll["failures"], poll["error"]) == ("failing", 1, "127.0.0.1 answered 500")
        assert "status-secret" not in answer.text
        assert (await api.client.get("/api/v1/polls", headers={"X-Tenant": "other"})).status_code == 404
        assert "poll_last_success_timestamp_seconds{" in (await api.client.get("/metrics")).text
        ingest = api.of(await api.key("ingest"))
        assert (await ingest.get("/api/v1/polls")).status_code == 403


async def ask(api: Api) -> None:
    story = api.story
    fetch = HttpGet(guard=OutgoingGuard(["127.0.0.0/8"]), clock=story.clock)
    tools = Tools(
        store=story.store,
        receive=Receive(story.house.intake, story.house.source_acts),
        fetch=fetch,
        clock=story.clock,
        telemetry=story.house.telemetry,
        jitter=lambda: 0.5,
    )
    await Polls(tools, story.settings, source_specs(entries=()), IdSource()).run_due()
    await fetch.aclose()
    await story.settle()
    story.pages.clear()


@pytest.mark.parametrize(
    ("given", "field", "message"),
    [
        ({}, "endpoint", "is required for mode pull"),
        ({"endpoint": "status.openai.com"}, "endpoint", "is not a URL such as"),
        ({"endpoint": "https://me:secret@status.example.com"}, "endpoint", "put the key under authentication.api_key"),
        (
            {"endpoint": "https://x.example", "poll": {"interval_seconds": 1}},
            "poll.interval_seconds",
            "is not between 5",
        ),
        ({"endpoint": "https://x.example", "poll": {"every": 9}}, "poll.every", "unknown field"),
        ({"endpoint": "https://x.example", "provider": {"models": ["gpt-*"]}}, "provider.id", "is required"),
        ({"endpoint": "https://x.example", "provider": {"id": "a", "models": ["*"]}}, "provider.models", "every model"),
        ({"endpoint": "https://x.example", "provider": 7}, "provider", "is not a mapping"),
    ],
)
async def test_what_is_wrong_is_named_with_the_remedy(
    api: Api, given: dict[str, Any], field: str, message: str
) -> None:
    body = {"name": "status", "plugin": "statuspage", "mode": "pull"} | given
    answer = await api.client.post("/api/v1/sources", json=body)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert fault["field"] == field
    assert message in fault["message"]
    assert "me:secret" not in answer.text
