"""Messages at their source's door: in order, signed where they must be, unpacked, of the right tenant."""

import gzip
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Invalid
from llm_incident_manager.sources.queues.headers import headers_of
from llm_incident_manager.sources.queues.messages import request_of
from llm_incident_manager.sources.queues.receive import NotYet, ReceiveQueued
from llm_incident_manager.sources.queues.spec import Message
from llm_incident_manager.sources.queues.taking import Taking
from llm_incident_manager.sources.receive import Chosen
from llm_incident_manager.sources.registry import source_specs
from tests.brokers import anomaly
from tests.stories.app import START, Story, plain

SPECS = source_specs(entries=())
MOST = 1_048_576
SECRET = "a-secret-of-theirs-0123"


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with Story(tmp_path, plain()) as story:
        yield story
        story.pages.clear()


async def take(story: Story, source: str, messages: Sequence[Message], tenant: str = "default") -> list[NotYet | None]:
    house = story.house
    taking = Taking(
        tenant,
        source,
        receive=ReceiveQueued(house.intake, house.source_acts),
        specs=SPECS,
        sources=lambda of: story.settings.of(of).sources,
        clock=story.clock,
        most_bytes=lambda: MOST,
    )
    found = await taking.take(messages)
    await story.settle()
    return found


async def statuses(story: Story, tenant: str = "default") -> list[tuple[str, int]]:
    page = await story.store.read(tenant, lambda tx: tx.incidents.search(IncidentFilter(limit=50)))
    return sorted((each.status.value, each.event_count) for each in page.incidents)


async def reasons(story: Story, tenant: str = "default") -> list[str]:
    letters, _, _ = await story.store.read(tenant, lambda tx: tx.dead_letters.page(limit=50, cursor=None))
    return [letter.reason for letter in letters]


def pagerduty(action: str) -> bytes:
    said = {"summary": "Answers are slow", "source": "chat", "severity": "critical"}
    return json.dumps({"routing_key": "x" * 32, "event_action": action, "dedup_key": "slow", "payload": said}).encode()


def numbered(bodies: Sequence[bytes]) -> list[Message]:
    return [Message(body=body, id=f"m-{number}") for number, body in enumerate(bodies)]


@pytest.mark.requirement("REL-03", "ING-05")
async def test_no_message_overtakes_another_and_all_of_them_may_come_again(story: Story) -> None:
    """PagerDuty's triggers carry neither id nor time: only the message says that it is the same."""
    await story.configure({"sources": [{"name": "pagerduty"}]})
    messages = numbered([pagerduty(each) for each in ("trigger", "acknowledge", "resolve", "trigger", "trigger")])
    found = await take(story, "pagerduty", messages)
    # The incident of the acknowledgment is not there yet: it waits, and so does what comes behind it.
    assert [answer is None for answer in found] == [True, False, False, False, False]
    assert await take(story, "pagerduty", messages[1:]) == [None] * 4
    await story.fast_forward(seconds=2)
    first = await statuses(story)
    assert [status for status, _ in first] == ["NEW", "RESOLVED"]
    await story.fast_forward(minutes=2)
    assert await take(story, "pagerduty", messages) == [None] * 5
    await story.fast_forward(seconds=2)
    assert await statuses(story) == first
    assert await reasons(story) == []


@pytest.mark.requirement("SEC-02")
async def test_a_message_that_is_not_signed_as_the_settings_say_is_a_dead_letter(story: Story) -> None:
    await story.configure({"sources": [{"name": "sentinel", "signing_secret": SECRET}]})
    body = anomaly(1)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    signed = Message(body=body, headers={"x-sentinel-signature": signature})
    unsigned, wrong = Message(body=anomaly(2)), Message(body=anomaly(3), headers={"x-sentinel-signature": signature})
    assert await take(story, "sentinel", [unsigned, signed, wrong]) == [None, None, None]
    assert await statuses(story) == [("NEW", 1)]
    told = await reasons(story)
    assert len(told) == 2
    assert any("the header x-sentinel-signature is missing" in reason for reason in told)


@pytest.mark.requirement("SEC-05")
async def test_what_the_source_redacts_is_in_no_event_and_no_dead_letter(story: Story) -> None:
    await story.configure({"sources": [{"name": "sentinel", "redact": ["emails"]}]})
    good = anomaly(1, root_cause="ana@example.com waits for answers")
    await take(story, "sentinel", [Message(body=good), Message(body=b'{"unknown": "ana@example.com"}')])
    letters, _, _ = await story.store.read("default", lambda tx: tx.dead_letters.page(limit=9, cursor=None))
    page = await story.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(limit=9)))
    assert "waits for answers" in page.incidents[0].description
    assert "ana@example.com" not in page.incidents[0].description
    assert b"ana@example.com" not in letters[0].body


@pytest.mark.requirement("SEC-01")
async def test_a_queue_s_events_are_those_of_its_tenant_only(story: Story) -> None:
    await story.configure({"sources": [{"name": "sentinel"}]}, tenant="acme")
    await take(story, "sentinel", [Message(body=anomaly(1, tags={"tenant_id": "default"}))], tenant="acme")
    assert await statuses(story, "acme") == [("NEW", 1)]
    assert await statuses(story) == []


def chosen(name: str, settings: SourceSettings | None = None) -> Chosen:
    return Chosen(spec=SPECS[name], source=name, settings=settings)


def asked(body: bytes, headers: Mapping[str, str]) -> Any:
    message = Message(body=body, headers=headers)
    return request_of(message, chosen("sentinel"), sender="queue:sentinel", now=START, most_bytes=1000)


@pytest.mark.requirement("ING-01")
def test_gzip_is_unpacked_as_far_as_a_message_may_be_large() -> None:
    packed = {"content-encoding": "gzip"}
    assert asked(gzip.compress(b"{}"), packed).body == b"{}"
    for body, said in (
        (gzip.compress(b"x" * 1_000_000), "at most 1,000 are taken"),
        (b"no gzip", "says that it is gzip and is not"),
        (gzip.compress(b"{}")[:-9], "ends too early"),
    ):
        with pytest.raises(Invalid) as refused:
            asked(body, packed)
        assert said in refused.value.message


def test_cloudevents_attributes_are_those_of_a_request_whatever_the_broker_calls_them() -> None:
    pairs = [
        ("cloudEvents:type", "a"),
        ("cloudEvents_source", "b"),
        ("ce_id", b"c"),
        ("ce-time", "d"),
        ("N", 7),
        ("x", {}),
    ]
    assert headers_of(pairs) == {"ce-type": "a", "ce-source": "b", "ce-id": "c", "ce-time": "d", "n": "7"}


@pytest.mark.requirement("ING-12")
async def test_a_cloudevent_in_binary_mode_is_read(story: Story) -> None:
    await story.configure({"sources": [{"name": "cloudevents"}]})
    said = {"cloudEvents_specversion": "1.0", "cloudEvents_id": "1", "cloudEvents_source": "/chat"}
    headers = headers_of(
        {**said, "cloudEvents_type": "com.example.model.failed", "content-type": "application/json"}.items()
    )
    assert await take(story, "cloudevents", [Message(body=b'{"title": "The model fails"}', headers=headers)]) == [None]
    assert await statuses(story) == [("NEW", 1)]
    assert await reasons(story) == []
