"""Alerts that others keep (PagerDuty, Opsgenie …) follow our incident: acknowledged and ended there, once each."""

import asyncio
from pathlib import Path

import pytest

from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome, Rejected, RetryLater
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import TargetType
from llm_incident_manager.engine.deliver import LEASE_SECONDS
from tests.stories.app import Story, person
from tests.stories.towns import Documents, level, policy, to, user, with_policy

pytestmark = pytest.mark.requirement("NTF-01")
KEEPERS = ("pagerduty",)
SERVICE = "0123456789abcdef0123456789abcdef"


def town() -> Documents:
    """Level 1 is the service in PagerDuty and ana by webhook; level 2 is bo, by webhook."""
    users = [
        {"id": "ana", "name": "Ana", "contacts": {"pagerduty": SERVICE, "webhook": "https://pages.example.com/ana"}},
        *(user(name, "webhook") for name in ("bo", "last")),
    ]
    pages = policy(level(to("user", "ana"), after=300), level(to("user", "bo"), after=300))
    return with_policy(pages, users=users)


def at_pagerduty(app: Story) -> list[str]:
    """Take what PagerDuty was told since the last look, and forget what ana and bo were told."""
    told = [page for page in app.pages if page.channel == "pagerduty"]
    app.pages.clear()
    return [
        "acknowledge" if page.message.acknowledges else "resolve" if page.message.type == "resolved" else "trigger"
        for page in told
    ]


