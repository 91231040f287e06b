"""⑥ Told: alerts that others keep (PagerDuty, Opsgenie …) hear who has the incident, so that they stop paging.

Their end is announced as everybody else's (``notify.announce``). Both are named by ``Message.incident_key``, so that a
repeat after a crash changes nothing there.
"""

from collections.abc import Sequence

from llm_incident_manager.domain.escalation.moves import UNTAKEN
from llm_incident_manager.domain.incidents.changes import Change, PeopleTold
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.notify import ACKNOWLEDGED, contact_of, may_keep_alert, page_like


def pass_on_taken(incident: Incident, told: Sequence[Notification], context: Context) -> list[Change]:
    """Return the acknowledgment of every alert that may be open elsewhere and has not heard that somebody has it.

    ``told`` is the incident's page ledger, oldest first.
    """
    if not incident.is_open or incident.status in UNTAKEN:
        return []
    newest: dict[tuple[str, str, int], Notification] = {}
    for row in told:
        unheard = row.state is DeliveryState.CANCELLED and not is_page(row)
        if may_keep_alert(row, context) and not unheard:
            newest[contact_of(row)] = row
    return _acknowledgments(incident, [row for row in newest.values() if is_page(row)], context)


def pass_on_late(incident: Incident, row: Notification, context: Context) -> list[Change]:
    """Return the acknowledgment behind a page that arrived though somebody had taken the incident meanwhile.

    The page may have opened an alert after the acknowledgment was passed on.
    """
    taken = incident.is_open and incident.status not in UNTAKEN
    return _acknowledgments(incident, [row], context) if taken and may_keep_alert(row, context) else []


def is_page(row: Notification) -> bool:
    """Whether it asks for somebody, rather than saying that somebody has it or that it is over."""
    return row.reason != ACKNOWLEDGED and row.type is not NotificationType.RESOLVED


def _acknowledgments(incident: Incident, rows: Sequence[Notification], context: Context) -> list[Change]:
    if not rows:
        return []
    return [
        PeopleTold(
            type=NotificationType.INCIDENT_UPDATED,
            level=incident.ladder.level,
            cycle=incident.ladder.cycle,
            reason=ACKNOWLEDGED,
            pages=tuple(page_like(row, context) for row in rows),
        )
    ]
