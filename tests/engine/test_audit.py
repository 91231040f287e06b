"""The audit trail: what it tells, and that nothing can be changed, cut or dropped without its showing."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, update

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.changes import CommentAdded, FieldsChanged, StatusChanged
from llm_incident_manager.domain.vocabulary import Action, Scope, Status
from llm_incident_manager.engine.audit import Audit
from llm_incident_manager.engine.checkpoints import Checkpoints
from llm_incident_manager.engine.proof.export import checkpoint_line, verify_export
from llm_incident_manager.errors import Forbidden, Invalid, NotFound
from llm_incident_manager.storage.schema import AUDIT_HEADS, AUDIT_LOG, CHECKPOINTS, INCIDENTS
from llm_incident_manager.storage.schema import INCIDENT_BODIES as BODIES
from llm_incident_manager.storage.schema import INCIDENT_CHANGES as CHANGES
from llm_incident_manager.storage.store import SqlStore, migrate, open_store
from tests.build import NOON
from tests.engine.people_world import ANA_DOCUMENT, PeopleWorld


class AuditWorld(PeopleWorld):
    """With a signing key, a tampering hand, and three incidents."""

    def __init__(self, store: SqlStore | None = None) -> None:
        super().__init__(store)
        self.checkpoints = Checkpoints(self.store, Ed25519PrivateKey.generate())
        self.audit = Audit(self.store, [self.checkpoints.public_key])

    async def fill(self) -> None:
        await self.identify.refresh()
        await self.configure.create(self.admin(), "users", ANA_DOCUMENT)
        self.incidents = [await self.open_incident() for _ in range(3)]
        self.incidents[0] = await self.comment(self.incidents[0], "abc")

    def tamper(self, statement: Any) -> None:
        """Change the database behind everybody's back."""
        with self.store._writer.begin() as connection:
            assert connection.execute(statement).rowcount > 0

    async def verdict(self, **wanted: Any) -> dict[str, Any]:
        return await self.audit.verify(self.admin(), **wanted)

    async def exported(self) -> list[str]:
        return [line async for line in self.audit.export(self.admin())]


@pytest.fixture
async def world() -> AsyncIterator[AuditWorld]:
    made = AuditWorld()
    await made.fill()
    yield made
    await made.store.close()


def of(world: AuditWorld, number: int) -> Any:
    return CHANGES.c.incident_id == world.incidents[number].id


def row_of(world: AuditWorld, number: int) -> Any:
    return INCIDENTS.c.id == world.incidents[number].id


@pytest.mark.requirement("AUD-02")
async def test_an_incidents_change_is_told_in_the_specifications_format(world: AuditWorld) -> None:
    incident = world.incidents[1]
    acknowledged = StatusChanged(action=Action.ACKNOWLEDGE, before=Status.NEW, after=Status.ACKNOWLEDGED)
    await world.change(incident, acknowledged)
    events, following, total = await world.audit.page(world.admin(), incident=incident.id)
    assert events[0] | {"details": []} == {
        "event_id": f"audit-{incident.id}-2",
        "timestamp": "2026-03-02T12:00:00Z",
        "event_type": "incident_acknowledged",
        "incident_id": incident.id,
        "actor": {"type": "user", "id": "ana", "name": "Ana"},
        "changes": [{"field": "status", "old_value": "NEW", "new_value": "ACKNOWLEDGED"}],
        "metadata": {"client_ip": "10.0.1.45", "user_agent": "curl/8", "session_id": "s-1"},
        "details": [],
    }
    assert (events[1]["event_type"], following, total) == ("incident_created", None, 2)


@pytest.mark.requirement("AUD-02")
async def test_settings_and_incidents_stand_in_one_trail_newest_first(world: AuditWorld) -> None:
    world.clock.advance(timedelta(minutes=1))
    await world.keys.create(world.admin(), {"name": "k", "scopes": ["read"]})
    events, _, total = await world.audit.page(world.admin())
    assert (events[0]["event_type"], events[0]["incident_id"]) == ("api_key_created", None)
    assert events[0]["object"]["kind"] == "api_keys"
    assert total == 8
    mine, _, _ = await world.audit.page(world.admin(), actor="ana")
    assert {event["actor"]["id"] for event in mine} == {"ana"}
    young, _, _ = await world.audit.page(world.admin(), start=world.clock.now())
    assert len(young) == 1
    paged, cursor = [], None
    while True:
        page, cursor, _ = await world.audit.page(world.admin(), limit=3, cursor=cursor)
        paged += page
        if cursor is None:
            break
    everything, _, _ = await world.audit.page(world.admin())
    assert paged == everything


