"""A provider's outage explains the incidents on it and its models: linked both ways, whoever was first (ING-13)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Status
from llm_incident_manager.engine.query import Query
from tests.contract.fakes.status_page import StatusPage, a_page, an_outage
from tests.stories.app import START, person
from tests.stories.watching import Watch

pytestmark = pytest.mark.requirement("ING-13")
BEGAN = START + timedelta(minutes=10)


@pytest.fixture
def page() -> Iterator[StatusPage]:
    with StatusPage() as shown:
        shown.show(a_page())
        yield shown


def source(page: StatusPage, **more: Any) -> dict[str, Any]:
    return {
        "name": "openai-status", "plugin": "statuspage", "mode": "pull", "endpoint": page.url,
        "provider": {"id": "openai", "window_seconds": 540},
    } | more  # fmt: skip


class Trouble:
    """Our own incidents, each on a resource of its own."""

    def __init__(self, story: Watch) -> None:
        self.story = story

    async def __call__(self, name: str, **fields: Any) -> str:
        fields = {"severity": "info", "title": name, "resource": {"type": "service", "id": name}} | fields
        receipt = await self.story.post_event(**fields)
        self.story.pages.clear()
        assert receipt.incident_id is not None
        return receipt.incident_id

    async def bonds(self, incident_id: str) -> list[tuple[str, str]]:
        return bonds(await self.story.incident(incident_id))


def bonds(incident: Incident) -> list[tuple[str, str]]:
    return [(link.kind.value, link.incident_id) for link in incident.links]


async def outage_of(story: Watch, page: StatusPage, **more: Any) -> str:
    """Let the page tell of an outage, and return its incident."""
    page.show(a_page(an_outage(BEGAN, impact="none", **more)))
    await story.look(after_seconds=60)
    story.pages.clear()
    return (await story.only(source=("openai-status",), open_only=True)).id


async def test_what_touches_the_provider_is_explained_both_ways(
    tmp_path: Path, page: StatusPage, store_url: str
) -> None:
    async with Watch(tmp_path, [source(page)], store_url=store_url) as story:
        trouble = Trouble(story)
        await story.look()
        early = await trouble("early", tags={"provider": "OpenAI"})
        story.clock.advance(timedelta(minutes=5))
        before = [
            await trouble("model", resource={"type": "model", "id": "gpt-4o-mini"}),
            await trouble("tag", tags={"model": "openai/o3-mini"}),
            await trouble("fetched", resource={"type": "service", "id": "x", "metadata": {"model": "GPT-4"}}),
        ]
        others = [
            await trouble("claude", tags={"model": "claude-3-opus"}),
            await trouble("plain"),
            await trouble("o-thing", tags={"model": "o100"}),
        ]
        story.clock.advance(timedelta(minutes=7))
        outage = await outage_of(story, page)
        during = await trouble("during", tags={"llm_provider": "openai"})
        assert await story.house.explain.run_once() == 4
        for incident_id in (*before, during):
            assert await trouble.bonds(incident_id) == [("explained_by", outage)]
        for incident_id in (early, *others):
            assert await trouble.bonds(incident_id) == []
        assert bonds(await story.incident(outage)) == [("explains", each) for each in (*before, during)]
        (link,) = (await story.incident(before[1])).links
        assert (
            link.reason == "its model openai/o3-mini is one of openai's; it opened 5 min before openai's outage began"
        )
        # Looked at again, nothing is said twice; and the API tells it from both ends.
        versions = [(await story.incident(each)).version for each in (*before, outage)]
        assert await story.house.explain.run_once() == 0
        story.clock.advance(timedelta(minutes=6))
        assert await story.house.explain.run_once() == 0
        assert [(await story.incident(each)).version for each in (*before, outage)] == versions
        query = Query(story.store, story.house.context, story.house.untriaged, story.clock)
        related = (await query.related(person("ana"), before[0]))["related"]
        assert [(each["id"], each["kind"]) for each in related] == [(outage, "explained_by")]
        entries = (await query.timeline(person("ana"), before[0], limit=100, cursor=None))["entries"]
        (entry,) = [each for each in entries if outage in json.dumps(each)]
        assert entry["actor"]["type"] == "system"
        assert "explained_by" in json.dumps(entry)


async def test_what_opens_after_the_outage_is_not_explained_by_it(tmp_path: Path, page: StatusPage) -> None:
    async with Watch(tmp_path, [source(page)]) as story:
        trouble = Trouble(story)
        story.clock.advance(timedelta(minutes=12))
        outage = await outage_of(story, page)
        # It opened in the last seconds of the outage, and is seen only after its end.
        late = await trouble("late", tags={"provider": "openai"})
        story.clock.advance(timedelta(seconds=2))
        page.show(a_page(an_outage(BEGAN, ("resolved", "Fixed.", BEGAN + timedelta(minutes=3)), impact="none")))
        await story.look(after_seconds=60)
        assert (await story.incident(outage)).status is Status.RESOLVED
        story.clock.advance(timedelta(seconds=1))
        after = await trouble("after", tags={"provider": "openai"})
        assert await story.house.explain.run_once() == 1
        assert await trouble.bonds(late) == [("explained_by", outage)]
        assert await trouble.bonds(after) == []


async def test_an_incident_that_is_over_is_left_alone(tmp_path: Path, page: StatusPage) -> None:
    async with Watch(tmp_path, [source(page)]) as story:
        trouble = Trouble(story)
        story.clock.advance(timedelta(minutes=12))
        over = await trouble("over", tags={"provider": "openai"})
        await story.bring_to(over, "RESOLVED")
        await outage_of(story, page)
        assert await story.house.explain.run_once() == 0
        assert await trouble.bonds(over) == []


async def test_own_models_and_other_names_can_be_set(tmp_path: Path, page: StatusPage) -> None:
    provider = {"id": "acme", "models": ["acme-*"]}
    async with Watch(tmp_path, [source(page, provider=provider)]) as story:
        trouble = Trouble(story)
        story.clock.advance(timedelta(minutes=12))
        ours = await trouble("ours", tags={"model": "ACME-large"})
        theirs = await trouble("theirs", tags={"model": "gpt-4"})
        outage = await outage_of(story, page)
        await story.house.explain.run_once()
        assert await trouble.bonds(ours) == [("explained_by", outage)]
        assert await trouble.bonds(theirs) == []


@pytest.mark.requirement("SEC-01")
async def test_other_tenants_are_not_touched_and_without_a_provider_nothing_is(
    tmp_path: Path, page: StatusPage
) -> None:
    async with Watch(tmp_path, [source(page)]) as story:
        story.clock.advance(timedelta(minutes=12))
        other = await story.post_event(by=person("x", "other"), tags={"provider": "openai"}, severity="info")
        await outage_of(story, page)
        assert await story.house.explain.run_once() == 0
        assert (await story.incident(other.incident_id, "other")).links == ()
    async with Watch(tmp_path / "second", [source(page, provider=None)]) as story:
        trouble = Trouble(story)
        story.clock.advance(timedelta(minutes=12))
        ours = await trouble("ours", tags={"provider": "openai"})
        await outage_of(story, page)
        assert await story.house.explain.run_once() == 0
        assert await trouble.bonds(ours) == []


async def test_a_storm_is_worked_off_in_steps_and_the_outage_lists_the_first(
    tmp_path: Path, page: StatusPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_incident_manager.engine.explain.PAGE", 3)
    monkeypatch.setattr("llm_incident_manager.engine.explain.PAGES", 2)
    monkeypatch.setattr("llm_incident_manager.engine.explain.MOST_LINKS", 8)
    async with Watch(tmp_path, [source(page)]) as story:
        trouble = Trouble(story)
        story.clock.advance(timedelta(minutes=12))
        outage = await outage_of(story, page)
        many = []
        for number in range(14):
            story.clock.advance(timedelta(minutes=3))
            many.append(await trouble(f"t-{number}", tags={"provider": "openai"}))
        done = [await story.house.explain.run_once() for _ in range(5)]
        assert (sum(done), done[0]) == (14, 5)
        for each in many:
            assert await trouble.bonds(each) == [("explained_by", outage)]
        assert len((await story.incident(outage)).links) == 8
