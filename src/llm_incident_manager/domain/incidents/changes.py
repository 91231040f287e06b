"""What can happen to an incident, in the past tense. One transaction's changes make one :class:`ChangeSet`."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.classification.decision import Classification
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.incidents.incident import Actor, Link, RoutingReason, Silencing
from llm_incident_manager.domain.incidents.ladder import Ladder, Plan
from llm_incident_manager.domain.incidents.reports import Folding, ReportState
from llm_incident_manager.domain.vocabulary import Action, Category, Environment, NotificationType, Severity, Status


class _Change(msgspec.Struct, frozen=True, kw_only=True, tag_field="change"):
    """What all changes share: the stored member ``change`` names them."""


class IncidentOpened(_Change, frozen=True, kw_only=True, tag="incident_opened", omit_defaults=True):
    """The first event of a fingerprint arrived, or a person opened it; ``accepted_at`` is when it was answered.

    ``overtaken_by``: the event id of the recovery that was accepted before it; nobody is told of what is over.
    ``fold``: by which cross-source key it is one, and who reports it first.
    """

    incident_id: str
    tenant: str
    fingerprint: str
    severity: Severity
    category: Category
    title: str
    description: str
    source: str
    source_event_id: str
    event_type: str
    source_severity: str
    resource: Resource
    occurred_at: datetime
    accepted_at: datetime
    late: bool = False
    environment: Environment | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    labels: tuple[str, ...] = ()
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    impact: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    classification: Classification | None = None
    links: tuple[Link, ...] = ()
    imported: bool = False
    quiet_seconds: int | None = None
    overtaken_by: str | None = None
    fold: Folding | None = None


class Routed(_Change, frozen=True, kw_only=True, tag="routed", omit_defaults=True):
    """A route and a plan were found; the deadlines follow the plan, counted from the change set's instant."""

    team: str | None = None
    user: str | None = None
    plan: Plan
    routing: RoutingReason
    acknowledgment_deadline: datetime | None = None
    resolution_deadline: datetime | None = None


class ReportChanged(_Change, frozen=True, kw_only=True, tag="report_changed", omit_defaults=True):
    """A source reports the incident too (``first``), says that its own problem is over, or reports it again."""

    source: str
    fingerprint: str
    title: str
    state: ReportState
    event_id: str
    at: datetime
    first: bool = False
    quiet_seconds: int | None = None


class EventsJoined(_Change, frozen=True, kw_only=True, tag="events_joined", omit_defaults=True):
    """``count`` more events of this fingerprint were counted; ``digest`` is the SHA-256 over their identities."""

    count: int
    last_at: datetime
    digest: str = ""
    last_event_id: str = ""


class SeverityChanged(_Change, frozen=True, kw_only=True, tag="severity_changed", omit_defaults=True):
    """It got worse by an event (``raised``), or a person set it."""

    before: Severity
    after: Severity
    reason: str
    raised: bool = False
    classification: Classification | None = None


class StatusChanged(_Change, frozen=True, kw_only=True, tag="status_changed", omit_defaults=True):
    """An action of §4.2's matrix was taken."""

    action: Action
    before: Status
    after: Status
    reason: str = ""
    note: str = ""


class Assigned(_Change, frozen=True, kw_only=True, tag="assigned", omit_defaults=True):
    """Somebody, or a team, has it now; ``None`` leaves that side as it was, ``freed`` names those that nobody has."""

    user: str | None = None
    team: str | None = None
    freed: tuple[str, ...] = ()
    before_user: str | None = None
    before_team: str | None = None


class FieldsChanged(_Change, frozen=True, kw_only=True, tag="fields_changed", omit_defaults=True):
    """Descriptive fields were edited: title, description, impact, category, external_id, tags, labels or metadata."""

    before: dict[str, Any]
    after: dict[str, Any]


class ResolutionRecorded(_Change, frozen=True, kw_only=True, tag="resolution_recorded", omit_defaults=True):
    """Root cause and notes were given."""

    root_cause: str | None = None
    resolution_notes: str | None = None
    playbook_used: str | None = None
    resolved_by: str | None = None


class CommentAdded(_Change, frozen=True, kw_only=True, tag="comment_added", omit_defaults=True):
    """Somebody wrote something down."""

    comment_id: str
    text: str


class IncidentLinked(_Change, frozen=True, kw_only=True, tag="incident_linked", omit_defaults=True):
    """It belongs together with another one."""

    link: Link


class LadderMoved(_Change, frozen=True, kw_only=True, tag="ladder_moved", omit_defaults=True):
    """The position on the plan changed; ``ladder`` is the whole new position."""

    ladder: Ladder


class PlannedPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One page to one recipient on one channel; ``skipped`` says why it will not be tried."""

    notification_id: str
    target: str
    recipient: str
    channel: str
    name: str = ""
    contact: int = 0
    stage: int = 0
    skipped: str | None = None


class PeopleTold(_Change, frozen=True, kw_only=True, tag="people_told", omit_defaults=True):
    """Pages were planned for a level, or an announcement for those who know already. ``step`` is the plan's index."""

    type: NotificationType
    level: int
    cycle: int
    reason: str
    step: int | None = None
    pages: tuple[PlannedPage, ...] = ()
    note: str = ""


class NotificationSettled(_Change, frozen=True, kw_only=True, tag="notification_settled", omit_defaults=True):
    """A page reached the provider, or never will."""

    notification_id: str
    recipient: str
    channel: str
    delivered: bool
    reason: str = ""
    receipt: str | None = None
    attempts: int = 1


class SlaBreached(_Change, frozen=True, kw_only=True, tag="sla_breached", omit_defaults=True):
    """A deadline passed; ``which`` is ``acknowledgment`` or ``resolution``."""

    which: str
    deadline: datetime


class Snoozed(_Change, frozen=True, kw_only=True, tag="snoozed", omit_defaults=True):
    """The ladder waits until then."""

    until: datetime | None


class Silenced(_Change, frozen=True, kw_only=True, tag="silenced", omit_defaults=True):
    """Silences match it: its ladder waits until the last of them ends; ``None``: no silence matches any more."""

    silence: Silencing | None


Change = (
    IncidentOpened
    | Routed
    | ReportChanged
    | EventsJoined
    | SeverityChanged
    | StatusChanged
    | Assigned
    | FieldsChanged
    | ResolutionRecorded
    | CommentAdded
    | IncidentLinked
    | LadderMoved
    | PeopleTold
    | NotificationSettled
    | SlaBreached
    | Snoozed
    | Silenced
)

QUIET = (EventsJoined, NotificationSettled)
"""Changes that leave the public revision (and so the ETag) alone."""


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a request came from (AUD-02, specification §6.4 ``metadata``)."""

    client_ip: str | None = None
    user_agent: str | None = None
    session_id: str | None = None


class ChangeSet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything one transaction did to one incident: who, when, from where, and what."""

    at: datetime
    by: Actor
    changes: tuple[Change, ...]
    request: RequestFacts | None = None
