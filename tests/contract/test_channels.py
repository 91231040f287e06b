"""What every channel promises, checked on each one of the registry against a strict fake of its far side."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from llm_incident_manager.channels.registry import BUILT_IN, ENTRY_POINT_GROUP, channel_specs, open_channels
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.errors import Invalid
from llm_incident_manager.ids import CountingIds
from tests.build import NOON, a_notification, an_incident
from tests.contract.fakes.rigs import LOCAL, NOW, OTHER_RIGS, RIGS, TWILIO_ACCOUNT, Rig, a_message
from tests.contract.fakes.service_rigs import SERVICE_RIGS

HOSTILE = {
    "line breaks": "P0\r\nBcc: everyone@example.com\r\n\r\nowned",
    "mentions": "<!channel> <!here|here> <@U123> @here @everyone @channel <https://evil.example|click>",
    "markup": "*b* _i_ `c` ```x``` > q & &amp; <b>b</b> [a](http://evil.example) {{7*7}} ${x} %s",
    "beyond the basic plane": "🔥🧯 \U0001f469‍\U0001f4bb 𝔘𝔫𝔦𝔠𝔬𝔡𝔢",
    "right to left": "اختبار \u202egnp.exe\u202c עברית \u2067x\u2069",
    "control characters": "a\x00b\x07\x1b[31mred\x7f\x85\u2028\u2029\x0b\x0c",
    "half a surrogate pair": "a\ud800b",
    "100 kB in one line": "x" * 100_000,
    "100 kB of entities": "<&>" * 33_000,
    "100 kB of lines": ".\r\n" * 33_000,
    "nothing": "",
    "blanks": " \t\n ",
}


NAMED_RIGS = RIGS | SERVICE_RIGS
EVERY_RIG = NAMED_RIGS | OTHER_RIGS
SETTINGS: dict[str, dict[str, Any]] = {
    "apprise": {"services": ["tgram"]},
    "email": {"smtp_url": "smtp://127.0.0.1", "from": "a@example.com"},
    "phone": TWILIO_ACCOUNT,
    "sms": {"provider": "twilio", "twilio": TWILIO_ACCOUNT},
}


@pytest.fixture(params=sorted(EVERY_RIG))
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with EVERY_RIG[request.param](5.0) as made:
        yield made


@pytest.fixture(params=sorted(EVERY_RIG))
async def impatient_rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with EVERY_RIG[request.param](0.2) as made:
        yield made


def test_every_channel_of_the_registry_is_under_this_contract() -> None:
    assert set(channel_specs()) == set(NAMED_RIGS)


@pytest.mark.requirement("NTF-01")
async def test_a_taken_message_is_delivered(rig: Rig) -> None:
    assert isinstance(await rig.channel.send(a_message(), rig.contact), Delivered)
    assert len(rig.far.seen_ids()) == 1


async def test_a_failure_of_the_moment_is_retried_later(rig: Rig) -> None:
    rig.far.fail_for_now()
    assert isinstance(await rig.channel.send(a_message(), rig.contact), RetryLater)
    assert isinstance(await rig.channel.send(a_message(), rig.contact), Delivered)


async def test_a_final_refusal_is_rejected(rig: Rig) -> None:
    rig.far.refuse()
    outcome = await rig.channel.send(a_message(), rig.contact)
    assert isinstance(outcome, Rejected)
    assert outcome.reason


async def test_a_connection_that_breaks_in_the_middle_is_retried_later(rig: Rig) -> None:
    rig.far.vanish()
    assert isinstance(await rig.channel.send(a_message(), rig.contact), RetryLater)


async def test_silence_ends_in_time_and_is_retried_later(impatient_rig: Rig) -> None:
    impatient_rig.far.hang()
    started = time.monotonic()
    outcome = await impatient_rig.channel.send(a_message(), impatient_rig.contact)
    assert isinstance(outcome, RetryLater)
    assert "0.2 s" in outcome.reason
    assert time.monotonic() - started < 2.0


async def test_a_cancelled_send_leaves_the_channel_usable(rig: Rig) -> None:
    rig.far.hang()
    task = asyncio.create_task(rig.channel.send(a_message(), rig.contact))
    await rig.far.hung()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(await rig.channel.send(a_message(), rig.contact), Delivered)


async def test_a_repeat_carries_the_same_id_and_another_message_another(rig: Rig) -> None:
    for _ in range(2):
        await rig.channel.send(a_message(), rig.contact)
    await rig.channel.send(a_message(notification_id="ntf-2"), rig.contact)
    first, repeat, other = rig.far.seen_ids()
    assert first == repeat == "ntf-018f0000000000000000000001"
    assert other == "ntf-2"


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_text_is_delivered_harmless(rig: Rig, text: str) -> None:
    message = a_message(
        subject=text, text=text, html=f"<p>{text}</p>", payload={"text": text, text: 1}, dashboard_url=text[:5000]
    )
    assert isinstance(await rig.channel.send(message, rig.contact), Delivered)


async def test_secrets_stay_out_of_outcomes_logs_and_repr(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, logger="mail.log")  # the fake mail server logs what it is told
    outcomes = []
    for trouble in (lambda: None, rig.far.fail_for_now, rig.far.refuse, rig.far.vanish):
        trouble()
        outcomes.append(await rig.channel.send(a_message(), rig.contact))
    seen = f"{outcomes} {rig.contact!r} {rig.channel!r} {rig.channel.destination(rig.contact)} {caplog.text}"
    for secret in rig.secrets:
        assert secret not in seen


async def test_an_impossible_contact_is_told_when_saved_and_rejected_when_used(rig: Rig) -> None:
    assert rig.channel.validate(rig.contact) is None
    assert rig.channel.validate(rig.impossible)
    assert isinstance(await rig.channel.send(a_message(), rig.impossible), Rejected)
    assert not rig.far.seen_ids()


async def test_many_at_once_all_arrive(rig: Rig) -> None:
    messages = [a_message(notification_id=f"ntf-{number}") for number in range(30)]
    outcomes = await asyncio.gather(*(rig.channel.send(message, rig.contact) for message in messages))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    assert sorted(rig.far.seen_ids()) == sorted(message.notification_id for message in messages)


@pytest.mark.parametrize("type_", NotificationType)
@pytest.mark.parametrize("severity", Severity)
async def test_every_kind_of_message_is_taken(rig: Rig, type_: NotificationType, severity: Severity) -> None:
    message = a_message(type=type_, severity=severity, html=None, dashboard_url="")
    assert isinstance(await rig.channel.send(message, rig.contact), Delivered)


@pytest.mark.parametrize("reason", ["opened", "acknowledged", "resolved", "test"])
async def test_the_default_page_is_taken_as_it_is_rendered(rig: Rig, reason: str) -> None:
    """With everything in it, late, and hostile."""
    settings = TenantSettings(tenant="default")
    context = Context(
        settings=settings, directory=settings.directory(), channels=frozenset(NAMED_RIGS), ids=CountingIds()
    )
    title, description = "<!channel> **x** " * 30, "[log in](https://evil.example)\n> " * 400
    incident = an_incident(title=title, description=description, impact="&" * 900, event_count=37)
    kinds = {"resolved": NotificationType.RESOLVED, "test": NotificationType.CUSTOM}
    kind = kinds.get(reason, NotificationType.INCIDENT_CREATED)
    row = a_notification(incident.id, reason=reason, type=kind, channel=rig.contact.channel, attempts=2)
    page = renderer("https://incidents.example.com")(row, incident, context, NOON + timedelta(hours=3))
    assert isinstance(await rig.channel.send(page, rig.contact), Delivered)


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
async def test_a_channel_describes_itself(spec) -> None:  # type: ignore[no-untyped-def]
    assert spec.form_fields()["properties"]
    settings = SETTINGS.get(spec.name, {})
    assert bool(settings) is spec.needs_settings
    channel = open_channels({spec.name: settings}, guard=LOCAL, clock=ManualClock(NOW))[spec.name]
    example = Contact(channel=spec.name, address=spec.contact_example, secret=spec.secret_example)
    assert channel.validate(example) is None
    assert channel.validate(Contact(channel=spec.name, address="nonsense"))
    assert channel.destination(Contact(channel=spec.name, address="nonsense"))
    await channel.aclose()


def test_a_channel_without_the_settings_it_needs_is_left_out() -> None:
    assert set(open_channels({}, guard=LOCAL, clock=ManualClock(NOW))) == set(NAMED_RIGS) - set(SETTINGS)


def entry(value: str) -> EntryPoint:
    return EntryPoint(name="x", value=value, group=ENTRY_POINT_GROUP)


def test_an_installed_package_brings_a_channel() -> None:
    specs = channel_specs([entry("tests.contract.fakes.rigs:PIGEON")])
    assert list(specs) == [*(spec.name for spec in BUILT_IN), "pigeon"]
    opened = open_channels({}, guard=LOCAL, clock=ManualClock(NOW), specs=specs)
    assert set(opened) == set(NAMED_RIGS) - set(SETTINGS) | {"pigeon"}


@pytest.mark.parametrize("value", ["webhook:SPEC", "webhook:WebhookChannel"])
def test_a_plugin_that_is_no_channel_or_takes_a_name_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="webhook") as caught:
        channel_specs([entry(f"llm_incident_manager.channels.{value}")])
    assert caught.value.code == "invalid_plugin"


def test_wrong_settings_are_named_and_never_repeated() -> None:
    settings = {"smtp_url": "ftp://u:hunter2@example.com", "from": "nobody", "colour": "hunter2"}
    with pytest.raises(Invalid) as caught:
        open_channels({"email": settings}, guard=LOCAL, clock=ManualClock(NOW))
    assert {fault.field for fault in caught.value.faults} == {"email.smtp_url", "email.from", "email.colour"}
    assert "hunter2" not in f"{caught.value} {caught.value.faults}"
