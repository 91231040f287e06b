"""⑧ The audit trail: read it, verify it, take it away (AUD-02, AUD-06)."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec

from llm_incident_manager.domain.audit.chain import TENANT_CHAIN
from llm_incident_manager.domain.audit.entry import AuditEntry
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.audit_check import CHAINS_AT_ONCE, CHECKPOINTS_AT_ONCE, LINKS_AT_ONCE, AuditCheck
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.ports import Store, SystemTransaction, Transaction
from llm_incident_manager.engine.proof.export import checkpoint_line, end_line, header_line, link_line, outcome
from llm_incident_manager.engine.proof.statement import decode
from llm_incident_manager.engine.rows import StoredAudit, StoredChange
from llm_incident_manager.engine.views.audit import change_event, entry_event
from llm_incident_manager.errors import FieldFault, Invalid

Document = dict[str, Any]
Page = tuple[list[Document], str | None, int]
"""The documents of one page, the next cursor, and the total."""


class Audit:
    """The trail of the caller's tenant; everything needs the scope ``read``.

    Args:
        store: where the chains are.
        trusted: the public keys (hexadecimal) that sign checkpoints here; none means any.
    """

    def __init__(self, store: Store, trusted: Sequence[str] = ()) -> None:
        self._store = store
        self._trusted = tuple(trusted)

    async def page(
        self,
        caller: Caller,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        actor: str | None = None,
        incident: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Return events in specification §6.4's format, newest first: what people set, and what happened to incidents.

        ``actor`` is an id; ``incident`` may be an alias, and is NotFound where unknown. One event is one transaction's
        changes to one thing.
        """
        caller.require(Scope.READ)

        def work(tx: Transaction) -> Page:
            incident_id = tx.incidents.get(incident).id if incident is not None else None
            rows, following, total = tx.audit.page(
                start=start, end=end, actor=actor, incident=incident_id, limit=limit, cursor=cursor
            )
            return [_event(row) for row in rows], following, total

        return await self._store.read(caller.tenant, work)

    async def verify(
        self, caller: Caller, *, since: str | datetime | None = None, limit: int | None = None
    ) -> Document:
        """Return ``{valid, checked, first_fault}``; ``checked`` counts links, a fault is ``{chain, version, reason}``.

        Every chain is walked over its stored bytes, every incident replayed and compared with its row, every signed
        checkpoint compared with what is there. ``since`` (an instant or a date) leaves out incidents that did not
        change since then; ``limit`` stops after so many links.
        """
        caller.require(Scope.READ)
        check = AuditCheck(self._store, caller.tenant, since=_instant(since), limit=limit, trusted=self._trusted)
        fault = await check.run()
        return outcome(check.checked, fault)

    async def export(self, caller: Caller) -> AsyncIterator[str]:
        """Yield the lines of an export, which ``proof.export.verify_export`` checks."""
        caller.require(Scope.READ)
        tenant = caller.tenant
        yield header_line(tenant, await self._store.system_read(lambda tx: tx.now))
        # Checkpoints first: what they saw is in the chains that are read after them.
        async for line in self._checkpoints(tenant):
            yield line
        links = 0
        async for chain, page in self._chains(tenant):
            for link in page:
                yield link_line(chain, link)
            links += len(page)
        yield end_line(links)

    async def _checkpoints(self, tenant: str) -> AsyncIterator[str]:
        before: datetime | None = None
        while True:

            def work(tx: SystemTransaction, before: datetime | None = before) -> list[tuple[datetime, bytes, bytes]]:
                return tx.checkpoints(CHECKPOINTS_AT_ONCE, before=before)

            page = await self._store.system_read(work)
            for at, body, signature in page:
                yield checkpoint_line(decode(body), signature, tenant)
                before = at
            if len(page) < CHECKPOINTS_AT_ONCE:
                return

    async def _chains(self, tenant: str) -> AsyncIterator[tuple[str, list[StoredChange]]]:
        """Yield every chain in pages; the tenant's own last, so that it tells what was removed meanwhile."""
        after: str | None = None
        while True:

            def work(tx: Transaction, after: str | None = after) -> list[str]:
                return [head.chain_id for head in tx.audit.heads(since_incident=after, limit=CHAINS_AT_ONCE)]

            chains = [each for each in await self._store.read(tenant, work) if each != TENANT_CHAIN]
            for chain in chains or [TENANT_CHAIN]:
                async for page in self._pages(tenant, chain):
                    yield chain, page
            if not chains:
                return
            after = chains[-1]

    async def _pages(self, tenant: str, chain: str) -> AsyncIterator[list[StoredChange]]:
        version = 0
        while True:

            def work(tx: Transaction, version: int = version) -> list[StoredChange]:
                return tx.audit.chain(chain, after_version=version, limit=LINKS_AT_ONCE)

            page = await self._store.read(tenant, work)
            if not page:
                return
            yield page
            version = page[-1].version


def _event(row: StoredAudit) -> Document:
    chain, _, version = row.id.rpartition(":")
    if row.incident_id is None:
        return entry_event(int(version), msgspec.json.decode(row.body, type=AuditEntry))
    stored = StoredChange(incident_id=row.incident_id, version=int(version), body=row.body, previous=b"", digest=b"")
    return change_event(chain, stored)


def _instant(since: str | datetime | None) -> datetime | None:
    if since is None or isinstance(since, datetime):
        return since
    try:
        if len(since) == len("2027-01-31"):
            return datetime.combine(date.fromisoformat(since), time(), UTC)
        instant = datetime.fromisoformat(since)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        what = "is neither a date nor an instant with a zone, such as 2027-01-31T00:00:00Z"
        raise Invalid("since cannot be read", [FieldFault("since", what)])
    return instant