@pytest.mark.requirement("SEC-01")
async def test_the_trail_of_one_tenant_is_nobody_elses(world: AuditWorld) -> None:
    await world.tenants.create(world.admin(), {"id": "acme"})
    await world.open_incident("acme")
    await world.checkpoints.make()
    acme = world.admin("acme")
    events, _, _ = await world.audit.page(acme)
    assert [event["event_type"] for event in events] == ["tenant_created", "incident_created"]
    with pytest.raises(NotFound):
        await world.audit.page(acme, incident=world.incidents[0].id)
    text = "\n".join([line async for line in world.audit.export(acme)])
    assert "default" not in text
    assert world.incidents[0].id not in text
    assert verify_export(text.splitlines())["valid"]
    ingest = world.identify.authenticate(await world.key_of(Scope.INGEST))
    for attempt in (world.audit.page(ingest), world.audit.verify(ingest)):
        with pytest.raises(Forbidden):
            await attempt


@pytest.mark.requirement("AUD-06")
async def test_what_nobody_touched_is_valid(world: AuditWorld) -> None:
    assert await world.verdict() == {"valid": True, "checked": 7, "first_fault": None}
    await world.checkpoints.make()
    assert (await world.verdict())["valid"]
    assert verify_export(await world.exported(), trusted=[world.checkpoints.public_key]) == await world.verdict()


@pytest.mark.requirement("AUD-06")
@pytest.mark.parametrize(
    ("damage", "version", "reason"),
    [
        (lambda w: update(CHANGES).where(of(w, 0), CHANGES.c.version == 2).values(body=b"{}"), 2, "bytes"),
        (lambda w: delete(CHANGES).where(of(w, 0), CHANGES.c.version == 3), 3, "missing"),
        (lambda w: delete(CHANGES).where(of(w, 0), CHANGES.c.version == 4), 4, "missing"),
        (lambda w: update(INCIDENTS).where(row_of(w, 0)).values(head=b"x" * 32), 4, "head"),
        (lambda w: update(INCIDENTS).where(row_of(w, 0)).values(version=3), 4, "behind"),
        (lambda w: update(BODIES).where(BODIES.c.incident_id == w.incidents[0].id).values(body=b"{}"), 4, "read"),
    ],
)
async def test_damage_to_an_incident_shows(
    world: AuditWorld, damage: Callable[[AuditWorld], Any], version: int, reason: str
) -> None:
    world.tamper(damage(world))
    verdict = await world.verdict()
    assert not verdict["valid"]
    assert (verdict["first_fault"]["chain"], verdict["first_fault"]["version"]) == (world.incidents[0].id, version)
    assert reason in verdict["first_fault"]["reason"]


@pytest.mark.requirement("AUD-01")
async def test_a_row_that_is_not_what_its_changes_make_shows(world: AuditWorld) -> None:
    incident = world.incidents[0]
    row = BODIES.c.incident_id == incident.id
    stored = await world.store.read("default", lambda tx: tx.incidents.get(incident.id))
    forged = msgspec.json.encode(msgspec.structs.replace(stored, assigned_to="bo"))
    world.tamper(update(BODIES).where(row).values(body=forged))
    fault = (await world.verdict())["first_fault"]
    assert fault["reason"] == "replay and the stored incident differ in assigned_to"


@pytest.mark.requirement("AUD-06")
@pytest.mark.parametrize(
    "damage",
    [
        update(AUDIT_LOG).where(AUDIT_LOG.c.version == 1).values(body=b"{}"),
        delete(AUDIT_LOG).where(AUDIT_LOG.c.version == 2),
        delete(AUDIT_LOG).where(AUDIT_LOG.c.version == 1),
        update(AUDIT_HEADS).values(version=3),
    ],
)
async def test_damage_to_the_tenants_own_chain_shows(world: AuditWorld, damage: Any) -> None:
    await world.keys.create(world.admin(), {"name": "k", "scopes": ["read"]})
    world.tamper(damage)
    assert (await world.verdict())["first_fault"]["chain"] == "tenant"


@pytest.mark.requirement("AUD-06")
async def test_an_incident_that_vanished_whole_shows_by_its_checkpoint(world: AuditWorld) -> None:
    signed = await world.checkpoints.make()
    assert signed is not None
    assert (signed.number, signed.heads) == (1, 4)
    gone = world.incidents[2].id
    for table in (CHANGES, BODIES):
        world.tamper(delete(table).where(table.c.incident_id == gone))
    world.tamper(delete(INCIDENTS).where(INCIDENTS.c.id == gone))
    fault = (await world.verdict())["first_fault"]
    assert (fault["chain"], fault["version"]) == (gone, 1)
    without_checkpoints = [line for line in await world.exported() if '"checkpoint"' not in line]
    assert verify_export(without_checkpoints)["valid"]
    log = [checkpoint_line(signed.checkpoint, signed.signature, "default")]
    assert verify_export(without_checkpoints, against=log)["first_fault"]["chain"] == gone


