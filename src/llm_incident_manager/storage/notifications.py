"""⑥ The page ledger, which is also the delivery queue."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, RowMapping, and_, bindparam, func, or_, select, tuple_, update

from llm_incident_manager.domain.notifications.notification import DeliveryState, Notification
from llm_incident_manager.errors import NotFound
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.schema import INCIDENTS, NOTIFICATIONS
from llm_incident_manager.storage.statements import insert

_N = NOTIFICATIONS.c
_TENANT: BindParameter[Any] = bindparam("of_tenant")
_OF_ID = and_(_N.tenant == _TENANT, _N.id == bindparam("of_id"))
_OF_INCIDENT = and_(_N.tenant == _TENANT, _N.incident_id == bindparam("of_incident"))
_INSTANTS = ("planned_at", "next_attempt_at", "delivered_at", "reached_at", "answered_at")
_COLUMNS = tuple(_N[each] for each in Notification.__struct_fields__)
_INSERT = insert(NOTIFICATIONS)
_GET = select(*_COLUMNS).where(_OF_ID)
# An incident's pages, oldest first.
_BY_INCIDENT = select(*_COLUMNS).where(_OF_INCIDENT).order_by(_N.planned_at, _N.id)
# The pages of one step of one cycle.
_BY_LEVEL = _BY_INCIDENT.where(_N.cycle == bindparam("of_cycle"), _N.step.is_not_distinct_from(bindparam("of_step")))
# A page's new state. One that was cancelled while it was being sent stays ended, unless it came to an end of its own.
_SAVED = ("state", "attempts", "delivered_at", "next_attempt_at", "last_error", "receipt", "first_round_over")
# What is learnt of a page after it left; whoever saves its state at the same time does not undo it.
_NOTED = ("reached_at", "answered_at", "answer", "shown_revision")
_NOTE = update(NOTIFICATIONS).where(_OF_ID).values({each: bindparam(each) for each in _NOTED})
# What somebody was sent on one channel, newest first.
_SENT_TO = (
    select(*_COLUMNS)
    .where(
        _N.tenant == _TENANT,
        _N.planned_at >= bindparam("since"),
        _N.recipient == bindparam("of_recipient"),
        _N.channel == bindparam("of_channel"),
        _N.state == DeliveryState.DELIVERED.value,
    )
    .order_by(_N.planned_at.desc(), _N.id.desc())
    .limit(bindparam("most"))
)
# Messages that are kept up to date and show an older revision of their incident.
_STALE = (
    select(*_COLUMNS)
    .join(INCIDENTS, and_(INCIDENTS.c.tenant == _N.tenant, INCIDENTS.c.id == _N.incident_id))
    .where(_N.shown_revision.is_not(None), INCIDENTS.c.revision > _N.shown_revision)
    .order_by(_N.severity, _N.planned_at, _N.id)
    .limit(bindparam("most"))
)
_SAVE = (
    update(NOTIFICATIONS)
    .where(_OF_ID, or_(_N.is_pending, bindparam("ends")))
    .values({each: bindparam(each) for each in (*_SAVED, "is_pending", "due_at", "lease_until")})
)
# Ends what is pending for an incident.
_CANCEL = (
    update(NOTIFICATIONS)
    .where(
        _OF_INCIDENT,
        _N.is_pending,
        _N.type.not_in(bindparam("keep", expanding=True)),
        _N.reason.not_in(bindparam("keep_reasons", expanding=True)),
    )
    .values(state=DeliveryState.CANCELLED.value, is_pending=False, last_error=bindparam("because"), lease_until=None)
)
# Pages whose attempt is due and that nobody holds, worst first; PostgreSQL skips what another node is claiming.
_DUE = (
    select(_N.tenant, _N.id)
    .where(
        _N.is_pending,
        _N.due_at <= bindparam("now"),
        or_(_N.lease_until.is_(None), _N.lease_until <= bindparam("now")),
        _N.channel.not_in(bindparam("busy", expanding=True)),
    )
    .order_by(_N.severity, _N.planned_at, _N.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = (
    update(NOTIFICATIONS)
    .where(tuple_(_N.tenant, _N.id).in_(select(_DUE.c.tenant, _DUE.c.id)))
    .values(lease_until=bindparam("until"))
    .returning(*_COLUMNS)
)
# The soonest attempt that nobody holds, and the end of the first lease.
_NEXT_FREE = select(_N.due_at).where(_N.is_pending, _N.lease_until.is_(None)).order_by(_N.due_at).limit(1)
_NEXT_LEASE_END = select(func.min(_N.lease_until)).where(_N.is_pending, _N.lease_until.is_not(None))
# What waits, by channel.
_BACKLOG = select(_N.channel, func.count().label("waiting")).where(_N.is_pending).group_by(_N.channel)

# When each was last paged: one seek into the index for each.
_LAST_PLANNED = (
    select(_N.recipient, func.max(_N.planned_at))
    .where(_N.tenant == _TENANT, _N.recipient.in_(bindparam("recipients", expanding=True)))
    .group_by(_N.recipient)
)


class SqlNotifications:
    """The notifications of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, notifications: Sequence[Notification]) -> None:
        if notifications:
            self._connection.execute(_INSERT, [self._row(each) for each in notifications])

    def last_planned(self, recipients: Sequence[str]) -> dict[str, datetime]:
        asked = {"of_tenant": self._tenant, "recipients": list(recipients)}
        rows = self._connection.execute(_LAST_PLANNED, asked) if recipients else ()
        return {recipient: instant(at) for recipient, at in rows}

    def get(self, notification_id: str) -> Notification:
        rows = self._connection.execute(_GET, {"of_tenant": self._tenant, "of_id": notification_id}).mappings()
        found = rows.one_or_none()
        if found is None:
            raise _unknown(notification_id)
        return _notification(found)

    def of_incident(self, incident_id: str) -> list[Notification]:
        rows = self._connection.execute(_BY_INCIDENT, {"of_tenant": self._tenant, "of_incident": incident_id})
        return [_notification(row) for row in rows.mappings()]

    def of_level(self, incident_id: str, *, cycle: int, step: int | None) -> list[Notification]:
        wanted = {"of_tenant": self._tenant, "of_incident": incident_id, "of_cycle": cycle, "of_step": step}
        return [_notification(row) for row in self._connection.execute(_BY_LEVEL, wanted).mappings()]

    def save(self, notification: Notification) -> None:
        row = self._row(notification)
        wanted = {name: row[name] for name in (*_SAVED, "is_pending", "due_at", "lease_until")}
        wanted |= {"of_tenant": self._tenant, "of_id": notification.id, "ends": not notification.state.is_pending}
        if self._connection.execute(_SAVE, wanted).rowcount == 0:
            self.get(notification.id)

    def note(self, notification: Notification) -> None:
        row = self._row(notification)
        wanted = {name: row[name] for name in _NOTED}
        self._connection.execute(_NOTE, wanted | {"of_tenant": self._tenant, "of_id": notification.id})

    def sent_to(self, recipient: str, channel: str, *, since: datetime, limit: int) -> list[Notification]:
        wanted = {"of_recipient": recipient, "of_channel": channel, "since": micros(since), "most": limit}
        rows = self._connection.execute(_SENT_TO, wanted | {"of_tenant": self._tenant})
        return [_notification(row) for row in rows.mappings()]

    def cancel(
        self, incident_id: str, *, reason: str, keep: Sequence[str] = (), keep_reasons: Sequence[str] = ()
    ) -> int:
        wanted = {"of_tenant": self._tenant, "of_incident": incident_id, "because": reason, "keep": list(keep)}
        wanted["keep_reasons"] = list(keep_reasons)
        return self._connection.execute(_CANCEL, wanted).rowcount

    def _row(self, notification: Notification) -> dict[str, Any]:
        row = msgspec.structs.asdict(notification)
        for each in _INSTANTS:
            row[each] = micros(row[each])
        row["tenant"] = self._tenant
        row["is_pending"] = notification.state.is_pending
        row["due_at"] = row["planned_at"] if row["next_attempt_at"] is None else row["next_attempt_at"]
        row["lease_until"] = None
        return row


