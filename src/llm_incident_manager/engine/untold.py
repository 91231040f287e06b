"""⑥ Told, and what if nobody is: incidents that ask for somebody while no page has reached anyone.

The dashboard's red banner and the metric ``incidents_untold`` both ask here (interfaces, "Ladder").
"""

from collections.abc import Iterable, Sequence

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.ladder import LadderState
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.vocabulary import NotificationType, Severity, Status
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import IncidentFilter

MOST_LOOKED_AT = 200
"""So many untaken incidents of a tenant are looked at for the metric, worst first; beyond it says at least."""
_ASKING = frozenset({LadderState.CLIMBING, LadderState.EXHAUSTED, LadderState.QUIET})


def nobody_told(incident: Incident, ledger: Iterable[Notification]) -> bool:
    """Whether an open incident that should page somebody has reached nobody, and no first try is still under way.

    Somebody who took or snoozed it knows, and so does whoever acknowledged it before it was escalated. P4 pages nobody
    (interfaces, "Telling"), and an imported past neither.
    """
    asks = incident.is_open and incident.ladder.state in _ASKING and incident.acknowledged_at is None
    if not asks or incident.imported or incident.severity is Severity.P4:
        return False
    return not any(_reached_or_hopeful(row) for row in ledger if row.type is not NotificationType.RESOLVED)


def untold_among(tx: Transaction, incidents: Sequence[Incident]) -> set[str]:
    """Return the ids of those that reached nobody."""
    return {
        incident.id
        for incident in incidents
        if nobody_told(incident, ()) and nobody_told(incident, tx.notifications.of_incident(incident.id))
    }


def count_untold(tx: Transaction) -> int:
    """Return how many of the tenant's worst untaken incidents reached nobody."""
    asking = (Status.NEW, Status.ESCALATED)
    page = tx.incidents.search(IncidentFilter(status=asking, sort="severity", limit=MOST_LOOKED_AT))
    return len(untold_among(tx, page.incidents))


def _reached_or_hopeful(row: Notification) -> bool:
    return row.state is DeliveryState.DELIVERED or (row.state.is_pending and not row.first_round_over)
