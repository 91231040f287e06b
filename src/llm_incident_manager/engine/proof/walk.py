"""One chain, link by link, from its beginning to its head: bytes, digests and what they make of the incident."""

from collections.abc import Sequence

import msgspec

from llm_incident_manager.domain.audit.chain import ChainLink, FaultKind, genesis, verify_links
from llm_incident_manager.domain.incidents.changes import ChangeSet
from llm_incident_manager.domain.incidents.evolve import evolve
from llm_incident_manager.domain.incidents.incident import Incident

_CHANGES = msgspec.json.Decoder(ChangeSet)
_STATE = msgspec.json.Encoder(order="deterministic")
_WORDS = {
    FaultKind.MISSING: "it is missing",
    FaultKind.BROKEN: "it does not follow the link before it",
    FaultKind.ALTERED: "its bytes were changed",
}


class ProofFault(msgspec.Struct, frozen=True, kw_only=True):
    """The first thing that does not hold: which chain (``checkpoints`` too), at which version, and why."""

    chain: str
    version: int
    reason: str


class ChainWalk:
    """Takes links in order, in pages of any size; memory holds one link and one incident."""

    def __init__(self, tenant: str, chain: str, *, previous: bytes | None = None, version: int = 0) -> None:
        self.chain = chain
        self.version = version
        self.previous = genesis(tenant, chain) if previous is None else previous
        self.incident: Incident | None = None

    def take(self, links: Sequence[ChainLink]) -> ProofFault | None:
        """Return the first link that does not hold."""
        fault = verify_links(links, previous=self.previous, version=self.version)
        if fault is not None:
            return self._fault(fault.version, _WORDS[fault.kind])
        if links:
            self.version, self.previous = links[-1].version, links[-1].digest
        return None

    def replay(self, links: Sequence[ChainLink]) -> ProofFault | None:
        """Build the incident on; returns the link that cannot be understood."""
        for link in links:
            try:
                self.incident = evolve(self.incident, _CHANGES.decode(link.body))
            except (msgspec.DecodeError, ValueError, TypeError) as unreadable:
                return self._fault(link.version, f"it cannot be replayed: {unreadable}")
        return None

    def head_fault(self, version: int, digest: bytes) -> ProofFault | None:
        """Return whether the chain ends before, behind or beside the head that is recorded for it."""
        if self.version < version:
            return self._fault(self.version + 1, f"it is missing: the head is version {version}")
        if self.version > version:
            return self._fault(version + 1, f"it stands behind the head, which is version {version}")
        return None if self.previous == digest else self._fault(version, "it is not the head that is recorded")

    def projection_fault(self, stored: Incident | None) -> ProofFault | None:
        """Return whether the stored incident is another than the one its changes make."""
        if stored is None or self.incident is None:
            return self._fault(self.version, "the incident that these changes make is missing, or cannot be read")
        if self.incident != stored and _STATE.encode(self.incident) != _STATE.encode(stored):
            names = [
                field.name
                for field in msgspec.structs.fields(Incident)
                if getattr(self.incident, field.name) != getattr(stored, field.name)
            ]
            return self._fault(self.version, f"replay and the stored incident differ in {', '.join(names)}")
        return None

    def _fault(self, version: int, reason: str) -> ProofFault:
        return ProofFault(chain=self.chain, version=version, reason=reason)
