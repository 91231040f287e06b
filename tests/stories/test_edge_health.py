"""LLM-Edge-Agent's ``/health`` is watched: enough bad or failed polls open an incident, a good one ends it (ING-11)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.vocabulary import Severity, Status
from llm_incident_manager.engine.receipts import BatchReceipt
from tests.contract.fakes.status_page import StatusPage
from tests.stories.watching import Watch

pytestmark = [pytest.mark.requirement("ING-10"), pytest.mark.requirement("ING-11")]


@pytest.fixture
def agent() -> Iterator[StatusPage]:
    with StatusPage() as shown:
        shown.show(health())
        yield shown


def health(*down: str, at: str = "2026-11-02T09:00:00+00:00") -> dict[str, Any]:
    """Return the document as the agent writes it."""
    providers = {name: {"configured": True, "healthy": name not in down} for name in ("openai", "anthropic")}
    return {
        "status": "degraded" if down else "healthy", "timestamp": at, "version": "0.1.0",
        "cache": {"l1_healthy": True, "l2_healthy": True, "l2_configured": True}, "providers": providers,
    }  # fmt: skip


def source(agent: StatusPage, **more: Any) -> dict[str, Any]:
    return {"name": "edge-eu-1", "plugin": "edge-agent", "mode": "pull", "endpoint": f"{agent.url}/health"} | more


async def test_three_failed_polls_open_an_incident_and_a_good_one_ends_it(tmp_path: Path, agent: StatusPage) -> None:
    async with Watch(tmp_path, [source(agent)]) as story:
        await story.look()
        agent.fail(500)
        for failed in (1, 2):
            await story.look(after_seconds=30)
            assert (await story.state("edge-eu-1")).failures == failed
            assert await story.incidents() == []
        await story.look(after_seconds=30)
        incident = await story.only()
        assert (incident.title, incident.severity, incident.source) == (
            "edge-eu-1 does not answer", Severity.P0, "edge-eu-1",
        )  # fmt: skip
        assert "Since 2026-11-02 09:00:30 UTC: 127.0.0.1 answered 500." in incident.description
        assert (incident.resource.type, incident.resource.id) == ("service", "edge-eu-1")
        story.expect_page("ana")
        for _ in range(5):
            await story.look(after_seconds=200)
        assert (await story.only()).event_count == 1
        story.pages.clear()
        agent.show(health())
        await story.look(after_seconds=200)
        assert (await story.only()).status is Status.RESOLVED
        story.pages.clear()
        state = await story.state("edge-eu-1")
        assert (state.failures, state.bad, state.bad_since, state.alarmed) == (0, 0, None, False)
        # The next trouble is an incident of its own.
        agent.fail(500)
        for _ in range(3):
            await story.look(after_seconds=30)
        first, second = await story.incidents()
        assert (first.status, second.status) == (Status.RESOLVED, Status.NEW)
        story.pages.clear()


async def test_two_bad_polls_are_no_news(tmp_path: Path, agent: StatusPage) -> None:
    async with Watch(tmp_path, [source(agent)]) as story:
        for _ in range(3):
            agent.show(health("openai"))
            await story.look(after_seconds=30)
            agent.fail(503)
            await story.look(after_seconds=30)
            agent.show(health())
            await story.look(after_seconds=30)
        assert await story.incidents() == []


async def test_degraded_opens_worsens_and_ends(tmp_path: Path, agent: StatusPage) -> None:
    async with Watch(tmp_path, [source(agent, poll={"interval_seconds": 10, "failures": 2})]) as story:
        for minute in range(2):
            agent.show(health("openai", at=f"2026-11-02T09:0{minute}:00+00:00"))
            await story.look(after_seconds=10)
        incident = await story.only()
        assert (incident.title, incident.severity) == ("edge-eu-1 is degraded: provider openai", Severity.P1)
        story.expect_page("ana")
        agent.show(health("openai", "anthropic"))
        await story.look(after_seconds=10)
        incident = await story.only()
        assert (incident.severity, incident.event_count) == (Severity.P0, 2)
        story.expect_page("ana", "incident_updated")
        agent.show(health())
        await story.look(after_seconds=10)
        assert (await story.only()).status is Status.RESOLVED
        story.expect_page("ana", "resolved")


@pytest.mark.requirement("ING-08")
async def test_trouble_told_again_after_a_crash_counts_once(
    tmp_path: Path, agent: StatusPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Watch(tmp_path, [source(agent, poll={"failures": 1})]) as story:
        agent.show(health("openai", at="2026-11-02T09:00:00+00:00"))
        accept = story.house.intake.accept_items

        async def and_die(*given: Any, **named: Any) -> BatchReceipt:
            await accept(*given, **named)
            raise Killed

        with monkeypatch.context() as dying:
            dying.setattr(story.house.intake, "accept_items", and_die)
            with pytest.raises(Killed):
                await story.polls.run_due()
        await story.restart()
        agent.show(health("openai", at="2026-11-02T09:01:30+00:00"))
        assert await story.look(after_seconds=61) == 1
        incident = await story.only()
        assert incident.event_count == 1
        story.expect_page("ana")


class Killed(BaseException):
    """The process was killed here."""


async def test_an_agent_whose_clock_is_wrong_is_watched_all_the_same(tmp_path: Path, agent: StatusPage) -> None:
    ahead = "2026-11-02T23:00:00+00:00"
    async with Watch(tmp_path, [source(agent, poll={"failures": 1})]) as story:
        for trouble in range(3):
            agent.show(health("openai", at=ahead)) if trouble % 2 else agent.fail(500)
            await story.look(after_seconds=30)
            agent.show(health(at=ahead))
            await story.look(after_seconds=30)
        assert [(each.status, each.event_count) for each in await story.incidents()] == [(Status.RESOLVED, 1)] * 3
        story.pages.clear()


async def test_an_endpoint_that_is_something_else_says_what_is_wrong(tmp_path: Path, agent: StatusPage) -> None:
    agent.show({"ok": True})
    async with Watch(tmp_path, [source(agent)]) as story:
        await story.look()
        error = (await story.state("edge-eu-1")).error
        assert error == "status is missing, or providers and cache; the endpoint must be the agent's /health"
