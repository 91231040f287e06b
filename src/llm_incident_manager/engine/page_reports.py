"""⑥ Told: what the provider says later of a page that it had accepted (NTF-03): it arrived, or it never will."""

import msgspec

from llm_incident_manager.domain.incidents.changes import NotificationSettled
from llm_incident_manager.domain.incidents.incident import SYSTEM, Incident
from llm_incident_manager.domain.notifications.answers import Reported, Result, Said
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.notify import fall_through
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.errors import NotFound

_NOTED = Said(result=Result.NOTED)


def reported(tx: Transaction, notification_id: str, report: Reported, context: Context) -> tuple[Said, Incident | None]:
    """Write a report down; a page that did not arrive leads to what a refused one leads to. Harmless when repeated.

    A report of another try than the one that stands in the ledger says nothing of that one.
    """
    try:
        row = tx.notifications.get(notification_id)
        incident = tx.incidents.get(row.incident_id)
    except NotFound:
        return Said(result=Result.UNKNOWN), None
    if row.channel != report.channel:
        return Said(result=Result.UNKNOWN), None
    if row.receipt not in (None, report.receipt):
        return _NOTED, None
    if report.arrived:
        if row.reached_at is None:
            tx.notifications.note(msgspec.structs.replace(row, reached_at=tx.now))
        return _NOTED, None
    if row.state is not DeliveryState.DELIVERED and not row.state.is_pending:
        return _NOTED, None
    return _NOTED, _did_not_arrive(tx, row, incident, report, context)


def is_known_to_have_failed(row: Notification, receipt: str | None) -> bool:
    """Whether the provider said already that this very try failed, before its acceptance was written down."""
    return row.state is DeliveryState.FAILED and receipt is not None and row.receipt == receipt


def _did_not_arrive(
    tx: Transaction, row: Notification, incident: Incident, report: Reported, context: Context
) -> Incident:
    attempts = row.attempts + (1 if row.state.is_pending else 0)
    failed = msgspec.structs.replace(
        row, state=DeliveryState.FAILED, attempts=attempts, next_attempt_at=None, last_error=report.reason,
        receipt=report.receipt, first_round_over=True,
    )  # fmt: skip
    tx.notifications.save(failed)
    settled = NotificationSettled(
        notification_id=row.id, recipient=row.recipient, channel=row.channel, delivered=False, reason=report.reason,
        receipt=report.receipt, attempts=attempts,
    )  # fmt: skip
    siblings = tx.notifications.of_level(incident.id, cycle=row.cycle, step=row.step)
    further = fall_through(incident, failed, siblings, context, at=tx.now)
    return commit(tx, incident, [settled, *further], by=SYSTEM, context=context)
