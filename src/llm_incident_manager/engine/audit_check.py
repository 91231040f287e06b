"""⑧ The whole audit of one tenant, verified over the stored bytes, step by step, in bounded memory (AUD-06)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from llm_incident_manager.domain.audit.chain import TENANT_CHAIN
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.proof.export import CHECKPOINTS, follows_fault
from llm_incident_manager.engine.proof.removals import Removals
from llm_incident_manager.engine.proof.statement import START, Head, Statement, decode, digest_of, signature_fault
from llm_incident_manager.engine.proof.walk import ChainWalk, ProofFault
from llm_incident_manager.engine.rows import HeadHash, StoredChange

LINKS_AT_ONCE = 500
CHAINS_AT_ONCE = 20
CHECKPOINTS_AT_ONCE = 20
BEHIND_ALL_INCIDENTS = "~"
"""Sorts after every incident's id: the heads behind it are the tenant's own."""


class _Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An incident's head, its first links and its row, from one snapshot."""

    head: HeadHash
    links: list[StoredChange]
    stored: Incident | None


class AuditCheck:
    """One verification. ``checked`` counts links; at ``limit`` it stops, and later chains stay unproven.

    ``since`` leaves out incidents that did not change since then, and checkpoints from before.
    """

    def __init__(
        self, store: Store, tenant: str, *, since: datetime | None, limit: int | None, trusted: Sequence[str]
    ) -> None:
        self._store = store
        self._tenant = tenant
        self._since = since
        self._limit = limit
        self._trusted = trusted
        self._removals = Removals(tenant)
        self._read_again = False
        self.checked = 0

    async def run(self) -> ProofFault | None:
        """Return the first fault, or None where everything holds."""
        for step in (self._own_chain, self._incidents, self._checkpoints):
            fault = await step()
            if fault is not None or self._full:
                return fault
        return None

    @property
    def _full(self) -> bool:
        return self._limit is not None and self.checked >= self._limit

    async def _own_chain(self) -> ProofFault | None:
        walk: ChainWalk | None = None
        while True:
            after = walk.version if walk is not None else 0

            def work(tx: Transaction, after: int = after) -> tuple[list[StoredChange], list[HeadHash]]:
                links = tx.audit.chain(TENANT_CHAIN, after_version=after, limit=LINKS_AT_ONCE)
                return links, tx.audit.heads(since_incident=BEHIND_ALL_INCIDENTS)

            page, heads = await self._store.read(self._tenant, work)
            links = self._within_limit(page)
            if walk is None:
                previous = self._removals.begin(links[0] if links else None)
                walk = ChainWalk(self._tenant, TENANT_CHAIN, previous=previous, version=self._removals.cut)
            fault = walk.take(links)
            if fault is not None:
                return fault
            self.checked += len(links)
            for link in links:
                self._removals.learn(link)
            if len(links) < len(page):
                return None
            if len(page) < LINKS_AT_ONCE:
                break
        reason = self._removals.fault()
        if reason is not None:
            return ProofFault(chain=TENANT_CHAIN, version=self._removals.cut, reason=reason)
        return walk.head_fault(heads[0].version, heads[0].digest) if heads else None

    async def _incidents(self) -> ProofFault | None:
        after: str | None = None
        while True:
            begun, after = await self._store.read(self._tenant, lambda tx, after=after: self._begin(tx, after))  # type: ignore[misc]
            for each in begun:
                fault = await self._incident(each)
                if fault is not None or self._full:
                    return fault
            if after is None:
                return None

    def _begin(self, tx: Transaction, after: str | None) -> tuple[list[_Begun], str | None]:
        """Return the next chains, and the id to go on after; None where there are no more."""
        heads = [
            head for head in tx.audit.heads(since_incident=after, limit=CHAINS_AT_ONCE) if head.chain_id != TENANT_CHAIN
        ]
        rows = _rows(tx, [head.chain_id for head in heads])
        begun = [
            _Begun(
                head=head,
                links=tx.audit.chain(head.chain_id, limit=LINKS_AT_ONCE),
                stored=rows.get(head.chain_id),
            )
            for head in heads
            if self._since is None or (row := rows.get(head.chain_id)) is None or row.updated_at >= self._since
        ]
        return begun, heads[-1].chain_id if heads else None

    async def _incident(self, begun: _Begun) -> ProofFault | None:
        walk = ChainWalk(self._tenant, begun.head.chain_id)
        head, stored, page = begun.head, begun.stored, begun.links
        while True:
            links = self._within_limit(page)
            fault = walk.take(links) or walk.replay(links)
            if fault is not None:
                return fault
            self.checked += len(links)
            if len(links) < len(page):
                return None
            if len(page) < LINKS_AT_ONCE:
                return walk.head_fault(head.version, head.digest) or walk.projection_fault(stored)
            # A long story goes on in another snapshot, which may be further than the first.
            page, head, stored = await self._store.read(
                self._tenant,
                lambda tx, head=head: _further(tx, head, walk.version),  # type: ignore[misc]
            )

    async def _checkpoints(self) -> ProofFault | None:
        newer: Statement | None = None
        before: datetime | None = None
        while True:
            page = await self._store.system_read(
                lambda tx, before=before: tx.checkpoints(CHECKPOINTS_AT_ONCE, before=before)  # type: ignore[misc]
            )
            for at, body, signature in page:
                if self._since is not None and at < self._since:
                    return None
                statement, heads, reason = self._read_checkpoint(body, signature, newer)
                if reason is not None:
                    return ProofFault(chain=CHECKPOINTS, version=statement.number if statement else 0, reason=reason)
                fault = await self._missing_head(heads, at)
                if fault is not None and await self._removed_meanwhile():
                    fault = await self._missing_head(heads, at)
                if fault is not None:
                    return fault
                newer, before = statement, at
            if len(page) < CHECKPOINTS_AT_ONCE:
                break
        if newer is not None and (newer.number, newer.previous) != (1, START):
            return ProofFault(chain=CHECKPOINTS, version=newer.number - 1, reason="it is missing")
        return None

    def _read_checkpoint(
        self, body: bytes, signature: bytes, newer: Statement | None
    ) -> tuple[Statement | None, Sequence[Head], str | None]:
        try:
            checkpoint = decode(body)
            statement = checkpoint.read()
            own = checkpoint.section_of(self._tenant)
        except (msgspec.DecodeError, UnicodeError):
            return None, (), "it cannot be read"
        reason = signature_fault(checkpoint.statement, statement.key, signature, self._trusted)
        reason = reason or follows_fault(newer, checkpoint.statement, statement)
        if reason is None and tuple(digest_of(text) for text in checkpoint.sections) != statement.sections:
            reason = "its sections are not those that were signed"
        return statement, own[1].heads if own is not None else (), reason

    async def _missing_head(self, heads: Sequence[Head], seen_at: datetime) -> ProofFault | None:
        """Return the first head that is not there any more without a recorded reason."""
        for start in range(0, len(heads), LINKS_AT_ONCE):
            some = heads[start : start + LINKS_AT_ONCE]
            found = await self._store.read(self._tenant, lambda tx, some=some: _digests(tx, some))  # type: ignore[misc]
            for head in some:
                digest = found.get(head.chain)
                if digest is None and not self._removals.excuse(head.chain, head.version, seen_at):
                    return ProofFault(
                        chain=head.chain, version=head.version, reason="a checkpoint saw it, and it is missing"
                    )
                if digest is not None and digest != head.digest:
                    return ProofFault(
                        chain=head.chain, version=head.version, reason="a checkpoint saw another link in its place"
                    )
        return None

    async def _removed_meanwhile(self) -> bool:
        """Read the tenant's chain again, once: retention may have gone on since; returns whether it was read."""
        if self._read_again:
            return False
        checked, self._read_again, self._removals = self.checked, True, Removals(self._tenant)
        fault = await self._own_chain()
        self.checked = checked
        return fault is None

    def _within_limit(self, links: list[StoredChange]) -> list[StoredChange]:
        return links if self._limit is None else links[: max(0, self._limit - self.checked)]


