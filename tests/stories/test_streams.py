"""Events that come as a stream: answered as if each had come alone, made durable together, told to whoever watches."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.engine.accept import BatchReceipt, Receipt
from llm_incident_manager.engine.accept_stream import accept_messages
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import IncidentManagerError, Invalid, Unavailable
from tests.api.app import a_document
from tests.api.streaming import doors_of, heard, say
from tests.stories.app import Story, an_event, person

pytestmark = pytest.mark.requirement("ING-03")
SENDER = person("ana")


def body(story: Story, number: int, **fields: Any) -> bytes:
    return json.dumps(an_event(number, story.clock.now()) | fields).encode()


def seen(answer: Receipt | BatchReceipt | IncidentManagerError) -> Any:
    """Return what a sender is told, without the ids that differ from one story to the next."""
    if isinstance(answer, IncidentManagerError):
        return (answer.code, answer.message)
    if isinstance(answer, BatchReceipt):
        return [seen(each) for each in answer.results]
    if answer.refusal is not None:
        return (answer.refusal.code, answer.refusal.message)
    return (answer.status, answer.event_id, answer.incident_id)


async def test_messages_of_a_stream_are_answered_as_if_each_had_come_alone(tmp_path: Path) -> None:
    def messages(story: Story) -> list[bytes]:
        events = [body(story, number, title=f"Trouble {number % 3}") for number in range(8)]
        return [
            events[0],
            b"[" + b",".join([events[1], b"{}", events[1], events[2]]) + b"]",
            events[0],
            b"{not json",
            b"[]",
            body(story, 9, severity="enormous"),
            json.dumps({"batch_id": "b", "events": [json.loads(each) for each in events[2:6]], "count": 4}).encode(),
            b'{"events": [1, 2], "count": 3}',
            events[6],
            events[6],
        ]

    async with Story(tmp_path / "together") as together, Story(tmp_path / "alone") as alone:
        at_once = await accept_messages(together.house.intake, messages(together), SENDER)
        one_by_one: list[Any] = []
        for message in messages(alone):
            try:
                one_by_one.append(await alone.house.intake.accept_any(message, SENDER))
            except Invalid as refused:
                one_by_one.append(refused)
        assert [seen(each) for each in at_once] == [seen(each) for each in one_by_one]
        for story in (together, alone):
            await story.settle()
            letters, _, total = await story.store.read(
                "default", lambda tx: tx.dead_letters.page(limit=10, cursor=None)
            )
            assert total == 1, [letter.reason for letter in letters]
            story.pages.clear()
            page = await story.store.read("default", lambda tx: tx.incidents.search(IncidentFilter()))
            assert sorted((each.title, each.event_count) for each in page.incidents) == [
                ("Trouble 0", 3),
                ("Trouble 1", 2),
                ("Trouble 2", 2),
            ]


@pytest.mark.requirement("ING-08")
async def test_a_repeat_that_must_wait_refuses_nobody_else(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        first, repeat, new = (
            body(story, number, title=title) for number, title in ((1, "Old"), (2, "Old"), (3, "New"))
        )
        await story.house.intake.accept(first, SENDER)
        story.clock.advance(timedelta(seconds=11))
        refused, taken = await accept_messages(story.house.intake, [repeat, new], SENDER)
        assert seen(refused)[0] == "lagging"
        assert isinstance(refused, Receipt)
        assert isinstance(refused.refusal, Unavailable)
        assert refused.refusal.retry_after_seconds >= 1
        assert seen(taken)[0] == "accepted"
        await story.settle()
        story.pages.clear()


async def test_an_alert_from_a_stream_pages_whoever_must_know_once_and_shows_live(tmp_path: Path) -> None:
    async with doors_of(tmp_path) as doors:
        story = doors.api.story
        async with doors.connect("/ws/incidents") as watching, doors.connect() as agent:
            await say(watching, {"type": "subscribe", "filters": {"status": ["NEW", "ACKNOWLEDGED"]}})
            assert (await heard(watching))["type"] == "subscribed"
            alert = a_document(story) | {"type": "alert", "severity": "critical"}
            for number in range(5):
                await say(agent, alert | {"event_id": f"{alert['event_id']}-{number}"})
            acks = [await heard(agent) for _ in range(5)]
            assert len({ack["incident_id"] for ack in acks}) == 1
            await doors.told()
            page = story.expect_page("ana", "incident_created")
            story.expect_silence()
            opened = await heard(watching)
            assert opened["kind"] == "opened"
            assert page.message.incident_id == opened["incident"]["id"] == acks[0]["incident_id"]
            assert opened["incident"]["event_count"] == 5
            await story.act("ana", acks[0]["incident_id"], "take")
            await doors.told()
            changed = await heard(watching)
            assert (changed["kind"], changed["incident"]["assigned_to"]) == ("changed", "ana")


@pytest.mark.requirement("ING-08")
async def test_what_cannot_be_stored_is_said_of_each_event_with_the_time_to_wait(tmp_path: Path) -> None:
    async with doors_of(tmp_path) as doors, doors.connect() as connection:
        doors.api.story.journal.close()
        events = [a_document(doors.api.story) for _ in range(3)]
        await say(connection, events)
        await say(connection, events[0])
        answers = [await heard(connection) for _ in range(4)]
        assert [each["event_id"] for each in answers] == [each["event_id"] for each in [*events, events[0]]]
        assert {each["type"] for each in answers} == {"error"}
        assert all(each["retry_after_seconds"] >= 1 and each["message"] for each in answers)
        await say(connection, {"type": "heartbeat"})
        async with asyncio.timeout(20):
            assert await heard(connection) == {"type": "heartbeat"}
