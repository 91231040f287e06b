"""Slack by a bot: a thread per incident, its first message kept up to date, buttons that only Slack can press."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from llm_incident_manager.channels.slack_bot import SlackMessages, signature
from llm_incident_manager.channels.spec import ChannelRequest
from llm_incident_manager.domain.notifications.answers import PageAction, Pressed, Result, Said
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.errors import Invalid, NotFound, Unauthenticated
from tests.contract.fakes.rigs import NOW, a_message, opened, slack_settings
from tests.contract.fakes.slack_api_fake import CONVERSATION, SIGNING_SECRET, TOKEN, SlackApiFake, signed

HERE = Contact(channel="slack", address=CONVERSATION)
URL = "https://incidents.example.com/api/v1/channels/slack/actions"
PAGE: dict[str, Any] = {"token": "t0ken", "act_url": "https://incidents.example.com/a/t0ken"}


@pytest.fixture
async def slack() -> AsyncIterator[SlackApiFake]:
    async with SlackApiFake() as fake:
        yield fake


@pytest.fixture
async def bot(slack: SlackApiFake) -> AsyncIterator[SlackMessages]:
    channel = opened("slack", slack_settings(slack))
    assert isinstance(channel, SlackMessages)
    yield channel
    await channel.aclose()


def receipt_of(outcome: object) -> str:
    assert isinstance(outcome, Delivered)
    assert outcome.receipt is not None
    return outcome.receipt


def buttons(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (action, value) of the buttons that act."""
    elements = [each for block in body["blocks"] if block["type"] == "actions" for each in block["elements"]]
    return [(each["action_id"], each["value"]) for each in elements if "value" in each]


@pytest.mark.requirement("NTF-01")
async def test_a_page_has_buttons_and_what_follows_stands_beneath_it(slack: SlackApiFake, bot: SlackMessages) -> None:
    first = receipt_of(await bot.send(a_message(**PAGE), HERE))
    again = a_message(**PAGE | {"token": "n3xt", "notification_id": "ntf-2", "first_receipt": first})
    second = receipt_of(await bot.send(again, HERE))
    over = a_message(type=NotificationType.RESOLVED, notification_id="ntf-3", first_receipt=first)
    await bot.send(over, HERE)
    page, beneath, end = slack.posted()
    assert first.startswith(f"{CONVERSATION}:")
    assert second != first
    assert buttons(page) == [("take", "t0ken"), ("resolve", "t0ken")]
    assert page["metadata"]["event_payload"] == {"notification_id": a_message().notification_id}
    assert page["unfurl_links"] is page["unfurl_media"] is False
    assert "thread_ts" not in page
    assert (beneath["thread_ts"], beneath["reply_broadcast"]) == (first.partition(":")[2], True)
    assert (end["reply_broadcast"], buttons(end)) == (False, [])


async def test_a_page_to_a_person_goes_to_their_direct_messages(slack: SlackApiFake, bot: SlackMessages) -> None:
    ana = Contact(channel="slack", address="U012AB3CD")
    first = receipt_of(await bot.send(a_message(**PAGE), ana))
    assert first.startswith("D012AB3CD:")
    await bot.send(a_message(**PAGE | {"first_receipt": first}), ana)
    assert slack.posted()[1]["channel"] == "D012AB3CD"


async def test_a_page_does_not_go_with_a_deleted_message(slack: SlackApiFake, bot: SlackMessages) -> None:
    first = receipt_of(await bot.send(a_message(**PAGE), HERE))
    slack.delete(first)
    assert isinstance(await bot.send(a_message(**PAGE | {"first_receipt": first}), HERE), Delivered)
    assert "thread_ts" not in slack.posted()[-1]


@pytest.mark.requirement("NTF-01")
async def test_a_message_is_written_anew_in_its_place(slack: SlackApiFake, bot: SlackMessages) -> None:
    first = receipt_of(await bot.send(a_message(**PAGE), HERE))
    assert bot.keeps_up_to_date(HERE)
    outcome = await bot.update(a_message(subject="Resolved", token="t0ken"), HERE, first)
    assert outcome == Delivered(receipt=first)
    ((_, shown),) = slack.messages.items()
    assert (shown["text"], buttons(shown)) == ("Resolved", [])
    assert isinstance(await bot.update(a_message(), HERE, "nonsense"), Rejected)
    slack.delete(first)
    assert await bot.update(a_message(), HERE, first) == Rejected(
        reason=f"{bot.destination(HERE)} answered message_not_found"
    )


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("channel_not_found", Rejected),
        ("not_in_channel", Rejected),
        ("invalid_auth", Rejected),
        ("token_revoked", Rejected),
        ("ratelimited", RetryLater),
        ("internal_error", RetryLater),
    ],
)
async def test_slacks_words_mean_what_they_say(slack: SlackApiFake, bot: SlackMessages, word: str, kind: type) -> None:
    slack.refuse(word)
    outcome = await bot.send(a_message(**PAGE), HERE)
    assert isinstance(outcome, kind)
    assert outcome.reason.endswith(f"answered {word}")


