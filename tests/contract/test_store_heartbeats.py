"""⑤ Heartbeats: one row per name of a source, found when somebody must look, by tenant."""

from datetime import timedelta

import msgspec
import pytest

from llm_incident_manager.engine.rows import Heartbeat
from llm_incident_manager.errors import NotFound
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON

T, MINUTE = "default", timedelta(minutes=1)
BEAT = Heartbeat(tenant=T, source="jobs", name="nightly", every=2, unit="hours", tags=("a",), due_at=NOON)


async def due(store: SqlStore) -> list[str]:
    return [each.name for each in await store.system_read(lambda tx: tx.due_heartbeats(NOON, 10))]


@pytest.mark.requirement("ING-12")
async def test_what_is_put_is_got_and_replaced(store: SqlStore) -> None:
    await store.transact(T, lambda tx: tx.heartbeats.put(BEAT))
    assert await store.read(T, lambda tx: tx.heartbeats.get("jobs", "nightly")) == BEAT
    later = msgspec.structs.replace(BEAT, every=3, last_ping_at=NOON, due_at=NOON + MINUTE)
    await store.transact(T, lambda tx: tx.heartbeats.put(later))
    assert await store.transact(T, lambda tx: tx.heartbeats.get("jobs", "nightly")) == later
    assert await store.read(T, lambda tx: tx.heartbeats.of_source("jobs")) == [later]
    assert later.interval == timedelta(hours=3)
    await store.transact(T, lambda tx: tx.heartbeats.delete("jobs", "nightly"))
    with pytest.raises(NotFound):
        await store.read(T, lambda tx: tx.heartbeats.get("jobs", "nightly"))
    with pytest.raises(NotFound):
        await store.transact(T, lambda tx: tx.heartbeats.delete("jobs", "nightly"))


@pytest.mark.requirement("ING-12")
async def test_what_must_be_looked_at_is_found_the_longest_overdue_first(store: SqlStore) -> None:
    beats = [
        msgspec.structs.replace(BEAT, name=name, **fields)  # type: ignore[arg-type]
        for name, fields in (
            ("now", {}), ("before", {"due_at": NOON - MINUTE}), ("after", {"due_at": NOON + MINUTE}),
            ("told", {"expired": True, "told": True}), ("off", {"enabled": False}),
            ("untold", {"expired": True, "due_at": NOON - 2 * MINUTE}),
        )
    ]  # fmt: skip
    await store.transact(T, lambda tx: [tx.heartbeats.put(each) for each in beats])
    assert await due(store) == ["untold", "before", "now"]
    await store.transact(T, lambda tx: tx.heartbeats.look_later("jobs", "before", NOON + MINUTE))
    await store.transact(T, lambda tx: tx.heartbeats.look_later("jobs", "told", NOON - MINUTE))
    assert await due(store) == ["untold", "now"]


@pytest.mark.requirement("SEC-01")
async def test_each_tenant_has_its_own(store: SqlStore) -> None:
    await store.transact(T, lambda tx: tx.heartbeats.put(BEAT))
    with pytest.raises(NotFound):
        await store.read("other", lambda tx: tx.heartbeats.get("jobs", "nightly"))
    assert await store.read("other", lambda tx: tx.heartbeats.of_source("jobs")) == []
    with pytest.raises(NotFound):
        await store.transact("other", lambda tx: tx.heartbeats.delete("jobs", "nightly"))
    assert await due(store) == ["nightly"]
