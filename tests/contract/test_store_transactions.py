"""What every store promises about transactions: all or nothing, one snapshot, one clock, and our own kinds of error."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.engine.ports import SystemTransaction, Transaction
from llm_incident_manager.errors import Conflict, Invalid, Unavailable
from llm_incident_manager.storage.lanes import Lanes
from llm_incident_manager.storage.store import SqlStore, migrate, open_store
from tests.build import NOON, a_key, an_incident, an_item, opened

T = "default"


class Broken(Exception):
    """Something that goes wrong inside the work."""


async def test_work_that_fails_leaves_nothing_behind_and_its_error_passes_through(store: SqlStore) -> None:
    incident = an_incident()

    def work(tx: Transaction) -> None:
        tx.incidents.open([opened(incident)])
        tx.outbox.put("deliver", {})
        tx.of("other").configuration.put(an_item())
        raise Broken

    with pytest.raises(Broken):
        await store.transact(T, work)
    assert await store.read(T, lambda tx: tx.incidents.get_many([incident.id])) == {}
    assert await store.system_read(lambda tx: tx.take_outbox(limit=1)) == []
    assert await store.read("other", lambda tx: tx.configuration.all()) == []
    await store.transact(T, lambda tx: tx.incidents.open([opened(incident)]))


async def test_a_transaction_over_all_tenants_is_one(store: SqlStore) -> None:
    def work(tx: SystemTransaction) -> None:
        tx.of(T).configuration.put(an_item())
        tx.of("other").configuration.put(an_item())
        assert tx.of(T) is tx.of("other").of(T)
        raise Broken

    with pytest.raises(Broken):
        await store.system(work)
    assert await store.system_read(lambda tx: tx.configuration_revision()) == {}


async def test_the_time_is_the_given_clocks_and_stands_still_within_a_transaction(
    store: SqlStore, clock: ManualClock
) -> None:
    def work(tx: Transaction) -> list[datetime]:
        first = tx.now
        clock.advance(timedelta(seconds=1))
        return [first, tx.now, tx.of("other").now]

    assert await store.transact(T, work) == [NOON] * 3
    assert await store.read(T, lambda tx: tx.now) == NOON + timedelta(seconds=1)


async def test_without_a_clock_the_time_is_the_databases(url: str) -> None:
    store = open_store(url)
    now = await store.system(lambda tx: tx.now)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=5)
    await store.close()


async def test_what_the_database_holds_already_is_a_conflict(store: SqlStore) -> None:
    key = a_key()
    await store.transact(T, lambda tx: tx.keys.add(key))
    with pytest.raises(Conflict):
        await store.transact(T, lambda tx: tx.keys.add(key))


async def test_a_database_without_schema_says_what_to_run(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Unavailable, match="llm-incident-manager migrate"):
        await store.read(T, lambda tx: tx.configuration.all())
    await store.close()


async def test_a_closed_store_is_unavailable(store: SqlStore) -> None:
    await store.close()
    await store.close()
    with pytest.raises(Unavailable):
        await store.read(T, lambda tx: tx.configuration.all())


async def test_a_read_writes_nothing(store: SqlStore, kind: str) -> None:
    if kind == "sqlite-memory":
        pytest.skip("one connection serves both")
    with pytest.raises(Unavailable):
        await store.read(T, lambda tx: tx.configuration.put(an_item()))
    assert await store.read(T, lambda tx: tx.configuration.all()) == []


async def test_a_read_sees_one_snapshot(opener: Callable[[], SqlStore], kind: str) -> None:
    if kind == "sqlite-memory":
        pytest.skip("nobody else can write meanwhile")
    store = opener()
    reading, written = threading.Event(), threading.Event()

    def read(tx: Transaction) -> tuple[int, int]:
        before = len(tx.configuration.all())
        reading.set()
        assert written.wait(10)
        return before, len(tx.configuration.all())

    slow = asyncio.create_task(store.read(T, read))
    await asyncio.to_thread(reading.wait, 10)
    await store.transact(T, lambda tx: tx.configuration.put(an_item()))
    written.set()
    assert await slow == (0, 0)
    assert len(await store.read(T, lambda tx: tx.configuration.all())) == 1


async def test_a_locked_file_is_unavailable_and_then_usable_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'locked.db'}"
    migrate(url)
    store = open_store(url, busy_seconds=0.05)
    other = create_engine(url)
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable) as refused:
            await store.transact(T, lambda tx: tx.configuration.put(an_item()))
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()
    assert refused.value.code == "database_unavailable"
    assert refused.value.retry_after_seconds > 0
    await store.transact(T, lambda tx: tx.configuration.put(an_item()))
    await store.close()


async def test_a_full_disk_is_unavailable_and_what_was_there_is_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'full.db'}"
    migrate(url)
    store = open_store(url, inline=True)
    await store.transact(T, lambda tx: tx.configuration.put(an_item()))

    def fill(tx: Transaction) -> None:
        tx._connection.exec_driver_sql("PRAGMA max_page_count = 1")
        tx.outbox.put("deliver", {"much": "x" * 1_000_000})

    with pytest.raises(Unavailable, match="full"):
        await store.transact(T, fill)
    assert len(await store.read(T, lambda tx: tx.configuration.all())) == 1
    await store.close()


async def test_a_server_that_is_away_is_unavailable() -> None:
    store = open_store("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as refused:
        await store.read(T, lambda tx: tx.configuration.all())
    assert refused.value.code == "database_unavailable"
    await store.close()


async def test_cut_connections_are_replaced(migrated_postgres: str) -> None:
    store = open_store(migrated_postgres, connections=2)
    await store.read(T, lambda tx: tx.configuration.all())
    engine = create_engine(migrated_postgres)
    with engine.connect() as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    engine.dispose()
    await store.read(T, lambda tx: tx.configuration.all())
    await store.close()


async def test_deadlocked_work_is_run_again(migrated_postgres: str) -> None:
    store = open_store(migrated_postgres, connections=2)
    await store.transact(T, lambda tx: [tx.configuration.put(an_item(item_id=each)) for each in "ab"])
    meet = threading.Barrier(2)
    runs = []

    def crossing(first: str, second: str) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            runs.append(first)
            lock = text("UPDATE configuration SET origin = 'api' WHERE id = :id")
            tx._connection.execute(lock, {"id": first})
            if len(runs) <= 2:
                meet.wait(10)
            tx._connection.execute(lock, {"id": second})

        return work

    try:
        await asyncio.gather(store.transact(T, crossing("a", "b")), store.transact(T, crossing("b", "a")))
    finally:
        await store.close()
    assert len(runs) > 2, "the one that was the deadlock's victim has run again, and both have committed"


@pytest.mark.requirement("DEP-07")
@pytest.mark.parametrize("url", ["mysql://x/y", "no url at all", "sqlite+aiosqlite:///x"])
def test_an_unsupported_database_is_refused_without_showing_the_url(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_store(url)
    assert refused.value.code == "unsupported_database"


def test_people_go_before_background_batches_and_cancelled_work_is_not_run() -> None:
    lanes = Lanes("test", threads=1)
    begin, order = threading.Event(), []
    lanes.submit(lambda: begin.wait(10), background=True)
    jobs = [
        lanes.submit(lambda name=name: order.append(name), background=name.startswith("b"))
        for name in ("b1", "b2", "p")
    ]
    jobs[1].cancel()
    begin.set()
    lanes.close()
    assert order == ["p", "b1"]
    with pytest.raises(Unavailable):
        lanes.submit(lambda: None, background=False)
