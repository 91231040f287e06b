"""Events in, keys, tenants, dead letters, the audit trail, imports, health."""

from typing import Annotated, Literal

from pydantic import Field

from llm_incident_manager.api.rest.models.shapes import Answer, Fault, Free, Instant, Name, Request
from llm_incident_manager.api.rest.models.stories import Actor, Listed
from llm_incident_manager.domain.vocabulary import Scope, Severity

KeyName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


class Accepted(Answer):
    """The answer to one event: it is stored durably, and `incident_id` is joined or reserved."""

    status: Literal["accepted", "duplicate"]
    event_id: str
    incident_id: str | None = Field(description="`null` where the event opens nothing.")
    message: str


class EventResult(Answer):
    """What one event of a batch came to."""

    event_id: str | None
    status: Literal["accepted", "duplicate", "rejected"]
    incident_id: str | None
    errors: list[Fault]


class BatchAccepted(Answer):
    """The answer to a batch: three counts, and a result for each event in order."""

    batch_id: str | None
    accepted: int
    duplicates: int
    rejected: int
    results: list[EventResult]


class KeyGiven(Request):
    """A new API key. One bound to a `source` acts as an integration, one of a `user_id` as that person."""

    name: KeyName
    scopes: list[Scope] = Field(min_length=1, max_length=4)
    tenant_id: Name | None = None
    source: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    user_id: Name | None = None
    platform: bool = Field(default=False, description="May act for other tenants with `X-Tenant`.")
    rotate_after_days: Annotated[int, Field(ge=1, le=3650)] = 90
    expires_at: Instant | None = None
    format: Literal[32] | None = Field(default=None, description="32 characters, where a vendor's client insists.")


class RotateGiven(Request):
    """How long the old key goes on."""

    overlap_seconds: Annotated[float, Field(ge=0, le=2_592_000)] = 86_400


class ApiKey(Answer):
    """An API key; `key` is shown this once, when it is made."""

    id: str
    name: str
    scopes: list[Scope]
    tenant_id: str
    platform: bool
    source: str | None
    user_id: str | None
    created_at: Instant
    rotate_after: Instant | None
    rotation_due: bool
    expires_at: Instant | None
    revoked_at: Instant | None
    last_used_at: Instant | None
    replaces: str | None
    replaced_by: str | None
    key: str | None = None


class TenantGiven(Request):
    """A new tenant."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    name: KeyName | None = None


class Tenant(Answer):
    """A tenant."""

    id: str
    name: str
    created_at: Instant


class DeadLetter(Answer):
    """What could not be processed, why, and what can be done about it."""

    id: str
    at: Instant
    source: str
    reason: str
    retriable: bool
    analysis: str
    attempts: int
    next_attempt_at: Instant | None
    faults: list[Fault]
    body: str = Field(description="The event as it came, at most 64 KiB of it.")
    body_bytes: int


class Replayed(Answer):
    """What came of an event that was taken in again."""

    status: Literal["accepted", "duplicate"]
    event_id: str | None
    incident_id: str | None
    message: str


class AuditEvent(Answer):
    """One line of the audit trail (specification §6.4): one transaction's changes to one thing."""

    event_id: str
    timestamp: Instant
    event_type: str
    incident_id: str | None
    actor: Actor
    changes: list[Free]
    metadata: Free
    object: Free | str | None = Field(default=None, description="What was changed, where it is no incident.")
    details: list[Free]


class ChainFault(Answer):
    """The first link that does not hold."""

    chain: str
    version: int
    reason: str


class Verification(Answer):
    """Whether the hash chains hold; `first_fault` says where not."""

    valid: bool
    checked: int = Field(description="Links.")
    first_fault: ChainFault | None


class ImportCounts(Answer):
    """What an import did."""

    imported: int
    already_known: int
    skipped_maintenance: int
    open: int = Field(description="Of the imported: not ended yet.")
    faults: list[Fault]


class TriedPage(Answer):
    """One page that was tried once."""

    id: str
    channel: str
    delivered: bool
    reason: str = Field(description="Why it was not accepted; empty where it was.")
    receipt: str | None


class TestPage(Answer):
    """The pages that were made; `delivered` where at least one was accepted."""

    user_id: str
    delivered: bool
    notifications: list[TriedPage]


class RouteTest(Answer):
    """Where an event would go."""

    severity: Severity
    severity_reason: str
    category: str
    source: str
    environment: str | None
    at: Instant
    route: str | None
    policy: str | None
    team: str | None
    user: str | None
    reason: str
    considered: list[str] = Field(description="Every route and policy looked at, and why it did not match.")
    acknowledgment_seconds: float | None
    resolution_seconds: float | None
    repeat: int
    levels: list[Free] = Field(description="Level, seconds after the opening, targets, and the people with channels.")


class SourceTest(Answer):
    """What a source would make of a request."""

    source: str = Field(description="The name under which its events would go.")
    plugin: str
    events: list[Free] = Field(
        description="Each `{event, severity, severity_reason, cross_key, would, incident_id, errors}`; `would` is "
        "opens, joins, ends, kept or duplicate, `cross_key` the `{name, key}` that folds it, or null."
    )
    acts: list[Free]


class TrafficOfSource(Answer):
    """One source's events on this node, since it started."""

    source: str
    accepted: int
    without_payload: int = Field(description="Of those: counted over the rate, their payload not kept.")
    refused: dict[str, int] = Field(description="By reason: rate_limited, not_stored, lagging, invalid, address …")
    last_at: Instant | None
    last_refused_at: Instant | None
    last_reason: str | None
    limited_until: Instant | None = Field(description="When its rate lets it in again; null where it does now.")


class SourceTraffic(Answer):
    """What this node took in and refused, the most recently refused sources first."""

    since: Instant
    sources: list[TrafficOfSource]


class Health(Answer):
    """The process is alive."""

    status: Literal["ok"]
    version: str


class Ready(Answer):
    """This node can accept durably; `degraded` names what is away."""

    status: Literal["ready", "not_ready"]
    degraded: list[str]
    reason: str | None = None


class DeadLetters(Listed):
    """One page of dead letters."""

    dead_letters: list[DeadLetter]


class ApiKeys(Listed):
    """One page of keys, without their secrets."""

    api_keys: list[ApiKey]


class Tenants(Listed):
    """One page of tenants."""

    tenants: list[Tenant]


class AuditEntries(Listed):
    """One page of the audit trail, newest first."""

    audit: list[AuditEvent]
