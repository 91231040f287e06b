"""History of a status page, brought through the domain at its own instants, without paging anybody."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.evolve import replay
from llm_incident_manager.domain.vocabulary import Scope, Severity, Status
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.import_history import ImportHistory
from llm_incident_manager.engine.memory import OpenFingerprints, SeenEvents
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.errors import Forbidden, Invalid
from llm_incident_manager.ids import CountingIds, IncidentNumbers
from llm_incident_manager.sources.statuspage import read_history
from llm_incident_manager.storage.store import SqlStore, open_store
from tests.build import ANA

TODAY = datetime(2026, 3, 2, tzinfo=UTC)
BEGUN = datetime(2024, 2, 1, 10, 0, tzinfo=UTC)
ADMIN = Caller(tenant="default", actor=ANA, scopes=frozenset({Scope.ADMIN}))


def an_outage(number: int, minutes: int | None = 90, **fields: Any) -> dict[str, Any]:
    start = BEGUN + timedelta(hours=6 * number)
    steps = [("investigating", 5, "We are looking."), ("identified", 20, "Found it."), ("resolved", minutes, "Fixed.")]
    ended = minutes is not None
    return {
        "id": f"out-{number}",
        "name": "Elevated errors",
        "status": "resolved" if ended else "investigating",
        "impact": "major",
        "started_at": start.isoformat(),
        "resolved_at": (start + timedelta(minutes=minutes)).isoformat() if minutes is not None else None,
        "incident_updates": [
            {"status": status, "body": body, "created_at": (start + timedelta(minutes=after)).isoformat()}
            for status, after, body in reversed(steps)
            if after is not None
        ],
    } | fields


def a_page(*incidents: dict[str, Any]) -> dict[str, Any]:
    return {"page": {"id": "acme", "name": "Acme AI"}, "incidents": list(incidents)}


class Desk:
    """A store with the import before it."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.open = OpenFingerprints()
        self.seen = SeenEvents()
        self.restart()

    def restart(self) -> None:
        settings = TenantSettings(tenant="default")
        context = Context(settings=settings, directory=settings.directory(), channels=frozenset(), ids=CountingIds())
        self.imports = ImportHistory(
            self.store,
            lambda _: context,
            IncidentNumbers(),
            CountingIds(),
            read_statuspage=read_history,
            committed=lambda incident: self.open.put(incident.tenant, incident.fingerprint, incident.id),
            counted=self.seen.add,
        )

    async def incidents(self) -> Any:
        wanted = IncidentFilter(sort="created_at", limit=200)
        return (await self.store.read("default", lambda tx: tx.incidents.search(wanted))).incidents


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    store = open_store("sqlite://", clock=ManualClock(TODAY), inline=True)
    yield Desk(store)
    await store.close()


async def test_an_outage_lives_again_at_its_recorded_instants(desk: Desk) -> None:
    counts = await desk.imports.statuspage(ADMIN, a_page(an_outage(0)))
    assert counts == {"imported": 1, "already_known": 0, "skipped_maintenance": 0, "open": 0, "faults": []}
    (incident,) = await desk.incidents()
    assert incident.id == "INC-20240201-00001"
    assert (incident.status, incident.severity, incident.category) == (Status.RESOLVED, Severity.P2, "availability")
    assert incident.imported
    assert incident.created_at == BEGUN
    assert incident.acknowledged_at == BEGUN + timedelta(minutes=5)
    assert incident.resolved_at == BEGUN + timedelta(minutes=90)
    assert (incident.times.mttd, incident.times.mtta, incident.times.mttr) == (None, None, 5400.0)
    assert incident.resolution.resolution_notes == "Fixed."
    stored = await desk.store.read("default", lambda tx: tx.incidents.changes(incident.id))
    change_sets = [each.changes() for each in stored]
    assert replay(change_sets) == incident
    assert [each.at - BEGUN for each in change_sets] == [timedelta(minutes=after) for after in (0, 5, 20, 90)]
    assert {(each.by.type, each.by.id) for each in change_sets} == {("integration", "statuspage:acme")}


