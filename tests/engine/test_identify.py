"""From a key or a session to a caller: who is let in, where, and as whom."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.identify import Identify
from llm_incident_manager.errors import NotFound, Unauthenticated, Unavailable
from tests.engine.people_world import ANA_DOCUMENT, BOOTSTRAP, FACTS, PeopleWorld


@pytest.fixture
async def world() -> AsyncIterator[PeopleWorld]:
    made = PeopleWorld()
    await made.identify.refresh()
    yield made
    await made.store.close()


def test_the_bootstrap_key_is_the_administrator_of_the_platform() -> None:
    caller = PeopleWorld().identify.authenticate(BOOTSTRAP)
    assert (caller.tenant, caller.actor.id, caller.platform) == ("default", "admin", True)
    caller.require(Scope.ADMIN)


async def test_the_bootstrap_key_is_never_stored(world: PeopleWorld) -> None:
    world.identify.authenticate(BOOTSTRAP)
    await world.identify.flush_last_use()
    assert await world.store.system_read(lambda tx: tx.api_keys()) == []


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("key", [None, "", "nothing-we-know", "lim_" + "x" * 40, "é", "\ud800", "x" * 100_000])
async def test_no_key_and_a_wrong_one_are_refused_without_repeating_it(world: PeopleWorld, key: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        world.identify.authenticate(key)
    assert not key or key not in refused.value.message


async def test_before_keys_were_read_nobody_is_called_a_stranger() -> None:
    with pytest.raises(Unavailable):
        PeopleWorld().identify.authenticate("lim_maybe-right")


@pytest.mark.requirement("SEC-02")
async def test_a_new_key_works_at_once_and_a_revoked_one_no_more(world: PeopleWorld) -> None:
    made = await world.keys.create(world.admin(), {"name": "grafana", "scopes": ["read"]})
    caller = world.identify.authenticate(made["key"])
    assert (caller.actor.type, caller.actor.id, caller.actor.name) == (ActorType.USER, "key:grafana", "grafana")
    assert caller.scopes == {Scope.READ}
    await world.keys.revoke(world.admin(), made["id"])
    with pytest.raises(Unauthenticated, match="revoked"):
        world.identify.authenticate(made["key"])


@pytest.mark.requirement("SEC-02")
async def test_a_revocation_reaches_another_node_with_its_next_refresh(world: PeopleWorld) -> None:
    other = Identify(world.store, world.clock, None, people=world.settings.of)
    made = await world.keys.create(world.admin(), {"name": "k", "scopes": ["read"]})
    assert await other.refresh()
    other.authenticate(made["key"])
    assert not await other.refresh()
    await world.keys.revoke(world.admin(), made["id"])
    assert await other.refresh()
    with pytest.raises(Unauthenticated):
        other.authenticate(made["key"])


@pytest.mark.requirement("SEC-02")
async def test_a_key_ends_at_the_instant_written_on_it(world: PeopleWorld) -> None:
    ends = world.clock.now() + timedelta(hours=1)
    key = await world.key_of(Scope.READ, expires_at=ends.isoformat())
    world.clock.advance(timedelta(minutes=59))
    world.identify.authenticate(key)
    world.clock.advance(timedelta(minutes=1))
    with pytest.raises(Unauthenticated, match="ended"):
        world.identify.authenticate(key)


@pytest.mark.requirement("SEC-02")
async def test_a_key_of_a_source_is_an_integration(world: PeopleWorld) -> None:
    caller = world.identify.authenticate(await world.key_of(Scope.INGEST, source="llm-sentinel"))
    assert (caller.source, caller.actor.type, caller.actor.id) == (
        "llm-sentinel",
        ActorType.INTEGRATION,
        "llm-sentinel",
    )
    assert not caller.is_person


async def test_the_key_in_a_sources_settings_is_an_ingest_key_of_it(world: PeopleWorld) -> None:
    document = {"name": "sentinel", "authentication": {"type": "api_key", "api_key": "sentinel-secret-0123456789"}}
    await world.configure.create(world.admin(), "sources", document)
    caller = world.identify.authenticate("sentinel-secret-0123456789")
    assert (caller.source, caller.scopes) == ("sentinel", {Scope.INGEST})
    assert await world.identify.flush_last_use() == 1


async def test_a_personal_key_acts_as_its_person_until_the_person_is_gone(world: PeopleWorld) -> None:
    await world.configure.create(world.admin(), "users", ANA_DOCUMENT)
    key = await world.key_of(Scope.RESPOND, user_id="ana")
    caller = world.identify.authenticate(key)
    assert (caller.actor.type, caller.actor.id, caller.actor.name) == (ActorType.USER, "ana", "Ana")
    await world.configure.replace(world.admin(), "users", "ana", ANA_DOCUMENT | {"enabled": False})
    with pytest.raises(Unauthenticated, match="disabled"):
        world.identify.authenticate(key)
    await world.configure.delete(world.admin(), "users", "ana")
    with pytest.raises(Unauthenticated, match="removed"):
        world.identify.authenticate(key)


@pytest.mark.requirement("SEC-01")
async def test_only_a_platform_key_acts_in_another_tenant(world: PeopleWorld) -> None:
    await world.tenants.create(world.admin(), {"id": "acme", "name": "Acme"})
    assert world.identify.authenticate(BOOTSTRAP, "acme").tenant == "acme"
    key = await world.key_of(Scope.ADMIN)
    assert world.identify.authenticate(key, "default").tenant == "default"
    with pytest.raises(NotFound) as foreign:
        world.identify.authenticate(key, "acme")
    with pytest.raises(NotFound) as unknown:
        world.identify.authenticate(key, "nowhere")
    assert foreign.value.code == unknown.value.code
    with pytest.raises(NotFound):
        world.identify.authenticate(BOOTSTRAP, "nowhere")


@pytest.mark.requirement("AUD-02")
async def test_request_facts_travel_with_the_caller_of_this_request_only(world: PeopleWorld) -> None:
    key = await world.key_of(Scope.READ)
    assert world.identify.authenticate(key, request=FACTS).request == FACTS
    assert world.identify.authenticate(key).request == RequestFacts()
    assert world.identify.authenticate(key) is world.identify.authenticate(key)


@pytest.mark.requirement("SEC-02")
async def test_last_use_is_written_when_flushed(world: PeopleWorld) -> None:
    made = await world.keys.create(world.admin(), {"name": "k", "scopes": ["read"]})
    world.clock.advance(timedelta(minutes=5))
    world.identify.authenticate(made["key"])
    assert await world.identify.flush_last_use() == 1
    assert await world.identify.flush_last_use() == 0
    shown = await world.keys.get(world.admin(), made["id"])
    assert shown["last_used_at"] == "2026-03-02T12:05:00Z"


async def test_a_last_use_that_cannot_be_written_is_kept_for_the_next_time(world: PeopleWorld) -> None:
    key = await world.key_of(Scope.READ)
    world.identify.authenticate(key)
    await world.store.close()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await world.identify.flush_last_use()
    world.identify.authenticate(key)


async def test_a_session_has_what_the_persons_role_allows_now(world: PeopleWorld) -> None:
    await world.configure.create(world.admin(), "users", ANA_DOCUMENT)
    signed_in = ("ana", "default", "Ana as she was", ("read", "respond"), "s-9")
    caller = world.identify.session_caller(*signed_in, FACTS)
    assert (caller.actor.name, caller.scopes) == ("Ana", {Scope.READ, Scope.RESPOND})
    assert (caller.request.session_id, caller.request.client_ip) == ("s-9", "10.0.1.45")
    await world.configure.replace(world.admin(), "users", "ana", ANA_DOCUMENT | {"role": "viewer"})
    assert world.identify.session_caller(*signed_in).scopes == {Scope.READ}
    await world.configure.delete(world.admin(), "users", "ana")
    with pytest.raises(Unauthenticated, match="removed"):
        world.identify.session_caller(*signed_in)


async def test_the_administrators_session_needs_no_user(world: PeopleWorld) -> None:
    caller = world.identify.session_caller("admin", "default", "Administrator", ["read", "admin"], "s-1")
    assert (caller.actor.id, caller.scopes) == ("admin", {Scope.READ, Scope.ADMIN})
