"""What a seed did, for comparison: the change sets as stored, and the attempts that channels saw."""

import asyncio
from hashlib import sha256

from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import IncidentFilter
from tests.simulator.seeds import listening
from tests.simulator.simulation import Simulation
from tests.simulator.town import TENANTS


def trace_of(seed: int) -> str:
    """Return a digest over everything that the seed left behind."""
    with listening():
        return asyncio.run(_trace(seed))


async def _trace(seed: int) -> str:
    run = Simulation(seed)
    await run.run()
    digest = sha256()

    def read(tx: Transaction) -> None:
        for incident in tx.incidents.search(IncidentFilter(limit=500)).incidents:
            for link in tx.incidents.changes(incident.id):
                digest.update(link.digest)

    for tenant in TENANTS:
        await run.store.read(tenant, read)
    for page in run.pages:
        digest.update(f"{page.message.notification_id} {page.address} {page.accepted}".encode())
    return digest.hexdigest()
