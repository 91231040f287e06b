"""③ Reports: which open folded incident a source's own fingerprint belongs to; tenants never meet."""

from datetime import timedelta

import msgspec

from llm_incident_manager.domain.vocabulary import Status
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON, an_incident, opened

T = "default"


async def put(store: SqlStore, incident_id: str, mark: str, *own: str, tenant: str = T, is_open: bool = True) -> None:
    incident = an_incident(id=incident_id, fingerprint=mark, tenant=tenant)
    if not is_open:
        incident = msgspec.structs.replace(incident, status=Status.RESOLVED, resolved_at=NOON)
    await store.transact(tenant, lambda tx: tx.incidents.open([opened(incident)]))
    await store.transact(tenant, lambda tx: tx.reports.put([(each, incident_id) for each in own]))


async def test_a_report_leads_to_its_open_incident_and_moves_when_it_is_reported_anew(store: SqlStore) -> None:
    await put(store, "INC-20261102-00001", "k1:a", "1:p", "1:s", is_open=False)
    assert await store.read(T, lambda tx: tx.reports.open_of(["1:p", "1:s", "1:x"])) == {}
    assert await store.read(T, lambda tx: tx.reports.last_of("1:p")) == "INC-20261102-00001"
    await put(store, "INC-20261102-00002", "k1:a", "1:p")
    assert await store.read(T, lambda tx: tx.reports.open_of(["1:p", "1:s"])) == {"1:p": "k1:a"}
    assert await store.read(T, lambda tx: tx.reports.last_of("1:p")) == "INC-20261102-00002"
    assert await store.read(T, lambda tx: tx.reports.last_of("1:unknown")) is None
    assert await store.read("other", lambda tx: tx.reports.open_of(["1:p"])) == {}
    assert await store.read(T, lambda tx: tx.reports.open_of([])) == {}


async def test_a_starting_node_reads_all_that_are_open_page_by_page(store: SqlStore) -> None:
    await put(store, "INC-20261102-00001", "k1:a", "1:p", "1:s", "1:t")
    await put(store, "INC-20261102-00002", "k1:b", "1:q", is_open=False)
    await put(store, "INC-20261102-00003", "k1:c", "1:p", tenant="other")
    found: list[tuple[str, str, str, str]] = []
    after = ("", "")
    while page := await store.system_read(lambda tx, after=after: tx.open_reports(after=after, limit=2)):  # type: ignore[misc]
        found += [(row.tenant, row.fingerprint, row.incident_id, row.folded) for row in page]
        after = (page[-1].tenant, page[-1].fingerprint)
    first = "INC-20261102-00001"
    assert found == [
        *((T, own, first, "k1:a") for own in ("1:p", "1:s", "1:t")), ("other", "1:p", "INC-20261102-00003", "k1:c"),
    ]  # fmt: skip


async def test_they_go_with_their_incident(store: SqlStore) -> None:
    await put(store, "INC-20261102-00001", "k1:a", "1:p", is_open=False)
    await store.system(lambda tx: tx.prune("incidents", NOON + timedelta(days=9999), 10))
    assert await store.read(T, lambda tx: tx.reports.last_of("1:p")) is None
