"""⑥ Told: which pages are planned beside the ladder's own, and what a failed page leads to (NTF-03, NTF-04)."""

from collections.abc import Sequence
from datetime import datetime

from llm_incident_manager.domain.escalation.moves import hurry
from llm_incident_manager.domain.incidents.changes import Change, LadderMoved, PeopleTold, PlannedPage
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.ladder import Ladder, Plan
from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.domain.notifications.planning import (
    Reach,
    find_target,
    last_stage,
    pages_for,
    reachable,
    target_pages,
)
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import NotificationType, TargetType
from llm_incident_manager.engine.context import Context

ACKNOWLEDGED = "acknowledged"
"""The reason of what is no page: it passes on to an alert kept elsewhere that somebody has the incident."""


def notifications_of(incident: Incident, told: PeopleTold, *, at: datetime) -> list[Notification]:
    """Return the ledger's rows for the planned pages of one change."""
    rows: list[Notification] = []
    for page in told.pages:
        skipped = page.skipped is not None
        rows.append(
            Notification(
                id=page.notification_id,
                tenant=incident.tenant,
                incident_id=incident.id,
                type=told.type,
                severity=incident.severity,
                level=told.level,
                cycle=told.cycle,
                step=told.step,
                target=page.target,
                recipient=page.recipient,
                recipient_name=page.name,
                channel=page.channel,
                contact=page.contact,
                stage=page.stage,
                reason=told.reason,
                note=told.note,
                state=DeliveryState.SKIPPED if skipped else DeliveryState.PLANNED,
                planned_at=at,
                next_attempt_at=None if skipped else at,
                last_error=page.skipped,
            )
        )
    return rows


def announce(incident: Incident, told: Sequence[Notification], context: Context, *, at: datetime) -> list[Change]:
    """Return the announcement of the end on every channel that carried a page of this incident (NTF-04).

    An alert that others keep is ended also where it is not known whether the page arrived: it would stay open for good.
    """
    pages: dict[tuple[str, str, int], PlannedPage] = {}
    for row in told:
        carried = row.state is DeliveryState.DELIVERED or may_keep_alert(row, context)
        if carried and row.type is not NotificationType.RESOLVED:
            pages.setdefault(contact_of(row), page_like(row, context))
    if not pages:
        return []
    return [
        PeopleTold(
            type=NotificationType.RESOLVED,
            level=incident.ladder.level,
            cycle=incident.ladder.cycle,
            reason="resolved",
            pages=tuple(pages.values()),
        )
    ]


def may_keep_alert(row: Notification, context: Context) -> bool:
    """Whether an alert of it may be open where this page went; one that was being sent may have arrived."""
    ended_unsent = (DeliveryState.SKIPPED, DeliveryState.FAILED)
    return row.channel in context.alert_keepers and row.state not in ended_unsent


def contact_of(row: Notification) -> tuple[str, str, int]:
    """Return what tells one contact from another: recipient, channel, and which of the contacts there."""
    return row.recipient, row.channel, row.contact


def page_like(row: Notification, context: Context) -> PlannedPage:
    """Return a new page to the contact that ``row`` went to."""
    return PlannedPage(
        notification_id=context.ids.new("ntf"),
        target=row.target,
        recipient=row.recipient,
        name=row.recipient_name,
        channel=row.channel,
        contact=row.contact,
    )


def breach_announcement(incident: Incident, context: Context, *, which: str, at: datetime) -> list[Change]:
    """Return the page that says a deadline passed: to whoever has it, else to the level told last (RTE-06).

    Where the ladder goes on at that very deadline (§4.3's table always does), its page says so already and nothing more
    is sent; nor while a silence matches.
    """
    if incident.silence is not None or context.silencing(incident, at) is not None:
        return []
    plan, ladder = incident.plan, incident.ladder
    climbs = ladder.next_at is not None and ladder.next_at <= at and incident.snoozed_until is None
    if plan.policy is None or not plan.steps or climbs:
        return []
    step = plan.steps[max(0, ladder.index)]
    targets: tuple[Target, ...] = step.targets
    if incident.assigned_to is not None and incident.assigned_to in context.directory.users:
        targets = (Target(type=TargetType.USER, id=incident.assigned_to),)
    reach = context.reach(incident.severity, at)
    pages = pages_for(targets, step.channels, reach)
    return [
        PeopleTold(
            type=NotificationType.INCIDENT_UPDATED,
            level=ladder.level,
            cycle=ladder.cycle,
            reason=f"{which}_deadline_missed",
            pages=pages,
        )
    ]


def is_mutable(row: Notification) -> bool:
    """Whether a silence keeps this page: not what a person does or sends, nor the news that it is over."""
    by_hand = row.reason in ("paged_by_hand", "escalated_by_hand", ACKNOWLEDGED)
    return not by_hand and row.type is not NotificationType.RESOLVED


def ladder_has_moved(incident: Incident, row: Notification) -> bool:
    """Whether a page belongs to a step that is not the last one told any more (each round of repeats is told anew)."""
    told_at = incident.ladder.told_at
    return row.step is not None and (
        (row.cycle, row.step) != (incident.ladder.cycle, incident.ladder.index)
        or (told_at is not None and row.planned_at < told_at)
    )


def fall_through(
    incident: Incident, failed: Notification, siblings: Sequence[Notification], context: Context, *, at: datetime
) -> list[Change]:
    """Return what follows when a page's first round is over without success.

    While another page to the same target may still arrive or has arrived: nothing. Else the recipient's other contacts,
    then the target's fallback; when no target of the level is left, the next level at once (interfaces, "Telling").
    """
    if failed.step is None or not incident.is_open or ladder_has_moved(incident, failed):
        return []
    siblings = [row for row in siblings if not ladder_has_moved(incident, row)]
    same_target = [row for row in siblings if row.target == failed.target]
    if any(_hopeful(row) for row in same_target):
        return []
    step = incident.plan.steps[failed.step] if failed.step < len(incident.plan.steps) else None
    target = find_target(failed.target, step.targets) if step is not None else None
    highest = max(row.stage for row in same_target)
    if step is not None and target is not None and highest < last_stage(target):
        reach = context.reach(incident.severity, at)
        pages = target_pages(target, step.channels, reach, stage=highest + 1)
        if reachable(pages):
            return [_told_more(failed, pages)]
    if any(_hopeful(row) for row in siblings):
        return []
    hurried = unreached(incident.ladder, incident.plan, context.reach(incident.severity, at))
    return [LadderMoved(ladder=hurried)] if hurried != incident.ladder else []


def unreached(ladder: Ladder, plan: Plan, reach: Reach) -> Ladder:
    """Return the ladder with the next level at once, because nobody of the one told can be reached.

    Where no step to come reaches anybody either, haste would only burn the ladder: it keeps its times.
    """
    to_come = plan.steps if ladder.round < plan.repeat else plan.steps[ladder.index + 1 :]
    reaches = any(reachable(pages_for(step.targets, step.channels, reach)) for step in to_come)
    return hurry(ladder, at=reach.at) if reaches else ladder


def _told_more(failed: Notification, pages: Sequence[PlannedPage]) -> PeopleTold:
    return PeopleTold(
        type=failed.type,
        level=failed.level,
        cycle=failed.cycle,
        step=failed.step,
        reason="fallback",
        pages=tuple(pages),
    )


def _hopeful(row: Notification) -> bool:
    return row.state is DeliveryState.DELIVERED or (row.state.is_pending and not row.first_round_over)
