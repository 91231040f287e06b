"""⑤⑥ Timers, pages and the outbox: claimed by one, given back when a lease ends."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import chain

import msgspec
import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.escalation.timer import TimerKind
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from llm_incident_manager.engine.ports import SystemTransaction
from llm_incident_manager.errors import Conflict, NotFound
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON, a_notification, a_timer

T = "default"
MINUTE = timedelta(minutes=1)


async def due(store: SqlStore, limit: int = 100) -> list[str]:
    claimed = await store.system(lambda tx: tx.claim_due_timers(limit=limit, lease_seconds=30))
    return [each.incident_id for each in claimed]


async def pages(store: SqlStore, *busy: str, limit: int = 100) -> list[str]:
    claimed = await store.system(lambda tx: tx.claim_notifications(limit=limit, lease_seconds=30, busy_channels=busy))
    return [each.id for each in claimed]


@pytest.mark.requirement("RTE-07")
async def test_a_timer_is_claimed_when_due_soonest_first_and_once(store: SqlStore, clock: ManualClock) -> None:
    timers = [a_timer("C", due_at=NOON), a_timer("A", due_at=NOON - MINUTE), a_timer("B", due_at=NOON + MINUTE)]
    await store.transact(T, lambda tx: tx.timers.add(timers))
    assert await due(store, limit=1) == ["A"]
    assert await due(store) == ["C"]
    assert await due(store) == []
    assert await store.system_read(lambda tx: tx.next_timer_at()) == NOON + timedelta(seconds=30)
    clock.advance(timedelta(seconds=30))
    assert await due(store) == ["A", "C"]
    clock.advance(MINUTE)
    assert await due(store) == ["A", "C", "B"]


@pytest.mark.requirement("RTE-07")
async def test_replacing_keeps_the_lease_of_what_did_not_change(store: SqlStore, clock: ManualClock) -> None:
    level, sla = a_timer("A", due_at=NOON), a_timer("A", kind=TimerKind.SLA_RESOLUTION, due_at=NOON)
    await store.transact(T, lambda tx: tx.timers.add([level, sla, a_timer("B", due_at=NOON + MINUTE)]))
    assert await due(store) == ["A", "A"]
    moved = msgspec.structs.replace(sla, due_at=NOON - MINUTE)
    await store.transact(T, lambda tx: tx.timers.replace("A", [level, moved]))
    assert await store.read(T, lambda tx: tx.timers.of_incident("A")) == [moved, level]
    assert await due(store) == ["A"]
    snooze = a_timer("A", kind=TimerKind.SNOOZE)
    await store.transact(T, lambda tx: tx.timers.replace("A", [snooze]))
    assert await store.read(T, lambda tx: tx.timers.of_incident("A")) == [snooze]
    await store.transact(T, lambda tx: tx.timers.replace("A", []))
    assert await store.read(T, lambda tx: tx.timers.of_incident("A")) == []
    assert len(await store.read(T, lambda tx: tx.timers.of_incident("B"))) == 1
    assert await store.system_read(lambda tx: tx.next_timer_at()) == NOON + MINUTE


async def test_a_timer_is_deleted_only_while_its_cause_is_the_same(store: SqlStore) -> None:
    timer = a_timer("A")
    await store.transact(T, lambda tx: tx.timers.add([timer]))
    for other in ({"level": 3}, {"cycle": 2}, {"kind": TimerKind.MANAGER}):
        changed = msgspec.structs.replace(timer, **other)
        await store.transact(T, lambda tx, changed=changed: tx.timers.delete(changed))
    await store.transact("other", lambda tx: tx.timers.delete(timer))
    assert await store.read(T, lambda tx: tx.timers.of_incident("A")) == [timer]
    await store.transact(T, lambda tx: tx.timers.delete(timer))
    assert await store.read(T, lambda tx: tx.timers.of_incident("A")) == []
    assert await store.system_read(lambda tx: tx.next_timer_at()) is None


@pytest.mark.requirement("SEC-01")
async def test_timers_and_pages_of_another_tenant_are_out_of_reach(store: SqlStore) -> None:
    page = a_notification("A")
    await store.transact(T, lambda tx: (tx.timers.add([a_timer("A")]), tx.notifications.add([page])))

    def meddle(tx: object) -> None:
        assert tx.timers.of_incident("A") == []
        tx.timers.replace("A", [])
        assert tx.notifications.of_incident("A") == []
        assert tx.notifications.of_level("A", cycle=1, step=0) == []
        assert tx.notifications.cancel("A", reason="no") == 0
        for change in (lambda: tx.notifications.get(page.id), lambda: tx.notifications.save(page)):
            with pytest.raises(NotFound):
                change()

    await store.transact("other", meddle)
    assert await store.read(T, lambda tx: (len(tx.timers.of_incident("A")), tx.notifications.get(page.id))) == (1, page)


@pytest.mark.requirement("RTE-07")
async def test_two_claiming_at_once_never_share(opener: Callable[[], SqlStore], kind: str) -> None:
    stores = [opener()] if kind == "sqlite-memory" else [opener(), opener()]
    names = [f"I{number:03d}" for number in range(200)]

    def fill(tx: SystemTransaction) -> None:
        tx.of(T).timers.add([a_timer(each, due_at=NOON) for each in names])
        tx.of(T).notifications.add([a_notification("A", id=each) for each in names])

    await stores[0].system(fill)
    many = range(16)
    claimed = await asyncio.gather(*(due(stores[each % len(stores)], 20) for each in many))
    assert sorted(chain.from_iterable(claimed)) == names
    claimed = await asyncio.gather(*(pages(stores[each % len(stores)], limit=20) for each in many))
    assert sorted(chain.from_iterable(claimed)) == names


async def test_pages_go_out_worst_first_then_oldest_and_not_to_full_channels(
    store: SqlStore, clock: ManualClock
) -> None:
    await store.transact(
        T,
        lambda tx: tx.notifications.add(
            [
                a_notification("A", id="newer", planned_at=NOON),
                a_notification("A", id="older", planned_at=NOON - MINUTE),
                a_notification("A", id="worst", severity=Severity.P0),
                a_notification("A", id="full", severity=Severity.P0, channel="slack"),
                a_notification("A", id="later", planned_at=NOON + MINUTE),
                a_notification("A", id="retry", state=DeliveryState.RETRYING, next_attempt_at=NOON + 2 * MINUTE),
                a_notification("A", id="done", state=DeliveryState.DELIVERED),
            ]
        ),
    )
    assert await store.system_read(lambda tx: tx.notification_backlog()) == {"email": 5, "slack": 1}
    assert await pages(store, "slack", limit=2) == ["worst", "older"]
    assert await pages(store, "slack", "sms") == ["newer"]
    assert await pages(store) == ["full"]
    assert await store.system_read(lambda tx: tx.next_notification_at()) == NOON + timedelta(seconds=30)
    clock.advance(MINUTE)
    assert await pages(store) == ["full", "worst", "older", "newer", "later"]
    clock.advance(MINUTE)
    assert "retry" in await pages(store)


async def test_saving_a_page_ends_its_lease_and_says_how_it_went(store: SqlStore, clock: ManualClock) -> None:
    page = a_notification("A")
    await store.transact(T, lambda tx: tx.notifications.add([page]))
    await pages(store)
    retrying = msgspec.structs.replace(
        page, state=DeliveryState.RETRYING, attempts=1, next_attempt_at=NOON + MINUTE, last_error="time-out"
    )
    await store.transact(T, lambda tx: tx.notifications.save(retrying))
    assert await store.read(T, lambda tx: tx.notifications.get(page.id)) == retrying
    assert await store.system_read(lambda tx: tx.next_notification_at()) == NOON + MINUTE
    clock.advance(MINUTE)
    assert await pages(store) == [page.id]
    delivered = msgspec.structs.replace(
        retrying, state=DeliveryState.DELIVERED, attempts=2, next_attempt_at=None, delivered_at=NOON + MINUTE
    )
    await store.transact(T, lambda tx: tx.notifications.save(delivered))
    assert await store.read(T, lambda tx: tx.notifications.of_incident("A")) == [delivered]
    assert await store.system_read(lambda tx: tx.next_notification_at()) is None
    assert await store.system_read(lambda tx: tx.notification_backlog()) == {}


async def test_a_cancelled_page_does_not_come_back_but_may_turn_out_delivered(store: SqlStore) -> None:
    page, resolved = a_notification("A"), a_notification("A", type=NotificationType.RESOLVED)
    await store.transact(T, lambda tx: tx.notifications.add([page, resolved, a_notification("B")]))
    cancelled = await store.transact(
        T, lambda tx: tx.notifications.cancel("A", reason="acknowledged", keep=[NotificationType.RESOLVED])
    )
    assert cancelled == 1
    retrying = msgspec.structs.replace(page, state=DeliveryState.RETRYING, next_attempt_at=NOON)
    await store.transact(T, lambda tx: tx.notifications.save(retrying))
    stored = await store.read(T, lambda tx: tx.notifications.get(page.id))
    assert (stored.state, stored.last_error) == (DeliveryState.CANCELLED, "acknowledged")
    delivered = msgspec.structs.replace(page, state=DeliveryState.DELIVERED)
    await store.transact(T, lambda tx: tx.notifications.save(delivered))
    assert (await store.read(T, lambda tx: tx.notifications.get(page.id))).state is DeliveryState.DELIVERED
    assert await store.transact(T, lambda tx: tx.notifications.cancel("A", reason="ended")) == 1


async def test_pages_of_a_level_are_found_by_step_and_cycle(store: SqlStore) -> None:
    first, second = a_notification("A", step=0), a_notification("A", step=1, planned_at=NOON + MINUTE)
    aside, later = a_notification("A", step=None), a_notification("A", step=0, cycle=2)
    await store.transact(T, lambda tx: tx.notifications.add([second, first, aside, later]))
    levels = await store.read(
        T, lambda tx: [tx.notifications.of_level("A", cycle=1, step=each) for each in (0, 1, None, 7)]
    )
    assert levels == [[first], [second], [aside], []]
    assert (await store.read(T, lambda tx: tx.notifications.of_incident("A")))[-1] == second
    with pytest.raises(Conflict):
        await store.transact(T, lambda tx: tx.notifications.add([first]))


async def test_the_outbox_gives_what_was_put_in_order_until_it_is_done(store: SqlStore) -> None:
    for number in range(3):
        tenant = "other" if number == 1 else T
        await store.transact(tenant, lambda tx, number=number: tx.outbox.put("deliver", {"number": number}))
    rows = await store.system(lambda tx: tx.take_outbox(limit=2))
    assert [(each.tenant, each.kind, each.body) for each in rows] == [
        (T, "deliver", {"number": 0}),
        ("other", "deliver", {"number": 1}),
    ]
    await store.system(lambda tx: tx.delete_outbox([each.id for each in rows]))
    await store.system(lambda tx: tx.delete_outbox([each.id for each in rows]))
    (last,) = await store.system_read(lambda tx: tx.take_outbox(limit=10))
    assert last.body == {"number": 2}
    assert last.id > rows[-1].id
