"""The event: what a source sends (specification §5.1 ``RawEvent``) and what we make of it."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.events.field_mapping import FieldMapping
from llm_incident_manager.domain.events.fold import Fold
from llm_incident_manager.domain.events.log_rules import LogRule
from llm_incident_manager.domain.events.pulling import Provider, PullSettings
from llm_incident_manager.domain.events.queue import QueueSettings
from llm_incident_manager.domain.events.sealed_path import SealedPath
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity


class Resource(msgspec.Struct, frozen=True):
    """What is affected: a service, endpoint, model, deployment, tenant and so on."""

    type: str
    id: str
    name: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Event(msgspec.Struct, frozen=True):
    """A normalised event (specification §5.1 ``IncidentEvent``). Instants are aware and in UTC.

    ``severity`` is the source's own word, ``source_severity`` what it maps to; the classified severity stands on the
    incident. ``late`` marks an event older than the late limit when it was received: it leaves MTTD alone.
    ``dedup_key``, where a source gives one, decides the fingerprint together with tenant and source. ``fold`` is what
    the tenant's cross-source keys make of it. ``sealed`` holds the ciphertexts of members that
    were encrypted, by place; markers stand in their places (``domain.events.sealed``).
    """

    event_id: str
    source: str
    timestamp: datetime
    received_at: datetime
    event_type: str
    category: Category
    title: str
    severity: str
    source_severity: Severity
    resource: Resource
    fingerprint: str
    description: str = ""
    source_version: str = ""
    environment: Environment | None = None
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    labels: tuple[str, ...] = ()
    correlation_id: str | None = None
    parent_event_id: str | None = None
    dedup_key: str | None = None
    payload: dict[str, Any] = msgspec.field(default_factory=dict)
    enrichment: dict[str, Any] = msgspec.field(default_factory=dict)
    schema_version: str = "1.0"
    late: bool = False
    fold: Fold | None = None
    sealed: dict[str, str] | None = None

    @property
    def mark(self) -> str:
        """The fingerprint under which it opens an incident: that of its cross-source key, where it has one."""
        return self.fingerprint if self.fold is None else self.fold.fingerprint

    @property
    def recovers(self) -> bool:
        """Whether the source says that the trouble is over (event types ``resolved`` and ``recovery``)."""
        return self.event_type in ("resolved", "recovery")

    @property
    def is_change(self) -> bool:
        """Whether it tells of something that people or machines did on purpose (event type ``change``).

        It is kept, opens no incident and joins none (docs/decisions/0050-change-events.md).
        """
        return self.event_type == "change"


class SourceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for one source (specification §6.1 ``integrations``); ``severity_words`` are lower case.

    ``plugin`` names the translation that reads what this source sends, where it is not called like the source.
    ``signing_secret`` is the sender's HMAC key, ``signature_header`` (lower case) where its signature stands if not in
    the vendor's usual header. ``allow_ips`` are networks; nobody else may send for the source. None: anybody may.
    ``encrypt`` names members that are encrypted before anything is kept.
    ``redact`` names what is taken out before anything is kept (``domain.events.redact.KINDS``).
    ``quiet_seconds`` without an event end its incidents, where it never says itself that they are over. ``log_rules``
    say which of its log records become events. ``mapping`` says how its JSON becomes events, where no plugin knows.
    ``queue`` is where its messages are fetched from, beside whatever it pushes.
    ``pull``: it is asked, instead of sending. ``provider`` is the one whose status page it is.
    """

    name: str
    enabled: bool = True
    strict: bool = False
    severity_words: dict[str, Severity] = msgspec.field(default_factory=dict)
    key_header: str | None = None
    resolve: str = "resolve"
    events_per_minute: int | None = None
    plugin: str | None = None
    signing_secret: str | None = None
    signature_header: str | None = None
    allow_ips: tuple[str, ...] = ()
    quiet_seconds: int | None = None
    log_rules: tuple[LogRule, ...] = ()
    mapping: FieldMapping | None = None
    redact: tuple[str, ...] = ()
    queue: QueueSettings | None = None
    pull: PullSettings | None = None
    provider: Provider | None = None
    encrypt: tuple[SealedPath, ...] = ()
    extra: dict[str, Any] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        """Return what may stand in a log: never the secret."""
        return f"SourceSettings(name={self.name!r})"
