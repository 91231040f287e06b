"""① Polls: one row per source, leased by whoever asks; only the holder writes."""

from datetime import timedelta

import msgspec
import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.engine.poll_rows import PollState
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON

T = "default"
pytestmark = pytest.mark.requirement("ING-10")


async def claimed(store: SqlStore, holder: str, *sources: str, tenant: str = T) -> list[str]:
    found = await store.transact(tenant, lambda tx: tx.polls.claim(sources, holder=holder, lease_seconds=60))
    return [each.source for each in found]


async def due(store: SqlStore, *sources: str, tenant: str = T) -> list[str]:
    return await store.read(tenant, lambda tx: tx.polls.due(sources))


async def test_one_holder_at_a_time_and_whoever_is_late_writes_nothing(store: SqlStore, clock: ManualClock) -> None:
    assert await due(store, "a", "b") == ["a", "b"]
    assert await claimed(store, "one", "a", "b") == ["a", "b"]
    assert await due(store, "a", "b") == []
    assert await claimed(store, "two", "a") == []
    clock.advance(timedelta(seconds=60))
    assert await claimed(store, "two", "a") == ["a"]
    state = PollState(source="a", url="https://example.com", told={"x": "1"}, succeeded_at=NOON)
    assert not await store.transact(T, lambda tx: tx.polls.keep(state, holder="one", lease_seconds=60))
    assert not await store.transact(T, lambda tx: tx.polls.done(state, holder="one", wait_seconds=5))
    assert await store.transact(T, lambda tx: tx.polls.keep(state, holder="two", lease_seconds=60))
    assert await store.transact(T, lambda tx: tx.polls.done(state, holder="two", wait_seconds=30))
    assert not await store.transact(T, lambda tx: tx.polls.done(state, holder="two", wait_seconds=30)), "it has ended"
    stored = await store.read(T, lambda tx: tx.polls.all())
    assert stored[0] == (state, clock.now() + timedelta(seconds=30))
    assert await due(store, "a", "b") == ["b"]
    clock.advance(timedelta(seconds=30))
    assert await due(store, "a", "b") == ["b", "a"], "the longest overdue first"
    (again,) = await store.transact(T, lambda tx: tx.polls.claim(["a"], holder="three", lease_seconds=60))
    assert again == state


async def test_what_is_set_no_more_is_forgotten(store: SqlStore) -> None:
    await claimed(store, "one", "a", "b", "c")
    await store.transact(T, lambda tx: tx.polls.keep_only(["b"]))
    assert [state.source for state, _ in await store.read(T, lambda tx: tx.polls.all())] == ["b"]
    await store.transact(T, lambda tx: tx.polls.keep_only([]))
    assert await store.read(T, lambda tx: tx.polls.all()) == []


@pytest.mark.requirement("SEC-01")
async def test_each_tenant_has_its_own(store: SqlStore) -> None:
    await claimed(store, "one", "a")
    assert await due(store, "a", tenant="other") == ["a"]
    await store.transact("other", lambda tx: tx.polls.keep_only([]))
    state = msgspec.structs.replace(PollState(source="a"), url="theirs")
    assert not await store.transact("other", lambda tx: tx.polls.done(state, holder="one", wait_seconds=0))
    assert await due(store, "a") == []