async def test_slacks_rate_limit_is_honoured(slack: SlackApiFake, bot: SlackMessages) -> None:
    slack.answer(429, {"Retry-After": "30"}, '{"ok":false,"error":"ratelimited"}')
    outcome = await bot.send(a_message(**PAGE), HERE)
    assert isinstance(outcome, RetryLater)
    assert outcome.after_seconds == 30.0


@pytest.mark.requirement("SEC-05")
async def test_a_templates_own_buttons_do_not_act(slack: SlackApiFake, bot: SlackMessages) -> None:
    own = {"type": "button", "text": {"type": "plain_text", "text": "x"}, "action_id": "take", "value": "stolen"}
    blocks = [{"type": "actions", "elements": [own]}]
    await bot.send(a_message(**PAGE, blocks=blocks), HERE)
    assert buttons(slack.posted()[0]) == [("take", "t0ken"), ("resolve", "t0ken")]


def pressed(slack: SlackApiFake, action: str = "take", value: str = "t0ken", **more: Any) -> ChannelRequest:
    headers, body = slack.pressed(action, value, **{"at": NOW.timestamp()} | more)
    return ChannelRequest("actions", URL, {name.lower(): text for name, text in headers.items()}, body)


@pytest.mark.requirement("NTF-05")
async def test_a_button_is_heard_and_only_who_pressed_is_answered(slack: SlackApiFake, bot: SlackMessages) -> None:
    came = pressed(slack)
    assert bot.hear(came) == [Pressed(token="t0ken", action=PageAction.TAKE, channel="slack", address="U012AB3CD")]
    answer = await bot.say(came, [Said(result=Result.DONE, text="You have it. Also paged: <!channel> Bo.")])
    assert (answer.status, answer.body) == (200, b"")
    assert slack.answers == [
        {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": "You have it. Also paged: &lt;!channel&gt; Bo.",
        }
    ]


@pytest.mark.requirement("NTF-05")
@pytest.mark.requirement("SEC-02")
async def test_what_slack_did_not_send_just_now_is_refused(slack: SlackApiFake, bot: SlackMessages) -> None:
    good = pressed(slack)
    for forged in (
        pressed(slack, secret="guessed"),
        pressed(slack, at=NOW.timestamp() - 301),
        pressed(slack, at=NOW.timestamp() + 301),
        good._replace(body=good.body.replace(b"t0ken", b"other")),
        good._replace(headers={**good.headers, "x-slack-request-timestamp": str(int(NOW.timestamp()) + 1)}),
        good._replace(headers={**good.headers, "x-slack-signature": "\u00e9"}),
        good._replace(headers={}),
    ):
        with pytest.raises(Unauthenticated):
            bot.hear(forged)


def test_the_example_of_slacks_documentation_is_signed_as_it_says() -> None:
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    assert signature("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body.encode()) == (
        b"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    )


async def test_buttons_that_only_lead_somewhere_do_nothing(slack: SlackApiFake, bot: SlackMessages) -> None:
    assert bot.hear(pressed(slack, action="open_incident")) == []
    headers, body = signed({"type": "view_submission", "user": {"id": "U1"}}, at=NOW.timestamp())
    low = {name.lower(): text for name, text in headers.items()}
    assert bot.hear(ChannelRequest("actions", URL, low, body)) == []
    with pytest.raises(NotFound):
        bot.hear(ChannelRequest("events", URL, low, body))


async def test_an_answer_goes_to_slack_only(slack: SlackApiFake, bot: SlackMessages) -> None:
    headers, body = signed(
        {"type": "block_actions", "user": {"id": "U1"}, "response_url": "https://evil.example/x"}, at=NOW.timestamp()
    )
    came = ChannelRequest("actions", URL, {name.lower(): text for name, text in headers.items()}, body)
    await bot.say(came, [Said(result=Result.DONE, text="x")])
    assert not slack.requests


async def test_without_a_token_only_webhooks_can_be_written_to() -> None:
    channel = opened("slack", {})
    assert "slack.bot_token is not set" in str(channel.validate(HERE))
    assert isinstance(await channel.send(a_message(), HERE), Rejected)
    await channel.aclose()
    with pytest.raises(Invalid, match="slack") as caught:
        opened("slack", {"bot_token": "hunter2", "signing_secret": SIGNING_SECRET})
    assert "hunter2" not in f"{caught.value.faults}"
    assert TOKEN not in repr(channel)
