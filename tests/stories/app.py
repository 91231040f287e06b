"""The whole engine with its own clock: ``post_event``, ``fast_forward``, ``expect_page``; an unexpected page fails."""

import os
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from llm_incident_manager.app.house import House
from llm_incident_manager.app.waiting_records import WaitingRecords
from llm_incident_manager.bus.memory import MemoryBus
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.escalation.timer import Timer
from llm_incident_manager.domain.incidents.changes import ChangeSet
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Outcome
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.vocabulary import Action, ActorType, Scope
from llm_incident_manager.engine.accept import Receipt
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.keyring import Keyring
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.page_answers import Answers
from llm_incident_manager.engine.page_tokens import PageTokens
from llm_incident_manager.engine.rows import ConfigurationItem
from llm_incident_manager.engine.sealing import Sealing
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.ids import CountingIds, IncidentNumbers
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.storage.store import open_store

STORE_URL = "LIM_TEST_STORY_URL"
PUBLIC_URL = "https://incidents.example.com"
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

USERS: list[dict[str, Any]] = [
    {"id": name, "name": name.title(), "contacts": {"webhook": f"https://pages.example.com/{name}"}}
    for name in ("ana", "bo", "lead", "boss")
]
TEAM: dict[str, Any] = {
    "id": "platform",
    "name": "Platform",
    "members": ["ana"],
    "escalation": {
        "2": [{"type": "user", "id": "bo"}],
        "3": [{"type": "user", "id": "lead"}],
        "manager": [{"type": "user", "id": "boss"}],
    },
}
ROUTE: dict[str, Any] = {"name": "everything", "priority": 0, "conditions": {}, "assign": {"team": "platform"}}


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page as it arrived."""

    to: str
    channel: str
    message: Message
    at: datetime


class RecordingChannel:
    """A channel that keeps what it was handed; ``answers`` decide what it says back, by recipient's address ending."""

    def __init__(self, name: str, story: "Story") -> None:
        self.name = name
        self._story = story
        self.answers: dict[str, list[Outcome]] = {}

    async def send(self, message: Message, contact: Contact) -> Outcome:
        to = contact.address.rsplit("/", 1)[-1].split("@")[0]
        planned = self.answers.get(to)
        outcome: Outcome = planned.pop(0) if planned else Delivered(receipt=f"r-{message.notification_id}")
        if isinstance(outcome, Delivered):
            page = Page(to=to, channel=self.name, message=message, at=self._story.clock.now())
            self._story.pages.append(page)
        return outcome

    def destination(self, contact: Contact) -> str:
        return contact.address


def person(name: str, tenant: str = "default") -> Caller:
    """Return a person who may do everything in the tenant."""
    actor = Actor(type=ActorType.USER, id=name, name=name.title())
    return Caller(tenant=tenant, actor=actor, scopes=frozenset({Scope.ADMIN}), key_id=f"key-{name}")


def items(documents: Mapping[str, Sequence[dict[str, Any]]], at: datetime) -> list[ConfigurationItem]:
    """Return configuration items of documents by kind; routes are named, everything else has an id."""
    return [
        ConfigurationItem(
            kind=kind,
            id=str(document.get("id") or document.get("name") or kind),
            document=document,
            created_at=at,
            updated_at=at,
        )
        for kind, several in documents.items()
        for document in several
    ]


