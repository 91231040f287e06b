"""③ What every store promises about incidents, their changes and their events."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from llm_incident_manager.domain.audit.chain import genesis, verify_links
from llm_incident_manager.domain.incidents.changes import ChangeSet, CommentAdded, FieldsChanged
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.vocabulary import Severity, Status
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.errors import Conflict, NotFound
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


def commented(incident: Incident, text: str = "looking") -> tuple[Incident, ChangeSet]:
    change = CommentAdded(comment_id="C1", text=text)
    return next_version(incident), ChangeSet(at=incident.updated_at, by=ANA, changes=(change,))


def next_version(incident: Incident, **fields: object) -> Incident:
    return msgspec.structs.replace(incident, version=incident.version + 1, **fields)


async def put(store: SqlStore, *incidents: Incident) -> None:
    for tenant in {each.tenant for each in incidents}:
        mine = [opened(each) for each in incidents if each.tenant == tenant]
        await store.transact(tenant, lambda tx, mine=mine: tx.incidents.open(mine))


@pytest.mark.requirement("AUD-01")
async def test_what_was_opened_is_read_back_with_its_change(store: SqlStore) -> None:
    incident = an_incident(tags={"team": "gateway"})
    await put(store, incident)
    assert await store.read(T, lambda tx: tx.incidents.get(incident.id)) == incident
    (change,) = await store.read(T, lambda tx: tx.incidents.changes(incident.id))
    assert change.changes() == opened(incident)[1]
    assert change.version == 1


async def test_an_unknown_incident_is_not_found(store: SqlStore) -> None:
    with pytest.raises(NotFound):
        await store.read(T, lambda tx: tx.incidents.get("INC-20260302-99999"))


@pytest.mark.requirement("SEC-01")
async def test_a_tenant_sees_none_of_anothers_incidents(store: SqlStore) -> None:
    incident = an_incident(assigned_to="ana")
    await put(store, incident)

    def look(tx: Transaction) -> None:
        with pytest.raises(NotFound):
            tx.incidents.get(incident.id)
        assert tx.incidents.open_by_fingerprint([incident.fingerprint]) == {}
        assert tx.incidents.last_by_fingerprint([incident.fingerprint]) == {}
        assert tx.incidents.changes(incident.id) == []
        assert tx.incidents.counts() == {"severity": {}, "status": {}}
        assert tx.incidents.times(None, None) == []
        assert tx.audit.chain(incident.id) == []
        assert tx.audit.heads() == []

    await store.read("other", look)


@pytest.mark.requirement("SEC-01")
async def test_tenants_may_have_the_same_fingerprint_open(store: SqlStore) -> None:
    mine = an_incident(fingerprint="v1:same")
    theirs = an_incident(fingerprint="v1:same", tenant="other")
    await put(store, mine, theirs)
    found = await store.read("other", lambda tx: tx.incidents.open_by_fingerprint(["v1:same"]))
    assert found["v1:same"].id == theirs.id


@pytest.mark.requirement("CLS-07")
async def test_a_second_opening_of_a_fingerprint_joins_the_first(store: SqlStore) -> None:
    first, second = an_incident(fingerprint="v1:x"), an_incident(fingerprint="v1:x")
    await put(store, first)
    lost = await store.transact(T, lambda tx: tx.incidents.open([opened(second), opened(an_incident())]))
    assert {fingerprint: each.id for fingerprint, each in lost.items()} == {"v1:x": first.id}
    assert (await store.read(T, lambda tx: tx.incidents.get(second.id))).id == first.id
    found = await store.read(T, lambda tx: tx.incidents.get_many([first.id, second.id, "INC-1"]))
    assert set(found) == {first.id, second.id}


@pytest.mark.requirement("CLS-07")
async def test_the_same_opening_repeated_changes_nothing(store: SqlStore) -> None:
    incident = an_incident(tags={"a": "b"})
    await put(store, incident)
    again = await store.transact(T, lambda tx: tx.incidents.open([opened(incident)]))
    assert again == {incident.fingerprint: incident}
    assert len(await store.read(T, lambda tx: tx.incidents.changes(incident.id))) == 1


@pytest.mark.requirement("CLS-07")
async def test_sixty_four_openings_at_once_make_one_incident(opener: Callable[[], SqlStore], kind: str) -> None:
    stores = [opener()] if kind == "sqlite-memory" else [opener(), opener()]
    racing = [an_incident(fingerprint="v1:storm") for _ in range(64)]
    answers = await asyncio.gather(
        *(
            stores[number % len(stores)].transact(T, lambda tx, each=each: tx.incidents.open([opened(each)]))
            for number, each in enumerate(racing)
        )
    )
    assert sum(answer == {} for answer in answers) == 1
    found = await stores[0].read(T, lambda tx: tx.incidents.get_many(each.id for each in racing))
    assert len(found) == 64
    assert len({each.id for each in found.values()}) == 1
    assert await stores[0].read(T, lambda tx: tx.incidents.counts()) == {"severity": {"P1": 1}, "status": {"NEW": 1}}


@pytest.mark.requirement("AUD-01")
async def test_each_version_can_be_written_once(store: SqlStore) -> None:
    incident = an_incident()
    await put(store, incident)
    await store.transact(T, lambda tx: tx.incidents.append([commented(incident)]))
    with pytest.raises(Conflict) as stale:
        await store.transact(T, lambda tx: tx.incidents.append([commented(incident)]))
    assert stale.value.code == "version_conflict"
    assert [each.version for each in await store.read(T, lambda tx: tx.incidents.changes(incident.id))] == [1, 2]
    assert [
        each.version for each in await store.read(T, lambda tx: tx.incidents.changes(incident.id, after_version=1))
    ] == [2]


@pytest.mark.requirement("AUD-01")
async def test_a_batch_with_one_stale_version_writes_nothing(store: SqlStore) -> None:
    fresh, stale = an_incident(), an_incident()
    await put(store, fresh, stale)
    await store.transact(T, lambda tx: tx.incidents.append([commented(stale)]))

    def append(tx: Transaction) -> None:
        tx.incidents.get_many([fresh.id, stale.id])
        tx.incidents.append([commented(fresh), commented(stale)])

    with pytest.raises(Conflict):
        await store.transact(T, append)
    assert (await store.read(T, lambda tx: tx.incidents.get(fresh.id))).version == 1


@pytest.mark.requirement("AUD-01")
async def test_of_many_writers_of_one_version_one_wins(opener: Callable[[], SqlStore], kind: str) -> None:
    stores = [opener()] if kind == "sqlite-memory" else [opener(), opener()]
    incident = an_incident()
    await put(stores[0], incident)

    def append(tx: Transaction) -> None:
        tx.incidents.append([commented(tx.incidents.get(incident.id))])

    answers = await asyncio.gather(
        *(stores[number % len(stores)].transact(T, append) for number in range(16)), return_exceptions=True
    )
    refused = [each for each in answers if each is not None]
    assert all(isinstance(each, Conflict) for each in refused)
    stored = await stores[0].read(T, lambda tx: tx.incidents.get(incident.id))
    assert stored.version == 1 + len(answers) - len(refused)
    assert len(await stores[0].read(T, lambda tx: tx.incidents.changes(incident.id))) == stored.version


async def test_an_ended_incident_frees_its_fingerprint_and_cannot_take_it_back(store: SqlStore) -> None:
    first = an_incident(fingerprint="v1:again")
    await put(store, first)
    ended = next_version(first, status=Status.RESOLVED, resolved_at=NOON)
    changes = commented(first)[1]
    await store.transact(T, lambda tx: tx.incidents.append([(ended, changes)]))
    second = an_incident(fingerprint="v1:again", created_at=NOON + timedelta(hours=1))
    await put(store, second)
    assert await store.read(T, lambda tx: tx.incidents.last_by_fingerprint(["v1:again"])) == {"v1:again": second.id}
    reopened = next_version(ended, status=Status.IN_PROGRESS)
    with pytest.raises(Conflict) as refused:
        await store.transact(T, lambda tx: tx.incidents.append([(reopened, changes)]))
    assert refused.value.code == "fingerprint_open"
    found = await store.read(T, lambda tx: tx.incidents.open_by_fingerprint(["v1:again", "v1:none"]))
    assert {fingerprint: each.id for fingerprint, each in found.items()} == {"v1:again": second.id}


@pytest.mark.requirement("AUD-06")
async def test_links_of_an_incident_form_a_chain_over_the_stored_bytes(store: SqlStore) -> None:
    incident = an_incident()
    await put(store, incident)
    await store.transact(T, lambda tx: tx.incidents.append([commented(incident, "café")]))
    await store.transact(T, lambda tx: tx.incidents.append([commented(next_version(incident))]))
    links = await store.read(T, lambda tx: tx.audit.chain(incident.id))
    assert verify_links(links, previous=genesis(T, incident.id)) is None
    assert verify_links(links, previous=genesis("other", incident.id)) is not None
    (head,) = await store.read(T, lambda tx: tx.audit.heads())
    assert (head.chain_id, head.version, head.digest) == (incident.id, 3, links[-1].digest)


async def test_two_changes_in_one_transaction_follow_each_other(store: SqlStore) -> None:
    incident = an_incident()

    def both(tx: Transaction) -> None:
        tx.incidents.open([opened(incident)])
        tx.incidents.append([commented(incident)])
        tx.incidents.append([commented(next_version(incident))])

    await store.transact(T, both)
    links = await store.read(T, lambda tx: tx.audit.chain(incident.id))
    assert [each.version for each in links] == [1, 2, 3]
    assert verify_links(links, previous=genesis(T, incident.id)) is None


async def test_changed_tags_are_found(store: SqlStore) -> None:
    incident = an_incident(tags={"team": "old"})
    await put(store, incident)
    retagged = next_version(incident, tags={"team": "new"})
    change = FieldsChanged(before={"tags": {"team": "old"}}, after={"tags": {"team": "new"}})
    changes = ChangeSet(at=NOON, by=ANA, changes=(change,))
    await store.transact(T, lambda tx: tx.incidents.append([(retagged, changes)]))
    for value, number in (("old", 0), ("new", 1)):
        wanted = IncidentFilter(tags=(("team", value),))
        assert (await store.read(T, lambda tx, wanted=wanted: tx.incidents.search(wanted))).total == number


async def test_only_what_nobody_and_nothing_will_move_lacks_a_next_step(store: SqlStore) -> None:
    forgotten, p4 = an_incident(), an_incident(severity=Severity.P4)
    timed, paged, told, assigned = (an_incident() for _ in range(4))
    assigned = msgspec.structs.replace(assigned, assigned_to="ana")
    taken = an_incident(ladder=Ladder(state=LadderState.TAKEN, opened_at=NOON))
    explained = an_incident(ladder=Ladder(state=LadderState.EXHAUSTED, opened_at=NOON, reason="nobody left"))
    imported, ended = an_incident(imported=True), an_incident(status=Status.CLOSED)

    def work(tx: Transaction) -> list[str]:
        every = (forgotten, p4, timed, paged, told, assigned, taken, explained, imported, ended)
        tx.incidents.open([opened(each) for each in every])
        tx.timers.add([a_timer(timed.id)])
        delivered = a_notification(told.id, state=DeliveryState.DELIVERED)
        tx.notifications.add([a_notification(paged.id), delivered])
        return tx.incidents.without_next_step()

    assert await store.transact(T, work) == [forgotten.id, told.id]


async def test_times_tell_what_analytics_needs(store: SqlStore) -> None:
    incident = an_incident()
    incident = msgspec.structs.replace(
        incident,
        times=msgspec.structs.replace(incident.times, mttd=2.5, mtta=60.0),
        sla=msgspec.structs.replace(incident.sla, acknowledgment_breached=True),
    )
    await put(store, incident, an_incident(created_at=NOON + timedelta(days=1)))
    (figures,) = await store.read(T, lambda tx: tx.incidents.times(NOON, NOON + timedelta(days=1)))
    assert figures == {
        "severity": "P1",
        "category": "performance",
        "source": "llm-sentinel",
        "environment": "production",
        "status": "NEW",
        "assigned_team": None,
        "assigned_to": None,
        "created_at": NOON,
        "mttd": 2.5,
        "mtta": 60.0,
        "mttr": None,
        "breaches": ["acknowledgment"],
    }


async def test_an_event_is_new_once(store: SqlStore) -> None:
    event, other = an_event(), an_event()

    def add(tx: Transaction) -> set[tuple[str, str]]:
        return tx.events.add([(event, "INC-1"), (event, "INC-2")])

    assert await store.transact(T, add) == {(event.source, event.event_id)}
    assert await store.transact(T, add) == set()
    keys = [(each.source, each.event_id) for each in (event, other)]
    assert await store.read(T, lambda tx: tx.events.known(keys)) == {keys[0]: "INC-1"}
    assert await store.read("other", lambda tx: tx.events.known(keys)) == {}
    assert await store.transact("other", lambda tx: tx.events.add([(event, None)])) == {keys[0]}


async def test_an_event_that_many_add_is_new_to_one(opener: Callable[[], SqlStore], kind: str) -> None:
    stores = [opener()] if kind == "sqlite-memory" else [opener(), opener()]
    events = [(an_event(), "INC-1") for _ in range(20)]
    added = await asyncio.gather(
        *(stores[number % len(stores)].transact(T, lambda tx: tx.events.add(events)) for number in range(8))
    )
    assert sum(map(len, added)) == 20


async def test_payloads_come_newest_first_in_pages(store: SqlStore) -> None:
    kept = [a_stored_event("INC-1", received_at=NOON + timedelta(seconds=number // 2)) for number in range(7)]
    await store.transact(T, lambda tx: tx.events.keep([*kept, a_stored_event("INC-2"), a_stored_event(None)]))
    await store.transact(T, lambda tx: tx.events.keep(kept))
    found = []
    cursor = None
    while True:
        page, cursor = await store.read(
            T, lambda tx, cursor=cursor: tx.events.of_incident("INC-1", limit=3, cursor=cursor)
        )
        found += page
        if cursor is None:
            break
    assert found == sorted(kept, key=lambda each: (each.received_at, each.source, each.event_id), reverse=True)
    assert await store.read(T, lambda tx: tx.events.kept_count(["INC-1", "INC-2", "INC-3"])) == {
        "INC-1": 7,
        "INC-2": 1,
        "INC-3": 0,
    }
    assert await store.read("other", lambda tx: tx.events.of_incident("INC-1", limit=3, cursor=None)) == ([], None)


async def test_what_starts_up_finds_open_fingerprints_ids_and_identities(store: SqlStore) -> None:
    yesterday = NOON - timedelta(days=1)
    mine = [
        an_incident(id="INC-20260302-100000"),
        an_incident(id="INC-20260302-99999"),
        an_incident(status=Status.CLOSED),
    ]
    theirs = an_incident(tenant="other", id="INC-20260301-00007", created_at=yesterday)
    await put(store, *mine, theirs)
    loser = an_incident(id="INC-20260302-100001", fingerprint=mine[0].fingerprint)
    await put(store, loser)
    events = [an_event(event_id=f"e{number}") for number in range(5)]
    await store.transact(T, lambda tx: tx.events.add([(each, None) for each in events]))
    assert await store.system_read(lambda tx: tx.last_incident_ids()) == ["INC-20260302-100001", "INC-20260301-00007"]
    found = await store.system_read(lambda tx: tx.open_fingerprints(after=None, limit=2))
    found += await store.system_read(
        lambda tx: tx.open_fingerprints(after=f"{found[-1].tenant}/{found[-1].incident_id}", limit=2)
    )
    assert [(each.tenant, each.incident_id) for each in found] == [
        (T, "INC-20260302-100000"),
        (T, "INC-20260302-99999"),
        ("other", theirs.id),
    ]
    first = await store.system_read(lambda tx: tx.event_keys(after=None, limit=3))
    rest = await store.system_read(lambda tx: tx.event_keys(after=first[-1], limit=3))
    assert [each[2] for each in first + rest] == [each.event_id for each in events]
