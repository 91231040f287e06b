"""API keys and tenants: made, rotated, revoked, and written down."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from llm_incident_manager.domain.routing.directory import Directory
from llm_incident_manager.domain.vocabulary import Category, Scope, Severity
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.key_rotation import KeyRotation
from llm_incident_manager.engine.keys import make_first_key
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from llm_incident_manager.ids import CountingIds, IncidentNumbers
from tests.engine.people_world import ANA_DOCUMENT, PeopleWorld


@pytest.fixture
async def world() -> AsyncIterator[PeopleWorld]:
    made = PeopleWorld()
    await made.identify.refresh()
    yield made
    await made.store.close()


def rotation(world: PeopleWorld) -> KeyRotation:
    def context(tenant: str) -> Context:
        settings = world.settings.of(tenant)
        return Context(
            settings=settings,
            directory=Directory(settings.users, settings.teams),
            channels=frozenset({"email"}),
            ids=CountingIds(),
        )

    return KeyRotation(world.store, context, IncidentNumbers())


@pytest.mark.requirement("SEC-02")
async def test_the_key_is_shown_once_and_stored_as_a_digest(world: PeopleWorld) -> None:
    made = await world.keys.create(world.admin(), {"name": "grafana", "scopes": ["ingest", "read"]})
    key = made.pop("key")
    assert key.startswith("lim_")
    assert len(key) == 44
    assert await world.keys.get(world.admin(), made["id"]) == made
    (stored,) = await world.store.system_read(lambda tx: tx.api_keys())
    assert key.encode() not in stored.digest
    assert (made["scopes"], made["rotate_after"]) == (["ingest", "read"], "2026-05-31T12:00:00Z")


async def test_a_key_of_32_characters_can_be_made_where_a_vendors_client_insists(world: PeopleWorld) -> None:
    made = await world.keys.create(world.admin(), {"name": "pd", "scopes": ["ingest"], "format": 32})
    assert len(made["key"]) == 32
    assert made["key"].isalnum()


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({}, {"name", "scopes"}),
        ({"name": "k", "scopes": []}, {"scopes"}),
        ({"name": "k", "scopes": ["write"]}, {"scopes"}),
        ({"name": "k", "scopes": ["read"], "format": 31, "colour": "red"}, {"format", "colour"}),
        ({"name": "k", "scopes": ["read"], "expires_at": "tomorrow"}, {"expires_at"}),
        ({"name": "k", "scopes": ["read"], "expires_at": "2027-01-01T00:00:00"}, {"expires_at"}),
        ({"name": "k", "scopes": ["read"], "expires_at": "9999-12-31T23:59:59-12:00"}, {"expires_at"}),
        ({"name": "k", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, {"expires_at"}),
        ({"name": "k", "scopes": ["read"], "rotate_after_days": 0}, {"rotate_after_days"}),
        ({"name": "k", "scopes": ["read"], "user_id": "nobody"}, {"user_id"}),
        ({"name": "k", "scopes": ["read"], "tenant_id": "nowhere"}, {"tenant_id"}),
    ],
)
async def test_every_bad_field_is_named(world: PeopleWorld, document: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        await world.keys.create(world.admin(), document)
    assert {fault.field.partition("[")[0] for fault in refused.value.faults} == fields


@pytest.mark.requirement("SEC-02")
async def test_only_an_administrator_makes_keys(world: PeopleWorld) -> None:
    reader = world.identify.authenticate(await world.key_of(Scope.READ, Scope.RESPOND))
    for attempt in (
        world.keys.create(reader, {"name": "k", "scopes": ["read"]}),
        world.keys.page(reader),
        world.keys.get(reader, "key-00000001"),
        world.keys.rotate(reader, "key-00000001"),
        world.keys.revoke(reader, "key-00000001"),
        world.tenants.create(reader, {"id": "acme"}),
    ):
        with pytest.raises(Forbidden):
            await attempt


@pytest.mark.requirement("SEC-01")
async def test_a_tenants_administrator_stays_in_the_tenant(world: PeopleWorld) -> None:
    await world.tenants.create(world.admin(), {"id": "acme", "name": "Acme"})
    made = await world.keys.create(world.admin(), {"name": "acme", "scopes": ["admin"], "tenant_id": "acme"})
    acme = world.identify.authenticate(made["key"])
    assert (acme.tenant, acme.platform) == ("acme", False)
    own = await world.keys.create(world.admin(), {"name": "ours", "scopes": ["read"]})
    for attempt in (world.keys.get, world.keys.rotate, world.keys.revoke):
        with pytest.raises(NotFound):
            await attempt(acme, own["id"])
    for document in ({"tenant_id": "default"}, {"platform": True}):
        with pytest.raises(Forbidden):
            await world.keys.create(acme, {"name": "k", "scopes": ["read"], **document})
    with pytest.raises(Forbidden):
        await world.tenants.page(acme)
    keys, _, total = await world.keys.page(acme)
    assert ([key["id"] for key in keys], total) == ([made["id"]], 1)


@pytest.mark.requirement("SEC-02")
async def test_a_tenants_administrator_cannot_change_a_platform_key(world: PeopleWorld) -> None:
    platform = await world.keys.create(world.admin(), {"name": "ops", "scopes": ["admin"], "platform": True})
    local = world.identify.authenticate(await world.key_of(Scope.ADMIN))
    for attempt in (world.keys.rotate, world.keys.revoke):
        with pytest.raises(Forbidden):
            await attempt(local, platform["id"])


@pytest.mark.requirement("SEC-02")
async def test_a_rotated_key_works_until_the_overlap_has_passed(world: PeopleWorld) -> None:
    old = await world.keys.create(world.admin(), {"name": "grafana", "scopes": ["ingest"], "source": "grafana"})
    world.clock.advance(timedelta(days=91))
    assert (await world.keys.get(world.admin(), old["id"]))["rotation_due"]
    new = await world.keys.rotate(world.admin(), old["id"], 3600)
    assert (new["replaces"], new["source"], new["scopes"]) == (old["id"], "grafana", ["ingest"])
    for key in (old["key"], new["key"]):
        world.identify.authenticate(key)
    shown = await world.keys.get(world.admin(), old["id"])
    assert (shown["replaced_by"], shown["rotation_due"]) == (new["id"], False)
    world.clock.advance(timedelta(hours=1))
    world.identify.authenticate(new["key"])
    with pytest.raises(Unauthenticated):
        world.identify.authenticate(old["key"])
    with pytest.raises(Conflict, match="replaced"):
        await world.keys.rotate(world.admin(), old["id"])


async def test_a_key_that_ended_cannot_be_rotated_and_a_second_revocation_is_harmless(world: PeopleWorld) -> None:
    made = await world.keys.create(world.admin(), {"name": "k", "scopes": ["read"]})
    first = await world.keys.revoke(world.admin(), made["id"])
    world.clock.advance(timedelta(hours=1))
    assert await world.keys.revoke(world.admin(), made["id"]) == first
    assert len([each for each in await world.audited() if each["event_type"] == "api_key_revoked"]) == 1
    with pytest.raises(Conflict):
        await world.keys.rotate(world.admin(), made["id"])


@pytest.mark.parametrize("overlap", [-1, 31 * 86400, float("nan")])
async def test_an_overlap_out_of_bounds_is_refused(world: PeopleWorld, overlap: float) -> None:
    made = await world.keys.create(world.admin(), {"name": "k", "scopes": ["read"]})
    with pytest.raises(Invalid):
        await world.keys.rotate(world.admin(), made["id"], overlap)


@pytest.mark.requirement("AUD-02")
async def test_what_happens_to_keys_stands_in_the_audit_without_the_key(world: PeopleWorld) -> None:
    made = await world.keys.create(world.admin(), {"name": "grafana", "scopes": ["read"]})
    await world.keys.revoke(world.admin(), made["id"])
    created, revoked = await world.audited()
    assert (created["event_type"], created["by"]["id"]) == ("api_key_created", "admin")
    assert created["body"]["metadata"] == {"client_ip": "10.0.1.45", "user_agent": "curl/8", "session_id": "s-1"}
    assert {"field": "scopes", "old_value": None, "new_value": ["read"]} in created["body"]["changes"]
    assert revoked["body"]["changes"] == [
        {"field": "revoked_at", "old_value": None, "new_value": "2026-03-02T12:00:00Z"}
    ]
    assert made["key"] not in str(await world.audited())


async def test_pages_of_keys_follow_each_other(world: PeopleWorld) -> None:
    ids = [(await world.keys.create(world.admin(), {"name": str(n), "scopes": ["read"]}))["id"] for n in range(5)]
    found, cursor = [], None
    while True:
        page, cursor, total = await world.keys.page(world.admin(), 2, cursor)
        found += [key["id"] for key in page]
        assert total == 5
        if cursor is None:
            break
    assert found == ids


async def test_the_first_key_is_made_once(world: PeopleWorld) -> None:
    key = await make_first_key(world.store, CountingIds())
    assert key is not None
    assert await make_first_key(world.store, CountingIds()) is None
    await world.identify.refresh()
    caller = world.identify.authenticate(key)
    assert (caller.tenant, caller.platform, caller.actor.id) == ("default", True, "key:admin")
    caller.require(Scope.ADMIN)


async def test_tenants_have_plain_ids_and_are_unique(world: PeopleWorld) -> None:
    await world.tenants.ensure(["default"])
    made = await world.tenants.create(world.admin(), {"id": "acme", "name": "Acme"})
    assert made == {"id": "acme", "name": "Acme", "created_at": "2026-03-02T12:00:00Z"}
    assert await world.tenants.get(world.admin(), "acme") == made
    with pytest.raises(Conflict):
        await world.tenants.create(world.admin(), {"id": "acme"})
    for wrong in ("Acme", "a/b", "", "x" * 65, "é"):
        with pytest.raises(Invalid):
            await world.tenants.create(world.admin(), {"id": wrong})
    with pytest.raises(NotFound):
        await world.tenants.get(world.admin(), "nowhere")
    first, cursor, total = await world.tenants.page(world.admin(), 1)
    second, end, _ = await world.tenants.page(world.admin(), 1, cursor)
    assert ([first[0]["id"], second[0]["id"]], end, total) == (["acme", "default"], None, 2)
    assert (await world.audited("acme"))[0]["event_type"] == "tenant_created"
    assert await world.tenants.ensure(["default", "acme", "beta"]) == ["beta"]


@pytest.mark.requirement("SEC-02")
async def test_a_key_due_for_rotation_is_told_once_then_opens_one_incident(world: PeopleWorld) -> None:
    await world.configure.create(world.admin(), "users", ANA_DOCUMENT)
    made = await world.keys.create(world.admin(), {"name": "grafana", "scopes": ["ingest"]})
    steps = rotation(world)
    assert await steps.remind(world.clock.now()) == []
    world.clock.advance(timedelta(days=90))
    for _ in range(2):
        assert [key.id for key in await steps.remind(world.clock.now())] == [made["id"]]
    told = [each for each in await world.audited() if each["event_type"] == "api_key_rotation_due"]
    assert [each["body"]["object"]["id"] for each in told] == [made["id"]]
    assert (await world.store.read("default", lambda tx: tx.incidents.search(IncidentFilter()))).total == 0
    world.clock.advance(timedelta(days=7))
    for _ in range(2):
        await steps.remind(world.clock.now())
    page = await world.store.read("default", lambda tx: tx.incidents.search(IncidentFilter()))
    (incident,) = page.incidents
    assert (incident.severity, incident.category, incident.source) == (
        Severity.P3,
        Category.COMPLIANCE,
        "llm-incident-manager",
    )
    await world.keys.rotate(world.admin(), made["id"])
    assert await steps.due(world.clock.now()) == []