def _further(tx: Transaction, head: HeadHash, version: int) -> tuple[list[StoredChange], HeadHash, Incident | None]:
    links = tx.audit.chain(head.chain_id, after_version=version, limit=LINKS_AT_ONCE)
    # The greatest text before this id that no id continues: the next head is the id's own.
    just_before = head.chain_id[:-1] + chr(ord(head.chain_id[-1]) - 1) + BEHIND_ALL_INCIDENTS
    newer = tx.audit.heads(since_incident=just_before, limit=1)
    own = newer[0] if newer and newer[0].chain_id == head.chain_id else head
    return links, own, _rows(tx, [head.chain_id]).get(head.chain_id)


def _rows(tx: Transaction, incident_ids: Sequence[str]) -> dict[str, Incident]:
    """Return the stored incidents; one that cannot be read any more is left out, and so found to be missing."""
    try:
        return tx.incidents.get_many(incident_ids)
    except msgspec.MsgspecError:
        if len(incident_ids) == 1:
            return {}
        return {incident_id: row for each in incident_ids for incident_id, row in _rows(tx, [each]).items()}


def _digests(tx: Transaction, heads: Sequence[Head]) -> dict[str, str]:
    """Return the digest of each link that is there, by chain."""
    found: dict[str, str] = {}
    for head in heads:
        for link in tx.audit.chain(head.chain, after_version=head.version - 1, limit=1):
            if link.version == head.version:
                found[head.chain] = link.digest.hex()
    return found
