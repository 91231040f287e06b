"""③ What is known of fingerprints: the newest recovery by its sender's time stands; tenants never meet."""

from datetime import timedelta
from typing import Any

from llm_incident_manager.engine.fingerprint_notes import FingerprintNote
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON

T = "default"
SECOND = timedelta(seconds=1)


def a_note(**fields: Any) -> FingerprintNote:
    defaults: dict[str, Any] = {
        "fingerprint": "1:f", "said_at": NOON, "heard_at": NOON + SECOND, "source": "s", "event_id": "e", "title": "ä☂",
    }  # fmt: skip
    return FingerprintNote(**defaults | fields)


async def put(store: SqlStore, *notes: FingerprintNote, tenant: str = T) -> None:
    await store.transact(tenant, lambda tx: tx.fingerprint_notes.put(notes))


async def test_the_newest_by_its_senders_time_stands(store: SqlStore) -> None:
    first, newer = a_note(incident_id="INC-1"), a_note(said_at=NOON + SECOND, event_id="e2")
    await put(store, first)
    assert await store.read(T, lambda tx: tx.fingerprint_notes.of(["1:f", "1:g"])) == {"1:f": first}
    await put(store, newer)
    await put(store, a_note(heard_at=NOON + 9 * SECOND))
    assert await store.read(T, lambda tx: tx.fingerprint_notes.of(["1:f"])) == {"1:f": newer}
    await put(store, a_note(said_at=newer.said_at, incident_id="INC-2"))
    found = await store.read(T, lambda tx: tx.fingerprint_notes.of(["1:f"]))
    assert found["1:f"].incident_id == "INC-2"


async def test_tenants_never_meet_and_nothing_is_asked_for_nothing(store: SqlStore) -> None:
    await put(store, a_note(), tenant="other")
    await put(store)
    assert await store.read(T, lambda tx: tx.fingerprint_notes.of(["1:f"])) == {}
    assert await store.read(T, lambda tx: tx.fingerprint_notes.of([])) == {}


async def test_what_is_old_is_forgotten_in_steps(store: SqlStore) -> None:
    notes = [a_note(fingerprint=f"1:{number}", heard_at=NOON + number * SECOND) for number in range(5)]
    await put(store, *notes)
    assert await store.system(lambda tx: tx.forget_fingerprint_notes(NOON + 3 * SECOND, limit=3)) == 3
    assert await store.system(lambda tx: tx.forget_fingerprint_notes(NOON + 3 * SECOND, limit=3)) == 1
    left = await store.read(T, lambda tx: tx.fingerprint_notes.of(note.fingerprint for note in notes))
    assert list(left) == ["1:4"]
    assert await store.system_read(lambda tx: tx.overtaking(NOON, limit=10)) == []