def claim_due(
    connection: Connection, now: datetime, *, limit: int, lease_seconds: float, busy_channels: Sequence[str]
) -> list[Notification]:
    """Take pages of all tenants whose attempt is due at ``now``, worst severity first, then oldest."""
    until = now + timedelta(seconds=lease_seconds)
    wanted = {"now": micros(now), "until": micros(until), "most": limit, "busy": list(busy_channels)}
    claimed = map(_notification, connection.execute(_CLAIM, wanted).mappings())
    return sorted(claimed, key=lambda each: (each.severity, each.planned_at, each.id))


def stale(connection: Connection, limit: int) -> list[Notification]:
    """Return messages of all tenants that are kept up to date and no longer are, worst first."""
    return [_notification(row) for row in connection.execute(_STALE, {"most": limit}).mappings()]


def next_at(connection: Connection) -> datetime | None:
    """Return when the next page can be claimed, or None where nothing waits."""
    free = connection.execute(_NEXT_FREE).scalar_one_or_none()
    leased = connection.execute(_NEXT_LEASE_END).scalar_one_or_none()
    known = [each for each in (free, leased) if each is not None]
    return instant(min(known)) if known else None


def backlog(connection: Connection) -> dict[str, int]:
    """Return the number of pending pages by channel, over all tenants."""
    return {row.channel: row.waiting for row in connection.execute(_BACKLOG)}


def _notification(row: RowMapping) -> Notification:
    fields = {f"{name}": value for name, value in row.items()}  # plain text: msgspec refuses subclasses of str
    for each in _INSTANTS:
        fields[each] = instant(fields[each])
    return msgspec.convert(fields, Notification)


def _unknown(notification_id: str) -> NotFound:
    return NotFound(f"there is no notification {notification_id}", notification_id=notification_id)
