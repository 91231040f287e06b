"""What is learnt of a page after it left, over both databases: answers, arrivals, messages kept up to date."""

from datetime import timedelta

import msgspec
import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON, a_notification

T = "default"
DAY = timedelta(days=1)


async def kept(store: SqlStore, notification_id: str, tenant: str = T) -> Notification:
    return await store.read(tenant, lambda tx: tx.notifications.get(notification_id))


@pytest.mark.requirement("NTF-03")
async def test_notes_and_states_do_not_undo_each_other(store: SqlStore) -> None:
    page = a_notification("A", id="n1", state=DeliveryState.PLANNED)
    await store.transact(T, lambda tx: tx.notifications.add([page]))
    noted = msgspec.structs.replace(page, reached_at=NOON, answered_at=NOON + DAY, answer="take", shown_revision=3)
    await store.transact(T, lambda tx: tx.notifications.note(noted))
    delivered = msgspec.structs.replace(page, state=DeliveryState.DELIVERED, delivered_at=NOON, receipt="r")
    await store.transact(T, lambda tx: tx.notifications.save(delivered))
    await store.transact(T, lambda tx: tx.notifications.note(noted))
    found = await kept(store, "n1")
    assert (found.state, found.receipt, found.delivered_at) == ("delivered", "r", NOON)
    assert (found.reached_at, found.answered_at, found.answer, found.shown_revision) == (NOON, NOON + DAY, "take", 3)


@pytest.mark.requirement("NTF-05")
async def test_what_somebody_was_sent_is_found_newest_first(store: SqlStore) -> None:
    def sent(name: str, hours: float, **facts: object) -> Notification:
        at = NOON + timedelta(hours=hours)
        known: dict[str, object] = {"channel": "sms", "recipient": "user:ana", "state": DeliveryState.DELIVERED} | facts
        return a_notification("A", id=name, planned_at=at, **known)

    rows = [
        sent("old", -30), sent("early", 1), sent("late", 2), sent("mail", 3, channel="email"),
        sent("bo", 3, recipient="user:bo"), sent("not yet", 3, state=DeliveryState.RETRYING),
    ]  # fmt: skip
    await store.transact(T, lambda tx: tx.notifications.add(rows))
    await store.transact("acme", lambda tx: tx.notifications.add([sent("theirs", 3)]))
    since = NOON - DAY
    for limit, names in ((10, ["late", "early"]), (1, ["late"])):
        found = await store.read(
            T,
            lambda tx, most=limit: tx.notifications.sent_to("user:ana", "sms", since=since, limit=most),  # type: ignore[misc]
        )
        assert [each.id for each in found] == names


@pytest.mark.requirement("NTF-05")
async def test_a_request_is_spent_once_per_tenant_and_known_until_then(store: SqlStore, clock: ManualClock) -> None:
    async def spend(tenant: str, key: str) -> bool:
        return await store.system(lambda tx: tx.spend(tenant, key, kept_until=NOON + 400 * DAY))

    assert [await spend(T, "k"), await spend(T, "k"), await spend("acme", "k"), await spend(T, "l")] == [
        True, False, True, True,
    ]  # fmt: skip
    clock.advance(300 * DAY)
    await store.system(lambda tx: tx.prune("answers", clock.now() - DAY, 100))
    assert not await spend(T, "k")
    clock.advance(102 * DAY)
    await store.system(lambda tx: tx.prune("answers", clock.now() - DAY, 100))
    assert await spend(T, "k")
