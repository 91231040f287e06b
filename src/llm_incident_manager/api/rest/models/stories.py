"""What is read about incidents: lists, the log (specification §5.4), events (§5.1), pages, explanations, figures."""

from typing import Any, Literal

from pydantic import Field

from llm_incident_manager.api.rest.models.incidents import Incident, RelatedIncident, Resource
from llm_incident_manager.api.rest.models.shapes import Answer, Free, Instant
from llm_incident_manager.domain.notifications.notification import DeliveryState
from llm_incident_manager.domain.vocabulary import ActorType, Category, NotificationType, Severity


class Listed(Answer):
    """What every list adds: where the next page begins, and how many there are in all."""

    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; `null` on the last one.")
    total: int = Field(ge=0, description="Exact, unless `total_at_least` is there.")
    total_at_least: Literal[True] | None = Field(default=None, description="There are at least `total`.")


class Incidents(Listed):
    """One page of incidents."""

    incidents: list[Incident]


class Related(Listed):
    """The linked incidents."""

    related: list[RelatedIncident]


class Actor(Answer):
    """Who did it."""

    type: ActorType
    id: str
    name: str


class FieldMove(Answer):
    """A member's old and new value."""

    field: str
    old_value: Any
    new_value: Any


class LogEntry(Answer):
    """One line of the story (specification §5.4 `ResolutionLog`)."""

    id: str
    incident_id: str
    event_type: Literal[
        "incident_created",
        "incident_updated",
        "state_changed",
        "assigned",
        "acknowledged",
        "escalated",
        "resolved",
        "closed",
        "reopened",
        "comment_added",
        "action_executed",
        "notification_sent",
        "sla_breached",
    ]
    event_data: Free
    actor: Actor
    changes: list[FieldMove]
    timestamp: Instant
    notes: str | None = None
    metadata: Free = Field(description="`client_ip`, `user_agent` and `session_id`, where known.")


class Timeline(Listed):
    """One page of the story."""

    entries: list[LogEntry]


class Event(Answer):
    """A kept event (specification §5.1 `IncidentEvent`)."""

    event_id: str
    source: str
    source_version: str
    timestamp: Instant
    received_at: Instant
    event_type: str
    category: Category
    title: str
    description: str
    severity: str = Field(description="The source's own word.")
    normalized_severity: Severity
    resource: Resource
    metrics: dict[str, float]
    tags: dict[str, str]
    labels: list[str]
    correlation_id: str | None
    parent_event_id: str | None
    dedup_key: str | None
    payload: Free
    incident_id: str | None
    fingerprint: str
    enrichment: Free
    schema_version: str
    validated_at: Instant
    late: bool


class Events(Listed):
    """One page of events, newest first."""

    events: list[Event]


class Notification(Answer):
    """One page to one recipient on one channel, and where it stands."""

    id: str
    incident_id: str
    type: NotificationType
    severity: Severity
    level: int
    cycle: int
    target: str
    recipient: str
    recipient_name: str
    channel: str
    stage: int = Field(description="0 the level's channels, 1 the recipient's other contacts, 2 and up the fallback.")
    state: DeliveryState
    sentence: str = Field(description="Where it stands, in words.")
    reason: str = Field(description="What went wrong last; empty where nothing did.")
    cause: str = Field(description="What it was planned for.")
    attempts: int
    planned_at: Instant
    next_attempt_at: Instant | None
    delivered_at: Instant | None
    receipt: str | None = Field(description="The provider's own id.")
    reached_at: Instant | None = Field(description="When the provider said that it arrived, where it says so.")
    answered_at: Instant | None = Field(description="When somebody first acted from it.")
    answer: str | None = Field(description="What they did last: `take` or `resolve`.")


class Notifications(Listed):
    """The page ledger of one incident."""

    notifications: list[Notification]


class Explanation(Answer):
    """Why: each answer has a `text` for people and its `evidence`."""

    severity: Free
    grouping: Free
    route: Free


class Spread(Answer):
    """Seconds."""

    mean: float
    p50: float
    p90: float
    p99: float


class Group(Answer):
    """The figures of one group."""

    key: dict[str, str | None]
    count: int
    mttd_seconds: Spread | None
    mtta_seconds: Spread | None
    mttr_seconds: Spread | None
    sla_compliance: float | None = Field(description="The share, 0 to 1, that missed no deadline.")


class IncidentFigures(Answer):
    """Figures over the incidents of a span."""

    start: Instant | None
    end: Instant | None
    total: int
    groups: list[Group]
