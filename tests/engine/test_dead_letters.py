"""Dead letters: analysed, retried where that may help, told once, replayed and discarded by people (REL-04)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from llm_incident_manager.app.house import House
from llm_incident_manager.bus.memory import MemoryBus
from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.dead_letter_retry import DeadLetterRetry
from llm_incident_manager.engine.dead_letters import DeadLetters, analyse
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.rows import DeadLetter
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.errors import Forbidden, Invalid, NotFound
from llm_incident_manager.ids import CountingIds
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.storage.store import open_store
from tests.build import ANA, NOON, a_dead_letter

ADMIN = Caller(tenant="default", actor=ANA, scopes=frozenset({Scope.ADMIN}))


def a_document(**fields: Any) -> dict[str, Any]:
    return {
        "event_id": "evt-1",
        "source": "llm-sentinel",
        "timestamp": NOON.isoformat(),
        "event_type": "anomaly",
        "category": "performance",
        "title": "Latency spike",
        "severity": "critical",
        "resource": {"type": "endpoint", "id": "chat"},
    } | fields


class World:
    """The rooms of the walk, with an enricher that can be made to fail."""

    def __init__(self, folder: Path) -> None:
        self.broken = False
        self.clock = ManualClock(NOON)
        self.store = open_store("sqlite://", clock=self.clock, inline=True)
        self.journal = Journal.open(folder / "journal", clock=self.clock)
        self.ids = CountingIds()
        self.restart()

    def restart(self) -> None:
        self.house = House(
            store=self.store,
            journal=self.journal,
            channels={},
            bus=MemoryBus(),
            clock=self.clock,
            settings=SettingsMemory(),
            render=renderer("https://incidents.example.com"),
            ids=self.ids,
            enrich=self._enrich,
        )
        house = self.house
        self.letters = DeadLetters(self.store, house.intake, self.clock, house.seen)
        self.retry = DeadLetterRetry(self.store, self.letters, self.clock, house.telemetry)

    def _enrich(self, event: Event) -> Event:
        if self.broken:
            raise ValueError("the enricher is broken")
        return event

    async def send(self, *documents: dict[str, Any]) -> None:
        await self.house.intake.accept_any(msgspec.json.encode(list(documents)), ADMIN)
        await self.house.triage.run_once()

    async def step(self, **later: float) -> int:
        self.clock.advance(timedelta(**later))
        tried = await self.retry.retry_due()
        await self.house.triage.run_once()
        return tried

    async def listed(self) -> list[dict[str, Any]]:
        return (await self.letters.page(ADMIN))[0]

    async def add(self, letter: DeadLetter) -> DeadLetter:
        await self.store.transact(letter.tenant, lambda tx: tx.dead_letters.add([letter]))
        return letter

    async def audited(self) -> list[str]:
        entries, _, _ = await self.store.read(
            "default",
            lambda tx: tx.audit.page(start=None, end=None, actor=None, incident=None, limit=50, cursor=None),
        )
        return [entry.event_type for entry in entries if entry.incident_id is None]

    async def open_incidents(self) -> int:
        return sum((await self.store.read("default", lambda tx: tx.incidents.counts()))["severity"].values())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    made.journal.close()
    await made.store.close()


@pytest.mark.requirement("REL-04")
async def test_an_event_that_is_wrong_is_kept_told_once_and_not_retried(world: World) -> None:
    await world.send(a_document(), a_document(event_id="evt-2", severity="awful"))
    with capture_logs() as logs:
        assert await world.step(minutes=5) == 0
        assert await world.step(minutes=5) == 0
    (letter,) = await world.listed()
    assert (letter["retriable"], letter["attempts"]) == (False, 0)
    assert [fault["field"] for fault in letter["faults"]] == ["severity"]
    assert letter["analysis"] == "the event itself is wrong; correct it at its source and send it again"
    assert '"awful"' in letter["body"]
    assert await world.audited() == ["dead_letters_kept"]
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["dead_letters_need_a_person"]
    assert world.house.telemetry.snapshot().gauges["dead_letters"] == {(): 1}
    world.restart()
    await world.step(minutes=5)
    assert await world.audited() == ["dead_letters_kept"]


@pytest.mark.requirement("REL-04")
async def test_what_failed_behind_the_intake_passes_once_the_cause_is_gone(world: World) -> None:
    world.broken = True
    await world.send(a_document())
    assert await world.step(seconds=30) == 0
    assert await world.step(seconds=31) == 1
    world.broken = False
    assert await world.step(minutes=2) == 1
    assert await world.open_incidents() == 1
    assert await world.step(minutes=10) == 0
    assert await world.listed() == []
    assert await world.audited() == ["dead_letter_replayed"]
    assert world.house.telemetry.snapshot().gauges["dead_letters"] == {(): 0}


@pytest.mark.requirement("REL-04")
@pytest.mark.parametrize("restarted", [False, True])
async def test_after_three_retries_a_person_is_needed_and_one_letter_is_left(world: World, restarted: bool) -> None:
    world.broken = True
    await world.send(a_document())
    tried = 0
    for _ in range(8):
        tried += await world.step(minutes=30)
        if restarted:
            world.restart()
    assert tried == 3
    (letter,) = await world.listed()
    assert (letter["attempts"], letter["retriable"]) == (3, False)
    assert letter["analysis"].startswith("it failed 3 more times")
    assert await world.audited() == ["dead_letters_kept"]
    world.broken = False
    receipt = await world.letters.replay(ADMIN, letter["id"])
    await world.house.triage.run_once()
    assert receipt["status"] == "accepted"
    assert await world.open_incidents() == 1
    assert await world.listed() == []


@pytest.mark.requirement("REL-04")
async def test_a_person_replays_and_what_still_is_wrong_stays_with_its_faults(world: World) -> None:
    good = await world.add(a_dead_letter(body=msgspec.json.encode(a_document())))
    bad = await world.add(a_dead_letter(body=msgspec.json.encode(a_document(event_id="x", category="weather"))))
    receipt = await world.letters.replay(ADMIN, good.id)
    await world.house.triage.run_once()
    assert (receipt["status"], receipt["event_id"]) == ("accepted", "evt-1")
    with pytest.raises(NotFound):
        await world.letters.replay(ADMIN, good.id)
    with pytest.raises(Invalid):
        await world.letters.replay(ADMIN, bad.id)
    (letter,) = await world.listed()
    assert ([fault["field"] for fault in letter["faults"]], letter["attempts"]) == (["category"], 1)
    assert await world.audited() == ["dead_letter_replayed"]
    again = await world.add(a_dead_letter(body=msgspec.json.encode(a_document())))
    assert (await world.letters.replay(ADMIN, again.id))["status"] == "duplicate"
    assert await world.open_incidents() == 1


async def test_a_person_discards_and_the_audit_says_what(world: World) -> None:
    letter = await world.add(a_dead_letter())
    await world.letters.discard(ADMIN, letter.id)
    assert await world.listed() == []
    assert await world.audited() == ["dead_letter_discarded"]
    with pytest.raises(NotFound):
        await world.letters.discard(ADMIN, letter.id)


async def test_only_admins_change_and_only_the_own_tenant_is_seen(world: World) -> None:
    letter = await world.add(a_dead_letter())
    reader = Caller(tenant="default", actor=ANA, scopes=frozenset({Scope.READ}))
    assert (await world.letters.get(reader, letter.id))["id"] == letter.id
    for refused in (world.letters.replay(reader, letter.id), world.letters.discard(reader, letter.id)):
        with pytest.raises(Forbidden):
            await refused
    stranger = Caller(tenant="other", actor=ANA, scopes=frozenset({Scope.ADMIN}))
    assert (await world.letters.page(stranger))[0] == []
    for unseen in (world.letters.get(stranger, letter.id), world.letters.discard(stranger, letter.id)):
        with pytest.raises(NotFound):
            await unseen


def test_what_may_have_stopped_the_process_is_not_tried_by_itself() -> None:
    poison = a_dead_letter(retriable=True, reason="it was in work at two restarts in a row")
    assert not analyse(poison).retriable
    assert not analyse(a_dead_letter(reason="unreadable journal bytes: crc")).retriable
    assert analyse(a_dead_letter(retriable=True, reason="triage failed: KeyError")).retriable
