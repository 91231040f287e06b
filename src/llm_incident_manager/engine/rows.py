"""The values that travel between the engine and the store beside the domain's own."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.changes import ChangeSet
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Category, Environment, Scope, Severity, Status


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What the values here share."""


class StoredChange(Row, frozen=True, kw_only=True):
    """One link of a chain: ``body`` is the stored bytes that ``digest`` covers together with ``previous``."""

    incident_id: str
    version: int
    body: bytes
    previous: bytes
    digest: bytes

    def changes(self) -> ChangeSet:
        """Return the decoded change set."""
        return _DECODER.decode(self.body)


class StoredAudit(Row, frozen=True, kw_only=True):
    """One line of the audit: of the tenant's own chain, or an incident's change set."""

    id: str
    at: datetime
    event_type: str
    incident_id: str | None
    body: bytes


class StoredEvent(Row, frozen=True, kw_only=True):
    """An event as kept: ``payload`` is the normalised event as JSON."""

    tenant: str
    source: str
    event_id: str
    incident_id: str | None
    received_at: datetime
    payload: bytes


class HeadHash(Row, frozen=True, kw_only=True):
    """The newest link of one chain."""

    chain_id: str
    version: int
    digest: bytes


class OpenFingerprint(Row, frozen=True, kw_only=True):
    """An open incident's fingerprint."""

    tenant: str
    fingerprint: str
    incident_id: str


class OutboxRow(Row, frozen=True, kw_only=True):
    """One reaction due."""

    id: int
    tenant: str
    kind: str
    body: dict[str, Any]


class LetterRequest(Row, frozen=True, kw_only=True, omit_defaults=True):
    """How a vendor's request came, so that its source can translate it again; nothing of it is a secret.

    ``plugin`` is the source that translates; the rest is what a ``SourceRequest`` says beside body and time.
    """

    plugin: str
    method: str = "POST"
    path: str = ""
    params: dict[str, str] = {}
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    sender: str = ""


class DeadLetter(Row, frozen=True, kw_only=True):
    """An event that could not be processed: its bytes, the faults or failure, and the analysis of §8.3.3.

    ``request`` is there where ``body`` is what a vendor sent, and not an event.
    """

    id: str
    tenant: str
    at: datetime
    source: str
    reason: str
    retriable: bool
    attempts: int = 0
    next_attempt_at: datetime | None = None
    faults: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    request: LetterRequest | None = None


class ConfigurationItem(Row, frozen=True, kw_only=True):
    """One user, team, route, policy …; items of the config file are read-only elsewhere (``origin`` ``file``)."""

    kind: str
    id: str
    document: dict[str, Any]
    version: int = 1
    origin: str = "api"
    created_at: datetime
    updated_at: datetime
    created_by: str = ""


class ApiKey(Row, frozen=True, kw_only=True):
    """An API key without its secret: ``digest`` is the key's SHA-256."""

    id: str
    tenant: str
    name: str
    digest: bytes
    scopes: tuple[Scope, ...]
    platform: bool = False
    source: str | None = None
    user_id: str | None = None
    created_at: datetime
    rotate_after: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaces: str | None = None


class Tenant(Row, frozen=True, kw_only=True):
    """A tenant."""

    id: str
    name: str
    created_at: datetime


class SignInLink(Row, frozen=True, kw_only=True):
    """A personal one-time link: ``digest`` is the token's SHA-256; ``user_id`` is None for the key holder's link."""

    digest: bytes
    tenant: str
    user_id: str | None
    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime
    platform: bool = False


class Heartbeat(Row, frozen=True, kw_only=True):
    """Somebody who is to be heard from every so often: ``every`` times ``unit``.

    ``due_at`` is when it runs out, None while it is disabled. ``expired``: it has; ``told``: the journal has the event.
    """

    tenant: str
    source: str
    name: str
    every: int
    unit: str
    description: str = ""
    enabled: bool = True
    team: str = ""
    message: str = ""
    tags: tuple[str, ...] = ()
    severity: Severity = Severity.P2
    last_ping_at: datetime | None = None
    due_at: datetime | None = None
    expired: bool = False
    told: bool = False

    @property
    def interval(self) -> timedelta:
        """How long it may be silent."""
        return timedelta(**{self.unit: self.every})


class IncidentFilter(Row, frozen=True, kw_only=True):
    """What a list asks for; values of one field are ORed, fields ANDed. On ``created_at``: start ≤ t < end."""

    start: datetime | None = None
    end: datetime | None = None
    severity: tuple[Severity, ...] = ()
    status: tuple[Status, ...] = ()
    category: tuple[Category, ...] = ()
    source: tuple[str, ...] = ()
    environment: tuple[Environment, ...] = ()
    assigned_to: tuple[str, ...] = ()
    assigned_team: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    open_only: bool = False
    needs: str | None = None
    sort: str = "-updated_at"
    limit: int = 50
    cursor: str | None = None


class IncidentPage(Row, frozen=True, kw_only=True):
    """One page of incidents."""

    incidents: tuple[Incident, ...]
    next_cursor: str | None
    total: int
    total_at_least: bool = False


_DECODER = msgspec.json.Decoder(ChangeSet)