@pytest.mark.requirement("AUD-06")
async def test_a_tail_cut_together_with_its_head_shows(world: AuditWorld) -> None:
    await world.checkpoints.make()
    incident = world.incidents[0]
    links = await world.store.read("default", lambda tx: tx.audit.chain(incident.id))
    world.tamper(delete(CHANGES).where(of(world, 0), CHANGES.c.version == 4))
    world.tamper(update(INCIDENTS).where(INCIDENTS.c.id == incident.id).values(version=3, head=links[2].digest))
    older = msgspec.structs.replace(incident, version=3, revision=3)
    row = BODIES.c.incident_id == incident.id
    world.tamper(update(BODIES).where(row).values(body=msgspec.json.encode(older)))
    fault = (await world.verdict())["first_fault"]
    assert (fault["chain"], fault["version"]) == (incident.id, 4)


@pytest.mark.requirement("AUD-06")
@pytest.mark.parametrize(
    ("damage", "number"),
    [
        (update(CHECKPOINTS).where(CHECKPOINTS.c.id == 2).values(signature=b"x" * 64), 2),
        (update(CHECKPOINTS).where(CHECKPOINTS.c.id == 2).values(body=b"not ours"), 0),
        (delete(CHECKPOINTS).where(CHECKPOINTS.c.id == 2), 1),
        (delete(CHECKPOINTS).where(CHECKPOINTS.c.id == 1), 1),
    ],
)
async def test_damage_to_checkpoints_shows(world: AuditWorld, damage: Any, number: int) -> None:
    for text in "xyz":
        world.clock.advance(timedelta(minutes=10))
        world.incidents[1] = await world.comment(world.incidents[1], text)
        assert await world.checkpoints.make() is not None
    world.tamper(damage)
    fault = (await world.verdict())["first_fault"]
    assert (fault["chain"], fault["version"]) == ("checkpoints", number)


async def test_a_checkpoint_signs_what_changed_and_nothing_twice(world: AuditWorld) -> None:
    assert await world.checkpoints.make() is not None
    assert await world.checkpoints.make() is None
    world.clock.advance(timedelta(hours=1))
    await world.comment(world.incidents[1], "x")
    signed = await world.checkpoints.make()
    assert signed is not None
    section = signed.checkpoint.section_of("default")
    assert section is not None
    assert [(head.chain, head.version) for head in section[1].heads] == [(world.incidents[1].id, 2)]


async def test_an_import_in_the_past_is_signed_when_noted(world: AuditWorld) -> None:
    await world.checkpoints.make()
    world.clock.advance(timedelta(hours=1))
    imported = await world.open_incident(created_at=world.clock.now() - timedelta(days=400))
    assert await world.checkpoints.make() is None
    world.checkpoints.note_changed("default", [imported.id])
    signed = await world.checkpoints.make()
    assert signed is not None
    assert signed.heads == 1


@pytest.mark.requirement("AUD-06")
async def test_a_key_that_is_not_ours_is_not_trusted(world: AuditWorld) -> None:
    await world.checkpoints.make()
    other = Checkpoints(world.store, Ed25519PrivateKey.generate())
    fault = (await Audit(world.store, [other.public_key]).verify(world.admin()))["first_fault"]
    assert "not trusted" in fault["reason"]


@pytest.mark.requirement("AUD-06")
async def test_what_retention_removed_is_no_fault(world: AuditWorld) -> None:
    incident = await world.change(
        world.incidents[2], StatusChanged(action=Action.RESOLVE, before=Status.NEW, after=Status.RESOLVED)
    )
    await world.checkpoints.make()
    before = await world.exported()
    world.clock.advance(timedelta(days=800))
    now = world.clock.now()
    assert await world.store.system(lambda tx: tx.prune("incidents", now - timedelta(days=730), 10)) == 1
    assert await world.store.system(lambda tx: tx.prune("audit", now - timedelta(days=1), 10)) > 0
    with pytest.raises(NotFound):
        await world.audit.page(world.admin(), incident=incident.id)
    assert (await world.verdict())["first_fault"] is None
    assert verify_export(await world.exported(), against=before)["first_fault"] is None


