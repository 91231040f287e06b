"""What retention says it removed: a chain may be gone, or begin later, only where the tenant's own chain tells."""

from datetime import datetime

import msgspec

from llm_incident_manager.domain.audit.chain import TENANT_CHAIN, ChainLink, genesis
from llm_incident_manager.domain.audit.entry import AuditEntry

INCIDENTS_PRUNED = "incidents_pruned"
"""The entry that names (id, version, digest) of the incidents' chains that retention removed."""
AUDIT_PRUNED = "audit_pruned"
"""The entry that names version and digest of the last link that retention removed from the tenant's chain."""
_ENTRY = msgspec.json.Decoder(AuditEntry)


class Removals:
    """Learns from the tenant's chain, link by link. Memory grows with the number of incidents removed, nothing else."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._gone: dict[str, int] = {}
        self._cut_told = False
        self._first: ChainLink | None = None
        self.kept_since: datetime | None = None

    @property
    def cut(self) -> int:
        """The version of the last link that is missing at the beginning of the tenant's chain; 0 where it is whole."""
        return self._first.version - 1 if self._first is not None else 0

    def begin(self, first: ChainLink | None) -> bytes:
        """Take the first link that is there; returns the digest that it should follow."""
        self._first = first
        return genesis(self._tenant, TENANT_CHAIN) if first is None or first.version == 1 else first.previous

    def learn(self, link: ChainLink) -> None:
        """Take in one link, the first one too; what is no entry teaches nothing (its digest is checked elsewhere)."""
        try:
            entry = _ENTRY.decode(link.body)
        except msgspec.DecodeError:
            return
        if self.kept_since is None:
            self.kept_since = entry.at
        if entry.event_type == AUDIT_PRUNED and self._first is not None:
            facts = (entry.body.get("version"), entry.body.get("digest"))
            self._cut_told |= facts == (self.cut, self._first.previous.hex())
        elif entry.event_type == INCIDENTS_PRUNED:
            for gone in entry.body.get("incidents", ()):
                self._gone[str(gone["id"])] = int(gone["version"])

    def fault(self) -> str | None:
        """Return what is wrong with the beginning of the tenant's chain, once all of it was learned."""
        if self.cut and not self._cut_told:
            return f"the links up to {self.cut} are missing, and no entry tells that they were removed"
        return None

    def excuse(self, chain: str, version: int, seen_at: datetime | None) -> bool:
        """Whether a link that somebody saw may be gone.

        It may, where an entry tells so; or where such an entry would itself be older than the audit that is kept.
        """
        if chain == TENANT_CHAIN:
            return version <= self.cut
        if chain in self._gone:
            return version <= self._gone[chain]
        return bool(self.cut and seen_at is not None and self.kept_since is not None and seen_at < self.kept_since)
