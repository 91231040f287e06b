"""What the engine needs of the edges, as Protocols. A transaction is a plain function over :class:`Transaction`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from llm_incident_manager.domain.escalation.timer import Timer
from llm_incident_manager.domain.incidents.changes import ChangeSet
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.engine.alert_rows import Alert, AlertStore
from llm_incident_manager.engine.dead_letter_store import DeadLetterStore
from llm_incident_manager.engine.event_store import EventStore
from llm_incident_manager.engine.event_store import Key as Key
from llm_incident_manager.engine.fingerprint_notes import FingerprintNoteStore, Overtaking
from llm_incident_manager.engine.heartbeat_store import HeartbeatStore
from llm_incident_manager.engine.loads import CountsOpen
from llm_incident_manager.engine.notification_store import NotificationStore
from llm_incident_manager.engine.poll_rows import PollStore
from llm_incident_manager.engine.report_store import Reported, ReportStore
from llm_incident_manager.engine.rows import (
    ApiKey,
    ConfigurationItem,
    HeadHash,
    Heartbeat,
    IncidentFilter,
    IncidentPage,
    OpenFingerprint,
    OutboxRow,
    SignInLink,
    StoredAudit,
    StoredChange,
    Tenant,
)

T = TypeVar("T")


class IncidentStore(CountsOpen, Protocol):
    """Incidents and their changes: the change log is the truth, the row its projection, written together."""

    def get(self, incident_id: str) -> Incident:
        """Return the incident, following an alias; raises NotFound."""
        ...

    def get_many(self, incident_ids: Iterable[str]) -> dict[str, Incident]:
        """Return those that exist, by the id asked for (aliases followed)."""
        ...

    def open_by_fingerprint(self, fingerprints: Iterable[str]) -> dict[str, Incident]:
        """Return the one open incident of each fingerprint that has one."""
        ...

    def last_by_fingerprint(self, fingerprints: Iterable[str]) -> dict[str, str]:
        """Return the id of the newest incident, open or not, of each fingerprint that ever had one."""
        ...

    def open(self, opened: Sequence[tuple[Incident, ChangeSet]]) -> dict[str, Incident]:
        """Insert new incidents (version 1) with their first change set.

        Returns, by fingerprint, the incidents of others that were open already: those were not inserted (a unique
        index decides), and the reserved id was made an alias of the winner. An id that is stored already (the same
        opening, repeated) is returned with the incident as it is now.
        """
        ...

    def append(self, appended: Sequence[tuple[Incident, ChangeSet]]) -> None:
        """Write one change set per incident; each incident is the *new* state, its ``version`` one above the stored.

        Raises Conflict if any stored version is not ``incident.version - 1`` (the transaction is then rolled back),
        or if a reopened incident's fingerprint is open elsewhere (code ``fingerprint_open``).
        """
        ...

    def changes(self, incident_id: str, *, after_version: int = 0, limit: int = 1000) -> list[StoredChange]:
        """Return the stored change sets in order."""
        ...

    def alias(self, reserved_id: str, incident_id: str) -> None:
        """Make ``reserved_id`` answer with ``incident_id``; harmless when done already."""
        ...

    def search(self, wanted: IncidentFilter) -> IncidentPage:
        """Return one page; ``total`` is exact up to 10,000."""
        ...

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of open incidents under ``severity`` and of all under ``status``."""
        ...

    def without_next_step(self, limit: int = 100) -> list[str]:
        """Return open incidents of P0–P3 with neither a next step, nor a person, nor a recorded reason: should be none.

        A next step is a timer or a page still to be sent; a person is an assignee or a ladder that is ``taken``; a
        reason is the ladder's. Imported incidents page nobody, so they need none.
        """
        ...

    def times(self, start: datetime | None, end: datetime | None) -> list[dict[str, Any]]:
        """Return the figures of every incident created in [start, end), in seconds; None where unknown."""
        ...


class TimerStore(Protocol):
    """Deadlines as rows. One incident has at most one timer of a kind."""

    def replace(self, incident_id: str, timers: Sequence[Timer]) -> None:
        """Make these the incident's timers; a lease on an unchanged row is kept."""
        ...

    def add(self, timers: Sequence[Timer]) -> None:
        """Insert timers of new incidents."""
        ...

    def of_incident(self, incident_id: str) -> list[Timer]:
        """Return the pending timers, soonest first."""
        ...

    def delete(self, timer: Timer) -> None:
        """Remove one if it is still the same (kind, level, cycle)."""
        ...


