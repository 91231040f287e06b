"""One rig per channel: the opened channel, somebody to reach, and a far side that can be told how to behave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from llm_incident_manager.channels import webhook
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.registry import open_channels
from llm_incident_manager.channels.spec import Channel
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.notifications.message import Contact, Message
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from tests.contract.fakes import slack_api_fake, sns_fake, twilio_fake
from tests.contract.fakes.receiver import WebhookReceiver
from tests.contract.fakes.slack_api_fake import SlackApiFake
from tests.contract.fakes.slack_fake import PATH, SlackFake
from tests.contract.fakes.smtp_sink import SmtpSink
from tests.contract.fakes.sns_fake import SnsFake
from tests.contract.fakes.twilio_fake import TwilioFake

NOW = datetime(2027, 1, 4, 3, 2, tzinfo=UTC)
LOCAL = OutgoingGuard(["127.0.0.0/8"])


def a_message(**changes: Any) -> Message:
    """A message with everything in it; ``changes`` replace members."""
    facts: dict[str, Any] = {
        "notification_id": "ntf-018f0000000000000000000001",
        "tenant": "default",
        "type": NotificationType.INCIDENT_CREATED,
        "incident_id": "INC-20270104-00001",
        "severity": Severity.P0,
        "subject": "P0: p95 latency of gpt-gateway is 12 s",
        "text": "The gateway answers slowly since 03:01.",
        "html": "<p>The gateway answers slowly since 03:01.</p>",
        "payload": {"type": "incident_created", "notification_id": "ntf-018f0000000000000000000001", "level": 1},
        "dashboard_url": "http://127.0.0.1:3000/incidents/INC-20270104-00001",
        "incident_key": "default:INC-20270104-00001:65f2a",
        "resource": "gpt-gateway",
        "category": "performance",
        "opened_at": datetime(2027, 1, 4, 3, 1, tzinfo=UTC),
    }
    return Message(**{**facts, **changes})


PIGEON = replace(webhook.SPEC, name="pigeon", title="Pigeon")


class FarSide(Protocol):
    """What a contract test can ask of any fake."""

    def fail_for_now(self) -> None: ...
    def refuse(self) -> None: ...
    def hang(self) -> None: ...
    def vanish(self) -> None: ...
    async def hung(self) -> None: ...
    def seen_ids(self) -> list[str]:
        """The notification id of each accepted message, as the far side finds it."""
        ...


@dataclass
class Rig:
    """``secrets`` must never be seen in an outcome or a log line."""

    channel: Channel
    contact: Contact
    impossible: Contact
    far: FarSide
    secrets: list[str]


class HttpFar:
    """A receiver of HTTP requests that names each message by its ``Idempotency-Key``."""

    def __init__(self, server: WebhookReceiver) -> None:
        self.server = server

    def fail_for_now(self) -> None:
        self.server.answer(503)

    def refuse(self) -> None:
        self.server.answer(403)

    def hang(self) -> None:
        self.server.hang()

    def vanish(self) -> None:
        self.server.drop(after="half_headers")

    async def hung(self) -> None:
        await self.server.wait_for(1)

    def seen_ids(self) -> list[str]:
        return [request.headers["idempotency-key"] for request in self.server.requests]


class _MailFar:
    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink

    def fail_for_now(self) -> None:
        self.sink.answer("RCPT", "451 4.7.1 greylisted, come back")

    def refuse(self) -> None:
        self.sink.answer("RCPT", "550 5.1.1 no such user")

    def hang(self) -> None:
        self.sink.hang("DATA")

    def vanish(self) -> None:
        self.sink.answer("DATA", "421 4.3.2 going down")

    async def hung(self) -> None:
        await self.sink.wait_until_hung()

    def seen_ids(self) -> list[str]:
        return [str(mail.parsed["Message-ID"]).strip("<>").partition("@")[0] for mail in self.sink.messages]


def opened(
    name: str, settings: dict[str, Any], guard: OutgoingGuard = LOCAL, clock: ManualClock | None = None
) -> Channel:
    """Open one channel as the service does."""
    return open_channels({name: settings}, guard=guard, clock=clock or ManualClock(NOW))[name]


@asynccontextmanager
async def webhook_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with WebhookReceiver() as receiver:
        channel = opened("webhook", {"timeout_seconds": timeout_seconds})
        url = receiver.url.replace("//", "//ana:pa55word@") + "/hook/t0ken?key=abc"
        contact = Contact(channel="webhook", address=url, secret="s1gning-key")
        impossible = Contact(channel="webhook", address="http://10.0.0.7/t0ken")
        yield Rig(channel, contact, impossible, HttpFar(receiver), ["s1gning-key", "t0ken", "pa55word"])
        await channel.aclose()


@asynccontextmanager
async def slack_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with SlackFake() as slack:
        channel = opened("slack", {"timeout_seconds": timeout_seconds})
        contact = Contact(channel="slack", address=slack.webhook_url)
        impossible = Contact(channel="slack", address=f"http://hooks.slack.example{PATH}")
        yield Rig(channel, contact, impossible, HttpFar(slack), [PATH, PATH.rsplit("/", 1)[1]])
        await channel.aclose()


@asynccontextmanager
async def email_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with SmtpSink(login=("mailer", "pa55word")) as sink:
        settings = {"smtp_url": sink.url, "from": "incidents@example.com", "timeout_seconds": timeout_seconds}
        channel = opened("email", settings)
        contact = Contact(channel="email", address="ana@example.com")
        impossible = Contact(channel="email", address="ana@example.com\r\nBcc: all@example.com")
        yield Rig(channel, contact, impossible, _MailFar(sink), ["pa55word", "mailer:"])
        await channel.aclose()


@asynccontextmanager
async def twilio_texts_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with TwilioFake() as twilio:
        account = {**TWILIO_ACCOUNT, "api_url": twilio.url, "timeout_seconds": timeout_seconds}
        channel = opened("sms", {"provider": "twilio", "twilio": account})
        contact = Contact(channel="sms", address="+34 600 123 400")
        impossible = Contact(channel="sms", address="600123400")
        yield Rig(channel, contact, impossible, HttpFar(twilio), [twilio_fake.TOKEN, "600 123 400", "600123400"])
        await channel.aclose()


@asynccontextmanager
async def sns_texts_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with SnsFake(NOW) as sns:
        channel = opened("sms", {"provider": "sns", "sns": sns_settings(sns, timeout_seconds=timeout_seconds)})
        contact = Contact(channel="sms", address="+34600123400")
        impossible = Contact(channel="sms", address="+34600123400;+34600123401")
        yield Rig(channel, contact, impossible, HttpFar(sns), [sns_fake.SECRET, "600123400"])
        await channel.aclose()


@asynccontextmanager
async def phone_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with TwilioFake() as twilio:
        settings = {**TWILIO_ACCOUNT, "api_url": twilio.url, "timeout_seconds": timeout_seconds}
        channel = opened("phone", settings)
        contact = Contact(channel="phone", address="+34600123400")
        impossible = Contact(channel="phone", address="tel:+34600123400")
        yield Rig(channel, contact, impossible, HttpFar(twilio), [twilio_fake.TOKEN, "600123400"])
        await channel.aclose()


class _SlackApiFar(HttpFar):
    def refuse(self) -> None:
        assert isinstance(self.server, SlackApiFake)
        self.server.refuse("is_archived")


@asynccontextmanager
async def slack_bot_rig(timeout_seconds: float) -> AsyncIterator[Rig]:
    async with SlackApiFake() as slack:
        channel = opened("slack", slack_settings(slack, timeout_seconds=timeout_seconds))
        contact = Contact(channel="slack", address=slack_api_fake.CONVERSATION)
        impossible = Contact(channel="slack", address="#incidents")
        secrets = [slack_api_fake.TOKEN, slack_api_fake.SIGNING_SECRET]
        yield Rig(channel, contact, impossible, _SlackApiFar(slack), secrets)
        await channel.aclose()


def slack_settings(slack: SlackApiFake, **more: Any) -> dict[str, Any]:
    """Return the settings of an app that the fake knows."""
    return {
        "bot_token": slack_api_fake.TOKEN,
        "signing_secret": slack_api_fake.SIGNING_SECRET,
        "api_url": f"{slack.url}/api",
        **more,
    }


def sns_settings(sns: SnsFake, **more: Any) -> dict[str, Any]:
    """Return the settings of an access key that the fake knows."""
    return {
        "region": sns_fake.REGION,
        "access_key_id": sns_fake.KEY_ID,
        "secret_access_key": sns_fake.SECRET,
        "api_url": sns.url,
        **more,
    }


TWILIO_ACCOUNT = {"account_sid": twilio_fake.SID, "auth_token": twilio_fake.TOKEN, "from": twilio_fake.SENDER}
RIGS = {
    "email": email_rig,
    "phone": phone_rig,
    "slack": slack_rig,
    "sms": twilio_texts_rig,
    "webhook": webhook_rig,
}
OTHER_RIGS = {"sms by sns": sns_texts_rig, "slack by bot": slack_bot_rig}
"""Further ways of channels that have several."""
