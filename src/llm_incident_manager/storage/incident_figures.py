"""Figures over the incidents: counts, what nobody and nothing will move, and the times that analytics sums up."""

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, exists, func, select

from llm_incident_manager.domain.incidents.ladder import LadderState
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.storage.conditions import ENDED_STATUSES, HIDDEN
from llm_incident_manager.storage.facets import Facets, severity_and_status
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.schema import INCIDENTS, NOTIFICATIONS, TIMERS

_TENANT: BindParameter[Any] = bindparam("of_tenant")
# Open incidents and all others by their facets, each counted in an index alone (the index of facets would tempt the
# first, so they are hidden from it).
_OPEN = (
    select(HIDDEN["facets"], func.count())
    .where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.is_open)
    .group_by(HIDDEN["facets"])
)
_ENDED = (
    select(INCIDENTS.c.facets, func.count())
    .where(INCIDENTS.c.tenant == _TENANT, INCIDENTS.c.facets.in_(Facets().narrowed(statuses=ENDED_STATUSES).numbers()))
    .group_by(INCIDENTS.c.facets)
)
# The invariant: open, worth a page, and nothing and nobody will move it. A page still to be sent is a next step; one
# that was delivered is not: its ladder must go on until a person takes the incident.
_WITHOUT_NEXT_STEP = (
    select(INCIDENTS.c.id)
    .where(
        INCIDENTS.c.tenant == _TENANT,
        INCIDENTS.c.is_open,
        INCIDENTS.c.severity != Severity.P4,
        INCIDENTS.c.imported.is_(False),
        INCIDENTS.c.assigned_to.is_(None),
        INCIDENTS.c.ladder_state != LadderState.TAKEN,
        INCIDENTS.c.ladder_reason == "",
        ~exists().where(TIMERS.c.tenant == INCIDENTS.c.tenant, TIMERS.c.incident_id == INCIDENTS.c.id),
        ~exists().where(
            NOTIFICATIONS.c.tenant == INCIDENTS.c.tenant,
            NOTIFICATIONS.c.incident_id == INCIDENTS.c.id,
            NOTIFICATIONS.c.is_pending,
        ),
    )
    .order_by(INCIDENTS.c.id)
    .limit(bindparam("most"))
)
# Figures of incidents created within a span.
_TIMES = select(
    INCIDENTS.c.severity,
    INCIDENTS.c.category,
    INCIDENTS.c.source,
    INCIDENTS.c.environment,
    INCIDENTS.c.status,
    INCIDENTS.c.assigned_team,
    INCIDENTS.c.assigned_to,
    INCIDENTS.c.created_at,
    INCIDENTS.c.mttd,
    INCIDENTS.c.mtta,
    INCIDENTS.c.mttr,
    INCIDENTS.c.acknowledgment_breached,
    INCIDENTS.c.resolution_breached,
).where(
    INCIDENTS.c.tenant == _TENANT,
    INCIDENTS.c.created_at >= bindparam("start"),
    INCIDENTS.c.created_at < bindparam("end"),
)

_FOREVER = 2**62


def counts(connection: Connection, tenant: str) -> dict[str, dict[str, int]]:
    """Return the number of open incidents under ``severity`` and of all under ``status``."""
    wanted = {"of_tenant": tenant}
    severities: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    for statement in (_OPEN, _ENDED):
        for facets, number in connection.execute(statement, wanted):
            severity, status = severity_and_status(facets)
            statuses[status.value] += number
            if status.is_open:
                severities[severity.value] += number
    return {"severity": dict(severities), "status": dict(statuses)}


def without_next_step(connection: Connection, tenant: str, limit: int) -> list[str]:
    """Return ids of open incidents that nothing and nobody will move."""
    return list(connection.execute(_WITHOUT_NEXT_STEP, {"of_tenant": tenant, "most": limit}).scalars())


def times(connection: Connection, tenant: str, start: datetime | None, end: datetime | None) -> list[dict[str, Any]]:
    """Return the figures of every incident created in [start, end); seconds, None where unknown."""
    span = {"start": micros(start) if start else -_FOREVER, "end": micros(end) if end else _FOREVER}
    found = []
    for row in connection.execute(_TIMES, {"of_tenant": tenant} | span).mappings():
        figures = dict(row)
        figures["created_at"] = instant(row["created_at"])
        missed = {each: figures.pop(f"{each}_breached") for each in ("acknowledgment", "resolution")}
        figures["breaches"] = [each for each, is_missed in missed.items() if is_missed]
        found.append(figures)
    return found
