"""One transaction, bound to a tenant, or over all of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Literal

from sqlalchemy import Connection

from llm_incident_manager.domain.escalation.timer import Timer
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.engine.alert_rows import Alert
from llm_incident_manager.engine.fingerprint_notes import Overtaking
from llm_incident_manager.engine.report_store import Reported
from llm_incident_manager.engine.rows import ApiKey, Heartbeat, OpenFingerprint, OutboxRow, SignInLink, Tenant
from llm_incident_manager.storage import (
    alerts,
    configuration,
    fingerprint_notes,
    heartbeats,
    keys,
    notifications,
    outbox,
    reports,
    retention,
    tenants,
    timers,
    warming,
)
from llm_incident_manager.storage.alerts import SqlAlerts
from llm_incident_manager.storage.audit import SqlAudit
from llm_incident_manager.storage.configuration import SqlConfiguration
from llm_incident_manager.storage.dead_letters import SqlDeadLetters
from llm_incident_manager.storage.events import SqlEvents
from llm_incident_manager.storage.fingerprint_notes import SqlFingerprintNotes
from llm_incident_manager.storage.heartbeats import SqlHeartbeats
from llm_incident_manager.storage.incidents import SqlIncidents
from llm_incident_manager.storage.keys import SqlKeys
from llm_incident_manager.storage.notifications import SqlNotifications
from llm_incident_manager.storage.outbox import SqlOutbox
from llm_incident_manager.storage.polls import SqlPolls
from llm_incident_manager.storage.reports import SqlReports
from llm_incident_manager.storage.timers import SqlTimers


class SqlSystemTransaction:
    """One transaction over all tenants. The time is asked for once, when somebody first wants to know it.

    ``locks``: others write at the same time, so an incident that is read in order to change it is locked first.
    """

    def __init__(
        self, connection: Connection, tell_time: Callable[[Connection], datetime], *, locks: bool = False
    ) -> None:
        self._connection = connection
        self.locks = locks
        self._tell_time = tell_time
        self._bound: dict[str, SqlTransaction] = {}

    @cached_property
    def now(self) -> datetime:
        return self._tell_time(self._connection)

    def of(self, tenant: str) -> "SqlTransaction":
        bound = self._bound.get(tenant)
        if bound is None:
            bound = self._bound[tenant] = SqlTransaction(self, self._connection, tenant)
        return bound

    def claim_due_timers(self, *, limit: int, lease_seconds: float) -> list[Timer]:
        return timers.claim_due(self._connection, self.now, limit=limit, lease_seconds=lease_seconds)

    def due_heartbeats(self, at: datetime, limit: int) -> list[Heartbeat]:
        return heartbeats.due(self._connection, at, limit)

    def due_alerts(self, *, limit: int) -> list[tuple[str, Alert]]:
        return alerts.due(self._connection, self.now, limit)

    def forget_alerts(self, before: datetime, *, limit: int) -> int:
        return alerts.forget(self._connection, before, limit)

    def overtaking(self, since: datetime, *, limit: int) -> list[Overtaking]:
        return fingerprint_notes.overtaking(self._connection, since, limit)

    def forget_fingerprint_notes(self, before: datetime, *, limit: int) -> int:
        return fingerprint_notes.forget(self._connection, before, limit)

    def next_timer_at(self) -> datetime | None:
        return timers.next_at(self._connection)

    def claim_notifications(
        self, *, limit: int, lease_seconds: float, busy_channels: Sequence[str] = ()
    ) -> list[Notification]:
        return notifications.claim_due(
            self._connection, self.now, limit=limit, lease_seconds=lease_seconds, busy_channels=busy_channels
        )

    def next_notification_at(self) -> datetime | None:
        return notifications.next_at(self._connection)

    def stale_messages(self, *, limit: int) -> list[Notification]:
        return notifications.stale(self._connection, limit)

    def notification_backlog(self) -> dict[str, int]:
        return notifications.backlog(self._connection)

    def take_outbox(self, *, limit: int) -> list[OutboxRow]:
        return outbox.take(self._connection, limit)

    def delete_outbox(self, row_ids: Sequence[int]) -> None:
        outbox.done(self._connection, row_ids)

    def open_fingerprints(self, *, after: str | None, limit: int) -> list[OpenFingerprint]:
        return warming.open_fingerprints(self._connection, after, limit)

    def open_reports(self, *, after: tuple[str, str], limit: int) -> list[Reported]:
        return reports.open_reports(self._connection, after, limit)

    def last_incident_ids(self) -> list[str]:
        return warming.last_incident_ids(self._connection, self.now)

    def event_keys(self, *, after: tuple[str, str, str] | None, limit: int) -> list[tuple[str, str, str]]:
        return warming.event_keys(self._connection, after, limit)

    def api_keys(self) -> list[ApiKey]:
        return keys.valid_keys(self._connection)

    def touch_keys(self, used: Mapping[str, datetime]) -> None:
        keys.touch(self._connection, used)

    def tenants(self) -> list[Tenant]:
        return tenants.all_tenants(self._connection)

    def add_tenant(self, tenant: Tenant) -> None:
        tenants.add_tenant(self._connection, tenant)

    def configuration_revision(self) -> dict[str, int]:
        return configuration.revisions(self._connection)

    def add_link(self, link: SignInLink) -> None:
        tenants.add_link(self._connection, link)

    def redeem_link(self, digest: bytes) -> SignInLink | None:
        return tenants.redeem_link(self._connection, self.now, digest)

    def remembered_answer(self, tenant: str, key: str) -> tuple[bytes, bytes] | None:
        return tenants.remembered_answer(self._connection, tenant, key)

    def remember_answer(self, tenant: str, key: str, digest: bytes, answer: bytes) -> None:
        tenants.remember_answer(self._connection, self.now, tenant, key, digest, answer)

    def spend(self, tenant: str, key: str, *, kept_until: datetime) -> bool:
        return tenants.spend(self._connection, tenant, key, kept_until)

    def prune(
        self,
        what: Literal["events", "incidents", "audit", "answers", "links", "notifications"],
        before: datetime,
        limit: int,
    ) -> int:
        return retention.prune(self._connection, self.now, what, before, limit)

    def take_lease(self, name: str, holder: str, *, seconds: float) -> bool:
        return tenants.take_lease(self._connection, self.now, name, holder, seconds)

    def database_size(self) -> int:
        return warming.database_size(self._connection)

    def checkpoint(self, at: datetime, body: bytes, signature: bytes) -> None:
        tenants.add_checkpoint(self._connection, at, body, signature)

    def checkpoints(self, limit: int = 100, *, before: datetime | None = None) -> list[tuple[datetime, bytes, bytes]]:
        return tenants.checkpoints(self._connection, limit, before)


class SqlTransaction:
    """One transaction bound to one tenant: what it opens cannot leave the tenant."""

    def __init__(self, whole: SqlSystemTransaction, connection: Connection, tenant: str) -> None:
        self._whole = whole
        self._connection = connection
        self.tenant = tenant

    @property
    def now(self) -> datetime:
        return self._whole.now

    def of(self, tenant: str) -> "SqlTransaction":
        return self._whole.of(tenant)

    @cached_property
    def incidents(self) -> SqlIncidents:
        return SqlIncidents(self._connection, self.tenant, locks=self._whole.locks)

    @cached_property
    def events(self) -> SqlEvents:
        return SqlEvents(self._connection, self.tenant)

    @cached_property
    def timers(self) -> SqlTimers:
        return SqlTimers(self._connection, self.tenant)

    @cached_property
    def notifications(self) -> SqlNotifications:
        return SqlNotifications(self._connection, self.tenant)

    @cached_property
    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self._connection, self.tenant)

    @cached_property
    def dead_letters(self) -> SqlDeadLetters:
        return SqlDeadLetters(self._connection, self.tenant)

    @cached_property
    def configuration(self) -> SqlConfiguration:
        return SqlConfiguration(self._connection, self.tenant)

    @cached_property
    def heartbeats(self) -> SqlHeartbeats:
        return SqlHeartbeats(self._connection, self.tenant, locks=self._whole.locks)

    @cached_property
    def keys(self) -> SqlKeys:
        return SqlKeys(self._connection, self.tenant)

    @cached_property
    def audit(self) -> SqlAudit:
        return SqlAudit(self._connection, self.tenant)

    @cached_property
    def alerts(self) -> SqlAlerts:
        return SqlAlerts(self._connection, self.tenant)

    @cached_property
    def fingerprint_notes(self) -> SqlFingerprintNotes:
        return SqlFingerprintNotes(self._connection, self.tenant)

    @cached_property
    def reports(self) -> SqlReports:
        return SqlReports(self._connection, self.tenant)

    @cached_property
    def polls(self) -> SqlPolls:
        return SqlPolls(self._connection, self.tenant, self.now)
