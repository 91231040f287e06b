"""What every store promises about configuration, keys, dead letters, links, answers, leases and checkpoints."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import SignInLink, Tenant
from llm_incident_manager.errors import Conflict, Invalid, NotFound
from llm_incident_manager.storage.store import SqlStore
from tests.build import ANA, NOON, a_dead_letter, a_key, an_item

T = "default"
MINUTE = timedelta(minutes=1)


async def revision(store: SqlStore, tenant: str = T) -> int:
    return (await store.system_read(lambda tx: tx.configuration_revision())).get(tenant, 0)


async def test_an_item_is_versioned_from_one(store: SqlStore) -> None:
    item = an_item(document={"name": "Platform", "members": ["ana"]}, created_by="ana")
    first = await store.transact(T, lambda tx: tx.configuration.put(item, expected_version=0))
    assert first == item
    later = msgspec.structs.replace(item, document={"name": "P"}, updated_at=NOON + MINUTE, created_at=NOON + MINUTE)
    second = await store.transact(T, lambda tx: tx.configuration.put(later, expected_version=1))
    assert second == msgspec.structs.replace(later, version=2, created_at=NOON)
    third = await store.transact(T, lambda tx: tx.configuration.put(later))
    assert third.version == 3
    assert await store.read(T, lambda tx: tx.configuration.get("teams", "platform")) == third
    assert await store.read(T, lambda tx: tx.configuration.all()) == [third]


@pytest.mark.parametrize("expected", [0, 2])
async def test_an_item_that_somebody_changed_is_not_overwritten(store: SqlStore, expected: int) -> None:
    await store.transact(T, lambda tx: tx.configuration.put(an_item()))
    with pytest.raises(Conflict) as refused:
        await store.transact(T, lambda tx: tx.configuration.put(an_item(), expected_version=expected))
    assert (refused.value.code, refused.value.facts["version"]) == ("version_conflict", 1)
    with pytest.raises(Conflict):
        await store.transact(T, lambda tx: tx.configuration.put(an_item(item_id="none"), expected_version=expected + 1))


async def test_items_of_a_kind_are_paged_by_id(store: SqlStore) -> None:
    items = [an_item(item_id=each) for each in "abc"]
    await store.transact(T, lambda tx: [tx.configuration.put(each) for each in (*items, an_item("users", "ana"))])
    page, cursor, total = await store.read(T, lambda tx: tx.configuration.page("teams", limit=2, cursor=None))
    assert ([each.id for each in page], total) == (["a", "b"], 3)
    page, end, _ = await store.read(T, lambda tx: tx.configuration.page("teams", limit=2, cursor=cursor))
    assert ([each.id for each in page], end) == (["c"], None)
    with pytest.raises(Invalid):
        await store.read(T, lambda tx: tx.configuration.page("users", limit=2, cursor=cursor))


async def test_every_change_of_configuration_or_keys_raises_the_revision(store: SqlStore) -> None:
    assert await revision(store) == 0
    key = a_key()
    changes: list[Any] = [
        lambda tx: tx.configuration.put(an_item()),
        lambda tx: tx.configuration.put(an_item()),
        lambda tx: tx.configuration.delete("teams", "platform"),
        lambda tx: tx.keys.add(key),
        lambda tx: tx.keys.save(msgspec.structs.replace(key, revoked_at=NOON)),
    ]
    for number, change in enumerate(changes, 1):
        await store.transact(T, change)
        assert await revision(store) == number
    await store.system(lambda tx: tx.touch_keys({key.id: NOON}))
    assert await revision(store) == len(changes)
    assert await revision(store, "other") == 0


@pytest.mark.requirement("SEC-01")
async def test_settings_of_another_tenant_are_out_of_reach(store: SqlStore) -> None:
    key, letter = a_key(), a_dead_letter()

    def fill(tx: Transaction) -> None:
        tx.configuration.put(an_item())
        tx.keys.add(key)
        tx.dead_letters.add([letter])
        tx.audit.add(NOON, ANA, "key_created", {})

    await store.transact(T, fill)

    def meddle(tx: Transaction) -> None:
        assert tx.configuration.all() == []
        assert tx.configuration.page("teams", limit=5, cursor=None) == ([], None, 0)
        assert tx.keys.page(limit=5, cursor=None) == ([], None, 0)
        assert tx.dead_letters.page(limit=5, cursor=None) == ([], None, 0)
        every = {"start": None, "end": None, "actor": None, "incident": None, "limit": 5, "cursor": None}
        assert tx.audit.page(**every) == ([], None, 0)
        assert tx.audit.chain("tenant") == []
        forbidden: list[Any] = [
            lambda: tx.configuration.get("teams", "platform"),
            lambda: tx.configuration.delete("teams", "platform"),
            lambda: tx.keys.get(key.id),
            lambda: tx.keys.save(key),
            lambda: tx.dead_letters.get(letter.id),
            lambda: tx.dead_letters.remove(letter.id),
        ]
        for each in forbidden:
            with pytest.raises(NotFound):
                each()

    await store.transact("other", meddle)
    assert len(await store.read(T, lambda tx: tx.configuration.all())) == 1


async def test_keys_are_kept_whole_and_revoked_ones_are_not_warmed(store: SqlStore, clock: ManualClock) -> None:
    key = a_key(
        scopes=(Scope.INGEST, Scope.READ),
        source="llm-sentinel",
        user_id="ana",
        expires_at=NOON + MINUTE,
        replaces="KEY-0",
    )
    platform = a_key(tenant="other", platform=True)
    await store.transact(T, lambda tx: tx.keys.add(key))
    await store.transact("other", lambda tx: tx.keys.add(platform))
    assert await store.read(T, lambda tx: tx.keys.get(key.id)) == key
    assert await store.system_read(lambda tx: tx.api_keys()) == [key, platform]
    await store.system(lambda tx: tx.touch_keys({key.id: NOON + MINUTE, "KEY-none": NOON}))
    await store.system(lambda tx: tx.touch_keys({key.id: NOON}))
    assert (await store.read(T, lambda tx: tx.keys.get(key.id))).last_used_at == NOON + MINUTE
    revoked = msgspec.structs.replace(key, revoked_at=NOON, last_used_at=NOON + MINUTE)
    await store.transact(T, lambda tx: tx.keys.save(revoked))
    assert await store.system_read(lambda tx: tx.api_keys()) == [platform]
    assert await store.read(T, lambda tx: tx.keys.page(limit=5, cursor=None)) == ([revoked], None, 1)


async def test_dead_letters_come_newest_first_until_removed(store: SqlStore) -> None:
    letters = [a_dead_letter(at=NOON + number * MINUTE) for number in range(3)]
    await store.transact(T, lambda tx: tx.dead_letters.add(letters))
    page, cursor, total = await store.read(T, lambda tx: tx.dead_letters.page(limit=2, cursor=None))
    assert (page, total) == (letters[:0:-1], 3)
    page, end, _ = await store.read(T, lambda tx: tx.dead_letters.page(limit=2, cursor=cursor))
    assert (page, end) == (letters[:1], None)
    tried = msgspec.structs.replace(letters[0], attempts=1, next_attempt_at=NOON + MINUTE, body=b"\x00\xff")
    await store.transact(T, lambda tx: tx.dead_letters.save(tried))
    assert await store.read(T, lambda tx: tx.dead_letters.get(tried.id)) == tried
    await store.transact(T, lambda tx: tx.dead_letters.remove(tried.id))
    with pytest.raises(NotFound):
        await store.transact(T, lambda tx: tx.dead_letters.remove(tried.id))


async def test_a_link_works_once_and_not_after_its_time(store: SqlStore, clock: ManualClock) -> None:
    link = SignInLink(
        digest=b"\x01" * 32, tenant=T, user_id="ana", name="Ana", scopes=(Scope.RESPOND,), expires_at=NOON + MINUTE
    )
    late = msgspec.structs.replace(link, digest=b"\x02" * 32)
    await store.system(lambda tx: (tx.add_link(link), tx.add_link(late)))
    assert await store.system(lambda tx: tx.redeem_link(link.digest)) == link
    assert await store.system(lambda tx: tx.redeem_link(link.digest)) is None
    clock.advance(MINUTE)
    assert await store.system(lambda tx: tx.redeem_link(late.digest)) is None
    assert await store.system(lambda tx: tx.prune("links", NOON + 2 * MINUTE, 10)) == 1


async def test_the_first_answer_of_a_key_stands_until_pruned(store: SqlStore) -> None:
    await store.system(lambda tx: tx.remember_answer(T, "k", b"d1", b"a1"))
    await store.system(lambda tx: tx.remember_answer(T, "k", b"d2", b"a2"))
    assert await store.system_read(lambda tx: tx.remembered_answer(T, "k")) == (b"d1", b"a1")
    assert await store.system_read(lambda tx: tx.remembered_answer("other", "k")) is None
    assert await store.system(lambda tx: tx.prune("answers", NOON, 10)) == 0
    assert await store.system(lambda tx: tx.prune("answers", NOON + MINUTE, 10)) == 1
    assert await store.system_read(lambda tx: tx.remembered_answer(T, "k")) is None


async def test_tenants_are_listed_and_named_once(store: SqlStore) -> None:
    tenants = [Tenant(id=each, name=each.title(), created_at=NOON) for each in ("acme", "beta")]
    for each in reversed(tenants):
        await store.system(lambda tx, each=each: tx.add_tenant(each))
    assert await store.system_read(lambda tx: tx.tenants()) == tenants
    with pytest.raises(Conflict):
        await store.system(lambda tx: tx.add_tenant(tenants[0]))


async def test_a_lease_has_one_holder_until_it_ends(store: SqlStore, clock: ManualClock) -> None:
    async def take(holder: str) -> bool:
        return await store.system(lambda tx: tx.take_lease("retention", holder, seconds=60))

    assert await take("a")
    assert not await take("b")
    assert await take("a")
    clock.advance(MINUTE)
    assert await take("b")
    assert not await take("a")


async def test_checkpoints_come_newest_first(store: SqlStore) -> None:
    await store.system(lambda tx: tx.checkpoint(NOON, b"one", b"s1"))
    await store.system(lambda tx: tx.checkpoint(NOON + MINUTE, b"two", b"s2"))
    assert await store.system_read(lambda tx: tx.checkpoints(1)) == [(NOON + MINUTE, b"two", b"s2")]
    assert len(await store.system_read(lambda tx: tx.checkpoints())) == 2
