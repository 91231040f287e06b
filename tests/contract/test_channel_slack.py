"""The Slack channel: Block Kit within its limits, nobody called by an event's text, Slack's own error words."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from llm_incident_manager.channels.slack import MAX_HEADER, MAX_SECTION, escape
from llm_incident_manager.channels.spec import Channel
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from tests.contract.fakes.rigs import a_message, opened
from tests.contract.fakes.slack_fake import SlackFake


@pytest.fixture
async def slack() -> AsyncIterator[SlackFake]:
    async with SlackFake() as fake:
        yield fake


@pytest.fixture
async def channel() -> AsyncIterator[Channel]:
    made = opened("slack", {})
    yield made
    await made.aclose()


def at(slack: SlackFake) -> Contact:
    return Contact(channel="slack", address=slack.webhook_url)


@pytest.mark.requirement("NTF-01")
async def test_a_message_has_a_title_its_text_its_severity_and_a_way_in(slack: SlackFake, channel: Channel) -> None:
    message = a_message()
    assert isinstance(await channel.send(message, at(slack)), Delivered)
    (sent,) = slack.messages
    header, section, context, actions = sent["blocks"]
    assert header["text"] == {"type": "plain_text", "text": message.subject, "emoji": False}
    assert section["text"]["text"] == message.text
    assert "*P0*" in context["elements"][0]["text"]
    assert message.incident_id in context["elements"][0]["text"]
    assert actions["elements"][0]["url"] == message.dashboard_url
    assert section["text"]["verbatim"] is context["elements"][0]["verbatim"] is True, "Slack makes links of nothing"
    assert sent["text"] == message.subject
    assert sent["unfurl_links"] is sent["unfurl_media"] is False


async def test_an_events_text_calls_nobody_and_links_nothing(slack: SlackFake, channel: Channel) -> None:
    hostile = "<!channel> <@U1> <https://evil.example|log in> @here @Everyone & \u202eabc"
    await channel.send(a_message(subject=hostile, text=hostile), at(slack))
    (sent,) = slack.messages
    for text in (sent["text"], sent["blocks"][1]["text"]["text"]):
        assert "<" not in text
        assert "@here" not in text
        assert "@Everyone" not in text
        assert "&lt;!channel&gt;" in text
        assert "\u202e" not in text


@pytest.mark.parametrize("text", ["&" * 3000, "<" * 5000, "x" * 2996 + "&&&&", "@here" * 900, "", "abc"])
def test_escaped_text_fits_and_cuts_no_entity(text: str) -> None:
    safe = escape(text, MAX_SECTION)
    assert len(safe) <= MAX_SECTION
    for entity in ("&amp;", "&lt;", "&gt;"):
        safe = safe.replace(entity, "")
    assert "&" not in safe


async def test_blocks_of_a_template_are_kept_within_the_limits(slack: SlackFake, channel: Channel) -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": "h" * 500}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "*bold* <!channel> <https://ok.example|link>" + "x" * 9000},
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "@here\x00"}]},
        *({"type": "divider"} for _ in range(80)),
    ]
    assert isinstance(await channel.send(a_message(blocks=blocks), at(slack)), Delivered)
    (sent,) = slack.messages
    assert len(sent["blocks"]) == 50
    assert len(sent["blocks"][0]["text"]["text"]) == MAX_HEADER
    section = sent["blocks"][1]["text"]["text"]
    assert len(section) == MAX_SECTION
    assert section.startswith("*bold* &lt;!channel> <https://ok.example|link>")
    assert blocks[1]["text"]["text"].startswith("*bold* <!channel>"), "the message itself stays as it was"


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "invalid_payload"), (403, "action_prohibited"), (404, "channel_not_found"), (410, "channel_is_archived")],
)
async def test_slacks_final_words_are_rejected_with_the_word(
    slack: SlackFake, channel: Channel, status: int, word: str
) -> None:
    slack.refuse(status)
    assert await channel.send(a_message(), at(slack)) == Rejected(
        reason=f"127.0.0.1:{slack.port} answered {status} {word}"
    )


async def test_slacks_rate_limit_is_honoured(slack: SlackFake, channel: Channel) -> None:
    slack.refuse(429, retry_after="30")
    outcome = await channel.send(a_message(), at(slack))
    assert isinstance(outcome, RetryLater)
    assert outcome.after_seconds == 30.0


async def test_a_trouble_of_slack_is_retried(slack: SlackFake, channel: Channel) -> None:
    slack.refuse(500)
    assert isinstance(await channel.send(a_message(), at(slack)), RetryLater)


async def test_an_answer_that_repeats_the_url_is_not_quoted(slack: SlackFake, channel: Channel) -> None:
    slack.answer(400, body=slack.webhook_url)
    outcome = await channel.send(a_message(), at(slack))
    assert isinstance(outcome, Rejected)
    assert "services" not in outcome.reason


async def test_a_wrong_webhook_is_rejected(slack: SlackFake, channel: Channel) -> None:
    outcome = await channel.send(a_message(), Contact(channel="slack", address=slack.url + "/services/T/B/no"))
    assert isinstance(outcome, Rejected)
    assert "no_service" in outcome.reason
