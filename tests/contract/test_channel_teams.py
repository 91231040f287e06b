"""The Teams channel: an Adaptive Card within 28 KB in which an event's text is nothing but text."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from llm_incident_manager.channels.spec import Channel
from llm_incident_manager.channels.teams import MAX_BYTES, inert, teams_message
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from tests.contract.fakes.rigs import a_message, opened
from tests.contract.fakes.teams_fake import PATH, TeamsFake, card_faults

pytestmark = pytest.mark.requirement("NTF-01")
HOSTILE = (
    "<at>Everyone</at> [log in](https://evil.example) **bold** _it_ `x` # big\n- list\n<script>x</script> "
    "www.evil.example mailto:x@evil.example {{DATE(2017-02-14T06:08:00Z,SHORT)}}"
)


@pytest.fixture
async def teams() -> AsyncIterator[TeamsFake]:
    async with TeamsFake() as fake:
        yield fake


@pytest.fixture
async def channel() -> AsyncIterator[Channel]:
    made = opened("teams", {})
    yield made
    await made.aclose()


def at(teams: TeamsFake) -> Contact:
    return Contact(channel="teams", address=teams.workflow_url)


def runs(card: Any) -> list[str]:
    return [run["text"] for element in card["body"] for run in element.get("inlines", [])]


def kinds(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield str(value.get("type"))
        for member in value.values():
            yield from kinds(member)
    elif isinstance(value, list):
        for member in value:
            yield from kinds(member)


async def test_a_card_has_a_title_its_text_the_severity_and_a_way_in(teams: TeamsFake, channel: Channel) -> None:
    message = a_message(text="Hits: gpt-gateway\n\nThe gateway answers slowly since 03:01.")
    assert isinstance(await channel.send(message, at(teams)), Delivered)
    (card,) = teams.cards
    assert runs(card) == [
        message.subject,
        "Hits: gpt-gateway",
        "The gateway answers slowly since 03:01.",
        f"P0 · {message.incident_id} · {message.notification_id}",
    ]
    assert card["body"][0]["inlines"][0]["color"] == "attention"
    (action,) = card["actions"]
    assert (action["type"], action["url"]) == ("Action.OpenUrl", message.dashboard_url)


@pytest.mark.requirement("SEC-05")
async def test_an_events_text_mentions_nobody_links_nothing_and_is_no_markup(
    teams: TeamsFake, channel: Channel
) -> None:
    await channel.send(a_message(subject=HOSTILE, text=HOSTILE, resource=HOSTILE), at(teams))
    (card,) = teams.cards
    assert set(kinds(card)) <= {"AdaptiveCard", "RichTextBlock", "TextRun", "Action.OpenUrl", "None"}
    assert "entities" not in json.dumps(card)
    whole = "\n".join(runs(card))
    assert "<at>Everyone</at>" in whole, "shown as it was written: a text run reads no markup"
    for link in ("://", "www.", "mailto:"):
        assert link not in whole


@pytest.mark.parametrize("text", ["x" * 200_000, "🔥\n" * 50_000, '"\\\n' * 50_000, "\n" * 9000, "é" * 900_000, ""])
def test_a_message_stays_within_teams_limit_whatever_it_says(text: str) -> None:
    body = teams_message(a_message(text=text, subject=text))
    assert len(body) <= MAX_BYTES
    card_faults(json.loads(body))


async def test_what_was_left_out_is_marked(teams: TeamsFake, channel: Channel) -> None:
    await channel.send(a_message(text="\n".join(f"line {number} " + "x" * 900 for number in range(100))), at(teams))
    lines = runs(teams.cards[0])
    assert lines[1].startswith("line 0 ")
    assert lines[-2] == "…"


async def test_elements_of_a_template_stand_between_title_and_ids(teams: TeamsFake, channel: Channel) -> None:
    blocks = [{"type": "TextBlock", "text": "**ours**"}, {"type": "FactSet", "facts": [{"title": "a", "value": "b"}]}]
    assert isinstance(await channel.send(a_message(blocks=blocks), at(teams)), Delivered)
    assert teams.cards[0]["body"][1:3] == blocks


def test_elements_of_a_template_that_are_too_large_give_way_to_the_text() -> None:
    body = teams_message(a_message(blocks=[{"type": "TextBlock", "text": "x" * 40_000}]))
    assert len(body) <= MAX_BYTES
    assert "The gateway answers slowly" in body.decode()


@pytest.mark.parametrize(
    ("path", "says"), [(PATH.replace("s1gNaTuRe-x", "wrong"), "401 DirectApi"), (PATH + "&x=1", "404 WorkflowNotFound")]
)
async def test_a_wrong_workflow_is_rejected_with_its_code_alone(
    teams: TeamsFake, channel: Channel, path: str, says: str
) -> None:
    outcome = await channel.send(a_message(), Contact(channel="teams", address=teams.url + path))
    assert isinstance(outcome, Rejected)
    assert says in outcome.reason
    assert "sig" not in outcome.reason


async def test_its_rate_limit_is_honoured(teams: TeamsFake, channel: Channel) -> None:
    teams.answer(429, {"Retry-After": "20"}, '{"error": {"code": "WorkflowRunThrottled", "message": "x"}}')
    outcome = await channel.send(a_message(), at(teams))
    assert isinstance(outcome, RetryLater)
    assert outcome.after_seconds == 20.0
    assert "WorkflowRunThrottled" in outcome.reason


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.webhook.office.com/webhookb2/x", "retired"),
        ("https://outlook.office.com/webhook/x", "retired"),
        ("http://prod-00.westeurope.logic.azure.com/workflows/x", "https://"),
        ("workflow", "URL"),
    ],
)
def test_what_can_never_work_is_told(url: str, says: str) -> None:
    assert says in (opened("teams", {}).validate(Contact(channel="teams", address=url)) or "")


def test_a_text_without_links_stays_as_it_is() -> None:
    assert inert("a: b / c, mail to ana@example.com") == "a: b / c, mail to ana@example.com"
