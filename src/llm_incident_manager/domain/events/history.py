"""Incidents of the past, as another tool recorded them: what an import brings."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.vocabulary import Severity


class HistoricUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What was said, when (UTC), and the other tool's word for the state then."""

    at: datetime
    status: str
    text: str


class HistoricIncident(msgspec.Struct, frozen=True, kw_only=True):
    """One incident and the instants (UTC) at which it moved on; ``None`` where that is not recorded or did not happen.

    The instants never run backwards: created, acknowledged, work started, resolved, closed. ``document`` is the event
    (specification §5.1) that opened it, to be accepted as received at ``created_at``. ``source_word`` is the other
    tool's word for ``severity``. Updates are oldest first.
    """

    external_id: str
    title: str
    description: str
    severity: Severity
    source_word: str
    created_at: datetime
    acknowledged_at: datetime | None
    work_started_at: datetime | None
    resolved_at: datetime | None
    closed_at: datetime | None
    updates: tuple[HistoricUpdate, ...]
    components: tuple[str, ...]
    document: dict[str, Any]
