"""One-time links: a person signs in once with each, as themselves."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.errors import Forbidden, Invalid, NotFound
from tests.engine.people_world import ANA_DOCUMENT, FACTS, PeopleWorld


@pytest.fixture
async def world() -> AsyncIterator[PeopleWorld]:
    made = PeopleWorld()
    await made.configure.create(made.admin(), "users", ANA_DOCUMENT)
    yield made
    await made.store.close()


async def test_a_link_signs_in_its_person_exactly_once(world: PeopleWorld) -> None:
    token = await world.links.create(world.admin(), "ana")
    assert await world.links.redeem(token, FACTS) == {
        "user_id": "ana",
        "name": "Ana",
        "tenant": "default",
        "scopes": ["read", "respond"],
    }
    assert await world.links.redeem(token) is None
    assert await world.links.redeem("something else") is None


@pytest.mark.requirement("AUD-02")
async def test_making_and_using_a_link_stands_in_the_audit(world: PeopleWorld) -> None:
    await world.links.redeem(await world.links.create(world.admin(), "ana"), FACTS)
    made, used = (await world.audited())[-2:]
    assert (made["event_type"], made["by"]["id"], made["body"]["object"]["id"]) == (
        "sign_in_link_created",
        "admin",
        "ana",
    )
    assert (used["event_type"], used["by"]["id"], used["body"]["metadata"]["client_ip"]) == (
        "signed_in",
        "ana",
        "10.0.1.45",
    )


@pytest.mark.parametrize(
    ("role", "scopes"),
    [("viewer", ["read"]), ("responder", ["read", "respond"]), ("admin", ["read", "respond", "ingest", "admin"])],
)
async def test_the_role_decides_the_scopes(world: PeopleWorld, role: str, scopes: list[str]) -> None:
    await world.configure.replace(world.admin(), "users", "ana", ANA_DOCUMENT | {"role": role})
    redeemed = await world.links.redeem(await world.links.create(world.admin(), "ana"))
    assert redeemed is not None
    assert redeemed["scopes"] == scopes


async def test_a_link_ends(world: PeopleWorld) -> None:
    token = await world.links.create(world.admin(), "ana", ttl_seconds=900)
    world.clock.advance(timedelta(seconds=901))
    assert await world.links.redeem(token) is None


async def test_a_link_of_somebody_removed_since_signs_in_nobody(world: PeopleWorld) -> None:
    token = await world.links.create(world.admin(), "ana")
    await world.configure.delete(world.admin(), "users", "ana")
    assert await world.links.redeem(token) is None


async def test_the_first_start_makes_the_administrators_link(world: PeopleWorld) -> None:
    redeemed = await world.links.redeem(await world.links.create(None, None))
    assert redeemed is not None
    assert (redeemed["user_id"], redeemed["tenant"], "admin" in redeemed["scopes"]) == ("admin", "default", True)


async def test_links_are_for_administrators_and_for_users_that_exist(world: PeopleWorld) -> None:
    responder = world.identify.authenticate(await world.key_of(Scope.RESPOND))
    with pytest.raises(Forbidden):
        await world.links.create(responder, "ana")
    with pytest.raises(NotFound):
        await world.links.create(world.admin(), "nobody")
    with pytest.raises(Invalid):
        await world.links.create(world.admin(), "ana", ttl_seconds=0)


@pytest.mark.requirement("SEC-01")
async def test_a_link_stays_in_its_tenant(world: PeopleWorld) -> None:
    await world.tenants.create(world.admin(), {"id": "acme"})
    with pytest.raises(NotFound):
        await world.links.create(world.admin("acme"), "ana")
