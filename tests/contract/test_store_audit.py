"""⑧ What every store promises about the audit, and about what retention may take."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from llm_incident_manager.domain.audit.chain import TENANT_CHAIN, genesis, verify_links
from llm_incident_manager.domain.audit.entry import AuditEntry
from llm_incident_manager.domain.incidents.changes import ChangeSet, CommentAdded
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.vocabulary import Status
from llm_incident_manager.engine.ports import SystemTransaction, Transaction
from llm_incident_manager.engine.rows import StoredAudit
from llm_incident_manager.errors import Invalid, NotFound
from llm_incident_manager.storage.store import SqlStore
from tests.build import (
    ANA,
    NOON,
    a_notification,
    a_stored_event,
    a_timer,
    an_event,
    an_incident,
    opened,
)

T = "default"
HOUR = timedelta(hours=1)


async def page(store: SqlStore, **fields: Any) -> tuple[list[StoredAudit], str | None, int]:
    every: dict[str, Any] = {"start": None, "end": None, "actor": None, "incident": None, "limit": 50, "cursor": None}
    return await store.read(T, lambda tx: tx.audit.page(**every | fields))


async def ids(store: SqlStore, **fields: Any) -> list[str]:
    return [each.id for each in (await page(store, **fields))[0]]


@pytest.mark.requirement("AUD-06")
async def test_the_tenants_chain_holds_over_the_stored_bytes(store: SqlStore) -> None:
    for number in range(3):
        await store.transact(T, lambda tx, n=number: tx.audit.add(NOON, ANA, "policy_changed", {"n": n}))
    links = await store.read(T, lambda tx: tx.audit.chain(TENANT_CHAIN))
    assert verify_links(links, previous=genesis(T, TENANT_CHAIN)) is None
    entry = msgspec.json.decode(links[2].body, type=AuditEntry)
    assert entry == AuditEntry(at=NOON, by=ANA, event_type="policy_changed", body={"n": 2})
    rest = await store.read(T, lambda tx: tx.audit.chain(TENANT_CHAIN, after_version=1, limit=1))
    assert rest == links[1:2]


@pytest.mark.requirement("AUD-06")
async def test_entries_added_at_once_still_form_one_chain(opener: Callable[[], SqlStore], kind: str) -> None:
    stores = [opener()] if kind == "sqlite-memory" else [opener(), opener()]
    await asyncio.gather(
        *(
            stores[number % len(stores)].transact(T, lambda tx, n=number: tx.audit.add(NOON, ANA, "x", {"n": n}))
            for number in range(24)
        )
    )
    links = await stores[0].read(T, lambda tx: tx.audit.chain(TENANT_CHAIN))
    assert len(links) == 24
    assert verify_links(links, previous=genesis(T, TENANT_CHAIN)) is None


@pytest.mark.requirement("AUD-02")
async def test_both_kinds_of_entries_come_merged_newest_first(store: SqlStore) -> None:
    first, second = an_incident(), an_incident(created_at=NOON + 2 * HOUR)

    def work(tx: Transaction) -> None:
        tx.incidents.open([opened(first), opened(second)])
        tx.audit.add(NOON + HOUR, ANA, "key_created", {"id": "KEY-1"})
        comment = ChangeSet(at=NOON + 3 * HOUR, by=ANA, changes=(CommentAdded(comment_id="C", text="x"),))
        tx.incidents.append([(msgspec.structs.replace(first, version=2), comment)])

    await store.transact(T, work)
    expected = [f"{first.id}:2", f"{second.id}:1", "tenant:1", f"{first.id}:1"]
    entries, _, total = await page(store)
    assert [each.id for each in entries] == expected
    assert total == 4
    opening = "incident_opened"
    assert [each.event_type for each in entries] == ["comment_added", opening, "key_created", opening]
    assert [each.incident_id for each in entries] == [first.id, second.id, None, first.id]
    assert await ids(store, incident=first.id) == [f"{first.id}:2", f"{first.id}:1"]
    assert await ids(store, actor="ana") == [f"{first.id}:2", "tenant:1"]
    assert await ids(store, start=NOON + HOUR, end=NOON + 3 * HOUR) == [f"{second.id}:1", "tenant:1"]
    walked = []
    cursor = None
    for _ in expected:
        found, cursor, _ = await page(store, limit=1, cursor=cursor)
        walked += [each.id for each in found]
    assert (walked, cursor) == (expected, None)


async def test_entries_of_one_instant_are_paged_without_loss(store: SqlStore) -> None:
    await store.transact(T, lambda tx: tx.incidents.open([opened(an_incident()) for _ in range(5)]))
    for _ in range(3):
        await store.transact(T, lambda tx: tx.audit.add(NOON, ANA, "x", {}))
    walked = []
    cursor = None
    while True:
        found, cursor, total = await page(store, limit=3, cursor=cursor)
        assert total == 8
        walked += [each.id for each in found]
        if cursor is None:
            break
    assert len(walked) == len(set(walked)) == 8
    with pytest.raises(Invalid):
        await page(store, cursor="x")


async def test_heads_name_every_chain_in_pages(store: SqlStore) -> None:
    incidents = [an_incident() for _ in range(3)]
    await store.transact(T, lambda tx: tx.incidents.open([opened(each) for each in incidents]))
    await store.transact(T, lambda tx: tx.audit.add(NOON, ANA, "x", {}))
    seen: list[str] = []
    while True:
        last = seen[-1] if seen else None
        heads = await store.read(T, lambda tx, last=last: tx.audit.heads(since_incident=last, limit=3))
        if not heads:
            break
        seen += [each.chain_id for each in heads]
    assert seen == [*(each.id for each in incidents), TENANT_CHAIN]


async def test_only_incidents_that_ended_long_ago_go_and_leave_a_trace(store: SqlStore) -> None:
    old = an_incident(status=Status.CLOSED, closed_at=NOON, tags={"a": "b"})
    resolved = an_incident(status=Status.RESOLVED, resolved_at=NOON + timedelta(seconds=1))
    recent = an_incident(status=Status.CLOSED, closed_at=NOON + HOUR)
    still_open = an_incident()
    theirs = an_incident(tenant="other", status=Status.CLOSED, closed_at=NOON)

    def fill(tx: SystemTransaction) -> None:
        mine = tx.of(T)
        mine.incidents.open([opened(each) for each in (old, resolved, recent, still_open)])
        mine.incidents.alias("INC-20260302-77777", old.id)
        mine.events.add([(an_event(event_id="e"), old.id)])
        mine.events.keep([a_stored_event(old.id), a_stored_event(recent.id)])
        mine.timers.add([a_timer(old.id)])
        mine.notifications.add([a_notification(old.id)])
        tx.of("other").incidents.open([opened(theirs)])

    await store.system(fill)
    head = (await store.read(T, lambda tx: tx.audit.heads(limit=1)))[0]
    assert await store.system(lambda tx: tx.prune("incidents", NOON + HOUR, 2)) == 2
    assert await store.system(lambda tx: tx.prune("incidents", NOON + HOUR, 2)) == 1
    assert await store.system(lambda tx: tx.prune("incidents", NOON + HOUR, 2)) == 0

    def look(tx: Transaction) -> None:
        assert set(tx.incidents.get_many(each.id for each in (old, resolved, recent, still_open))) == {
            recent.id,
            still_open.id,
        }
        for gone in (old.id, "INC-20260302-77777"):
            with pytest.raises(NotFound):
                tx.incidents.get(gone)
        assert tx.incidents.changes(old.id) == []
        assert tx.events.kept_count([old.id, recent.id]) == {old.id: 0, recent.id: 1}
        assert tx.timers.of_incident(old.id) == []
        assert tx.notifications.of_incident(old.id) == []
        assert list(tx.events.known([("llm-sentinel", "e")])) == [("llm-sentinel", "e")]
        entries = [msgspec.json.decode(each.body, type=AuditEntry) for each in tx.audit.chain(TENANT_CHAIN)]
        assert {each.event_type for each in entries} == {"incidents_pruned"}
        traces = [trace for each in entries for trace in each.body["incidents"]]
        assert {each["id"] for each in traces} == {old.id, resolved.id}
        assert {"id": old.id, "version": 1, "digest": head.digest.hex()} in traces

    await store.read(T, look)


async def test_the_tenants_chain_is_cut_at_its_start_and_says_so(store: SqlStore) -> None:
    for hours in range(4):
        await store.transact(T, lambda tx, hours=hours: tx.audit.add(NOON + hours * HOUR, ANA, "x", {}))
    before = await store.read(T, lambda tx: tx.audit.chain(TENANT_CHAIN))
    assert await store.system(lambda tx: tx.prune("audit", NOON + 2 * HOUR, 1)) == 1
    assert await store.system(lambda tx: tx.prune("audit", NOON + 2 * HOUR, 10)) == 1
    assert await store.system(lambda tx: tx.prune("audit", NOON + 2 * HOUR, 10)) == 0
    links = await store.read(T, lambda tx: tx.audit.chain(TENANT_CHAIN))
    assert [each.version for each in links] == [3, 4, 5, 6]
    assert verify_links(links, previous=before[1].digest, version=2) is None
    last = msgspec.json.decode(links[-1].body, type=AuditEntry)
    assert last.body == {"version": 2, "digest": before[1].digest.hex()}


async def test_payloads_and_ended_pages_go_in_steps(store: SqlStore) -> None:
    def fill(tx: Transaction) -> None:
        tx.events.keep([a_stored_event("A", received_at=NOON + number * HOUR) for number in range(4)])
        ended = {"state": DeliveryState.DELIVERED}
        tx.notifications.add([a_notification("A", **ended), a_notification("A")])
        tx.notifications.add([a_notification("A", planned_at=NOON + HOUR, **ended)])

    await store.transact(T, fill)
    steps = [await store.system(lambda tx: tx.prune("events", NOON + 3 * HOUR, 2)) for _ in range(3)]
    assert steps == [2, 1, 0]
    assert await store.system(lambda tx: tx.prune("notifications", NOON + HOUR, 10)) == 1
    assert len(await store.read(T, lambda tx: tx.notifications.of_incident("A"))) == 2
