"""Any source can be asked: its document is read as if it was sent, and what was told already is left out (ING-10)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.fakes.status_page import StatusPage
from tests.stories.app import START, an_event, items, plain
from tests.stories.watching import Watch

pytestmark = pytest.mark.requirement("ING-10")


@pytest.fixture
def queue() -> Iterator[StatusPage]:
    with StatusPage() as shown:
        yield shown


def source(queue: StatusPage, **more: Any) -> dict[str, Any]:
    return {"name": "llm-sentinel", "mode": "pull", "endpoint": f"{queue.url}/api/v1/incidents"} | more


def alert(number: int) -> dict[str, Any]:
    return an_event(number, START) | {"resource": {"type": "endpoint", "id": f"ep-{number}"}, "severity": "info"}


async def test_a_list_is_read_on_from_where_it_was(tmp_path: Path, queue: StatusPage) -> None:
    async with Watch(tmp_path, [source(queue)]) as story:
        queue.show([alert(1), alert(2)])
        await story.look()
        queue.show([alert(2), alert(3)])
        await story.look(after_seconds=60)
        assert [(each.resource.id, each.event_count) for each in await story.incidents()] == [
            ("ep-1", 1), ("ep-2", 1), ("ep-3", 1),
        ]  # fmt: skip
        requests = story.house.telemetry.snapshot().counters["integration_requests_total"]
        assert sum(requests.values()) == 3


async def test_the_key_goes_where_the_other_side_wants_it_and_opens_nothing_here(
    tmp_path: Path, queue: StatusPage
) -> None:
    queue.show([])
    key = {"type": "api_key", "api_key_header": "X-Sentinel-API-Key", "api_key": "sentinel-secret-0123456789"}
    async with Watch(tmp_path, [source(queue, authentication=key), source(queue, name="b", authentication={
        "api_key": "other-secret-0123456789"})]) as story:  # fmt: skip
        await story.look()
        (_, first), (_, second) = sorted(queue.asked, key=lambda asked: "authorization" not in asked[1])
        assert first["authorization"] == "Bearer other-secret-0123456789"
        assert second["x-sentinel-api-key"] == "sentinel-secret-0123456789"
        settings = story.settings.of("default")
        assert settings.ingest_keys() == {}
        assert settings.sources["llm-sentinel"].key_header is None
        assert "secret" not in repr(settings.sources)


async def test_a_mapping_reads_what_is_asked_for(tmp_path: Path, queue: StatusPage) -> None:
    mapping = {
        "items": "runs",
        "fields": {
            "title": "{job} failed", "event_id": "id", "severity": {"value": "low"}, "category": {"value": "other"},
            "resource_type": {"value": "pipeline"}, "resource_id": "job", "dedup_key": "job",
        },
    }  # fmt: skip
    queue.show({"runs": [{"id": "r-1", "job": "nightly"}]})
    async with Watch(tmp_path, [source(queue, name="ci", mapping=mapping)]) as story:
        await story.look()
        assert (await story.only()).title == "nightly failed"
        story.pages.clear()


@pytest.mark.requirement("SEC-01")
async def test_each_tenant_asks_for_itself(tmp_path: Path, queue: StatusPage) -> None:
    queue.show([alert(1)])
    async with Watch(tmp_path, [source(queue)]) as story:
        await story.configure({**plain(), "sources": [source(queue)]}, "other")
        assert await story.look() == 2
        assert [len(await story.incidents(tenant)) for tenant in ("default", "other", "third")] == [1, 1, 0]


async def test_a_source_that_is_set_no_more_is_forgotten(tmp_path: Path, queue: StatusPage) -> None:
    queue.show([])
    async with Watch(tmp_path, [source(queue)]) as story:
        await story.look()
        (gone,) = items({"sources": [source(queue)]}, START)
        await story.store.transact("default", lambda tx: tx.configuration.delete("sources", gone.id))
        await story.settings.refresh(story.store)
        assert await story.look(after_seconds=3600) == 0
        assert await story.store.read("default", lambda tx: tx.polls.all()) == []
