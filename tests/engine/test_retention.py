"""What is old goes in small steps; what is young or open stays."""

from datetime import timedelta

import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.incident import SYSTEM
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.documents.server import Retention as Days
from llm_incident_manager.engine.retention import Retention
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.ids import CountingIds
from llm_incident_manager.storage.store import open_store
from tests.build import NOON, a_stored_event, an_incident, opened


@pytest.mark.requirement("DEP-08")
async def test_each_kind_goes_at_its_age_of_every_tenant_and_open_incidents_stay() -> None:
    clock = ManualClock(NOON)
    store = open_store("sqlite://", clock=clock, inline=True)
    retention = Days(events_days=30, incidents_days=730, audit_days=2555)
    settings = TenantSettings(tenant="default", retention=retention)
    context = Context(settings=settings, directory=settings.directory(), channels=frozenset(), ids=CountingIds())
    step = Retention(store, lambda _: context, clock)
    standing = an_incident()
    for tenant in ("default", "other"):
        kept = [a_stored_event(standing.id, tenant=tenant) for _ in range(700)]
        await store.transact(tenant, lambda tx, kept=kept: tx.events.keep(kept))  # type: ignore[misc]
        await store.transact(tenant, lambda tx: [tx.audit.add(tx.now, SYSTEM, "started", {}) for _ in range(3)])
    await store.transact("default", lambda tx: tx.incidents.open([opened(standing)]))

    clock.advance(timedelta(days=29))
    assert not any((await step.run_once()).values())
    clock.advance(timedelta(days=2))
    gone = await step.run_once()
    assert gone["events"] == 1400
    assert sum(gone.values()) == 1400
    clock.advance(timedelta(days=2600))
    gone = await step.run_once()
    assert (gone["events"], gone["incidents"], gone["audit"]) == (0, 0, 4)
    assert await store.read("default", lambda tx: tx.incidents.get(standing.id)) == standing
    await store.close()
