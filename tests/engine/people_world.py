"""A house for keys, people, settings and the audit: the real store in memory, and a clock that tests move."""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.incidents.changes import Change, ChangeSet, CommentAdded, RequestFacts
from llm_incident_manager.domain.incidents.evolve import evolve
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.configure import Configure
from llm_incident_manager.engine.identify import Identify
from llm_incident_manager.engine.keys import Keys
from llm_incident_manager.engine.links import Links
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.engine.tenants import Tenants
from llm_incident_manager.ids import CountingIds
from llm_incident_manager.storage.store import SqlStore, open_store
from tests.build import ANA, NOON, an_incident, opened

BOOTSTRAP = "the-bootstrap-key-of-this-test"
FACTS = RequestFacts(client_ip="10.0.1.45", user_agent="curl/8", session_id="s-1")
ANA_DOCUMENT = {"id": "ana", "name": "Ana", "contacts": {"email": "ana@example.com"}}


class PeopleWorld:
    """Everything here over one store."""

    def __init__(self, store: SqlStore | None = None) -> None:
        self.clock = ManualClock(NOON)
        self.store = store or open_store("sqlite://", clock=self.clock, inline=True)
        self.settings = SettingsMemory()
        self.identify = Identify(self.store, self.clock, BOOTSTRAP, people=self.settings.of)
        self.keys = Keys(self.store, CountingIds(), self.settings.of, self.identify.refresh)
        self.tenants = Tenants(self.store, self.identify.refresh)
        self.links = Links(self.store, self.settings.of)
        self.configure = Configure(self.store, self.reload)

    async def reload(self, tenant: str) -> None:
        await self.settings.refresh(self.store)
        await self.identify.refresh()

    def admin(self, tenant: str | None = None) -> Caller:
        """The caller of BOOTSTRAP_API_KEY, with request facts."""
        return self.identify.authenticate(BOOTSTRAP, tenant, request=FACTS)

    async def key_of(self, *scopes: Scope, **fields: Any) -> str:
        """A new key with these scopes."""
        document = {"name": "test", "scopes": [str(scope) for scope in scopes], **fields}
        made = await self.keys.create(self.admin(), document)
        return str(made["key"])

    async def audited(self, tenant: str = "default") -> list[dict[str, Any]]:
        """The entries of the tenant's own chain, oldest first, decoded."""
        links = await self.store.read(tenant, lambda tx: tx.audit.chain("tenant"))
        return [msgspec.json.decode(link.body) for link in links]

    async def open_incident(self, tenant: str = "default", **fields: Any) -> Incident:
        """A stored incident whose row is what its changes make."""
        at = fields.pop("created_at", self.clock.now())
        _, change_set = opened(an_incident(tenant=tenant, created_at=at, **fields), by=ANA)
        incident = evolve(None, change_set)
        await self.store.transact(tenant, lambda tx: tx.incidents.open([(incident, change_set)]))
        return incident

    async def change(self, incident: Incident, *changes: Change) -> Incident:
        """One more change set by Ana."""
        change_set = ChangeSet(at=self.clock.now(), by=ANA, changes=tuple(changes), request=FACTS)
        after = evolve(incident, change_set)

        def work(tx: Transaction) -> None:
            tx.incidents.append([(after, change_set)])

        await self.store.transact(incident.tenant, work)
        return after

    async def comment(self, incident: Incident, texts: Sequence[str]) -> Incident:
        """One change set for each text."""
        for text in texts:
            incident = await self.change(incident, CommentAdded(comment_id=f"c-{text}", text=text))
        return incident