async def test_nobody_is_paged_for_the_past_and_no_deadline_runs(desk: Desk) -> None:
    await desk.imports.statuspage(ADMIN, a_page(an_outage(0), an_outage(1, minutes=None)))
    await desk.store.system_read(lambda tx: None)
    assert await desk.store.system_read(lambda tx: (tx.next_timer_at(), tx.next_notification_at())) == (None, None)
    assert await desk.store.read("default", lambda tx: tx.incidents.without_next_step()) == []


async def test_importing_again_changes_nothing_even_after_a_restart(desk: Desk) -> None:
    page = a_page(*(an_outage(number) for number in range(90)), an_outage(90, minutes=None))
    assert (await desk.imports.statuspage(ADMIN, page))["imported"] == 91
    before = await desk.incidents()
    audit = await desk.store.read("default", lambda tx: tx.audit.heads())
    desk.restart()
    again = await desk.imports.statuspage(ADMIN, page)
    assert (again["imported"], again["already_known"], again["open"]) == (0, 91, 0)
    assert await desk.incidents() == before
    assert await desk.store.read("default", lambda tx: tx.audit.heads()) == audit


async def test_mttr_is_what_the_page_says(desk: Desk) -> None:
    lengths = [7, 61, 1440, 3]
    await desk.imports.statuspage(ADMIN, a_page(*(an_outage(n, minutes=long) for n, long in enumerate(lengths))))
    times = await desk.store.read("default", lambda tx: tx.incidents.times(None, None))
    assert sorted(each["mttr"] for each in times) == sorted(60.0 * long for long in lengths)


async def test_ids_of_a_day_that_this_process_never_saw_are_not_given_twice(desk: Desk) -> None:
    await desk.imports.statuspage(ADMIN, a_page(an_outage(0), an_outage(1)))
    desk.restart()
    more = await desk.imports.statuspage(ADMIN, a_page(an_outage(0, id="late-1"), an_outage(1, id="late-2")))
    assert more["imported"] == 2
    assert sorted(each.id for each in await desk.incidents()) == [f"INC-20240201-0000{n}" for n in (1, 2, 3, 4)]


async def test_an_outage_that_lasts_stays_open_and_is_known_to_the_intake(desk: Desk) -> None:
    counts = await desk.imports.statuspage(ADMIN, a_page(an_outage(0, minutes=None), an_outage(1)))
    assert (counts["imported"], counts["open"]) == (2, 1)
    incident = (await desk.incidents())[0]
    assert incident.is_open
    assert desk.open.get("default", incident.fingerprint) == incident.id
    assert desk.seen.lookup(("default", "statuspage:acme", "out-0")) == (True, incident.id)


async def test_maintenance_is_counted_faults_are_named_and_the_rest_is_imported(desk: Desk) -> None:
    page = a_page(an_outage(0), an_outage(1, impact="maintenance"), an_outage(2, impact="awful"), an_outage(3, id=""))
    counts = await desk.imports.statuspage(ADMIN, page)
    assert (counts["imported"], counts["skipped_maintenance"]) == (1, 1)
    assert [fault["field"] for fault in counts["faults"]] == ["incidents[2].impact", "incidents[3].id"]


async def test_a_post_mortem_closes_and_a_bare_incident_walks_to_its_end(desk: Desk) -> None:
    ended = (BEGUN + timedelta(hours=30)).isoformat()
    report = {"status": "postmortem", "body": "Why it happened.", "created_at": ended}
    told = an_outage(0)
    bare = an_outage(1, incident_updates=[])
    await desk.imports.statuspage(ADMIN, a_page(told | {"incident_updates": [report, *told["incident_updates"]]}, bare))
    first, second = await desk.incidents()
    assert (first.status, first.closed_at, first.times.mttr) == (Status.CLOSED, BEGUN + timedelta(hours=30), 5400.0)
    assert (second.status, second.times.mttr) == (Status.RESOLVED, 5400.0)


async def test_only_an_admin_imports_and_only_a_status_page(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        await desk.imports.statuspage(Caller(tenant="default", actor=ANA, scopes=frozenset({Scope.RESPOND})), a_page())
    with pytest.raises(Invalid):
        await desk.imports.statuspage(ADMIN, {"incidents": []})
    assert (await desk.imports.statuspage(ADMIN, a_page()))["imported"] == 0
