"""The PagerDuty channel: one alert per incident from trigger to resolve, within the API's limits, its words kept."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from llm_incident_manager.channels.pagerduty import PagerDutyConfig
from llm_incident_manager.channels.spec import Channel
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Rejected, RetryLater
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from tests.contract.fakes.pagerduty_fake import KEY, PagerDutyFake
from tests.contract.fakes.rigs import a_message, opened

pytestmark = pytest.mark.requirement("NTF-01")
SERVICE = Contact(channel="pagerduty", address=KEY)


@pytest.fixture
async def pagerduty() -> AsyncIterator[PagerDutyFake]:
    async with PagerDutyFake() as fake:
        yield fake


@pytest.fixture
async def channel(pagerduty: PagerDutyFake) -> AsyncIterator[Channel]:
    made = opened("pagerduty", {"url": pagerduty.url})
    yield made
    await made.aclose()


def taken(**changes: Any) -> Message:
    return a_message(type=NotificationType.INCIDENT_UPDATED, acknowledges=True, notification_id="ntf-2", **changes)


def ended(**changes: Any) -> Message:
    return a_message(type=NotificationType.RESOLVED, notification_id="ntf-3", **changes)


async def test_a_page_triggers_an_alert_with_what_it_hits_and_a_way_in(
    pagerduty: PagerDutyFake, channel: Channel
) -> None:
    message = a_message()
    assert await channel.send(message, SERVICE) == Delivered(receipt=message.incident_key)
    (event,) = pagerduty.events
    assert event["payload"] == {
        "summary": message.subject,
        "source": "gpt-gateway",
        "severity": "critical",
        "timestamp": "2027-01-04T03:01:00+00:00",
        "class": "performance",
        "custom_details": {
            "incident_id": "INC-20270104-00001",
            "severity": "P0",
            "notification_id": "ntf-018f0000000000000000000001",
            "text": message.text,
        },
    }
    assert event["links"] == [{"href": message.dashboard_url, "text": "Open the incident"}]
    assert event["client_url"] == message.dashboard_url


async def test_an_alert_goes_its_way_once_however_often_it_is_told(pagerduty: PagerDutyFake, channel: Channel) -> None:
    for message in (a_message(), a_message(), taken(), a_message(notification_id="ntf-9"), taken(), ended(), ended()):
        assert isinstance(await channel.send(message, SERVICE), Delivered)
    assert pagerduty.alerts == {a_message().incident_key: ["triggered", "acknowledged", "resolved"]}


async def test_what_was_never_triggered_is_acknowledged_and_ended_harmlessly(
    pagerduty: PagerDutyFake, channel: Channel
) -> None:
    assert isinstance(await channel.send(taken(), SERVICE), Delivered)
    assert isinstance(await channel.send(ended(), SERVICE), Delivered)
    assert pagerduty.alerts == {a_message().incident_key: []}


@pytest.mark.parametrize(
    ("severity", "expected"), [("P0", "critical"), ("P1", "error"), ("P2", "warning"), ("P3", "info"), ("P4", "info")]
)
async def test_severities_are_translated(
    pagerduty: PagerDutyFake, channel: Channel, severity: str, expected: str
) -> None:
    await channel.send(a_message(severity=Severity(severity)), SERVICE)
    assert pagerduty.events[0]["payload"]["severity"] == expected


async def test_the_settings_translate_severities_otherwise(pagerduty: PagerDutyFake) -> None:
    channel = opened("pagerduty", {"url": pagerduty.url, "severities": {"P1": "critical"}})
    for severity in (Severity.P1, Severity.P2):
        await channel.send(a_message(severity=severity), SERVICE)
    assert [event["payload"]["severity"] for event in pagerduty.events] == ["critical", "warning"]
    await channel.aclose()


async def test_its_rate_limit_is_honoured(pagerduty: PagerDutyFake) -> None:
    async with PagerDutyFake(per_minute=1) as busy:
        channel = opened("pagerduty", {"url": busy.url})
        assert isinstance(await channel.send(a_message(), SERVICE), Delivered)
        outcome = await channel.send(a_message(), SERVICE)
        assert outcome == RetryLater(reason=f"127.0.0.1:{busy.port} answered 429 (Event throttled)", after_seconds=40.0)
        await channel.aclose()


async def test_a_wrong_key_is_rejected_in_its_words_but_without_the_key(
    pagerduty: PagerDutyFake, channel: Channel
) -> None:
    other = "0" * 32
    outcome = await channel.send(a_message(), Contact(channel="pagerduty", address=other))
    assert isinstance(outcome, Rejected)
    assert "routing_key … is invalid" in outcome.reason
    assert other not in outcome.reason


@pytest.mark.parametrize("key", ["", "abc", KEY + "1", KEY[:-1] + "-", KEY[:-1] + "é", KEY + "\n"])
def test_what_is_no_integration_key_is_told(key: str) -> None:
    channel = opened("pagerduty", {})
    assert "32 letters and digits" in (channel.validate(Contact(channel="pagerduty", address=key)) or "")


def test_keys_are_not_sent_unencrypted() -> None:
    channel = opened("pagerduty", {"url": "http://events.pagerduty.com"})
    assert "must start with https://" in (channel.validate(SERVICE) or "")


@pytest.mark.parametrize("url", ["events.pagerduty.com", "ftp://x", "https://u:p@x", "https://x?a=b", ""])
def test_a_wrong_address_of_the_api_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="address of an API"):
        PagerDutyConfig(url=url)
