"""A provider's status page is watched: its outage is an incident that follows the page (ING-10, ING-13)."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.vocabulary import Severity, Status
from llm_incident_manager.engine.receipts import BatchReceipt
from llm_incident_manager.errors import Unavailable
from tests.contract.fakes.status_page import StatusPage, a_page, an_outage
from tests.stories.app import START
from tests.stories.watching import Watch

pytestmark = pytest.mark.requirement("ING-13")
BEGAN = START - timedelta(minutes=12)


@pytest.fixture
def page() -> Iterator[StatusPage]:
    with StatusPage() as shown:
        shown.show(a_page())
        yield shown


def source(page: StatusPage, **more: Any) -> dict[str, Any]:
    return {
        "name": "openai-status",
        "plugin": "statuspage",
        "mode": "pull",
        "endpoint": page.url,
        "provider": "openai",
    } | more


async def test_an_outage_opens_is_updated_and_ends_as_the_page_says(
    tmp_path: Path, page: StatusPage, store_url: str
) -> None:
    async with Watch(tmp_path, [source(page)], store_url=store_url) as story:
        assert await story.look() == 1
        assert await story.incidents() == []
        page.show(a_page(an_outage(BEGAN)))
        assert await story.look(after_seconds=59) == 0
        await story.look(after_seconds=1)
        outage = await story.only()
        assert (outage.title, outage.category, outage.severity, outage.source) == (
            "Elevated errors on the API", "availability", Severity.P2, "openai-status",
        )  # fmt: skip
        assert (outage.resource.type, outage.resource.id, outage.resource.name) == ("llm_provider", "openai", "OpenAI")
        assert outage.classification is not None
        assert "the page calls its impact major" in outage.classification.sentence
        story.expect_page("ana")
        # It gets worse: the incident does, and the page's words stand on its timeline.
        later = BEGAN + timedelta(minutes=20)
        investigating = ("investigating", "We are investigating elevated errors.", BEGAN)
        page.show(a_page(an_outage(BEGAN, investigating, ("identified", "A bad deploy.", later), impact="critical")))
        await story.look(after_seconds=60)
        outage = await story.only()
        assert (outage.severity, outage.event_count) == (Severity.P1, 2)
        story.expect_page("ana", "incident_updated")
        said = [
            change.text for each in await story.history(outage.id) for change in each.changes if hasattr(change, "text")
        ]
        assert said == ["OpenAI, identified: A bad deploy."]
        # Its name is edited.
        edited = an_outage(
            BEGAN, investigating, ("identified", "A bad deploy.", later), impact="critical", name="The API is down"
        )
        page.show(a_page(edited))
        await story.look(after_seconds=60)
        outage = await story.only()
        assert (outage.title, outage.event_count) == ("The API is down", 2)
        over = ("resolved", "All is well again.", later + timedelta(minutes=9))
        page.show(
            a_page(an_outage(BEGAN, investigating, ("identified", "A bad deploy.", later), over, impact="critical"))
        )
        await story.look(after_seconds=60)
        outage = await story.only()
        assert outage.status is Status.RESOLVED
        assert "All is well again." in (outage.resolution.resolution_notes or "")
        story.expect_page("ana", "resolved")
        # Reopened on the page: trouble again, linked with what was.
        again = ("investigating", "It is back.", over[2] + timedelta(minutes=5))
        page.show(a_page(an_outage(BEGAN, investigating, over, again)))
        await story.look(after_seconds=60)
        first, second = await story.incidents()
        assert (first.status, second.status) == (Status.RESOLVED, Status.NEW)
        assert [(link.kind, link.incident_id) for link in second.links] == [("recurrence_of", first.id)]
        story.expect_page("ana")


async def test_what_did_not_change_is_not_sent_again(tmp_path: Path, page: StatusPage) -> None:
    page.show(a_page(an_outage(BEGAN, impact="none")))
    async with Watch(tmp_path, [source(page, poll={"interval_seconds": 30})]) as story:
        for _ in range(4):
            await story.look(after_seconds=30)
        assert page.answered == [200, 304, 304, 304]
        assert page.asked[0][0] == "/api/v2/incidents.json"
        assert "if-none-match" not in page.asked[0][1]
        assert (await story.only()).event_count == 1
        state = await story.state("openai-status")
        assert (state.succeeded_at, state.news_at) == (story.clock.now(), START + timedelta(seconds=30))
        gauge = story.house.telemetry.snapshot().gauges["poll_last_success_timestamp_seconds"]
        assert list(gauge.values()) == [story.clock.now().timestamp()]


async def test_history_on_the_page_opens_nothing(tmp_path: Path, page: StatusPage) -> None:
    ended = ("resolved", "Fixed.", BEGAN + timedelta(minutes=3))
    page.show(a_page(*(an_outage(BEGAN, ended, id=f"old-{number}") for number in range(40))))
    async with Watch(tmp_path, [source(page)]) as story:
        await story.look()
        assert await story.incidents() == []
        keys = await story.store.system_read(lambda tx: tx.event_keys(after=None, limit=10))
        assert keys == []


async def test_maintenance_is_kept_and_pages_nobody(tmp_path: Path, page: StatusPage) -> None:
    planned = an_outage(BEGAN, id="m-1", impact="maintenance", status="in_progress", name="Database upgrade")
    page.show(a_page(components=[], scheduled_maintenances=[planned]))
    async with Watch(tmp_path, [source(page, endpoint=f"{page.url}/api/v2/summary.json")]) as story:
        await story.look()
        assert page.asked[0][0] == "/api/v2/summary.json"
        assert await story.incidents() == []
        (kept,) = await story.events("")
        assert json.loads(kept.payload)["title"] == "Maintenance in progress: Database upgrade"
        await story.look(after_seconds=60)
        assert len(await story.events("")) == 1


async def test_a_summary_lists_only_what_is_open(tmp_path: Path, page: StatusPage) -> None:
    page.show(a_page(an_outage(BEGAN), components=[]))
    async with Watch(tmp_path, [source(page, endpoint=f"{page.url}/api/v2/summary.json")]) as story:
        await story.look()
        story.expect_page("ana")
        page.show(a_page(components=[]))
        await story.look(after_seconds=60)
        assert (await story.only()).status is Status.RESOLVED
        story.expect_page("ana", "resolved")
        # It was taken off the page by mistake.
        page.show(a_page(an_outage(BEGAN), components=[]))
        for _ in range(2):
            await story.look(after_seconds=60)
        assert [each.status for each in await story.incidents()] == [Status.RESOLVED, Status.NEW]
        story.expect_page("ana")
        for shown in (a_page(components=[]), a_page(an_outage(BEGAN), components=[])):
            page.show(shown)
            await story.look(after_seconds=60)
        assert [each.event_count for each in await story.incidents()] == [1, 1, 1]
        story.pages.clear()


@pytest.mark.requirement("REL-01")
async def test_a_page_that_is_down_or_half_written_changes_nothing_and_is_shown(
    tmp_path: Path, page: StatusPage
) -> None:
    page.show(a_page(an_outage(BEGAN, impact="minor")))
    async with Watch(tmp_path, [source(page)]) as story:
        await story.look()
        assert (await story.only()).status is Status.NEW
        page.fail(503, {"Retry-After": "300"})
        await story.look(after_seconds=60)
        state = await story.state("openai-status")
        assert (state.failures, state.error) == (1, "127.0.0.1 answered 503")
        assert await story.look(after_seconds=299) == 0
        page.show_bytes(json.dumps(a_page()).encode()[:-4], "application/json")
        assert await story.look(after_seconds=1) == 1
        assert (await story.state("openai-status")).failures == 2
        page.show(a_page())
        page.cut()
        await story.look(after_seconds=600)
        assert "hung up" in (await story.state("openai-status")).error
        page.show_bytes(b"<html>Just a moment...</html>", "text/html")
        await story.look(after_seconds=600)
        page.fail(302, {"Location": "https://status.example.com/"})
        await story.look(after_seconds=600)
        state = await story.state("openai-status")
        assert (state.failures, state.error) == (
            5, "127.0.0.1 answered 302: it has moved to 'https://status.example.com/'; set endpoint to that",
        )  # fmt: skip
        assert (await story.only()).status is Status.NEW
        # Five failures in a row: the breaker asks no more for a minute, whatever the row says.
        states = story.house.telemetry.snapshot().gauges["circuit_breaker_state"]
        assert list(states.values()) == [1]
        page.show(a_page(an_outage(BEGAN, impact="minor")))
        await story.look(after_seconds=600)
        state = await story.state("openai-status")
        assert (state.failures, state.error, state.told.keys()) == (0, "", {"out-1"})
        assert (await story.only()).event_count == 1


async def test_one_bad_incident_on_the_page_does_not_hide_the_others(tmp_path: Path, page: StatusPage) -> None:
    page.show(a_page(an_outage(BEGAN, impact="minor")))
    async with Watch(tmp_path, [source(page)]) as story:
        await story.look()
        broken = an_outage(BEGAN, impact="dreadful")
        page.show(a_page(broken, an_outage(BEGAN, id="out-2", impact="minor")))
        await story.look(after_seconds=60)
        assert [each.status for each in await story.incidents()] == [Status.NEW, Status.NEW]
        state = await story.state("openai-status")
        assert (state.failures, state.note) == (
            0, 'incidents[0].impact is "dreadful"; it must be one of critical, major, minor, none, maintenance',
        )  # fmt: skip


async def test_a_crash_between_the_journal_and_the_cursor_tells_nothing_twice(
    tmp_path: Path, page: StatusPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.show(a_page(an_outage(BEGAN)))
    async with Watch(tmp_path, [source(page)]) as story:
        intake = story.house.intake
        accept = intake.accept_items

        async def and_die(*given: Any, **named: Any) -> BatchReceipt:
            await accept(*given, **named)
            raise Dead

        monkeypatch.setattr(intake, "accept_items", and_die)
        with pytest.raises(Dead):
            await story.polls.run_due()
        monkeypatch.undo()
        await story.restart()
        assert await story.look() == 0, "the lease of the dead process holds"
        assert (await story.state("openai-status")).told == {}
        await story.look(after_seconds=61)
        assert (await story.only()).event_count == 1
        story.expect_page("ana")
        assert (await story.state("openai-status")).told.keys() == {"out-1"}
        assert page.answered == [200, 200]


class Dead(BaseException):
    """The process was killed here."""


async def test_the_cursor_stays_while_the_journal_takes_nothing(
    tmp_path: Path, page: StatusPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.show(a_page(an_outage(BEGAN)))
    async with Watch(tmp_path, [source(page)]) as story:
        with monkeypatch.context() as full:

            async def refuse(*_: Any, **__: Any) -> BatchReceipt:
                raise Unavailable("the disk is full", code="journal_full", retry_after_seconds=1)

            full.setattr(story.house.intake, "accept_items", refuse)
            await story.look()
        state = await story.state("openai-status")
        assert (state.told, state.etag, state.error) == ({}, None, "the disk is full")
        await story.look(after_seconds=60)
        await story.only()
        story.expect_page("ana")


async def test_of_several_nodes_one_asks(tmp_path: Path, page: StatusPage, store_url: str) -> None:
    page.show(a_page(an_outage(BEGAN)))
    async with Watch(tmp_path, [source(page)], store_url=store_url) as story:
        nodes = [story.polls, story.node(), story.node()]
        for minute in range(4):
            assert sum([await each.run_due() for each in nodes]) == 1, minute
            nodes.append(nodes.pop(0))
            story.clock.advance(timedelta(seconds=61))
        assert len(page.answered) == 4
        # One that hangs: its lease ends, another asks, and what the first one has to say is not written any more.
        (stuck,) = await nodes[0].claim(1)
        assert await nodes[1].run_due() == 0
        story.clock.advance(timedelta(seconds=61))
        assert await nodes[1].run_due() == 1
        before = await story.state("openai-status")
        page.fail(500)
        await nodes[0].poll(stuck)
        assert await story.state("openai-status") == before
        await story.settle()
        assert (await story.only()).event_count == 1
        story.expect_page("ana")


async def test_a_restart_goes_on_where_it_was(tmp_path: Path, page: StatusPage) -> None:
    page.show(a_page(an_outage(BEGAN)))
    async with Watch(tmp_path, [source(page)]) as story:
        await story.look()
        story.expect_page("ana")
        await story.restart()
        assert await story.look() == 0
        await story.look(after_seconds=60)
        assert page.answered == [200, 304]


async def test_nothing_is_asked_unless_it_is_set(tmp_path: Path, page: StatusPage) -> None:
    quiet = [source(page, enabled=False), {"name": "alertmanager"}, source(page, name="pushing", mode="push")]
    async with Watch(tmp_path, quiet) as story:
        assert await story.look(after_seconds=3600) == 0
        assert page.asked == []


@pytest.mark.requirement("SEC-05")
async def test_private_networks_are_not_asked_unless_they_are_allowed(tmp_path: Path, page: StatusPage) -> None:
    async with Watch(tmp_path, [source(page)]) as story:
        story.allow = []
        story.polls = story.node()
        await story.look()
        assert page.asked == []
        assert (await story.state("openai-status")).error == (
            "127.0.0.1 is in a loopback network; allow it under outgoing.allow"
        )
