"""Slack by a bot of your own: a thread per incident, its first message kept up to date in place, buttons that act.

Sources: Slack's public pages "chat.postMessage", "chat.update", "Verifying requests from Slack" and "block_actions
payload". Its API knows no idempotency key: each message carries its notification's id as metadata.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, SecretStr, field_validator

from llm_incident_manager.channels.http_post import Answer, HttpPost, json_bytes, meaning
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.plain_text import one_line
from llm_incident_manager.channels.slack import (
    MAX_BLOCKS,
    MAX_FALLBACK,
    SlackChannel,
    SlackConfig,
    escape,
    message_blocks,
)
from llm_incident_manager.channels.spec import ChannelAnswer, ChannelRequest, ChannelSpec
from llm_incident_manager.channels.twilio import without_slash
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.answers import Heard, PageAction, Pressed, Said
from llm_incident_manager.domain.notifications.message import (
    Contact,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
)
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.errors import Invalid, NotFound, Unauthenticated

CHANNEL = "slack"
CONVERSATION = re.compile(r"[CGDUW][A-Z0-9]{6,20}")
"""The id of a channel, a direct message or a person."""
REPLAY_SECONDS = 300
"""Slack's own advice: whatever is older than five minutes may be a replay."""
_RECEIPT = re.compile(r"([CGD][A-Z0-9]{6,20}):(\d{1,15}\.\d{1,10})")
_TS = re.compile(r"\d{1,15}\.\d{1,10}")
_WORD = re.compile(r"[a-z_]{2,60}")
_FOR_NOW = frozenset(
    {"ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error", "service_unavailable",
     "request_timeout", "team_added_to_org"}
)  # fmt: skip
_NO_THREAD = frozenset({"thread_not_found", "message_not_found", "cannot_reply_to_message"})
_OWN_ACTIONS = frozenset({*PageAction, "take_link"})
MAX_BUTTONS = 25
_NO_BOT = "slack.bot_token is not set, so only incoming webhooks can be written to; set it, or use a webhook's URL"
_BUTTONS = {PageAction.TAKE: "Acknowledge", PageAction.RESOLVE: "Resolve"}


class SlackBotConfig(SlackConfig):
    """Settings of the Slack channel: none for incoming webhooks, an app's token and secret for a bot."""

    bot_token: SecretStr | None = Field(None, description="The app's bot token, xoxb-…, with the scope chat:write.")
    signing_secret: SecretStr | None = Field(None, description="The app's signing secret; without it, no buttons.")
    api_url: str = Field("https://slack.com/api", description="Slack's Web API.")

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        return without_slash(value)

    @field_validator("bot_token")
    @classmethod
    def _is_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and re.fullmatch(r"xox[a-z]-[A-Za-z0-9-]{10,300}", value.get_secret_value()) is None:
            raise ValueError("this is no bot token; it begins with xoxb-")
        return value


