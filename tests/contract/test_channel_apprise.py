"""The Apprise channel: any service, behind the guard, in a process that may hang and cannot tell secrets."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from llm_incident_manager.channels import apprise as channel_module
from llm_incident_manager.channels.apprise import AppriseChannel, AppriseConfig, harmless
from llm_incident_manager.channels.apprise_workers import AppriseWorkers, Job, Said
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.registry import open_channels
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.errors import Invalid
from tests.contract.fakes.receiver import WebhookReceiver
from tests.contract.fakes.rigs import LOCAL, NOW, a_message
from tests.contract.fakes.service_rigs import apprise_workers

pytestmark = pytest.mark.requirement("NTF-01")
ONE_ADDRESS = OutgoingGuard(["127.0.0.2/32"])


@pytest.fixture(scope="module")
def guarded() -> Iterator[AppriseWorkers]:
    workers = AppriseWorkers(ONE_ADDRESS, 1)
    workers.warm()
    yield workers
    workers.close()


def channel_over(workers: AppriseWorkers, *services: str, timeout_seconds: float = 10.0) -> AppriseChannel:
    config = AppriseConfig(services=list(services), timeout_seconds=timeout_seconds)
    return AppriseChannel(config, guard=LOCAL, clock=ManualClock(NOW), workers=workers)


def at(url: str) -> Contact:
    return Contact(channel="apprise", address=url)


async def test_a_message_has_title_text_link_and_kind() -> None:
    async with WebhookReceiver() as receiver:
        channel = channel_over(apprise_workers(), "json")
        message = a_message()
        assert await channel.send(message, at(f"json://127.0.0.1:{receiver.port}/x")) == Delivered()
        ended = a_message(type=NotificationType.RESOLVED)
        assert await channel.send(ended, at(f"json://127.0.0.1:{receiver.port}/x")) == Delivered()
        first, last = (request.json for request in receiver.requests)
        assert first["title"] == message.subject
        assert first["message"].splitlines() == [
            message.text,
            "",
            f"{message.incident_id} · {message.notification_id}",
            message.dashboard_url,
        ]
        assert (first["type"], last["type"]) == ("failure", "success")


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.7", "[::1]"])
async def test_a_service_reaches_only_what_the_guard_permits(guarded: AppriseWorkers, host: str) -> None:
    async with WebhookReceiver() as receiver:
        outcome = await channel_over(guarded, "json").send(a_message(), at(f"json://{host}:{receiver.port}/t0ken"))
        assert isinstance(outcome, Rejected)
        assert "outgoing.allow" in outcome.reason
        assert "t0ken" not in outcome.reason
        assert receiver.connections == 0


@pytest.mark.requirement("SEC-05")
async def test_a_redirect_does_not_lead_around_the_guard(guarded: AppriseWorkers) -> None:
    async with WebhookReceiver() as target, WebhookReceiver(host="127.0.0.2") as receiver:
        receiver.redirect(target.url, 307)
        outcome = await channel_over(guarded, "json").send(a_message(), at(f"json://127.0.0.2:{receiver.port}/x"))
        assert isinstance(outcome, Rejected)
        assert (receiver.connections, target.connections) == (1, 0)


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    "url", ["syslog://", "macosx://", "mailto://a:b@127.0.0.1:25?smtp=127.0.0.1&to=a@b.c&mode=insecure"]
)
async def test_neither_this_machine_nor_its_mail_server_is_reached(guarded: AppriseWorkers, url: str) -> None:
    said, _ = await asyncio.to_thread(guarded.ask, Job(url=url, title="t", text="t", kind="info"), 30.0)
    assert said in (Said.GUARDED, Said.INVALID)


async def test_nothing_of_our_environment_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    async with WebhookReceiver() as proxy, WebhookReceiver(host="127.0.0.2") as receiver:
        monkeypatch.setenv("http_proxy", proxy.url)
        workers = AppriseWorkers(LOCAL, 1)
        try:
            outcome = await channel_over(workers, "json").send(a_message(), at(f"json://127.0.0.2:{receiver.port}/x"))
        finally:
            workers.close()
        assert outcome == Delivered()
        assert (proxy.connections, receiver.connections) == (0, 1)


async def test_a_process_that_hangs_is_ended_and_another_takes_its_place() -> None:
    async with WebhookReceiver() as receiver:
        channel = channel_over(apprise_workers(), "json", timeout_seconds=0.3)
        receiver.hang()
        started = time.monotonic()
        outcome = await channel.send(a_message(), at(f"json://127.0.0.1:{receiver.port}/x"))
        assert outcome == RetryLater(reason="json did not answer within 0.3 s")
        assert time.monotonic() - started < 30
        patient = channel_over(apprise_workers(), "json")
        assert await patient.send(a_message(), at(f"json://127.0.0.1:{receiver.port}/x")) == Delivered()


async def test_what_apprise_does_not_understand_is_rejected() -> None:
    outcome = await channel_over(apprise_workers(), "tgram").send(a_message(), at("tgram://nonsense"))
    assert outcome == Rejected(reason="Apprise does not understand this tgram:// URL")


@pytest.mark.parametrize(("status", "kind"), [(400, Rejected), (401, Rejected), (429, RetryLater), (500, RetryLater)])
async def test_the_services_status_decides(status: int, kind: type) -> None:
    async with WebhookReceiver() as receiver:
        receiver.answer(status)
        channel = channel_over(apprise_workers(), "json")
        outcome = await channel.send(a_message(), at(f"json://127.0.0.1:{receiver.port}/x"))
        assert isinstance(outcome, kind)
        assert f"json answered {status}" in str(outcome)


@pytest.mark.requirement("SEC-05")
def test_text_calls_nobody_and_links_nothing() -> None:
    safe = harmless("@everyone <@123> <!here> [log in](https://evil.example) www.evil.example <b>b</b> {{x}}")
    for call in ("@everyone", "<@", "<!", "](", "://", "www.", "<b", "{{"):
        assert call not in safe
    assert harmless("a < b, c > d at 03:01") == "a < b, c > d at 03:01"


def test_only_services_of_the_settings_may_be_used() -> None:
    channel = channel_over(apprise_workers(), "tgram", "ntfys")
    assert channel.validate(at("tgram://1:a/2")) is None
    assert channel.validate(at("json://127.0.0.1/t0ken")) == "json is not among apprise.services: ntfys, tgram"
    assert "tgram://TOKEN/CHAT" in (channel.validate(at("t0ken")) or "")


def test_without_apprise_the_settings_say_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "find_spec", lambda name: None)
    with pytest.raises(Invalid) as caught:
        open_channels({"apprise": {"services": ["tgram"]}}, guard=LOCAL, clock=ManualClock(NOW))
    (fault,) = caught.value.faults
    assert fault.field == "apprise"
    assert "pip install 'llm-incident-manager[apprise]'" in fault.message
