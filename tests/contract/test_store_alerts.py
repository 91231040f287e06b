"""① Alerts with their ends: by tenant, source and fingerprint; due when nobody told of them in time."""

from datetime import timedelta
from typing import Any

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.engine.alert_rows import KEPT, Alert, folded
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON

T = "default"
MINUTE = timedelta(minutes=1)


def an_alert(**fields: Any) -> Alert:
    """One that fires since noon and is believed for four minutes."""
    defaults: dict[str, Any] = {
        "source": "alertmanager", "fingerprint": "f", "labels": {"alertname": "A"}, "starts_at": NOON,
        "ends_at": NOON + 4 * MINUTE, "updated_at": NOON, "episode_at": NOON,
    }  # fmt: skip
    return Alert(**defaults | fields)


async def put(store: SqlStore, *alerts: Alert, tenant: str = T) -> None:
    await store.transact(tenant, lambda tx: tx.alerts.put(alerts))


async def test_an_alert_comes_back_as_it_was_put_and_the_last_one_stands(store: SqlStore) -> None:
    first, last = an_alert(annotations={"summary": "\u00e4 \u2192 ☂"}), an_alert(ends_at=NOON + 9 * MINUTE)
    await put(store, first)
    assert await store.read(T, lambda tx: tx.alerts.of("alertmanager", ["f", "g"])) == {"f": first}
    await put(store, last)
    assert await store.read(T, lambda tx: tx.alerts.of("alertmanager", ["f"])) == {"f": last}
    assert await store.read(T, lambda tx: tx.alerts.of("other", ["f"])) == {}
    assert await store.read("other", lambda tx: tx.alerts.of("alertmanager", ["f"])) == {}


async def test_what_fires_is_what_is_not_over_at_that_instant(store: SqlStore) -> None:
    late, over = an_alert(fingerprint="l", starts_at=NOON - MINUTE), an_alert(fingerprint="o", is_firing=False)
    await put(store, an_alert(), late, over)
    assert await store.read(T, lambda tx: tx.alerts.firing(NOON)) == [late, an_alert()]
    assert await store.read(T, lambda tx: tx.alerts.firing(NOON + 4 * MINUTE)) == []
    assert await store.read("other", lambda tx: tx.alerts.firing(NOON)) == []


async def test_what_was_not_told_again_is_due_at_its_end_in_every_tenant(store: SqlStore, clock: ManualClock) -> None:
    await put(store, an_alert(), an_alert(fingerprint="later", ends_at=NOON + 8 * MINUTE))
    await put(store, an_alert(ends_at=NOON + 3 * MINUTE), tenant="other")
    clock.advance(NOON + 4 * MINUTE - clock.now())
    due = await store.system_read(lambda tx: tx.due_alerts(limit=10))
    assert [(tenant, alert.fingerprint) for tenant, alert in due] == [("other", "f"), (T, "f")]
    assert len(await store.system_read(lambda tx: tx.due_alerts(limit=1))) == 1
    await put(store, an_alert(is_firing=False))
    assert [tenant for tenant, _ in await store.system_read(lambda tx: tx.due_alerts(limit=10))] == ["other"]


async def test_what_ended_long_ago_is_forgotten_and_nothing_else(store: SqlStore) -> None:
    await put(store, an_alert(), an_alert(fingerprint="a", is_firing=False), an_alert(fingerprint="b", is_firing=False))
    before = NOON + 5 * MINUTE
    assert await store.system(lambda tx: tx.forget_alerts(before, limit=1)) == 1
    assert await store.system(lambda tx: tx.forget_alerts(before, limit=9)) == 1
    assert await store.system(lambda tx: tx.forget_alerts(before, limit=9)) == 0
    assert list(await store.read(T, lambda tx: tx.alerts.of("alertmanager", "fab"))) == ["f"]


def test_the_earliest_start_and_the_first_episode_stay_while_it_fires() -> None:
    again = an_alert(starts_at=NOON + MINUTE, episode_at=NOON + MINUTE, updated_at=NOON + MINUTE)
    after = folded(an_alert(), again)
    assert (after.starts_at, after.episode_at, after.firing_id) == (NOON, NOON, an_alert().firing_id)


def test_it_fires_anew_when_it_had_ended_whatever_start_it_names() -> None:
    ended = an_alert(is_firing=False)
    at = NOON + 30 * MINUTE
    goes_on = folded(ended, an_alert(updated_at=at, ends_at=at + MINUTE))
    assert goes_on.firing_id != ended.firing_id
    assert folded(goes_on, an_alert(updated_at=at + MINUTE, ends_at=at + 2 * MINUTE)).firing_id == goes_on.firing_id
    later = an_alert(starts_at=at, episode_at=at, updated_at=at, ends_at=at + MINUTE)
    assert folded(ended, later) == later


def test_the_end_told_twice_is_one_end() -> None:
    end = an_alert(is_firing=False, ends_at=NOON + MINUTE, updated_at=NOON + MINUTE)
    once = folded(an_alert(), end)
    assert folded(once, end).resolved_id == once.resolved_id == an_alert().resolved_id


def test_one_that_has_fired_longer_than_alerts_are_remembered_begins_when_it_is_first_told() -> None:
    at = NOON + KEPT + MINUTE
    old = an_alert(updated_at=at, ends_at=at + MINUTE)
    assert folded(None, old).episode_at == at