class Story:
    """One story in one process; use it as an async context manager.

    ``keepers`` are further channels, which keep an alert of each incident. ``store_url`` names an empty database with
    its schema; without it the environment does (see ``conftest.py``), else the story has one of its own in memory.
    """

    def __init__(
        self,
        folder: Path,
        configuration: Mapping[str, Sequence[dict[str, Any]]] | None = None,
        *,
        store_url: str | None = None,
        keepers: Sequence[str] = (),
        journal_bytes: int = 1024**3,
        channels: Sequence[str] = ("email", "slack", "webhook"),
        keys: Keyring | None = None,
    ) -> None:
        self.sealing = Sealing(keys)
        self._journal_bytes = journal_bytes
        self._channels = channels
        self.clock = ManualClock(START)
        self.tokens = PageTokens("the key of the stories")
        self.pages: list[Page] = []
        self._folder = folder
        self._configuration = configuration if configuration is not None else plain()
        self._store_url = store_url or os.environ.get(STORE_URL, "sqlite://")
        self._keepers = frozenset(keepers)
        self._count = 0

    async def __aenter__(self) -> "Story":
        self.store = open_store(self._store_url, clock=self.clock, inline=True)
        self.settings = SettingsMemory()
        self.channels = {name: RecordingChannel(name, self) for name in (*self._channels, *self._keepers)}
        self.ids = CountingIds()
        await self.configure(self._configuration)
        await self.boot()
        return self

    async def __aexit__(self, kind: object, *rest: object) -> None:
        self.journal.close()
        await self.store.close()
        if kind is None:
            assert not self.pages, f"unexpected pages: {[(page.to, page.message.type.value) for page in self.pages]}"

    async def boot(self) -> None:
        """Start the process (again): only the journal and the store are what they were."""
        numbers = IncidentNumbers()
        waiting = WaitingRecords(numbers)
        self.journal = Journal.open(
            self._folder / "journal", clock=self.clock, seen=waiting.remember, max_bytes=self._journal_bytes
        )
        self.house = House(
            store=self.store,
            journal=self.journal,
            channels=self.channels,
            bus=MemoryBus(),
            clock=self.clock,
            settings=self.settings,
            ids=self.ids,
            render=renderer(PUBLIC_URL, self.tokens),
            numbers=numbers,
            jitter=random.Random(7).random,
            sealing=self.sealing,
            alert_keepers=self._keepers,
        )
        self.answers = Answers(self.store, self.house.context, self.settings.tenants, self.tokens, self.house.committed)
        await self.house.recall()
        waiting.recall(self.house)
        await self.house.warm()

    async def restart(self) -> None:
        """Stop and start the process."""
        self.journal.close()
        await self.boot()

    async def configure(self, documents: Mapping[str, Sequence[dict[str, Any]]], tenant: str = "default") -> None:
        """Add configuration documents by kind."""
        made = items(documents, self.clock.now())
        await self.store.transact(tenant, lambda tx: [tx.configuration.put(item) for item in made])
        await self.settings.refresh(self.store)

    async def post_event(self, *, by: Caller | None = None, settle: bool = True, **fields: Any) -> Receipt:
        """Post an event as a source would; what is not named gets a sensible value."""
        self._count += 1
        document = an_event(self._count, self.clock.now()) | fields
        receipt = await self.house.intake.accept(msgspec.json.encode(document), by or person("sender"))
        if settle:
            await self.settle()
        return receipt

    async def settle(self) -> None:
        """Run every step until nothing is due now."""
        for _ in range(400):
            done = await self.house.triage.run_once()
            done += await self.house.timers.run_due()
            done += await self.house.deliver.deliver_due()
            done += await self.house.relay.run_once()
            if not done:
                return
        raise AssertionError("the engine does not come to rest")

    async def outage(self, *, hours: float) -> None:
        """Let the process be away for that long, then start it."""
        self.journal.close()
        self.clock.advance(timedelta(hours=hours))
        await self.boot()
        await self.settle()

    async def fast_forward(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Move time, stopping at every instant at which something is due."""
        target = self.clock.now() + timedelta(minutes=minutes, seconds=seconds)
        await self.settle()
        while True:
            due = await self.store.system_read(lambda tx: (tx.next_timer_at(), tx.next_notification_at()))
            instants = [instant for instant in due if instant is not None and instant <= target]
            soonest = min(instants, default=None)
            if soonest is None:
                break
            self.clock.advance(max(soonest - self.clock.now(), timedelta(milliseconds=1)))
            await self.settle()
            if self.journal.depth():
                # Repeats are folded once a second.
                self.clock.advance(timedelta(seconds=1))
                await self.settle()
        if target > self.clock.now():
            self.clock.advance(target - self.clock.now())
        await self.settle()

    def expect_page(self, to: str, kind: str | None = None, channel: str | None = None) -> Page:
        """Take one page to ``to`` off the list; fails if there is none."""
        for page in self.pages:
            if page.to == to and kind in (None, page.message.type.value) and channel in (None, page.channel):
                self.pages.remove(page)
                return page
        seen = [(page.to, page.message.type.value, page.channel) for page in self.pages]
        raise AssertionError(f"no page to {to} ({kind}, {channel}); there are {seen}")

    def expect_silence(self) -> None:
        """Fails if a page arrived that was not expected."""
        assert not self.pages, [(page.to, page.message.type.value) for page in self.pages]

    async def incident(self, incident_id: str | None, tenant: str = "default") -> Incident:
        """Return the incident as stored."""
        assert incident_id is not None
        return await self.store.read(tenant, lambda tx: tx.incidents.get(incident_id))

    async def history(self, incident_id: str, tenant: str = "default") -> list[ChangeSet]:
        """Return its change sets."""
        stored = await self.store.read(tenant, lambda tx: tx.incidents.changes(incident_id))
        return [each.changes() for each in stored]

    async def pages_of(self, incident_id: str | None, tenant: str = "default") -> list[Notification]:
        """Return the page ledger of the incident."""
        assert incident_id is not None
        return await self.store.read(tenant, lambda tx: tx.notifications.of_incident(incident_id))

    async def timers_of(self, incident_id: str | None, tenant: str = "default") -> list[Timer]:
        """Return what the incident waits for, by kind."""
        assert incident_id is not None
        found = await self.store.read(tenant, lambda tx: tx.timers.of_incident(incident_id))
        return sorted(found, key=lambda timer: timer.kind)

    async def bring_to(self, incident_id: str | None, status: str, who: str = "ana") -> None:
        """Take the incident to ``status`` by people's actions, and forget the pages on the way."""
        ways = {
            "NEW": (), "ACKNOWLEDGED": ("acknowledge",), "IN_PROGRESS": ("acknowledge", "start_work"),
            "ESCALATED": ("escalate",), "RESOLVED": ("acknowledge", "start_work", "resolve"),
            "CLOSED": ("acknowledge", "start_work", "resolve", "close"),
        }  # fmt: skip
        for action in ways[status]:
            await self.act(who, incident_id, action)
        self.pages.clear()

    async def bring_to_the_end(self, incident_id: str | None, who: str = "bo") -> None:
        """Resolve the incident by the legal steps; the pages on the way stay."""
        assert incident_id is not None
        await self.house.respond.resolve(person(who), incident_id, ResolutionGiven(), walk=True)
        await self.settle()

    def told(self) -> list[str]:
        """Return who was paged since the last look, sorted, and forget it."""
        names = sorted(page.to for page in self.pages)
        self.pages.clear()
        return names

    async def act(self, who: str, incident_id: str | None, action: str) -> Incident:
        """Do one of §4.2's actions, or ``take``."""
        assert incident_id is not None
        if action == "take":
            after = await self.house.respond.take(person(who), incident_id)
        else:
            after = await self.house.respond.act(person(who), incident_id, Action(action))
        await self.settle()
        return after


def plain() -> dict[str, list[dict[str, Any]]]:
    """Return a tenant without policies: §4.3's table rules."""
    return {"users": USERS, "teams": [TEAM], "routes": [ROUTE]}


def an_event(number: int, at: datetime) -> dict[str, Any]:
    """Return an event document of specification §6.1's shape."""
    return {
        "event_id": f"evt-{number}",
        "source": "llm-sentinel",
        "timestamp": at.isoformat(),
        "event_type": "anomaly",
        "category": "performance",
        "title": "Latency Spike Detected",
        "severity": "critical",
        "resource": {"type": "endpoint", "id": "ep-chat-completion", "name": "/v1/chat/completions"},
    }
