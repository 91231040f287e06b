"""Races: what happens at once on one node, and on two nodes over one database, happens once (REL-02, ING-03)."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_incident_manager.app.house import House
from llm_incident_manager.bus.memory import MemoryBus
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Outcome
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.vocabulary import ActorType, NotificationType, Scope, Status
from llm_incident_manager.engine.accept import Receipt
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.ids import IncidentNumbers
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.storage.store import SqlStore
from tests.contract.stores import Opener
from tests.stories.app import ROUTE, TEAM, USERS, an_event, items

T = "default"
AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
FIRST_NUMBER_OF_THE_SECOND_NODE = 50_000
SENDER = Caller(
    tenant=T,
    actor=Actor(type=ActorType.INTEGRATION, id="sender", name="Sender"),
    scopes=frozenset({Scope.INGEST}),
    key_id="key-sender",
)


@pytest.fixture(params=["sqlite-file", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    """Databases that several threads, or several nodes, share."""
    kind: str = request.param
    return kind


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(AT)


class Postbox:
    """A channel that all nodes share; it gives way before it answers, so that others get in between."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message, contact: Contact) -> Outcome:
        await asyncio.sleep(0)
        self.messages.append(message)
        return Delivered(receipt=str(len(self.messages)))

    def destination(self, contact: Contact) -> str:
        return contact.address

    def kinds(self) -> Counter[NotificationType]:
        return Counter(message.type for message in self.messages)


class Node:
    """One node: a journal and a memory of its own, over a store that others have opened too."""

    def __init__(self, store: SqlStore, journal: Journal, clock: ManualClock, postbox: Postbox, number: int) -> None:
        self.store = store
        numbers = IncidentNumbers()
        numbers.seen(f"INC-{AT:%Y%m%d}-{number * FIRST_NUMBER_OF_THE_SECOND_NODE:05d}")
        self.house = House(
            store=store,
            journal=journal,
            channels={"webhook": postbox},
            bus=MemoryBus(),
            clock=clock,
            settings=SettingsMemory(),
            render=renderer("https://incidents.example.com"),
            numbers=numbers,
            jitter=random.Random(number).random,
        )

    async def post(self, number: int, **fields: Any) -> Receipt:
        document = an_event(number, AT) | fields
        return await self.house.intake.accept(msgspec.json.encode(document), SENDER)

    async def settle(self) -> None:
        """Run every step until this node finds nothing due."""
        while (
            await self.house.triage.run_once()
            + await self.house.timers.run_due()
            + await self.house.deliver.deliver_due()
            + await self.house.relay.run_once()
        ):
            pass

    async def incident(self, incident_id: str | None) -> Incident:
        assert incident_id is not None
        return await self.store.read(T, lambda tx: tx.incidents.get(incident_id))

    async def told(self, incident_id: str) -> list[Notification]:
        return await self.store.read(T, lambda tx: tx.notifications.of_incident(incident_id))


Starter = Callable[[int], Node]


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def starter(opener: Opener, clock: ManualClock, postbox: Postbox, tmp_path: Path) -> Iterator[Starter]:
    """Starts the node of that number; its journal is closed after the test."""
    with ExitStack() as stack:

        def start(number: int) -> Node:
            journal = Journal.open(tmp_path / f"journal-{number}", clock=clock)
            stack.callback(journal.close)
            return Node(opener(), journal, clock, postbox, number)

        yield start


async def running(starter: Starter, count: int) -> list[Node]:
    nodes = [starter(number) for number in range(count)]
    made = items({"users": USERS, "teams": [TEAM], "routes": [ROUTE]}, AT)
    await nodes[0].store.transact(T, lambda tx: [tx.configuration.put(item) for item in made])
    for node in nodes:
        await node.house.recall()
        await node.house.warm()
    return nodes


async def settled(nodes: list[Node]) -> None:
    """Every node works until nobody finds anything due."""
    for _ in range(2):
        await asyncio.gather(*(node.settle() for node in nodes))


@pytest.mark.requirement("ING-03")
@pytest.mark.parametrize("count", [1, 2], ids=["one node", "two nodes"])
async def test_first_events_at_once_make_one_incident_and_one_page(
    starter: Starter, postbox: Postbox, count: int
) -> None:
    nodes = await running(starter, count)
    receipts = await asyncio.gather(*(nodes[number % count].post(number) for number in range(64)))
    assert {receipt.status for receipt in receipts} == {"accepted"}
    await settled(nodes)
    found = {(await node.incident(receipt.incident_id)).id for receipt in receipts for node in nodes}
    assert len(found) == 1
    incident = await nodes[0].incident(found.pop())
    assert (incident.event_count, incident.status) == (64, Status.NEW)
    assert len({receipt.incident_id for receipt in receipts}) == count  # the loser's id is an alias
    assert postbox.kinds() == {NotificationType.INCIDENT_CREATED: 1}
    assert [row.state for row in await nodes[0].told(incident.id)] == [DeliveryState.DELIVERED]
    every = await nodes[0].store.read(T, lambda tx: tx.incidents.counts())
    assert every["status"] == {"NEW": 1}


