"""What folded incidents need of the store: which incident a source's own problem is reported to."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from llm_incident_manager.engine.rows import Row


class Reported(Row, frozen=True, kw_only=True):
    """A report to an open incident: ``fingerprint`` is the source's own, ``folded`` the incident's."""

    tenant: str
    fingerprint: str
    incident_id: str
    folded: str


class ReportStore(Protocol):
    """The reports of one tenant, by the source's own fingerprint."""

    def put(self, reports: Sequence[tuple[str, str]]) -> None:
        """Write (own fingerprint, incident id); what is reported anew moves."""
        ...

    def open_of(self, fingerprints: Iterable[str]) -> dict[str, str]:
        """Return the fingerprint of the open incident that each is reported to, by the source's own."""
        ...

    def last_of(self, fingerprint: str) -> str | None:
        """Return the incident, open or not, that it was reported to last."""
        ...
