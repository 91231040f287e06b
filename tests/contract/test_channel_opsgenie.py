"""The channels for Opsgenie and Jira Service Management: one alert per incident by its alias, to its end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from llm_incident_manager.channels.opsgenie_alert import Responder, read_responders
from llm_incident_manager.channels.spec import Channel
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Rejected, RetryLater
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from tests.contract.fakes.opsgenie_fake import CLOUD_ID, EMAIL, KEY, TOKEN, AlertsFake, JsmFake, OpsgenieFake
from tests.contract.fakes.rigs import a_message, opened

pytestmark = pytest.mark.requirement("NTF-01")
RESPONDERS = "team:Platform, user:ana@example.com"
TEAM_ID = "4513b7ea-3b91-438f-b7e4-e3e54af9147c"


@dataclass
class Kept:
    """One of the two: the channel, the far side, and a contact with responders."""

    channel: Channel
    far: AlertsFake
    contact: Contact


@asynccontextmanager
async def kept(name: str, *, per_minute: int | None = None, **settings: Any) -> AsyncIterator[Kept]:
    fake = OpsgenieFake if name == "opsgenie" else JsmFake
    contacts = {
        "opsgenie": Contact(channel="opsgenie", address=RESPONDERS, secret=KEY),
        "jsm": Contact(channel="jsm", address=f"{CLOUD_ID}/team:{TEAM_ID}", secret=f"{EMAIL}:{TOKEN}"),
    }
    async with fake(per_minute=per_minute) as far:
        channel = opened(name, {"url": far.url, **settings})
        yield Kept(channel, far, contacts[name])
        await channel.aclose()


@pytest.fixture(params=["opsgenie", "jsm"])
async def either(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    async with kept(request.param) as made:
        yield made


def taken(**changes: Any) -> Message:
    return a_message(type=NotificationType.INCIDENT_UPDATED, acknowledges=True, **changes)


def ended(**changes: Any) -> Message:
    return a_message(type=NotificationType.RESOLVED, **changes)


async def test_a_page_creates_an_alert_and_the_receipt_is_the_request(either: Kept) -> None:
    message = a_message()
    outcome = await either.channel.send(message, either.contact)
    assert isinstance(outcome, Delivered)
    assert outcome.receipt == "req-0"
    (alert,) = either.far.made
    expected = {
        "message": message.subject,
        "alias": message.incident_key,
        "description": message.text,
        "entity": "gpt-gateway",
        "source": "LLM-Incident-Manager",
        "priority": "P1",
        "tags": ["P0", "performance"],
    }
    assert expected.items() <= alert.items()
    assert alert[either.far.details] == {
        "incident_id": message.incident_id,
        "notification_id": message.notification_id,
        "incident_url": message.dashboard_url,
    }


async def test_an_alert_goes_its_way_once_however_often_it_is_told(either: Kept) -> None:
    for message in (a_message(), a_message(), taken(), taken(), ended()):
        assert isinstance(await either.channel.send(message, either.contact), Delivered)
    (alert,) = either.far.alerts.values()
    assert (alert["state"], alert["count"]) == ("closed", 2)
    assert isinstance(await either.channel.send(ended(attempt=3), either.contact), Delivered)
    assert list(either.far.alerts) == [a_message().incident_key]


@pytest.mark.parametrize(
    ("severity", "priority"), [("P0", "P1"), ("P1", "P2"), ("P2", "P3"), ("P3", "P4"), ("P4", "P5")]
)
async def test_severities_become_priorities(either: Kept, severity: str, priority: str) -> None:
    await either.channel.send(a_message(severity=Severity(severity)), either.contact)
    assert either.far.made[0]["priority"] == priority


@pytest.mark.parametrize("name", ["opsgenie", "jsm"])
async def test_the_settings_give_other_priorities(name: str) -> None:
    async with kept(name, priorities={"P1": "P1"}) as made:
        await made.channel.send(a_message(severity=Severity.P1), made.contact)
        assert made.far.made[0]["priority"] == "P1"


@pytest.mark.parametrize("name", ["opsgenie", "jsm"])
async def test_a_rate_limit_is_honoured(name: str) -> None:
    async with kept(name, per_minute=1) as made:
        assert isinstance(await made.channel.send(a_message(), made.contact), Delivered)
        outcome = await made.channel.send(a_message(), made.contact)
        assert isinstance(outcome, RetryLater)
        assert outcome.after_seconds == 45.0
        assert "too many requests" in outcome.reason


async def test_refused_fields_are_named(either: Kept) -> None:
    either.far.fields = lambda body: {"message": "Message can not be empty."}  # type: ignore[method-assign]
    outcome = await either.channel.send(a_message(), either.contact)
    assert isinstance(outcome, Rejected)
    assert "message: Message can not be empty." in outcome.reason


@pytest.mark.parametrize(
    "contact",
    [
        Contact(channel="opsgenie", address="team:x", secret="0" * 36),
        Contact(channel="jsm", address=CLOUD_ID, secret=f"bo@example.com:{TOKEN}"),
    ],
    ids=["opsgenie", "jsm"],
)
async def test_a_wrong_key_is_rejected_without_repeating_it(contact: Contact) -> None:
    async with kept(contact.channel) as made:
        outcome = await made.channel.send(a_message(), contact)
        assert isinstance(outcome, Rejected)
        assert "401" in outcome.reason
        assert TOKEN not in outcome.reason
        assert "0" * 36 not in outcome.reason


async def test_opsgenies_responders_are_named_by_what_they_are() -> None:
    async with kept("opsgenie") as made:
        address = f"{RESPONDERS}, schedule:{TEAM_ID}, escalation:Night shift"
        await made.channel.send(a_message(), Contact(channel="opsgenie", address=address, secret=KEY))
        assert made.far.made[0]["responders"] == [
            {"type": "team", "name": "Platform"},
            {"type": "user", "username": "ana@example.com"},
            {"type": "schedule", "id": TEAM_ID},
            {"type": "escalation", "name": "Night shift"},
        ]


async def test_opsgenie_needs_only_a_key_where_the_integration_knows_the_responders() -> None:
    async with kept("opsgenie") as made:
        assert isinstance(await made.channel.send(a_message(), Contact(channel="opsgenie", address=KEY)), Delivered)
        assert "responders" not in made.far.made[0]


async def test_jsms_responders_are_ids() -> None:
    async with kept("jsm") as made:
        await made.channel.send(a_message(), made.contact)
        assert made.far.made[0]["responders"] == [{"type": "team", "id": TEAM_ID}]


async def test_jsms_alert_that_is_not_processed_yet_is_looked_for_again() -> None:
    async with kept("jsm") as made:
        await made.channel.send(a_message(), made.contact)
        made.far.lookups_too_early = 1  # type: ignore[attr-defined]
        assert isinstance(await made.channel.send(taken(), made.contact), RetryLater)
        assert isinstance(await made.channel.send(taken(attempt=1), made.contact), Delivered)
        assert made.far.alerts[a_message().incident_key]["acts"] == ["acknowledge"]


async def test_jsms_alert_that_is_not_there_at_all_needs_no_end() -> None:
    async with kept("jsm") as made:
        outcome = await made.channel.send(ended(attempt=2), made.contact)
        assert outcome == Delivered(receipt="no alert of this incident is open there")


async def test_two_requests_have_the_time_of_one() -> None:
    async with kept("jsm", timeout_seconds=0.2) as made:
        await made.channel.send(a_message(), made.contact)
        made.far.answer(200, body='{"id": "alert-1"}')
        made.far.hang()
        outcome = await made.channel.send(ended(), made.contact)
        assert outcome == RetryLater(reason="127.0.0.1 did not answer within 0.2 s")


def test_responders_are_read() -> None:
    assert read_responders("") == []
    assert read_responders("team: Night shift ,user:a@b.c") == [
        Responder("team", "Night shift"),
        Responder("user", "a@b.c"),
    ]


@pytest.mark.parametrize("written", ["Platform", "group:x", "team:", "team:a/b", "team:a:b", ",".join(["team:a"] * 51)])
def test_wrong_responders_are_told(written: str) -> None:
    with pytest.raises(ValueError, match="team:Platform"):
        read_responders(written)


@pytest.mark.parametrize(
    ("channel", "address", "secret", "says"),
    [
        ("opsgenie", "a key", None, "key of an API integration"),
        ("opsgenie", "Platform", KEY, "team:Platform"),
        ("jsm", "example.atlassian.net", f"{EMAIL}:{TOKEN}", "tenant_info"),
        ("jsm", CLOUD_ID, None, "ana@example.com:TOKEN"),
        ("jsm", CLOUD_ID, TOKEN, "ana@example.com:TOKEN"),
        ("jsm", CLOUD_ID, f"{EMAIL}:a\r\nX: y", "ana@example.com:TOKEN"),
        ("jsm", f"{CLOUD_ID}/Platform", f"{EMAIL}:{TOKEN}", "team:Platform"),
    ],
)
def test_what_can_never_work_is_told_without_the_secret(
    channel: str, address: str, secret: str | None, says: str
) -> None:
    fault = opened(channel, {}).validate(Contact(channel=channel, address=address, secret=secret))
    assert fault is not None
    assert says in fault
    assert TOKEN not in fault
    assert KEY not in fault


@pytest.mark.parametrize("long", [lambda n: "&" * n, lambda n: "é" * n, lambda n: "🔥" * n])
async def test_long_texts_are_cut_to_the_limits(either: Kept, long: Callable[[int], str]) -> None:
    message = a_message(subject=long(5000), text=long(60_000), resource=long(5000), incident_key=long(5000))
    assert isinstance(await either.channel.send(message, either.contact), Delivered)
    (alert,) = either.far.made
    assert len(alert["message"]) == 130
    assert len(alert["description"]) == 15_000
