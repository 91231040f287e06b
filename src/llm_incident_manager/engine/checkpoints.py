"""⑧ Checkpoints: every few minutes the heads of chains that changed are signed, so that a cut tail shows (AUD-06)."""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from llm_incident_manager.domain.audit.chain import TENANT_CHAIN
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.identify import DEFAULT_TENANT
from llm_incident_manager.engine.ports import Store, SystemTransaction, Transaction
from llm_incident_manager.engine.proof.statement import (
    START,
    Checkpoint,
    Head,
    Section,
    Statement,
    decode,
    encode,
    make,
)
from llm_incident_manager.engine.rows import HeadHash, IncidentFilter

OVERLAP = timedelta(seconds=60)
"""A change set's instant may be so much older than its commit."""
_BEHIND_ALL = "~"
_PAGE = 200
_LEASE = "audit-checkpoint"
_LEASE_SECONDS = 1.0


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that was stored: what the log says, and what may be kept elsewhere."""

    number: int
    at: datetime
    digest: str
    heads: int
    checkpoint: Checkpoint
    signature: bytes


class Last(msgspec.Struct, frozen=True, kw_only=True):
    """The newest checkpoint in the store."""

    checkpoint: Checkpoint
    statement: Statement


class Checkpoints:
    """Makes checkpoints over all tenants; a step for a loop, and for the end of the process."""

    def __init__(self, store: Store, key: Ed25519PrivateKey) -> None:
        self._store = store
        self._key = key
        self._noted: dict[str, set[str]] = defaultdict(set)
        self._own_heads: dict[str, int] = {}
        self._holder = secrets.token_hex(8)

    @property
    def public_key(self) -> str:
        """The key that verifies them, in hexadecimal."""
        return self._key.public_key().public_bytes_raw().hex()

    def note_changed(self, tenant: str, incident_ids: Iterable[str]) -> None:
        """Remember incidents for the next checkpoint: looking back does not find imports, which change in the past."""
        self._noted[tenant].update(incident_ids)

    async def make(self) -> Signed | None:
        """Sign the heads that changed since the last checkpoint; None where none did, or another node was faster."""
        noted, self._noted = self._noted, defaultdict(set)
        settled = False
        try:
            last = await self._store.system_read(_last)
            sections = await self._sections(last, noted)
            signed = await self._store.system(lambda tx: self._sign(tx, last, sections)) if sections else None
            settled = signed is not None or not sections
        finally:
            for tenant, ids in noted.items() if not settled else ():
                self._noted[tenant] |= ids
        if signed is not None:
            own = ((section.tenant, head) for section in sections for head in section.heads)
            self._own_heads |= {tenant: head.version for tenant, head in own if head.chain == TENANT_CHAIN}
        return signed

    async def _sections(self, last: Last | None, noted: dict[str, set[str]]) -> list[Section]:
        tenants = await self._store.system_read(lambda tx: {DEFAULT_TENANT, *(each.id for each in tx.tenants())})
        return [
            Section(tenant=tenant, heads=tuple(heads))
            for tenant in sorted(tenants | noted.keys())
            if (heads := await self._changed(tenant, last, noted.get(tenant, set())))
        ]

    def _sign(self, tx: SystemTransaction, last: Last | None, sections: Sequence[Section]) -> Signed | None:
        # The lease's row also makes nodes wait for each other, so that no number is given twice.
        if not tx.take_lease(_LEASE, self._holder, seconds=_LEASE_SECONDS):
            return None
        now_last = _last(tx)
        if (now_last and now_last.checkpoint.digest) != (last and last.checkpoint.digest):
            return None
        at, number, previous = tx.now, 1, START
        if last is not None:
            # Instants order the checkpoints, whatever the clock does.
            at = max(at, last.statement.at + timedelta(microseconds=1))
            number, previous = last.statement.number + 1, last.checkpoint.digest
        checkpoint, signature = make(self._key, number=number, at=at, previous=previous, sections=sections)
        tx.checkpoint(at, encode(checkpoint), signature)
        heads = sum(len(section.heads) for section in sections)
        return Signed(
            number=number, at=at, digest=checkpoint.digest, heads=heads, checkpoint=checkpoint, signature=signature
        )

    async def _changed(self, tenant: str, last: Last | None, noted: set[str]) -> list[Head]:
        """Return the heads that no checkpoint has seen yet."""
        if last is None:
            return await self._all_heads(tenant)
        section = last.checkpoint.section_of(tenant)
        known = {head.chain: head.version for head in section[1].heads} if section is not None else {}
        known.setdefault(TENANT_CHAIN, self._own_heads.get(tenant, 0))
        found = {head.chain: head for head in await self._young_heads(tenant, last.statement.at - OVERLAP)}
        for ids in _pieces(sorted(noted - found.keys())):
            heads = await self._store.read(tenant, lambda tx, ids=ids: _heads_of(tx, ids))  # type: ignore[misc]
            found |= {head.chain: head for head in heads}
        own = await self._store.read(tenant, lambda tx: tx.audit.heads(since_incident=_BEHIND_ALL))
        found |= {each.chain_id: _head(each) for each in own}
        return sorted((head for head in found.values() if known.get(head.chain) != head.version), key=_by_chain)

    async def _young_heads(self, tenant: str, since: datetime) -> list[Head]:
        """Return the heads of incidents that changed since then, newest change first, page by page."""
        found: list[Head] = []
        cursor: str | None = None
        while True:
            wanted = IncidentFilter(sort="-updated_at", limit=_PAGE, cursor=cursor)

            def work(tx: Transaction, wanted: IncidentFilter = wanted) -> tuple[list[Head], str | None]:
                page = tx.incidents.search(wanted)
                young = [each for each in page.incidents if each.updated_at >= since]
                following = page.next_cursor if len(young) == len(page.incidents) else None
                return [head for each in young for head in _link_head(tx, each)], following

            heads, cursor = await self._store.read(tenant, work)
            found += heads
            if cursor is None:
                return found

    async def _all_heads(self, tenant: str) -> list[Head]:
        found: list[Head] = []
        after: str | None = None
        while True:
            page = await self._store.read(
                tenant,
                lambda tx, after=after: tx.audit.heads(since_incident=after, limit=_PAGE),  # type: ignore[misc]
            )
            found += [_head(each) for each in page]
            if len(page) < _PAGE or page[-1].chain_id == TENANT_CHAIN:
                return found
            after = page[-1].chain_id


def _last(tx: SystemTransaction) -> Last | None:
    found = tx.checkpoints(limit=1)
    if not found:
        return None
    checkpoint = decode(found[0][1])
    return Last(checkpoint=checkpoint, statement=checkpoint.read())


def _heads_of(tx: Transaction, incident_ids: Sequence[str]) -> list[Head]:
    return [head for each in tx.incidents.get_many(incident_ids).values() for head in _link_head(tx, each)]


def _link_head(tx: Transaction, incident: Incident) -> list[Head]:
    links = tx.audit.chain(incident.id, after_version=incident.version - 1, limit=1)
    return [Head(incident.id, link.version, link.digest.hex()) for link in links]


def _head(head: HeadHash) -> Head:
    return Head(head.chain_id, head.version, head.digest.hex())


def _by_chain(head: Head) -> str:
    return head.chain


def _pieces(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _PAGE):
        yield ids[start : start + _PAGE]