@pytest.mark.requirement("ING-03")
async def test_the_same_event_sent_to_two_nodes_is_counted_once(starter: Starter, postbox: Postbox) -> None:
    nodes = await running(starter, 2)
    receipts = await asyncio.gather(*(nodes[number % 2].post(number // 2) for number in range(64)))
    await settled(nodes)
    incidents = [await nodes[0].incident(receipt.incident_id) for receipt in receipts]
    assert {(each.id, each.event_count) for each in incidents} == {(incidents[0].id, 32)}
    assert postbox.kinds() == {NotificationType.INCIDENT_CREATED: 1}


@pytest.mark.requirement("ING-03")
async def test_many_fingerprints_on_two_nodes_open_one_incident_each(starter: Starter, postbox: Postbox) -> None:
    nodes = await running(starter, 2)
    fingerprints = [{"type": "endpoint", "id": f"ep-{number % 20}"} for number in range(200)]
    shuffled = random.Random(3).sample(range(200), 200)
    posted = (nodes[place % 2].post(number, resource=fingerprints[number]) for place, number in enumerate(shuffled))
    receipts = dict(zip(shuffled, await asyncio.gather(*posted), strict=True))
    await settled(nodes)
    by_resource: dict[str, set[str]] = {}
    for number, receipt in receipts.items():
        incident = await nodes[1].incident(receipt.incident_id)
        assert (incident.resource.id, incident.event_count) == (fingerprints[number]["id"], 10)
        by_resource.setdefault(incident.resource.id, set()).add(incident.id)
    assert [len(ids) for ids in by_resource.values()] == [1] * 20
    assert postbox.kinds() == {NotificationType.INCIDENT_CREATED: 20}


@pytest.mark.requirement("RTE-05")
async def test_two_schedulers_fire_each_timer_once(starter: Starter, postbox: Postbox, clock: ManualClock) -> None:
    nodes = await running(starter, 2)
    for number in range(30):
        await nodes[0].post(number, resource={"type": "endpoint", "id": f"ep-{number}"})
    await settled(nodes)
    clock.advance(timedelta(seconds=300))
    while sum(await asyncio.gather(*(node.house.timers.run_due(limit=7) for node in nodes))):
        pass
    await settled(nodes)
    assert postbox.kinds() == {NotificationType.INCIDENT_CREATED: 30, NotificationType.ESCALATED: 30}
    assert set(Counter(message.incident_id for message in postbox.messages).values()) == {2}


@pytest.mark.requirement("NTF-03")
async def test_two_senders_send_each_page_once(starter: Starter, postbox: Postbox) -> None:
    nodes = await running(starter, 2)
    for number in range(60):
        await nodes[0].post(number, resource={"type": "endpoint", "id": f"ep-{number}"})
    await nodes[0].house.triage.run_once()
    while sum(await asyncio.gather(*(node.house.deliver.deliver_due(limit=9) for node in nodes))):
        pass
    assert len(postbox.messages) == 60
    assert len({message.notification_id for message in postbox.messages}) == 60


@pytest.mark.requirement("REL-03")
async def test_people_who_act_at_once_on_two_nodes_move_the_incident_once(starter: Starter) -> None:
    nodes = await running(starter, 2)
    receipt = await nodes[0].post(1)
    await settled(nodes)
    incident_id = receipt.incident_id
    assert incident_id is not None
    people = [
        Caller(
            tenant=T,
            actor=Actor(type=ActorType.USER, id=name, name=name.title()),
            scopes=frozenset({Scope.RESPOND}),
            key_id=f"key-{name}",
        )
        for name in ("ana", "bo", "lead", "boss")
    ]
    await asyncio.gather(*(nodes[number % 2].house.respond.take(who, incident_id) for number, who in enumerate(people)))
    incident = await nodes[0].incident(incident_id)
    assert incident.status is Status.ACKNOWLEDGED
    stored = await nodes[0].store.read(T, lambda tx: tx.incidents.changes(incident_id))
    assert [each.version for each in stored] == list(range(1, incident.version + 1))