class OutboxStore(Protocol):
    """What must leave the database after the commit; one row per transaction and reaction."""

    def put(self, kind: str, body: Mapping[str, Any]) -> None: ...


class ConfigurationStore(Protocol):
    """Users, teams, routes, policies, templates, sources …: documents by kind and id."""

    def all(self) -> list[ConfigurationItem]:
        """Return every item of the tenant."""
        ...

    def page(self, kind: str, *, limit: int, cursor: str | None) -> tuple[list[ConfigurationItem], str | None, int]: ...

    def get(self, kind: str, item_id: str) -> ConfigurationItem:
        """Raises NotFound."""
        ...

    def put(self, item: ConfigurationItem, *, expected_version: int | None = None) -> ConfigurationItem:
        """Insert (``expected_version`` 0), replace if the version is as expected, or either (None). Raises Conflict."""
        ...

    def delete(self, kind: str, item_id: str) -> None:
        """Raises NotFound."""
        ...


class KeyStore(Protocol):
    """API keys of the tenant; only digests are stored."""

    def add(self, key: ApiKey) -> None: ...

    def get(self, key_id: str) -> ApiKey: ...

    def page(self, *, limit: int, cursor: str | None) -> tuple[list[ApiKey], str | None, int]: ...

    def save(self, key: ApiKey) -> None: ...


class AuditStore(Protocol):
    """The tenant's own chain: what people do to keys, policies and settings; and the incident chains' heads."""

    def add(self, at: datetime, by: Actor, event_type: str, body: Mapping[str, Any]) -> StoredAudit: ...

    def page(
        self,
        *,
        start: datetime | None,
        end: datetime | None,
        actor: str | None,
        incident: str | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[StoredAudit], str | None, int]:
        """Return the tenant's entries and the incidents' changes merged, newest first."""
        ...

    def heads(self, *, since_incident: str | None = None, limit: int = 1000) -> list[HeadHash]:
        """Return (chain id, version, hash) of every chain, in order of chain id, for checkpoints and verification."""
        ...

    def chain(self, chain_id: str, *, after_version: int = 0, limit: int = 1000) -> list[StoredChange]:
        """Return stored links of one chain (an incident id, or ``tenant``), for verification over the stored bytes."""
        ...


class Transaction(Protocol):
    """One database transaction, bound to one tenant, that cannot be forgotten. ``now`` is fixed for its length."""

    @property
    def tenant(self) -> str: ...
    @property
    def now(self) -> datetime: ...
    @property
    def incidents(self) -> IncidentStore: ...
    @property
    def events(self) -> EventStore: ...
    @property
    def timers(self) -> TimerStore: ...
    @property
    def notifications(self) -> NotificationStore: ...
    @property
    def outbox(self) -> OutboxStore: ...
    @property
    def dead_letters(self) -> DeadLetterStore: ...
    @property
    def configuration(self) -> ConfigurationStore: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def heartbeats(self) -> HeartbeatStore: ...
    @property
    def alerts(self) -> AlertStore: ...
    @property
    def fingerprint_notes(self) -> FingerprintNoteStore: ...
    @property
    def reports(self) -> ReportStore: ...
    @property
    def polls(self) -> PollStore: ...

    def of(self, tenant: str) -> "Transaction":
        """Return the same transaction bound to another tenant (a batch may span several)."""
        ...


