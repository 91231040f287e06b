"""People, routes, policies, templates and sources (specification §5.3, §5.5, §6.1)."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from llm_incident_manager.api.rest.models.shapes import Answer, Free, Instant, Name, Request, ShortText, Tags
from llm_incident_manager.domain.routing.strategy import Strategy
from llm_incident_manager.domain.vocabulary import Category, Environment, NotificationType, Severity, TargetType

Seconds = Annotated[float, Field(gt=0, le=7_776_000)]
Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
Title = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00/]*[^\s\x00/][^\x00/]*$")]
Zone = Annotated[str, Field(max_length=64, examples=["Europe/Madrid"])]
ChannelName = Literal["email", "slack", "teams", "pagerduty", "opsgenie", "jsm", "sms", "phone", "webhook", "apprise"]
Contacts = Annotated[
    Free,
    Field(
        description="By channel: an address, a list of them, or for a webhook `{url, secret}`.",
        examples=[{"email": "ana@example.com", "webhook": {"url": "https://example.com/ana", "secret": "s3cret"}}],
    ),
]


class TargetDocument(Request):
    """Whom a level reaches, and who is told where that one cannot be reached."""

    type: TargetType
    id: Annotated[str, Field(min_length=1, max_length=2000)]
    fallback: "TargetDocument | None" = None


class ResourceConditionsDocument(Request):
    """What the trouble is about; `*` and `?` stand for any characters, and for one."""

    type: list[str] | str | None = None
    id: list[str] | str | None = None


class ConditionsDocument(Request):
    """All that are named must hold; one value of each is enough; a single value may stand for a list."""

    severity: list[Severity] | Severity | None = None
    category: list[Category] | Category | None = None
    source: list[str] | str | None = None
    tags: Tags | None = None
    environment: list[Environment] | Environment | None = None
    resource: ResourceConditionsDocument | None = None


class UserDocument(Request):
    """A person."""

    id: Name
    name: ShortText | None = None
    time_zone: Zone = "UTC"
    contacts: Contacts | None = None
    role: Literal["viewer", "responder", "manager", "admin"] = "responder"
    enabled: bool = True
    skills: list[str] = Field(default_factory=list, description="What a skill-based route asks for.")


class TeamDocument(Request):
    """People who answer together; `escalation` says who level 2, 3 and the `manager` are (specification §4.3)."""

    id: Name
    name: ShortText | None = None
    members: list[str] = Field(default_factory=list)
    contacts: Contacts | None = None
    escalation: dict[Literal["2", "3", "manager"], list[TargetDocument]] | None = None


class HoursDocument(Request):
    """`HH:MM`; an end before the start passes midnight."""

    start: str
    end: str


class PeriodsDocument(Request):
    """When a policy or a route applies; days are 0 (Sunday) to 6 (Saturday)."""

    timezone: Zone = "UTC"
    active_hours: HoursDocument | None = None
    active_days: list[Annotated[int, Field(ge=0, le=6)]] | None = None


class RegionDocument(Request):
    """One region: whose it is (one of the three), which words mean it, and when people work there."""

    name: ShortText
    team: str | None = None
    user: str | None = None
    schedule: str | None = None
    match: list[str] = Field(default_factory=list, description="As `us-*`; by itself the name, and the name with more.")
    hours: PeriodsDocument | None = None


class AssignDocument(Request):
    """Who gets it, and how that is chosen (specification §3.1.3); each strategy reads members of its own."""

    strategy: Strategy = Strategy.DIRECT
    team: str | None = None
    user: str | None = None
    schedule: str | None = None
    teams: list[str] = Field(default_factory=list)
    users: list[str] = Field(default_factory=list)
    skills: list[str] = Field(default_factory=list)
    regions: list[RegionDocument] = Field(default_factory=list)


class RouteDocument(Request):
    """One row of the routing table; the highest priority that matches is taken."""

    name: Title
    description: ShortText | None = None
    priority: Priority = 0
    conditions: ConditionsDocument | None = None
    schedule: PeriodsDocument | None = None
    assign: AssignDocument | None = None
    policy: str | None = Field(default=None, description="A policy's id or name.")
    continue_: bool = Field(
        default=False, alias="continue", description="Its people are told at level 1 too, and the next route decides."
    )
    enabled: bool = True


class LevelDocument(Request):
    """One level; `escalate_after` counts from the moment this level was told."""

    level: Annotated[int, Field(ge=1, le=100)] | None = None
    name: ShortText | None = None
    targets: list[TargetDocument] = Field(min_length=1, max_length=100)
    escalate_after: Seconds | None = None
    notification_channels: list[ChannelName] | None = None
    notification_template: ShortText | None = None
    actions: list[Free] | None = None


class TimersDocument(Request):
    """Seconds: the SLA deadlines, and the default of a missing `escalate_after`."""

    acknowledgment_timeout: Seconds | None = None
    resolution_timeout: Seconds | None = None
    escalation_interval: Seconds | None = None


class RepeatDocument(Request):
    """How many rounds follow the first."""

    times: Annotated[int, Field(ge=0, le=100)] = 0


class PolicyDocument(Request):
    """An escalation policy (specification §5.3)."""

    id: Name | None = Field(default=None, description="The name's words joined by hyphens, where none is given.")
    name: Title
    description: ShortText = ""
    conditions: ConditionsDocument | None = None
    levels: list[LevelDocument] = Field(min_length=1, max_length=20)
    timers: TimersDocument | None = None
    schedule: PeriodsDocument | None = None
    repeat: RepeatDocument | None = None
    enabled: bool = True
    priority: Priority = 0


class TemplateDocument(Request):
    """The wording of a notification (specification §5.5)."""

    id: Name | None = None
    name: Title
    description: ShortText = ""
    type: NotificationType
    channels: dict[str, Free] = Field(
        description="By channel: subject, body_html, body_text, blocks, message, payload."
    )
    variables: list[str] | None = None
    conditions: ConditionsDocument | None = None
    enabled: bool = True
    priority: Priority = 0


class SourceDocument(Request):
    """What is set for one source (specification §6.1)."""

    name: Title
    description: ShortText | None = None
    enabled: bool = True
    strict: bool = Field(default=False, description="Refuse members that the schema does not know.")
    mode: Literal["push", "pull", "queue"] = "push"
    endpoint: str | None = Field(default=None, description="Where a source of mode `pull` is asked.")
    poll: Free | None = Field(default=None, description="How it is asked: `{interval_seconds, failures}`.")
    provider: str | Free | None = Field(
        default=None, description="Whose status page it is: an id, or `{id, models, window_seconds}`."
    )
    authentication: Free | None = None
    retry: Free | None = None
    mapping: Free | None = None
    queue: Free | None = Field(
        default=None,
        description="A queue of others that it is read from: `{url, exchange, stream, topic, …}`.",
    )
    severity_words: dict[str, Severity] | None = None
    key_header: str | None = Field(default=None, description="A header that carries this source's key.")
    client_certificate: str | list[str] | None = Field(
        default=None, description="Names of client certificates that are this source's: SPIFFE id, DNS name or CN."
    )
    resolve: Literal["resolve", "propose"] = "resolve"
    events_per_minute: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    plugin: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="Which translation reads it, where it is not called like the source."
    )
    signing_secret: Annotated[str, Field(max_length=500)] | None = Field(
        default=None, description="The sender's HMAC key: unsigned requests are then 401. Never shown again."
    )
    signature_header: str | None = Field(default=None, description="Where the signature stands, if not as usual.")
    encrypt: list[str] | str | None = Field(
        default=None, description="Paths of members that are encrypted before anything is kept: payload.user.email …"
    )
    redact: list[Literal["secrets", "emails", "cards", "phones", "ips"]] | None = Field(
        default=None, description="What is taken out of its events before anything is kept."
    )
    allow_ips: list[str] | str | None = Field(default=None, description="Networks; others are 403.")
    quiet_seconds: Annotated[int, Field(ge=60, le=2_592_000)] | None = Field(
        default=None, description="Its incidents end when nothing more came for so long: for what never says so itself."
    )
    log_rules: list[Free] | None = Field(
        default=None, description="Which log records become events: `{min_severity, attributes, body}`."
    )


class Configured(Answer):
    """A document as it is stored, with what the server adds; `version` is what the `ETag` says."""

    model_config = ConfigDict(extra="allow")

    id: str
    version: int
    origin: str = Field(description="`api`, or `file` where the config file owns it and it is read-only here.")
    created_at: Instant | None = None
    updated_at: Instant | None = None
    created_by: str | None = None


def page_model(plural: str) -> dict[str, Any]:
    """Return the schema of one page of documents."""
    return {
        "type": "object",
        "required": [plural, "next_cursor", "total"],
        "properties": {
            plural: {"type": "array", "items": {"$ref": "#/components/schemas/Configured"}},
            "next_cursor": {"type": ["string", "null"]},
            "total": {"type": "integer", "minimum": 0},
        },
    }
