"""One seed, one run: the whole engine in one process that dies and comes back, under a clock of its own.

Everything random is drawn from the seed, in one thread, so that a seed replays. Tasks of one round interleave at each
touch of the outside.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from llm_incident_manager.app.house import House
from llm_incident_manager.app.waiting_records import WaitingRecords
from llm_incident_manager.bus.memory import MemoryBus
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import Action, TargetType
from llm_incident_manager.engine.accept import Receipt
from llm_incident_manager.errors import Conflict, Forbidden, Invalid, NotFound, RateLimited, StaleVersion, Unavailable
from llm_incident_manager.ids import CountingIds, IncidentNumbers
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.storage.schema import SCHEMA
from llm_incident_manager.storage.store import SqlStore, open_store
from tests.simulator.disk import MemoryDisk
from tests.simulator.muting import Muting
from tests.simulator.town import CHANNELS, PEOPLE, TENANTS, caller, pages_wait, rendered
from tests.simulator.trouble import Crash, Life, SentPage, Trouble, TroubledChannel, TroubledJournal, TroubledStore
from tests.stories.app import START

FOLDER = Path("/journal")
ROUNDS = (5, 30)
REFUSALS = (Conflict, Forbidden, Invalid, NotFound, RateLimited, StaleVersion, Unavailable)
"""What the product answers on purpose: a caller, or a loop, lives with it."""


class Sent(msgspec.Struct, kw_only=True):
    """One event as its source remembers it."""

    tenant: str
    source: str
    event_id: str
    recovers: bool
    body: bytes
    receipts: list[Receipt] = msgspec.field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.tenant, self.source, self.event_id)


@cache
def _shared_store() -> tuple[SqlStore, "list[ManualClock]"]:
    """Return one database for all seeds of this process, wiped between them: a schema takes longer than a seed."""
    clocks: list[ManualClock] = [ManualClock(START)]

    class Now:
        def now(self) -> Any:
            return clocks[0].now()

        def monotonic(self) -> float:
            return clocks[0].monotonic()

    return open_store("sqlite://", clock=Now(), inline=True), clocks


class Simulation:
    """A seed's run; :meth:`run` ends after the quiet-down, ``checks`` then look at what is left."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.clock = ManualClock(START)
        self.trouble = Trouble(self.chance)
        self.moods: dict[str, str] = {}
        self.sent: list[Sent] = []
        self.pages: list[SentPage] = []
        self.ids = CountingIds()
        self.lives = 0
        self.faults: list[str] = []
        self.store, clocks = _shared_store()
        clocks[0] = self.clock
        with self.store._writer.begin() as connection:
            for table in reversed(SCHEMA.sorted_tables):
                connection.execute(table.delete())
        self.disk = MemoryDisk(self.chance, self.trouble.of_disk)
        self.acted: list[str] = []
        self.muting = Muting(self.chance, self.clock)

    async def run(self) -> None:
        """Live through the rounds, then come to rest."""
        await self._boot()
        for _ in range(self.chance.randint(*ROUNDS)):
            await self._round()
        await self._quiet_down()

    # -- one process after another

    async def _boot(self) -> None:
        while True:
            try:
                await self._start()
                return
            except Crash:
                self._bury()
            except (Unavailable, OSError):
                self.life.end()
                self._bury()
                # Whoever supervises the process starts it again later.
                self.trouble.database_away = False
                self.clock.advance(timedelta(seconds=5))

    async def _start(self) -> None:
        self.lives += 1
        self.life = Life()
        numbers = IncidentNumbers()
        waiting = WaitingRecords(numbers)
        self.journal: Journal | None = None
        self.journal = Journal.open(
            FOLDER,
            disk=self.disk,
            clock=self.clock,
            segment_bytes=self.chance.choice([2000, 60_000]),
            seen=waiting.remember,
        )
        self.house = House(
            store=TroubledStore(self.store, self.trouble, self.life),
            journal=TroubledJournal(self.journal, self.trouble, self.life),
            channels={name: self._channel(name) for name in CHANNELS},
            bus=MemoryBus(),
            clock=self.clock,
            settings=self.muting.memory(),
            ids=self.ids,
            numbers=numbers,
            render=rendered,
            jitter=self.chance.random,
        )
        # In real time nobody waits here: a seed must replay.
        self.house.untriaged._patience = 0.0
        await self.house.recall()
        waiting.recall(self.house)
        if self.chance.random() < 0.8:
            await self.house.warm()

    def _channel(self, name: str) -> TroubledChannel:
        channel = TroubledChannel(name, self.trouble, self.moods, self.pages, self._version)
        channel.life = self.life
        return channel

    def _version(self, tenant: str, incident_id: str) -> int:
        work = self.store.read(tenant, lambda tx: tx.incidents.get(incident_id).version)
        return _now(work)

    def _bury(self, *, power: bool | None = None) -> None:
        """What is left of a process that ended: its files."""
        self.life.end()
        if self.journal is not None:
            self.journal.abandon()
        self.disk.crash(power=self.chance.random() < 0.5 if power is None else power)

    async def _restart(self) -> None:
        if self.chance.random() < 0.3 and self.journal is not None:
            self.journal.close()
            self.life.end()
            self.disk.crash(power=False)
        else:
            self._bury()
        if self.chance.random() < 0.3:
            self.clock.advance(timedelta(hours=self.chance.uniform(0.1, 5)))
        await self._boot()

    # -- a round

    async def _round(self) -> None:
        if self.life.over:
            self._bury()
            await self._boot()
        steps = [self._draw() for _ in range(self.chance.choice((1, 1, 2, 3, 5)))]
        await asyncio.gather(*(self._guarded(step) for step in steps))
        if self.life.over:
            return
        if self.chance.random() < 0.6:
            await self._guarded(self.house.triage.run_once)
        if self.life.over:
            return
        self._world_turns()
        if self.chance.random() < 0.03:
            await self._restart()

    def _draw(self) -> Callable[[], Awaitable[object]]:
        house = self.house
        draw = self.chance.random()
        if draw < 0.26:
            return self._post
        if draw < 0.30:
            return self._storm
        if draw < 0.50:
            return house.triage.run_once
        if draw < 0.57:
            return house.timers.run_due
        if draw < 0.64:
            return self._race_with_timers
        if draw < 0.80:
            return house.deliver.deliver_due
        if draw < 0.83:
            return house.relay.run_once
        if draw < 0.85:
            return lambda: self.muting.by_somebody(house)
        return self._person

    async def _guarded(self, step: Callable[[], Awaitable[object]]) -> None:
        """Do what the loops do around a step: live with what the product answers on purpose."""
        try:
            await step()
        except Crash:
            self.life.end()
        except REFUSALS:
            pass
        except Exception as fault:
            if not self.life.over:
                self.faults.append(f"{step.__qualname__} raised {fault!r}")

    def _world_turns(self) -> None:
        chance = self.chance
        if chance.random() < 0.55:
            self.clock.advance(
                timedelta(seconds=chance.choice((0.05, 1.5, 20, 130, 400, 1000, 4000)) * chance.random())
            )
        if chance.random() < 0.12:
            self.moods[chance.choice(CHANNELS)] = chance.choice(("well", "unwell", "hanging", "refusing"))
        if self.trouble.database_away:
            self.trouble.database_away = chance.random() < 0.7
        elif self.trouble.store_rate and chance.random() < 0.02:
            self.trouble.database_away = True

    # -- sources

    async def _post(self) -> None:
        again = self.chance.random()
        if self.sent and again < 0.25:
            await self._send(self.chance.choice(self.sent))
        else:
            await self._send(self._event())

    async def _storm(self) -> None:
        several = [self._event() for _ in range(self.chance.randint(2, 12))]
        several += self.chance.sample(several, 2)
        if self.chance.random() < 0.5:
            await self._send_batch([each for each in several if each.tenant == several[0].tenant])
            return
        await asyncio.gather(*(self._guarded(lambda each=each: self._send(each)) for each in several))

    def _event(self) -> Sent:
        chance = self.chance
        number = len(self.sent) + 1
        recovers = chance.random() < 0.12
        source = chance.choice(("llm-sentinel", "llm-sentinel", "prometheus"))
        document = {
            "event_id": f"e{number}",
            "source": source,
            "timestamp": self.clock.now().isoformat(),
            "event_type": "resolved" if recovers else "anomaly",
            "category": chance.choice(("performance", "security", "cost")),
            "title": "Latency",
            "severity": chance.choice(("P0", "P0", "P1", "P2", "P3", "P4")),
            "resource": {"type": "model", "id": f"m{chance.randint(1, 2)}"},
        }
        sent = Sent(
            tenant=chance.choice(TENANTS), source=source, event_id=f"e{number}", recovers=recovers,
            body=msgspec.json.encode(document),
        )  # fmt: skip
        self.sent.append(sent)
        return sent

    async def _send(self, event: Sent) -> None:
        receipt = await self.house.intake.accept(event.body, caller("sender", event.tenant, person=False))
        event.receipts.append(receipt)

    async def _send_batch(self, events: list[Sent]) -> None:
        body = b"[" + b",".join(event.body for event in events) + b"]"
        answer = await self.house.intake.accept_batch(body, caller("sender", events[0].tenant, person=False))
        for event, receipt in zip(events, answer.results, strict=True):
            if receipt.status == "rejected":
                continue
            event.receipts.append(receipt)

    # -- people

    async def _person(self) -> None:
        chance, house = self.chance, self.house
        tenant = chance.choice(TENANTS)
        known = await house.store.system_read(lambda tx: tx.open_fingerprints(after=None, limit=100))
        ids = [row.incident_id for row in known if row.tenant == tenant]
        ids += chance.sample(self.acted, min(1, len(self.acted)))
        if not ids:
            return
        incident_id = chance.choice(ids)
        self.acted.append(incident_id)
        by = caller(chance.choice(PEOPLE), tenant)
        respond = house.respond
        match chance.randrange(16):
            case 0 | 1 | 2 | 3:
                await respond.take(by, incident_id)
            case 4 | 5 | 6:
                await respond.act(by, incident_id, chance.choice(list(Action)))
            case 7 | 8:
                await respond.resolve(by, incident_id, ResolutionGiven(root_cause="tired disk"), walk=True)
            case 9:
                await respond.assign(by, incident_id, user_id=chance.choice(PEOPLE))
            case 10 | 11:
                severity = chance.choice(("P0", "P1", "P2", "P3", "P4"))
                await respond.edit(by, incident_id, {"severity": severity, "impact": "many"})
            case 12:
                await respond.comment(by, incident_id, "looking")
            case 13:
                until = self.clock.now() + timedelta(minutes=chance.randint(1, 90))
                await respond.snooze(by, incident_id, chance.choice((None, until, until)))
            case 14:
                targets = [Target(type=TargetType.USER, id=chance.choice(PEOPLE))]
                await respond.page(by, incident_id, targets, (), "please look")
            case _:
                await respond.merge(by, incident_id, chance.choice(ids))

    async def _race_with_timers(self) -> None:
        """People act in the very moment in which something is due."""
        due = await self.store.system_read(lambda tx: tx.next_timer_at())
        if due is not None and due > self.clock.now():
            self.clock.advance(due - self.clock.now())
        steps = [self.house.timers.run_due, self._person, self._person]
        await asyncio.gather(*(self._guarded(step) for step in steps))

    # -- rest

    async def _quiet_down(self) -> None:
        """End all trouble, send again what got no answer, and let everything that is due happen."""
        self.trouble.calm = True
        self.trouble.database_away = False
        self.moods.clear()
        if self.life.over:
            self._bury()
            await self._boot()
        elif self.chance.random() < 0.5:
            await self._restart()
        await self._settle()
        for event in self.sent:
            if not event.receipts:
                await self._send_at_last(event)
        self.muting.end_all(self.house)
        # Claims of processes that are gone end with their lease.
        for seconds in (0, 40, 70, 70):
            self.clock.advance(timedelta(seconds=seconds))
            await self._settle()
        # Whoever met another's probe comes again within 30 s; meanwhile a ladder may have planned another page.
        for _ in range(5):
            if any([await self.store.read(tenant, pages_wait) for tenant in TENANTS]):
                self.clock.advance(timedelta(seconds=35))
                await self._settle()

    async def _send_at_last(self, event: Sent) -> None:
        """Send it again as often as a sender does who is told to come back."""
        for _ in range(10):
            try:
                await self._send(event)
                return
            except Unavailable as later:
                self.clock.advance(timedelta(seconds=later.retry_after_seconds))
                await self._settle()
        self.faults.append(f"{event.key} is never taken in")

    async def _settle(self) -> None:
        house = self.house
        for _ in range(400):
            done = await house.triage.run_once() + await house.timers.run_due()
            done += await house.deliver.deliver_due() + await house.relay.run_once()
            done += await house.silences.run_due()
            if not done and not house.journal.depth():
                return
            if not done:
                # Repeats are folded once a second.
                self.clock.advance(timedelta(seconds=1.1))
        self.faults.append("the engine does not come to rest")


def _now(work: Awaitable[Any]) -> Any:
    """Return the result of something that never waits."""
    try:
        work.__await__().send(None)
    except StopIteration as over:
        return over.value
    raise AssertionError("it waits")
