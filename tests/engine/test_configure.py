"""Settings as documents: whole or not at all, never silently, with an owner and a history."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.documents.apply import apply_file
from llm_incident_manager.engine.documents.parse import stored
from llm_incident_manager.errors import Conflict, Forbidden, Invalid, NotFound, StaleVersion
from tests.engine.people_world import ANA_DOCUMENT, PeopleWorld

BO = {
    "id": "bo",
    "name": "Bo",
    "contacts": {
        "webhook": {"url": "https://example.com/bo", "secret": "s3cret"},
        "slack": "https://hooks.slack.com/services/T1/B1/topsecret",
    },
}
TEAM = {"id": "platform", "name": "Platform", "members": ["ana", "bo"]}
POLICY = {"name": "By severity", "levels": [{"targets": {"type": "user", "id": "ana"}, "escalate_after": 300}]}
ROUTE = {"name": "everything", "assign": {"team": "platform"}, "policy": "by-severity"}


@pytest.fixture
async def world() -> AsyncIterator[PeopleWorld]:
    made = PeopleWorld()
    for kind, document in (
        ("users", ANA_DOCUMENT),
        ("users", BO),
        ("teams", TEAM),
        ("escalation_policies", POLICY),
        ("routes", ROUTE),
    ):
        await made.configure.create(made.admin(), kind, document)
    yield made
    await made.store.close()


async def test_a_change_is_used_at_once(world: PeopleWorld) -> None:
    assert world.settings.of("default").users["ana"].name == "Ana"
    await world.configure.replace(world.admin(), "users", "ana", ANA_DOCUMENT | {"name": "Ana B."})
    assert world.settings.of("default").users["ana"].name == "Ana B."


async def test_an_id_is_made_from_the_name_and_numbered_where_taken(world: PeopleWorld) -> None:
    template = {"name": "Short", "type": "escalated", "channels": {"email": {"subject": "…"}}}
    ids = [(await world.configure.create(world.admin(), "templates", template))["id"] for _ in range(2)]
    assert ids == ["short", "short-2"]
    with pytest.raises(Conflict) as taken:
        await world.configure.create(world.admin(), "users", ANA_DOCUMENT)
    assert taken.value.code == "already_exists"


@pytest.mark.parametrize(
    ("kind", "document", "field"),
    [
        ("users", {}, "name"),
        ("users", {"id": "eva", "colour": "red"}, "colour"),
        ("teams", {"id": "t", "members": ["nobody"]}, "members[0]"),
        ("routes", {"name": "r", "assign": {"team": "nobody"}}, "assign.team"),
        ("escalation_policies", {"name": "p", "levels": []}, "levels"),
        ("users", {"id": "eva", "contacts": {"webhook": {"url": "https://x.org", "secret": "…"}}}, "secret"),
    ],
)
async def test_a_faulty_document_is_refused_and_changes_nothing(
    world: PeopleWorld, kind: str, document: dict[str, Any], field: str
) -> None:
    _, _, before = await world.configure.page(world.admin(), kind)
    with pytest.raises(Invalid) as refused:
        await world.configure.create(world.admin(), kind, document)
    assert any(field in fault.field for fault in refused.value.faults)
    assert (await world.configure.page(world.admin(), kind))[2] == before


@pytest.mark.requirement("SEC-02")
async def test_secrets_never_come_back_and_survive_being_put_back_masked(world: PeopleWorld) -> None:
    shown = await world.configure.get(world.admin(), "users", "bo")
    assert shown["contacts"] == {
        "webhook": {"url": "https://example.com/bo", "secret": "…"},
        "slack": "https://hooks.slack.com/…",
    }
    shown["contacts"]["webhook"]["url"] = "https://example.com/moved"
    await world.configure.replace(world.admin(), "users", "bo", shown | {"name": "Robert"}, shown["version"])
    webhook, slack = world.settings.of("default").users["bo"].contacts
    assert (webhook.address, webhook.secret) == ("https://example.com/moved", "s3cret")
    assert slack.address == BO["contacts"]["slack"]  # type: ignore[index]
    pages, _, _ = await world.configure.page(world.admin(), "users")
    assert "s3cret" not in str(pages)
    assert "topsecret" not in str(pages)


async def test_a_secret_follows_its_contact_in_a_list(world: PeopleWorld) -> None:
    both = [{"url": "https://one.example.com", "secret": "1"}, {"url": "https://two.example.com", "secret": "2"}]
    made = await world.configure.replace(world.admin(), "users", "bo", BO | {"contacts": {"webhook": both}})
    second = made["contacts"]["webhook"][1]
    await world.configure.replace(world.admin(), "users", "bo", made | {"contacts": {"webhook": [second]}})
    (contact,) = world.settings.of("default").users["bo"].contacts
    assert (contact.address, contact.secret) == ("https://two.example.com", "2")


async def test_the_key_of_a_source_is_shown_to_nobody(world: PeopleWorld) -> None:
    document = {"name": "sentinel", "authentication": {"type": "api_key", "api_key": "sentinel-secret-0123456789"}}
    made = await world.configure.create(world.admin(), "sources", document)
    assert made["authentication"]["api_key_sha256"] == "…"
    await world.configure.replace(world.admin(), "sources", "sentinel", made | {"enabled": True})
    assert world.identify.authenticate("sentinel-secret-0123456789").source == "sentinel"
    assert "sentinel-secret" not in str(await world.audited())


@pytest.mark.parametrize(
    ("kind", "item_id", "referring"),
    [
        ("users", "bo", ["teams/platform"]),
        ("users", "ana", ["escalation_policies/by-severity", "teams/platform"]),
        ("teams", "platform", ["routes/everything"]),
        ("escalation_policies", "by-severity", ["routes/everything"]),
    ],
)
async def test_what_others_refer_to_is_not_deleted(
    world: PeopleWorld, kind: str, item_id: str, referring: list[str]
) -> None:
    with pytest.raises(Conflict) as refused:
        await world.configure.delete(world.admin(), kind, item_id)
    assert (refused.value.code, refused.value.facts["referring"]) == ("referenced", referring)
    await world.configure.delete(world.admin(), "routes", "everything")
    with pytest.raises(NotFound):
        await world.configure.get(world.admin(), "routes", "everything")


async def test_a_replacement_that_would_leave_a_level_without_anybody_is_refused(world: PeopleWorld) -> None:
    with pytest.raises(Conflict) as refused:
        await world.configure.replace(world.admin(), "users", "ana", ANA_DOCUMENT | {"contacts": {}})
    assert refused.value.facts["referring"] == ["escalation_policies/by-severity"]


async def test_a_stale_version_changes_nothing(world: PeopleWorld) -> None:
    first = await world.configure.get(world.admin(), "users", "ana")
    second = await world.configure.replace(world.admin(), "users", "ana", first | {"name": "A"}, first["version"])
    assert (first["version"], second["version"]) == (1, 2)
    with pytest.raises(StaleVersion) as stale:
        await world.configure.replace(world.admin(), "users", "ana", first | {"name": "B"}, first["version"])
    assert stale.value.facts["version"] == 2
    assert (await world.configure.get(world.admin(), "users", "ana"))["name"] == "A"


async def test_items_of_the_config_file_are_read_only(world: PeopleWorld) -> None:
    await world.store.transact("default", lambda tx: apply_file(tx, [stored("users", {"id": "eva", "name": "Eva"})]))
    assert (await world.configure.get(world.admin(), "users", "eva"))["origin"] == "file"
    for attempt in (
        world.configure.replace(world.admin(), "users", "eva", {"id": "eva", "name": "E"}),
        world.configure.delete(world.admin(), "users", "eva"),
    ):
        with pytest.raises(Conflict, match="config file") as refused:
            await attempt
        assert refused.value.code == "read_only"


async def test_an_id_stays(world: PeopleWorld) -> None:
    with pytest.raises(Invalid):
        await world.configure.replace(world.admin(), "users", "ana", ANA_DOCUMENT | {"id": "anna"})
    with pytest.raises(NotFound):
        await world.configure.replace(world.admin(), "users", "nobody", ANA_DOCUMENT | {"id": "nobody"})


async def test_the_catch_all_is_one_document(world: PeopleWorld) -> None:
    document = {"targets": [{"type": "user", "id": "ana"}], "channels": ["email"]}
    made = await world.configure.replace(world.admin(), "catch_all", None, document)
    assert made["targets"] == document["targets"]
    assert (await world.configure.get(world.admin(), "catch_all"))["version"] == 1
    assert world.settings.of("default").catch_all.channels == ("email",)


@pytest.mark.requirement("AUD-02")
async def test_the_audit_tells_field_by_field_and_hides_secrets(world: PeopleWorld) -> None:
    changed = {**BO, "name": "Robert", "contacts": {"webhook": {"url": "https://example.com/bo", "secret": "n3w"}}}
    await world.configure.replace(world.admin(), "users", "bo", changed)
    entry = (await world.audited())[-1]
    assert (entry["event_type"], entry["by"]["id"]) == ("configuration_replaced", "admin")
    assert entry["body"]["object"] == {"kind": "users", "id": "bo"}
    assert entry["body"]["metadata"]["client_ip"] == "10.0.1.45"
    assert entry["body"]["changes"] == [
        {"field": "contacts.slack", "old_value": "https://hooks.slack.com/…", "new_value": None},
        {"field": "contacts.webhook.secret", "old_value": "…", "new_value": "…"},
        {"field": "name", "old_value": "Bo", "new_value": "Robert"},
    ]
    written = str(await world.audited())
    assert all(secret not in written for secret in ("s3cret", "n3w", "topsecret"))


@pytest.mark.requirement("SEC-01")
async def test_another_tenant_sees_nothing_of_it(world: PeopleWorld) -> None:
    await world.tenants.create(world.admin(), {"id": "acme"})
    acme = world.admin("acme")
    assert (await world.configure.page(acme, "users"))[2] == 0
    for attempt in (
        world.configure.get(acme, "users", "ana"),
        world.configure.replace(acme, "users", "ana", ANA_DOCUMENT),
        world.configure.delete(acme, "users", "ana"),
        world.configure.get(acme, "unicorns", "x"),
    ):
        with pytest.raises(NotFound):
            await attempt
    with pytest.raises(Invalid):
        await world.configure.create(acme, "teams", TEAM)


async def test_readers_read_and_administrators_change(world: PeopleWorld) -> None:
    reader = world.identify.authenticate(await world.key_of(Scope.READ))
    assert (await world.configure.page(reader, "users"))[2] == 2
    for attempt in (
        world.configure.create(reader, "users", {"id": "x"}),
        world.configure.replace(reader, "users", "ana", ANA_DOCUMENT),
        world.configure.delete(reader, "users", "ana"),
    ):
        with pytest.raises(Forbidden):
            await attempt