async def test_taking_and_resolving_are_passed_on_once_each(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        receipt = await app.post_event(severity="P0")
        (trigger,) = [page.message for page in app.pages if page.channel == "pagerduty"]
        assert at_pagerduty(app) == ["trigger"]
        await app.act("bo", receipt.incident_id, "acknowledge")
        (heard,) = [page.message for page in app.pages]
        assert heard.incident_key == trigger.incident_key
        assert heard.subject == "[P0] Acknowledged: Latency Spike Detected"
        assert at_pagerduty(app) == ["acknowledge"], "and nobody is paged because somebody has it"
        await app.act("bo", receipt.incident_id, "start_work")
        await app.act("ana", receipt.incident_id, "take")
        assert at_pagerduty(app) == []
        await app.act("ana", receipt.incident_id, "resolve")
        assert at_pagerduty(app) == ["resolve"]
        await app.act("ana", receipt.incident_id, "close")
        assert at_pagerduty(app) == []


async def test_a_recovery_walks_to_the_end_without_an_acknowledgment_on_the_way(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        receipt = await app.post_event(severity="P0")
        at_pagerduty(app)
        await app.post_event(event_type="resolved", severity="P0")
        assert (await app.incident(receipt.incident_id)).status == "RESOLVED"
        assert at_pagerduty(app) == ["resolve"]


async def test_an_acknowledgment_waits_for_a_provider_that_is_down_and_survives_further_work(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        receipt = await app.post_event(severity="P0")
        at_pagerduty(app)
        app.channels["pagerduty"].answers[SERVICE] = [RetryLater(reason="503")] * 3
        await app.act("bo", receipt.incident_id, "take")
        await app.act("bo", receipt.incident_id, "start_work")
        assert at_pagerduty(app) == []
        await app.restart()
        await app.fast_forward(minutes=2)
        assert at_pagerduty(app) == ["acknowledge"]


async def test_an_end_overtakes_an_acknowledgment_that_still_waits(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        receipt = await app.post_event(severity="P0")
        at_pagerduty(app)
        app.channels["pagerduty"].answers[SERVICE] = [RetryLater(reason="503")]
        await app.act("bo", receipt.incident_id, "take")
        await app.bring_to_the_end(receipt.incident_id)
        await app.fast_forward(minutes=5)
        assert at_pagerduty(app) == ["resolve"]


async def test_an_acknowledgment_that_waits_is_dropped_when_the_incident_escalates(tmp_path: Path) -> None:
    """Late, it would stop the pages that the escalation has just asked for."""
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        receipt = await app.post_event(severity="P0")
        at_pagerduty(app)
        app.channels["pagerduty"].answers[SERVICE] = [RetryLater(reason="503", after_seconds=30)]
        await app.act("bo", receipt.incident_id, "take")
        await app.fast_forward(seconds=2)
        await app.act("bo", receipt.incident_id, "escalate")
        await app.fast_forward(minutes=1)
        assert at_pagerduty(app) == []
        await app.act("bo", receipt.incident_id, "start_work")
        assert at_pagerduty(app) == ["acknowledge"]


@pytest.mark.parametrize(("action", "expected"), [("take", "acknowledge"), ("resolve", "resolve")])
async def test_a_page_that_was_being_sent_at_a_kill_leaves_no_alert_open(
    tmp_path: Path, action: str, expected: str
) -> None:
    """PagerDuty has it, we never heard so, and before it is tried again somebody acts."""
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        arrived: list[Message] = []

        async def killed(message: Message, contact: Contact) -> Outcome:
            arrived.append(message)
            raise asyncio.CancelledError

        alive = app.channels["pagerduty"].send
        app.channels["pagerduty"].send = killed  # type: ignore[method-assign]
        receipt = await app.post_event(severity="P0", settle=False)
        with pytest.raises(asyncio.CancelledError):
            await app.settle()
        assert len(arrived) == 1
        app.channels["pagerduty"].send = alive  # type: ignore[method-assign]
        await app.restart()
        if action == "take":
            await app.act("bo", receipt.incident_id, "take")
        else:
            await app.bring_to_the_end(receipt.incident_id)
        assert at_pagerduty(app)[-1:] == [expected]
        await app.fast_forward(seconds=LEASE_SECONDS + 1)
        assert at_pagerduty(app) == []


async def test_a_page_that_arrives_after_the_acknowledgment_is_acknowledged_again(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        send = app.channels["pagerduty"].send

        async def slow(message: Message, contact: Contact) -> Outcome:
            app.channels["pagerduty"].send = send  # type: ignore[method-assign]
            await app.house.respond.take(person("bo"), message.incident_id)
            (claimed,) = [row for row in await app.house.deliver.claim() if row.channel == "pagerduty"]
            await app.house.deliver.deliver(claimed)
            return await send(message, contact)

        app.channels["pagerduty"].send = slow  # type: ignore[method-assign]
        receipt = await app.post_event(severity="P0")
        assert at_pagerduty(app) == ["acknowledge", "trigger", "acknowledge"]
        rows = [row for row in await app.pages_of(receipt.incident_id) if row.channel == "pagerduty"]
        assert {row.state for row in rows} == {DeliveryState.DELIVERED}


async def test_what_was_refused_for_good_has_no_alert_to_follow(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        app.channels["pagerduty"].answers[SERVICE] = [Rejected(reason="400 invalid routing key")]
        receipt = await app.post_event(severity="P0")
        await app.act("bo", receipt.incident_id, "take")
        await app.bring_to_the_end(receipt.incident_id)
        assert at_pagerduty(app) == []


async def test_a_silence_or_a_reopening_acknowledges_nothing(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        receipt = await app.post_event(severity="P0")
        await app.act("bo", receipt.incident_id, "take")
        await app.bring_to_the_end(receipt.incident_id)
        assert at_pagerduty(app) == ["trigger", "acknowledge", "resolve"]
        await app.act("bo", receipt.incident_id, "reopen")
        assert at_pagerduty(app) == []


async def test_who_is_paged_by_hand_while_somebody_has_it_is_really_paged(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        receipt = await app.post_event(severity="P0")
        await app.act("bo", receipt.incident_id, "take")
        at_pagerduty(app)
        target = Target(type=TargetType.USER, id="ana")
        assert receipt.incident_id is not None
        await app.house.respond.page(person("bo"), receipt.incident_id, [target], ["pagerduty"], "please look")
        await app.settle()
        assert at_pagerduty(app) == ["trigger"]


async def test_other_channels_hear_nothing_of_an_acknowledgment(tmp_path: Path) -> None:
    async with Story(tmp_path, town()) as app:
        receipt = await app.post_event(severity="P0")
        app.expect_page("ana", channel="webhook")
        await app.act("bo", receipt.incident_id, "take")
        app.expect_silence()


async def test_each_incident_has_a_key_of_its_own_that_stays(tmp_path: Path) -> None:
    async with Story(tmp_path, town(), keepers=KEEPERS) as app:
        first = await app.post_event(severity="P0")
        await app.post_event(severity="P0", resource={"type": "model", "id": "other"})
        keys = {page.message.incident_id: page.message.incident_key for page in app.pages if page.channel != "webhook"}
        assert len(set(keys.values())) == 2
        app.pages.clear()
        await app.restart()
        await app.bring_to_the_end(first.incident_id)
        (end,) = [page.message for page in app.pages if page.channel == "pagerduty"]
        assert end.incident_key == keys[end.incident_id]
        app.pages.clear()
