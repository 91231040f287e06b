"""Incidents (specification §5.2) and what is done to them."""

from typing import Annotated, Literal

from pydantic import Field

from llm_incident_manager.api.rest.models.shapes import (
    Answer,
    Free,
    Heading,
    IncidentId,
    Instant,
    Labels,
    LongText,
    Name,
    Request,
    ShortText,
    Tags,
    Written,
)
from llm_incident_manager.domain.vocabulary import (
    Action,
    Category,
    Environment,
    LinkKind,
    Severity,
    Status,
    TargetType,
)

ExternalAddress = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[!-~]+$")]


class ResourceGiven(Request):
    """What is affected."""

    type: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
    id: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
    name: ShortText = ""
    metadata: Free = Field(default_factory=dict)


class IncidentGiven(Request):
    """An incident opened by hand; it is routed and pages people like any other."""

    title: Heading
    severity: Severity
    category: Category
    description: LongText = ""
    impact: LongText = Field(default="", description="What it means for the business.")
    resource: ResourceGiven | None = None
    environment: Environment | None = None
    tags: Tags = Field(default_factory=dict)
    labels: Labels = Field(default_factory=list)
    metadata: Free = Field(default_factory=dict)
    assigned_to: Name | None = Field(default=None, description="A user's id.")
    assigned_team: Name | None = Field(default=None, description="A team's id.")


class IncidentEdited(Request):
    """The members to change; what is left out stays."""

    title: Heading = Field(default="")
    description: LongText = ""
    impact: LongText = ""
    category: Category = Category.OTHER
    external_id: ShortText | None = Field(default=None, description="The ticket's id elsewhere.")
    tags: Tags = Field(default_factory=dict)
    labels: Labels = Field(default_factory=list)
    metadata: Free = Field(default_factory=dict)
    severity: Severity = Field(default=Severity.P4, description="Up or down; the ladder follows.")
    assigned_to: Name | None = Field(default=None, description="`null`: nobody any more.")
    assigned_team: Name | None = Field(default=None, description="`null`: no team any more.")


class Noted(Request):
    """What may be said with an action; the body may be empty."""

    note: LongText = ""


class ResolutionGiven(Request):
    """How it ended; the body may be empty."""

    root_cause: LongText | None = None
    resolution_notes: LongText | None = None
    playbook_used: ShortText | None = None
    note: LongText | None = Field(default=None, description="The same as `resolution_notes`, where that is missing.")


class TargetGiven(Request):
    """Whom to page."""

    type: TargetType
    id: ExternalAddress


class PageGiven(Request):
    """A page by hand, beside the ladder."""

    targets: list[TargetGiven] = Field(min_length=1, max_length=50)
    channels: list[Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[a-z_]+$")]] = Field(
        default_factory=list, max_length=20, description="All contacts of the targets where none is named."
    )
    note: LongText = ""


class AssignGiven(Request):
    """Who has it now: a user, a team or both."""

    user_id: Name | None = None
    team_id: Name | None = None


class CommentGiven(Request):
    """Something worth writing down."""

    text: Written


class LinkGiven(Request):
    """Another incident, and how the two belong together."""

    incident_id: IncidentId
    kind: LinkKind = LinkKind.RELATED


class MergeGiven(Request):
    """The incident that this one is a duplicate of."""

    into: IncidentId


class SnoozeGiven(Request):
    """When the ladder goes on; `null` lets it go on now."""

    until: Instant | None


class BulkGiven(Request):
    """One action on many incidents; each is decided for itself."""

    ids: list[IncidentId] = Field(min_length=1, max_length=500)
    action: Literal["take", "acknowledge", "start_work", "escalate", "de-escalate", "resolve", "reopen", "close"]


class Resource(Answer):
    """What is affected."""

    type: str
    id: str
    name: str
    metadata: Free


class Sla(Answer):
    """The deadlines; `null` where the severity has none."""

    acknowledgment_deadline: Instant | None
    resolution_deadline: Instant | None
    acknowledgment_breached: bool
    resolution_breached: bool


class Figures(Answer):
    """Seconds to detect, to acknowledge by a person, and of open time; `null` until known."""

    mttd: float | None
    mtta: float | None
    mttr: float | None


class Link(Answer):
    """A bond to another incident, and why."""

    incident_id: str
    kind: LinkKind
    reason: str


class ExecutedAction(Answer):
    """Something done about the incident."""

    id: str
    type: str
    description: str
    executed_by: str
    executed_at: Instant
    result: str


class Resolution(Answer):
    """How it ended."""

    root_cause: str | None
    resolution_notes: str | None
    resolved_by: str | None
    playbook_used: str | None
    actions_taken: list[ExecutedAction]


class Ladder(Answer):
    """Where the escalation stands: the level told last, and whom it tells next and when."""

    level: int
    state: Literal["climbing", "taken", "exhausted", "snoozed", "silenced", "ended", "quiet"]
    next_at: Instant | None
    next_level: int | None
    next_step: str | None
    next_targets: list[str] = Field(examples=[["user:bo"]])
    policy: str | None = Field(description="`null` where the default table of severities applies.")
    cycle: int
    round: int
    reason: str


class Report(Answer):
    """What one source says of its own problem."""

    source: str
    title: str
    state: Literal["reporting", "over"]
    since: Instant
    changed_at: Instant


class ReportedBy(Answer):
    """The cross-source key that made several sources' problems one incident, and those that report it."""

    cross_key: str
    key: str
    resolve: Literal["all", "any"] = Field(description="Whether all of them, or any, end it.")
    reports: list[Report]


class Incident(Answer):
    """An incident (specification §5.2). `version` is what the `ETag` says; storms leave it alone."""

    id: str = Field(examples=["INC-20270104-00042"])
    external_id: str | None
    fingerprint: str
    severity: Severity
    status: Status
    category: Category
    title: str
    description: str
    impact: str
    source: str
    source_event_id: str
    assigned_to: str | None
    assigned_team: str | None
    escalation_level: int
    created_at: Instant
    updated_at: Instant
    acknowledged_at: Instant | None
    resolved_at: Instant | None
    closed_at: Instant | None
    sla: Sla
    related_incidents: list[str]
    parent_incident: str | None
    duplicate_of: str | None
    recurrence_of: str | None
    links: list[Link]
    metrics: Figures
    resource: Resource
    environment: Environment | None
    tags: dict[str, str]
    labels: list[str]
    resolution: Resolution
    metadata: Free
    event_type: str
    event_count: int = Field(ge=0)
    event_metrics: dict[str, float]
    last_event_at: Instant | None
    snoozed_until: Instant | None
    silenced_until: Instant | None
    silenced_by: list[str]
    imported: bool
    reported_by: ReportedBy | None = Field(description="Who reports it, where a cross-source key made it one.")
    allowed_actions: list[Action]
    ladder: Ladder
    version: int


class RelatedIncident(Incident):
    """A linked incident, with the kind of the bond and its reason."""

    kind: LinkKind
    reason: str


class BulkResult(Answer):
    """What one incident of a bulk came to."""

    id: str
    status: Literal["done", "refused"]
    incident: Incident | None
    error: Free | None = Field(description="A problem document where it was refused.")


class BulkAnswer(Answer):
    """Results in the order asked."""

    results: list[BulkResult]
    done: int
    refused: int
