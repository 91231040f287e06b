"""The incident (specification §5.2): its state is only ever built by :func:`evolve` from changes."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.classification.decision import Classification
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.incidents.ladder import Ladder, Plan
from llm_incident_manager.domain.incidents.reports import Folding
from llm_incident_manager.domain.vocabulary import ActorType, Category, Environment, LinkKind, Severity, Status


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it (specification §5.4)."""

    type: ActorType
    id: str
    name: str = ""


SYSTEM = Actor(type=ActorType.SYSTEM, id="system", name="LLM-Incident-Manager")


class Sla(msgspec.Struct, frozen=True, kw_only=True):
    """The deadlines and whether they were missed; ``None`` where the severity has none (P4)."""

    acknowledgment_deadline: datetime | None = None
    resolution_deadline: datetime | None = None
    acknowledgment_breached: bool = False
    resolution_breached: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A bond to another incident, and why."""

    incident_id: str
    kind: LinkKind
    reason: str = ""


class ExecutedAction(msgspec.Struct, frozen=True, kw_only=True):
    """Something done about the incident (specification §5.2 ``Action``)."""

    id: str
    type: str
    description: str
    executed_by: str
    executed_at: datetime
    result: str


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended (specification §5.2)."""

    root_cause: str | None = None
    resolution_notes: str | None = None
    resolved_by: str | None = None
    playbook_used: str | None = None
    actions_taken: tuple[ExecutedAction, ...] = ()


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds: detection (received − occurred), acknowledgment by a person, and open time; ``None`` until known.

    ``open_seconds`` sums the ended open spans; ``open_since`` starts the present one.
    """

    mttd: float | None = None
    mtta: float | None = None
    mttr: float | None = None
    open_seconds: float = 0.0
    open_since: datetime | None = None


class Silencing(msgspec.Struct, frozen=True, kw_only=True):
    """Why nobody is paged for now: the silences that match, until the last of them ends."""

    until: datetime
    silences: tuple[str, ...] = ()
    reason: str = ""


class RoutingReason(msgspec.Struct, frozen=True, kw_only=True):
    """Why these people: the route, the policy, and a sentence."""

    route: str | None = None
    policy: str | None = None
    team: str | None = None
    sentence: str = ""
    considered: tuple[str, ...] = ()


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Specification §5.2, and what the ladder needs. All instants are aware and in UTC.

    ``version`` is the number of the last change set (the lock); ``revision`` counts only those that people would see
    as a new state: storms and delivery receipts leave it out, and it is what the ETag shows. ``quiet_seconds`` without
    an event end it; None: its source says itself when it is over. ``fold``: who reports it, where a cross-source key
    made it one.
    """

    id: str
    tenant: str
    fingerprint: str
    severity: Severity
    status: Status
    category: Category
    title: str
    description: str
    source: str
    source_event_id: str
    event_type: str
    resource: Resource
    created_at: datetime
    updated_at: datetime
    ladder: Ladder
    plan: Plan
    version: int = 0
    revision: int = 0
    external_id: str | None = None
    impact: str = ""
    source_severity: str = ""
    assigned_to: str | None = None
    assigned_team: str | None = None
    escalation_level: int = 1
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    snoozed_until: datetime | None = None
    silence: Silencing | None = None
    sla: Sla = Sla()
    links: tuple[Link, ...] = ()
    times: Times = Times()
    environment: Environment | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    labels: tuple[str, ...] = ()
    metrics: dict[str, float] = msgspec.field(default_factory=dict)
    resolution: Resolution = Resolution()
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    classification: Classification | None = None
    routing: RoutingReason = RoutingReason()
    event_count: int = 1
    last_event_at: datetime | None = None
    quiet_seconds: int | None = None
    imported: bool = False
    fold: Folding | None = None

    @property
    def is_open(self) -> bool:
        """Whether work is still due: neither RESOLVED nor CLOSED."""
        return self.status.is_open