class SlackMessages:
    """Slack: a URL is an incoming webhook's, anything else a channel or a person that the bot writes to."""

    def __init__(self, config: SlackBotConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._webhook = SlackChannel(config, guard=guard, clock=clock)
        self._http = HttpPost(config, guard=guard, clock=clock)
        self._bot: SlackBot | None = None
        if config.bot_token is not None:
            secret = config.signing_secret
            self._bot = SlackBot(
                self._http,
                token=config.bot_token.get_secret_value(),
                signing_secret=secret.get_secret_value() if secret is not None else None,
                api_url=config.api_url,
                clock=clock,
            )

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if CONVERSATION.fullmatch(contact.address) is None:
            return await self._webhook.send(message, contact)
        if self._bot is None:
            return Rejected(reason=_NO_BOT)
        return await self._bot.post(message, contact.address)

    def validate(self, contact: Contact) -> str | None:
        if CONVERSATION.fullmatch(contact.address) is None:
            return self._webhook.validate(contact)
        return None if self._bot is not None else _NO_BOT

    def destination(self, contact: Contact) -> str:
        if CONVERSATION.fullmatch(contact.address) is None or self._bot is None:
            return self._webhook.destination(contact)
        return self._bot.host

    def keeps_up_to_date(self, contact: Contact) -> bool:
        return self._bot is not None and CONVERSATION.fullmatch(contact.address) is not None

    async def update(self, message: Message, contact: Contact, receipt: str) -> Outcome:
        return await self._bot.update(message, receipt) if self._bot is not None else Rejected(reason=_NO_BOT)

    def hear(self, request: ChannelRequest) -> list[Heard]:
        return self._listening().hear(request)

    async def say(self, request: ChannelRequest, said: Sequence[Said]) -> ChannelAnswer:
        return await self._listening().say(request, said)

    async def aclose(self) -> None:
        await self._webhook.aclose()
        await self._http.aclose()

    def _listening(self) -> "SlackBot":
        if self._bot is None:
            raise NotFound(_NO_BOT)
        return self._bot


class SlackBot:
    """Posts as one app. Its token and signing secret appear in no outcome and no log line."""

    def __init__(self, http: HttpPost, *, token: str, signing_secret: str | None, api_url: str, clock: Clock) -> None:
        self._http = http
        self._authorization = f"Bearer {token}"
        self._secret = signing_secret
        self._api = api_url
        self._clock = clock
        self.host = urlsplit(api_url).netloc

    async def post(self, message: Message, conversation: str) -> Outcome:
        """Post a page: the first of its incident on its own, what follows beneath that one and in the channel."""
        body = self._content(message) | {
            "channel": conversation,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": {"event_type": "incident_page", "event_payload": {"notification_id": message.notification_id}},
        }
        parent = _RECEIPT.fullmatch(message.first_receipt or "")
        if parent is None:
            return await self._call("chat.postMessage", body, message.notification_id)
        pages = message.type is not NotificationType.RESOLVED and not message.acknowledges
        beneath = body | {"channel": parent[1], "thread_ts": parent[2], "reply_broadcast": pages}
        outcome = await self._call("chat.postMessage", beneath, message.notification_id)
        if isinstance(outcome, Rejected) and outcome.reason.rpartition(" ")[2] in _NO_THREAD:
            # Somebody deleted the first message: the page must not go with it.
            return await self._call("chat.postMessage", body, message.notification_id)
        return outcome

    async def update(self, message: Message, receipt: str) -> Outcome:
        """Write a message anew, in its place."""
        found = _RECEIPT.fullmatch(receipt)
        if found is None:
            return Rejected(reason="this is no message of Slack's")
        body = self._content(message) | {"channel": found[1], "ts": found[2]}
        return await self._call("chat.update", body, message.notification_id)

    def hear(self, request: ChannelRequest) -> list[Heard]:
        """Return the buttons that were pressed; raises Unauthenticated for what Slack did not send just now."""
        if request.what != "actions":
            raise NotFound("Slack tells about buttons at …/slack/actions")
        self._require_genuine(request)
        payload = _payload(request.body)
        user = payload.get("user")
        who = str(user.get("id", "")) if isinstance(user, dict) else ""
        if payload.get("type") != "block_actions" or not who:
            return []
        actions = payload.get("actions")
        return [
            Pressed(token=str(each["value"]), action=PageAction(each["action_id"]), channel=CHANNEL, address=who)
            for each in (actions if isinstance(actions, list) else [])
            if isinstance(each, dict) and each.get("action_id") in list(PageAction) and each.get("value")
        ]

    async def say(self, request: ChannelRequest, said: Sequence[Said]) -> ChannelAnswer:
        """Tell whoever pressed, and nobody else; the message itself is brought up to date beside this."""
        text = "\n".join(each.text for each in said if each.text)
        url = _payload(request.body).get("response_url")
        if text and isinstance(url, str) and self._is_slacks(url):
            body = {"response_type": "ephemeral", "replace_original": False, "text": escape(text, MAX_FALLBACK)}
            await self._http.post(url, headers={"Content-Type": "application/json"}, body=json_bytes(body))
        return ChannelAnswer()

    def _content(self, message: Message) -> dict[str, Any]:
        blocks = message_blocks(message)
        if message.act_url and message.token and self._secret is not None:
            blocks = _with_buttons(blocks, _buttons(message))
        fallback = one_line(message.subject, 1000) or one_line(message.text, 1000) or message.incident_id
        return {"text": escape(fallback, MAX_FALLBACK), "blocks": blocks}

    async def _call(self, method: str, body: Mapping[str, Any], notification_id: str) -> Outcome:
        headers = {
            "Authorization": self._authorization,
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": notification_id,
        }
        answer = await self._http.post(f"{self._api}/{method}", headers=headers, body=json_bytes(body))
        if not isinstance(answer, Answer):
            return answer
        said = _object(answer.body)
        if 200 <= answer.status < 300 and said.get("ok") is True:
            channel, ts = said.get("channel"), said.get("ts")
            known = isinstance(channel, str) and isinstance(ts, str) and _TS.fullmatch(ts)
            return Delivered(receipt=f"{channel}:{ts}" if known else None)
        error = said.get("error")
        word = error if isinstance(error, str) and _WORD.fullmatch(error) else ""
        if not 200 <= answer.status < 300:
            return meaning(answer, self.host, detail=f" {word}" if word else "")
        if word in _FOR_NOW or not word:
            why = word or "something that is not its API's answer"
            return RetryLater(reason=f"{self.host} answered {why}", after_seconds=answer.retry_after_seconds)
        return Rejected(reason=f"{self.host} answered {word}")

    def _require_genuine(self, request: ChannelRequest) -> None:
        if self._secret is None:
            raise NotFound("slack.signing_secret is not set, so nobody can act from Slack here")
        stamp = request.headers.get("x-slack-request-timestamp", "")
        given = request.headers.get("x-slack-signature", "")
        if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
            raise Unauthenticated("X-Slack-Request-Timestamp is missing: this does not come from Slack")
        if not hmac.compare_digest(given.encode(), signature(self._secret, stamp, request.body)):
            raise Unauthenticated("X-Slack-Signature does not fit: set slack.signing_secret to that of your app")
        if abs(self._clock.now().timestamp() - int(stamp)) > REPLAY_SECONDS:
            raise Unauthenticated(f"this is older than {REPLAY_SECONDS} s, so it may be a replay; check the clocks")

    def _is_slacks(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.netloc == self.host or (parts.scheme == "https" and host.endswith(".slack.com"))


def signature(secret: str, stamp: str, body: bytes) -> bytes:
    """Return ``X-Slack-Signature``: ``v0=`` and the hex HMAC-SHA256 of ``v0:<timestamp>:<body>``."""
    signed = b"v0:" + stamp.encode() + b":" + body
    return f"v0={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}".encode()


def _with_buttons(blocks: list[dict[str, Any]], buttons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put the buttons before those that only lead somewhere, in the last row of buttons or in one of their own."""
    for index in range(len(blocks) - 1, -1, -1):
        if blocks[index].get("type") == "actions" and isinstance(blocks[index].get("elements"), list):
            others = [each for each in blocks[index]["elements"] if each.get("action_id") not in _OWN_ACTIONS]
            row = {**blocks[index], "elements": [*buttons, *others][:MAX_BUTTONS]}
            return [*blocks[:index], row, *blocks[index + 1 :]]
    return [*blocks[: MAX_BLOCKS - 1], {"type": "actions", "elements": buttons}]


def _buttons(message: Message) -> list[dict[str, Any]]:
    made = [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": words},
            "action_id": action.value,
            "value": message.token,
        }
        for action, words in _BUTTONS.items()
    ]
    return [{**made[0], "style": "primary"}, *made[1:]]


def _payload(body: bytes) -> dict[str, Any]:
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except (UnicodeDecodeError, ValueError):
        raise Invalid("the body is no form of Slack's", code="malformed_body") from None
    return _object(fields.get("payload", "").encode())


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


SPEC = ChannelSpec(
    name=CHANNEL,
    title="Slack",
    kind="chat",
    config_type=SlackBotConfig,
    factory=SlackMessages,
    address_label="Incoming webhook URL, or the id of a channel or a person",
    contact_example="https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    address_is_secret=True,
    description="A message in Slack: by an incoming webhook, or by a bot with a thread per incident and buttons.",
)