@pytest.mark.requirement("AUD-06")
async def test_a_long_story_is_walked_in_steps(world: AuditWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("LINKS_AT_ONCE", "CHAINS_AT_ONCE", "CHECKPOINTS_AT_ONCE"):
        for module in ("audit_check", "audit"):
            monkeypatch.setattr(f"llm_incident_manager.engine.{module}.{limit}", 2)
    for text in "defg":
        world.clock.advance(timedelta(minutes=10))
        world.incidents[0] = await world.comment(world.incidents[0], text)
        await world.checkpoints.make()
    assert await world.verdict() == {"valid": True, "checked": 11, "first_fault": None}
    assert verify_export(await world.exported())["checked"] == 11
    world.tamper(update(CHANGES).where(of(world, 0), CHANGES.c.version == 7).values(body=b"{}"))
    assert (await world.verdict())["first_fault"]["version"] == 7


async def test_a_verification_can_be_bounded(world: AuditWorld) -> None:
    assert await world.verdict(limit=3) == {"valid": True, "checked": 3, "first_fault": None}
    world.clock.advance(timedelta(days=1))
    await world.change(world.incidents[1], FieldsChanged(before={"title": "a"}, after={"title": "b"}))
    assert (await world.verdict(since="2026-03-03"))["checked"] == 3
    assert (await world.verdict(since=world.clock.now()))["checked"] == 3
    for wrong in ("yesterday", "2026-03-03T00:00:00", "2026-13-01"):
        with pytest.raises(Invalid):
            await world.verdict(since=wrong)


@pytest.mark.requirement("AUD-06")
async def test_an_export_proves_itself_offline(world: AuditWorld) -> None:
    await world.checkpoints.make()
    lines = await world.exported()
    assert verify_export([*lines, "", "\n"])["valid"]
    damaged: dict[str, list[str]] = {
        "cut": lines[:-1],
        "headless": lines[1:],
        "a line less": lines[:3] + lines[4:],
        "something behind": [*lines, lines[2]],
        "no JSON": [*lines[:2], "{"],
        "no line of ours": [*lines[:2], "[]"],
        "a member less": [lines[0], '{"type":"link"}'],
        "another tenant": [lines[0].replace("default", "acme"), *lines[1:]],
        "empty": [],
    }
    for name, broken in damaged.items():
        assert not verify_export(broken)["valid"], name
    for number, line in enumerate(lines[1:-1], 1):
        members = json.loads(line)
        for member, value in members.items():
            changed = value + 1 if isinstance(value, int) else value[:-1] + ("0" if value[-1] != "0" else "1")
            altered = [*lines[:number], json.dumps(members | {member: changed}), *lines[number + 1 :]]
            assert not verify_export(altered)["valid"], (member, line)


@pytest.mark.requirement("AUD-06")
async def test_an_export_is_compared_with_one_kept_before(world: AuditWorld) -> None:
    before = await world.exported()
    await world.change(world.incidents[1], CommentAdded(comment_id="c-1", text="later"))
    after = await world.exported()
    assert verify_export(after, against=before)["valid"]
    assert verify_export(before, against=after)["first_fault"]["chain"] == world.incidents[1].id


async def test_a_body_survives_an_export_whatever_its_bytes(world: AuditWorld) -> None:
    world.tamper(update(CHANGES).where(of(world, 0), CHANGES.c.version == 2).values(body=b"\xff\x00"))
    assert verify_export(await world.exported())["first_fault"]["version"] == 2


async def test_two_nodes_do_not_sign_the_same_number(world: AuditWorld) -> None:
    other = Checkpoints(world.store, Ed25519PrivateKey.generate())
    assert await world.checkpoints.make() is not None
    incident = await world.comment(world.incidents[1], "x")
    other.note_changed("default", [incident.id])
    assert await other.make() is None
    world.clock.advance(timedelta(hours=1))
    signed = await other.make()
    assert signed is not None
    assert signed.number == 2
    assert (await Audit(world.store).verify(world.admin()))["valid"]


@pytest.mark.requirement("AUD-06")
async def test_the_proof_is_the_same_on_postgresql(postgres_url: str) -> None:
    migrate(postgres_url)
    clock = ManualClock(NOON)
    world = AuditWorld(open_store(postgres_url, clock=clock))
    await world.fill()
    assert await world.checkpoints.make() is not None
    assert await world.verdict() == {"valid": True, "checked": 7, "first_fault": None}
    assert verify_export(await world.exported())["checked"] == 7
    world.tamper(update(CHANGES).where(of(world, 0), CHANGES.c.version == 2).values(body=b"{}"))
    assert (await world.verdict())["first_fault"]["version"] == 2
    await world.store.close()