class SystemTransaction(Protocol):
    """One transaction over all tenants, for the loops that serve them all."""

    @property
    def now(self) -> datetime: ...

    def of(self, tenant: str) -> Transaction: ...

    def claim_due_timers(self, *, limit: int, lease_seconds: float) -> list[Timer]:
        """Claim what is due (order: due time); a claim ends with the lease, or with ``timers.delete``/``replace``."""

    def due_alerts(self, *, limit: int) -> list[tuple[str, Alert]]:
        """Return (tenant, alert) of those whose end has come untold, the longest first."""

    def forget_alerts(self, before: datetime, *, limit: int) -> int:
        """Remove at most ``limit`` alerts that ended before; returns how many."""

    def overtaking(self, since: datetime, *, limit: int) -> list[Overtaking]:
        """Return recoveries accepted after ``since`` that ended nothing, with what is open of their fingerprint."""

    def forget_fingerprint_notes(self, before: datetime, *, limit: int) -> int:
        """Remove at most ``limit`` recoveries that were accepted before; returns how many."""

    def due_heartbeats(self, at: datetime, limit: int) -> list[Heartbeat]: ...
    def next_timer_at(self) -> datetime | None: ...

    def claim_notifications(
        self, *, limit: int, lease_seconds: float, busy_channels: Sequence[str] = ()
    ) -> list[Notification]:
        """Claim pages whose attempt is due, worst severity first, then oldest; leaves out channels that are full."""

    def next_notification_at(self) -> datetime | None: ...

    def notification_backlog(self) -> dict[str, int]:
        """Return the number of pending notifications by channel."""

    def stale_messages(self, *, limit: int) -> list[Notification]:
        """Return messages that are kept up to date and show an older revision of their incident."""

    def take_outbox(self, *, limit: int) -> list[OutboxRow]: ...

    def delete_outbox(self, row_ids: Sequence[int]) -> None: ...

    def open_fingerprints(self, *, after: str | None, limit: int) -> list[OpenFingerprint]:
        """Return the next page by tenant and incident id; ``after`` is ``tenant/incident_id`` of the last one seen."""
        ...

    def open_reports(self, *, after: tuple[str, str], limit: int) -> list[Reported]:
        """Return the next page of reports to open incidents, after (tenant, fingerprint) of the last one seen."""

    def last_incident_ids(self) -> list[str]:
        """Return the highest incident id (alias included) of each of the last 40 days that have any."""

    def event_keys(self, *, after: tuple[str, str, str] | None, limit: int) -> list[tuple[str, str, str]]:
        """Return (tenant, source, event id) in primary-key order, in pages, to warm the memory of what was seen."""

    def api_keys(self) -> list[ApiKey]:
        """Return every key that is not revoked, of all tenants (warmed into memory)."""

    def touch_keys(self, used: Mapping[str, datetime]) -> None:
        """Record last use by key id."""

    def tenants(self) -> list[Tenant]: ...

    def add_tenant(self, tenant: Tenant) -> None:
        """Raises Conflict."""
        ...

    def configuration_revision(self) -> dict[str, int]:
        """Return each tenant's configuration revision, a number that rises with each change."""

    def add_link(self, link: SignInLink) -> None: ...

    def redeem_link(self, digest: bytes) -> SignInLink | None:
        """Return the link once, if it exists and has not expired."""

    def remembered_answer(self, tenant: str, key: str) -> tuple[bytes, bytes] | None:
        """Return (request digest, answer) kept for an ``Idempotency-Key``."""

    def remember_answer(self, tenant: str, key: str, digest: bytes, answer: bytes) -> None: ...

    def spend(self, tenant: str, key: str, *, kept_until: datetime) -> bool:
        """Remember that ``key`` was used; False if it was already."""
        ...

    def prune(
        self,
        what: Literal["events", "incidents", "audit", "answers", "links", "notifications"],
        before: datetime,
        limit: int,
    ) -> int:
        """Delete at most ``limit`` old rows; returns how many. Incidents go only when CLOSED, or RESOLVED and old."""
        ...

    def take_lease(self, name: str, holder: str, *, seconds: float) -> bool:
        """Take or renew a lease; False while somebody else holds it."""

    def database_size(self) -> int:
        """Return bytes."""

    def checkpoint(self, at: datetime, body: bytes, signature: bytes) -> None: ...

    def checkpoints(self, limit: int = 100, *, before: datetime | None = None) -> list[tuple[datetime, bytes, bytes]]:
        """Return (instant, body, signature), newest first."""


class Store(Protocol):
    """The database. Work is a synchronous function, so it cannot contain a network call."""

    async def transact(self, tenant: str, work: Callable[[Transaction], T], *, background: bool = False) -> T:
        """Run ``work`` in one write transaction and commit; people's commands go before ``background`` batches."""
        ...

    async def read(self, tenant: str, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a read transaction."""
        ...

    async def system(self, work: Callable[[SystemTransaction], T], *, background: bool = True) -> T:
        """Run ``work`` over all tenants in one write transaction."""
        ...

    async def system_read(self, work: Callable[[SystemTransaction], T]) -> T: ...
