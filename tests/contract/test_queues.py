"""What reading a queue of others promises, on every broker that is here, over the real engine.

Nothing is acknowledged before it is durable, nothing counts twice, nothing goes round for ever.
"""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.app.queues import QueueReaders
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Forbidden
from llm_incident_manager.sources.queues.reader import QueueReader
from tests import brokers
from tests.brokers import Broker, anomaly
from tests.stories.app import Story, plain

STEPS = 60
"""A step waits at most a second for the broker; a test that needs more of them is stuck."""
REDELIVERING = [kind for kind, broker in brokers.ALL.items() if broker.redelivers]


@pytest.fixture(params=list(brokers.ALL))
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    try:
        async with brokers.opened(request.param) as found:
            yield found
    except brokers.Absent as absent:
        pytest.skip(str(absent))


redelivering = pytest.mark.parametrize("broker", REDELIVERING, indirect=True)


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with Story(tmp_path, plain()) as story:
        yield story
        story.pages.clear()


async def nowhere_refused(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


class Night:
    """Sources with queues, and their readers, stepped by hand."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story = story
        self._folder = folder
        self._nodes = 0

    async def reads(self, queue: dict[str, Any], source: str = "sentinel", **settings: Any) -> QueueReader:
        """Set a source up and return a reader of it, on a node of its own."""
        await self.story.configure({"sources": [{"name": source, "mode": "queue", "queue": queue, **settings}]})
        return self.another(source)

    def another(self, source: str = "sentinel", *, node: int | None = None) -> QueueReader:
        """Return a reader on another node, or on one that was there before."""
        self._nodes = self._nodes if node is not None else self._nodes + 1
        folder = self._folder / f"node-{node or self._nodes}"
        folder.mkdir(exist_ok=True)
        readers = QueueReaders(self.story.house, addresses=nowhere_refused, data_dir=folder)
        settings = self.story.settings.of("default").sources[source].queue
        assert settings is not None
        return readers.reader_of(("default", source), settings)

    async def incidents(self) -> dict[str, int]:
        """Return how often events of each resource were counted."""
        await self.story.settle()
        await self.story.fast_forward(seconds=2)
        page = await self.story.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(limit=200)))
        return {each.resource.id: each.event_count for each in page.incidents}

    async def letters(self) -> list[str]:
        """Return the reasons of the dead letters."""
        found, _, _ = await self.story.store.read("default", lambda tx: tx.dead_letters.page(limit=200, cursor=None))
        return [letter.reason for letter in found]


@pytest.fixture
def night(story: Story, tmp_path: Path) -> Night:
    return Night(story, tmp_path)


async def taken(*readers: QueueReader, number: int) -> None:
    """Step until so many messages are done with."""
    for _ in range(STEPS):
        for reader in readers:
            await reader.step()
        if sum(reader.condition.taken for reader in readers) >= number:
            return
    raise AssertionError([reader.condition for reader in readers])


async def drained(broker: Broker) -> None:
    """Wait until the broker has heard that all is done with."""
    for _ in range(200):
        if await broker.left() == 0:
            return
    raise AssertionError(f"{await broker.left()} messages are not acknowledged")


@pytest.mark.requirement("ING-10", "ING-11")
async def test_what_a_queue_holds_becomes_incidents_and_is_acknowledged(broker: Broker, night: Night) -> None:
    reader = await night.reads(broker.queue)
    await reader.step()  # connected: core NATS delivers only to who listens already
    for number in (1, 2, 3):
        await broker.publish(anomaly(number), message_id=f"m-{number}")
    await taken(reader, number=3)
    assert await night.incidents() == {"chat-1": 1, "chat-2": 1, "chat-3": 1}
    assert [page.message.incident_id for page in night.story.pages] == [
        f"INC-20261102-0000{number}" for number in (1, 2, 3)
    ]
    first = await night.story.incident("INC-20261102-00001")
    assert (first.title, first.severity, first.category) == ("Latency spike in chat-1 (gpt-4)", "P0", "performance")
    await drained(broker)
    assert reader.condition.connected
    assert reader.condition.last_success is not None
    await reader.close()


@pytest.mark.requirement("ING-09")
async def test_what_can_never_be_taken_is_a_dead_letter_and_holds_nothing_up(broker: Broker, night: Night) -> None:
    reader = await night.reads(broker.queue)
    await reader.step()
    for body in (b"no JSON", b"no JSON", json.dumps({"unknown": "shape"}).encode(), b"x" * 2_000_000, anomaly(1)):
        if len(body) > 1_000_000 and broker.kind in ("nats", "nats-core", "kafka"):
            continue  # these brokers take no message of that size
        await broker.publish(body)
    await taken(reader, number=4)
    assert await night.incidents() == {"chat-1": 1}
    reasons = await night.letters()
    assert sum("not JSON" in reason for reason in reasons) == 1  # twice the same is one letter
    assert sum("nothing that LLM-Sentinel sends" in reason for reason in reasons) == 1
    await drained(broker)
    await reader.close()


@pytest.mark.requirement("ING-09", "REL-04")
async def test_a_message_that_is_too_large_is_kept_in_part(night: Night) -> None:
    async with brokers.opened("redis") as broker:
        reader = await night.reads(broker.queue)
        await broker.publish(b"x" * 2_000_000)
        await taken(reader, number=1)
        (letter,), _, _ = await night.story.store.read("default", lambda tx: tx.dead_letters.page(limit=9, cursor=None))
        assert letter.reason == "the message holds 2,000,000 bytes; at most 1,048,576 are taken (limits.body_bytes)"
        assert len(letter.body) == 65_536
        await drained(broker)
        await reader.close()


@redelivering
@pytest.mark.requirement("ING-05", "REL-03")
async def test_what_was_not_acknowledged_comes_again_and_counts_once(broker: Broker, night: Night) -> None:
    """The node ends between the journal and the acknowledgment; nothing in the payload names the event."""
    mapping = {"fields": {"title": "what", "resource_id": "where"}}
    reader = await night.reads(broker.queue, source="ci", mapping=mapping)
    for where in ("a", "b"):
        await broker.publish(json.dumps({"what": "It is broken", "where": where}).encode(), message_id=f"m-{where}")
    await _takes_and_dies(reader, number=2)
    again = night.another("ci", node=1)
    await taken(again, number=2)
    assert await night.incidents() == {"a": 1, "b": 1}
    await drained(broker)
    await again.close()


async def _takes_and_dies(reader: QueueReader, *, number: int) -> None:
    """Take messages durably and acknowledge none, as ``kill -9`` leaves it."""

    class Silent:
        """The connection of a process that ends before its acknowledgments leave."""

        def __init__(self, connection: Any) -> None:
            self._connection = connection

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

        async def done(self, messages: object) -> None:
            return

    connect = reader._open

    async def silent() -> Any:
        return Silent(await connect())

    reader._open = silent
    await taken(reader, number=number)
    await reader.close()


@redelivering
@pytest.mark.requirement("REL-03")
async def test_what_a_dead_node_held_is_given_to_another(broker: Broker, night: Night) -> None:
    first = await night.reads(broker.queue)
    await broker.publish(anomaly(1), message_id="m-1")
    await _takes_and_dies(first, number=1)
    second = night.another()
    await taken(second, number=1)
    assert await night.incidents() == {"chat-1": 1}
    await drained(broker)
    await second.close()


@pytest.mark.requirement("ING-06", "ING-08")
async def test_over_the_rate_nothing_is_acknowledged_and_nothing_lost(broker: Broker, night: Night) -> None:
    reader = await night.reads(broker.queue, events_per_minute=10)
    await reader.step()
    for number in range(14):
        await broker.publish(anomaly(number), message_id=f"m-{number}")
    rests = [rest for _ in range(14) if (rest := await reader.step())]
    assert reader.condition.taken == 11  # ten, and a reserve of a tenth for new problems
    assert "10 events in a minute" in str(reader.condition.fault)
    assert all(0 < rest <= 10 for rest in rests)
    if broker.kind != "rabbitmq":  # which tells only of what nobody holds
        assert await broker.left() >= 3 * broker.redelivers
    for _ in range(STEPS):
        await night.story.fast_forward(seconds=await reader.step())
        if reader.condition.taken == 14:
            break
    assert await night.incidents() == {f"chat-{number}": 1 for number in range(14)}
    assert reader.condition.fault is None
    await drained(broker)
    await reader.close()


@pytest.mark.requirement("REL-03")
async def test_several_nodes_share_the_work(broker: Broker, night: Night) -> None:
    queue = broker.queue | {"prefetch": 2}
    readers = [await night.reads(queue), night.another()]
    if broker.kind == "kafka":
        readers = readers[:1]  # the mock's topic has one partition, which is one node's
    for reader in readers:
        await reader.step()
    for number in range(12):
        await broker.publish(anomaly(number), message_id=f"m-{number}")
    await taken(*readers, number=12)
    assert await night.incidents() == {f"chat-{number}": 1 for number in range(12)}
    assert all(reader.condition.taken for reader in readers)
    await drained(broker)
    for reader in readers:
        await reader.close()


@pytest.mark.requirement("REL-02")
@pytest.mark.parametrize(
    "queue",
    [
        {"url": "amqp://guest:sesame-7@127.0.0.1:9/", "exchange": "sentinel.alerts"},
        {"url": "nats://guest:sesame-7@127.0.0.1:9", "stream": "ALERTS"},
        {"url": "redis://guest:sesame-7@127.0.0.1:9", "stream": "alerts"},
        {"url": "kafka://guest:sesame-7@127.0.0.1:9", "topic": "alerts"},
    ],
    ids=["rabbitmq", "nats", "redis", "kafka"],
)
async def test_a_broker_that_is_away_is_told_and_tried_again_ever_more_rarely(
    night: Night, queue: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_incident_manager.sources.queues.kafka.CONNECT_SECONDS", 0.5)
    reader = await night.reads(queue)
    rests = [await reader.step() for _ in range(3)]
    assert 1 <= rests[0] <= 1.3
    assert 2 <= rests[1] <= 2.6
    assert 4 <= rests[2] <= 5.2
    assert not reader.condition.connected
    assert "127.0.0.1:9" in str(reader.condition.fault)
    assert "sesame" not in str(reader.condition.fault)


@pytest.mark.requirement("SEC-05")
async def test_an_address_that_may_not_be_reached_is_not_connected_to(night: Night, tmp_path: Path) -> None:
    async def refused(host: str, port: int) -> Sequence[str]:
        raise Forbidden(f"{host} is in a private network; allow it under outgoing.allow", code="outgoing_refused")

    await night.reads({"url": "redis://10.0.0.1", "stream": "alerts"})
    readers = QueueReaders(night.story.house, addresses=refused, data_dir=tmp_path)
    settings = night.story.settings.of("default").sources["sentinel"].queue
    assert settings is not None
    reader = readers.reader_of(("default", "sentinel"), settings)
    assert await reader.step() > 0
    assert reader.condition.fault == "10.0.0.1 is in a private network; allow it under outgoing.allow"
