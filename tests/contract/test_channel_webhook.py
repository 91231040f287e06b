"""The webhook channel: signature, statuses, Retry-After, bounds."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.channels.http_post import BODY_LIMIT, wait_wished
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.webhook import signature
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from tests.contract.fakes.receiver import WebhookReceiver
from tests.contract.fakes.rigs import NOW, a_message, opened

SECRET = "whsec-example"
BODY = b'{"type":"incident_created","notification_id":"ntf-1"}'
AT = 1798858920
VECTOR = "t=1798858920,v1=f3298b3a6432c1633bdccb52040a3fcfd394606d4e99087f6ea4b3129ad316ac"
DOCS = Path(__file__).parents[2] / "docs" / "channels.md"


def test_signature_is_the_documented_vector() -> None:
    assert signature(SECRET, BODY, AT) == VECTOR
    page = DOCS.read_text()
    for shown in (SECRET, BODY.decode(), str(AT), VECTOR):
        assert shown in page


def test_the_documented_check_takes_the_genuine_and_refuses_the_forged() -> None:
    scope: dict[str, Any] = {}
    exec(DOCS.read_text().split("```python\n")[1].split("```")[0], scope)
    is_genuine = scope["is_genuine"]
    now = int(time.time())
    header = signature(SECRET, BODY, now)
    assert is_genuine(header, BODY, SECRET)
    assert not is_genuine(header, BODY + b" ", SECRET)
    assert not is_genuine(header, BODY, "other")
    assert not is_genuine(signature(SECRET, BODY, now - 1000), BODY, SECRET)


@pytest.mark.requirement("NTF-01")
async def test_what_is_signed_is_what_is_sent() -> None:
    async with WebhookReceiver() as receiver:
        channel = opened("webhook", {})
        message = a_message(payload={"type": "escalated", "notification_id": "ntf-1", "title": "Grüße 🔥"})
        contact = Contact(channel="webhook", address=f"{receiver.url}/hook?a=b%20c", secret=SECRET)
        assert isinstance(await channel.send(message, contact), Delivered)
        (request,) = receiver.requests
        assert request.headers["x-incident-signature"] == signature(SECRET, request.body, int(NOW.timestamp()))
        assert request.json == message.payload
        assert request.path == "/hook?a=b%20c"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["user-agent"] == "llm-incident-manager"
        assert request.headers["idempotency-key"] == message.notification_id
        await channel.aclose()


async def test_without_a_secret_there_is_no_signature() -> None:
    async with WebhookReceiver() as receiver:
        channel = opened("webhook", {})
        await channel.send(a_message(), Contact(channel="webhook", address=receiver.url))
        assert "x-incident-signature" not in receiver.requests[0].headers
        assert "authorization" not in receiver.requests[0].headers
        await channel.aclose()


async def test_credentials_in_the_url_become_basic_authentication() -> None:
    async with WebhookReceiver() as receiver:
        channel = opened("webhook", {})
        url = receiver.url.replace("//", "//ana:s%40cret@")
        await channel.send(a_message(), Contact(channel="webhook", address=url))
        assert receiver.requests[0].headers["authorization"] == "Basic YW5hOnNAY3JldA=="
        assert receiver.requests[0].headers["host"] == f"127.0.0.1:{receiver.port}"
        await channel.aclose()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Delivered) for status in (200, 201, 202, 204, 299)),
        *((status, Rejected) for status in (300, 304, 400, 401, 403, 404, 405, 410, 413, 415, 422, 451)),
        *((status, RetryLater) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
    ],
)
async def test_each_status_means_one_thing(status: int, kind: type) -> None:
    async with WebhookReceiver() as receiver:
        receiver.answer(status)
        channel = opened("webhook", {})
        outcome = await channel.send(a_message(), Contact(channel="webhook", address=receiver.url))
        assert isinstance(outcome, kind)
        if not isinstance(outcome, Delivered):
            assert f"answered {status}" in outcome.reason
        await channel.aclose()


@pytest.mark.requirement("REL-02")
async def test_the_receivers_wish_is_passed_on() -> None:
    async with WebhookReceiver() as receiver:
        receiver.answer(429, {"Retry-After": "17"})
        channel = opened("webhook", {})
        outcome = await channel.send(a_message(), Contact(channel="webhook", address=receiver.url))
        assert isinstance(outcome, RetryLater)
        assert outcome.after_seconds == 17.0
        await channel.aclose()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"0", 0.0),
        (b" 120 ", 120.0),
        (b"999999999", 3600.0),
        (b"9" * 400, None),
        (b"-5", None),
        (b"1.5", None),
        (b"soon", None),
        (b"\xff", None),
        (b"Mon, 04 Jan 2027 03:02:30 GMT", 30.0),
        (b"Mon, 04 Jan 2027 03:00:00 GMT", 0.0),
        (b"Mon, 04 Jan 2100 03:00:00 GMT", 3600.0),
        (b"Mon, 04 Jan 2027 03:02:30", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_and_at_most_an_hour(value: bytes | None, seconds: float | None) -> None:
    assert wait_wished(value, NOW) == seconds
    assert NOW.utcoffset() == timedelta(0)


async def test_a_huge_answer_is_not_read_whole() -> None:
    async with WebhookReceiver() as receiver:
        receiver.answer(200, body=b"x" * (64 * BODY_LIMIT))
        channel = opened("webhook", {})
        contact = Contact(channel="webhook", address=receiver.url)
        assert isinstance(await channel.send(a_message(), contact), Delivered)
        assert isinstance(await channel.send(a_message(), contact), Delivered)
        assert receiver.connections == 2, "the rest was dropped with its connection"
        await channel.aclose()


@pytest.mark.parametrize("after", ["hangs", "breaks off"])
async def test_an_answer_that_stops_after_its_status_is_still_an_answer(after: str) -> None:
    async with WebhookReceiver() as receiver:
        if after == "hangs":
            receiver.hang(after="headers")
        else:
            receiver.drop(after="headers")
        channel = opened("webhook", {"timeout_seconds": 0.4})
        outcome = await channel.send(a_message(), Contact(channel="webhook", address=receiver.url))
        assert isinstance(outcome, Delivered), "a repeat would page twice"
        await channel.aclose()


async def test_connections_are_kept() -> None:
    async with WebhookReceiver() as receiver:
        channel = opened("webhook", {})
        for _ in range(5):
            await channel.send(a_message(), Contact(channel="webhook", address=receiver.url))
        assert receiver.connections == 1
        await channel.aclose()


async def test_a_kept_connection_that_the_receiver_closed_is_replaced() -> None:
    async with WebhookReceiver() as receiver:
        receiver.answer(200, {"Connection": "close"})
        channel = opened("webhook", {})
        for _ in range(2):
            outcome = await channel.send(a_message(), Contact(channel="webhook", address=receiver.url))
            assert isinstance(outcome, Delivered)
        assert receiver.connections == 2
        await channel.aclose()


async def test_nobody_there_is_retried_later() -> None:
    async with WebhookReceiver() as receiver:
        gone = receiver.url
    channel = opened("webhook", {})
    outcome = await channel.send(a_message(), Contact(channel="webhook", address=gone))
    assert outcome == RetryLater(reason="127.0.0.1 cannot be connected to")
    await channel.aclose()


async def test_a_plain_server_behind_https_is_told() -> None:
    async with WebhookReceiver() as receiver:
        channel = opened("webhook", {})
        url = receiver.url.replace("http:", "https:")
        outcome = await channel.send(a_message(), Contact(channel="webhook", address=url))
        assert isinstance(outcome, RetryLater)
        await channel.aclose()


def test_destinations_are_hosts_without_secrets() -> None:
    channel = opened("webhook", {})
    for address, host in {
        "https://u:p@example.com/t0ken": "example.com",
        "https://example.com:8443/t0ken": "example.com:8443",
        "nonsense": "invalid",
    }.items():
        assert channel.destination(Contact(channel="webhook", address=address)) == host


async def test_a_silent_host_holds_up_nobody_else() -> None:
    async with WebhookReceiver() as silent, WebhookReceiver() as well:
        silent.hang(times=None)
        channel = opened("webhook", {}, OutgoingGuard(["127.0.0.0/8"]))
        waiting = [
            asyncio.create_task(
                channel.send(a_message(), Contact(channel="webhook", address=f"http://localhost:{silent.port}"))
            )
            for _ in range(200)
        ]
        await silent.wait_for(8)
        async with asyncio.timeout(2):
            outcome = await channel.send(a_message(), Contact(channel="webhook", address=well.url))
        assert isinstance(outcome, Delivered)
        assert silent.connections == 8
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await channel.aclose()
