"""Valid values for tests: every field has a plain default, and a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from llm_incident_manager.domain.escalation.timer import Timer, TimerKind
from llm_incident_manager.domain.events.event import Event, Resource
from llm_incident_manager.domain.incidents.changes import ChangeSet, IncidentOpened
from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor, Incident
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState, Plan
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.vocabulary import (
    ActorType,
    Category,
    Environment,
    NotificationType,
    Scope,
    Severity,
    Status,
)
from llm_incident_manager.engine.rows import ApiKey, ConfigurationItem, DeadLetter, StoredEvent

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ANA = Actor(type=ActorType.USER, id="ana", name="Ana")
_numbers = count(1)


def an_event(**fields: Any) -> Event:
    """An event of a latency spike; ids and fingerprints count up."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "event_id": f"event-{number}",
        "source": "llm-sentinel",
        "timestamp": NOON - timedelta(seconds=2),
        "received_at": NOON,
        "event_type": "latency_spike",
        "category": Category.PERFORMANCE,
        "title": "Latency is ten times the usual",
        "severity": "high",
        "source_severity": Severity.P1,
        "resource": Resource(type="service", id="llm-gateway", name="LLM gateway"),
        "fingerprint": f"v1:{number:032x}",
        "environment": Environment.PRODUCTION,
    }
    return Event(**defaults | fields)


def an_incident(**fields: Any) -> Incident:
    """A new P1 at version 1, with ids and fingerprints that count up."""
    number = next(_numbers)
    at = fields.get("created_at", NOON)
    defaults: dict[str, Any] = {
        "id": f"INC-{at:%Y%m%d}-{number:05d}",
        "tenant": "default",
        "fingerprint": f"v1:{number:032x}",
        "severity": Severity.P1,
        "status": Status.NEW,
        "category": Category.PERFORMANCE,
        "title": "Latency is ten times the usual",
        "description": "p99 is 12 s",
        "source": "llm-sentinel",
        "source_event_id": f"event-{number}",
        "event_type": "latency_spike",
        "resource": Resource(type="service", id="llm-gateway", name="LLM gateway"),
        "created_at": at,
        "updated_at": at,
        "last_event_at": at,
        "environment": Environment.PRODUCTION,
        "ladder": Ladder(state=LadderState.CLIMBING, opened_at=at),
        "plan": Plan(),
        "version": 1,
        "revision": 1,
    }
    return Incident(**defaults | fields)


def opened(incident: Incident, by: Actor = SYSTEM) -> tuple[Incident, ChangeSet]:
    """The incident with the change set that opens it, as stores take them."""
    change = IncidentOpened(
        incident_id=incident.id,
        tenant=incident.tenant,
        fingerprint=incident.fingerprint,
        severity=incident.severity,
        category=incident.category,
        title=incident.title,
        description=incident.description,
        source=incident.source,
        source_event_id=incident.source_event_id,
        event_type=incident.event_type,
        source_severity=incident.source_severity,
        resource=incident.resource,
        occurred_at=incident.created_at,
        accepted_at=incident.created_at,
        environment=incident.environment,
        tags=incident.tags,
    )
    return incident, ChangeSet(at=incident.created_at, by=by, changes=(change,))


def a_timer(incident_id: str, **fields: Any) -> Timer:
    """The next level's timer, due in five minutes."""
    defaults: dict[str, Any] = {
        "tenant": "default",
        "kind": TimerKind.LEVEL,
        "level": 2,
        "cycle": 1,
        "due_at": NOON + timedelta(minutes=5),
    }
    return Timer(incident_id=incident_id, **defaults | fields)


def a_notification(incident_id: str, **fields: Any) -> Notification:
    """A page by e-mail to Ana, planned at noon."""
    defaults: dict[str, Any] = {
        "id": f"NTF-{next(_numbers):08d}",
        "tenant": "default",
        "type": NotificationType.INCIDENT_CREATED,
        "severity": Severity.P1,
        "level": 1,
        "cycle": 1,
        "step": 0,
        "target": "user:ana",
        "recipient": "user:ana",
        "recipient_name": "Ana",
        "channel": "email",
        "reason": "level 1",
        "planned_at": NOON,
    }
    return Notification(incident_id=incident_id, **defaults | fields)


def a_stored_event(incident_id: str | None, **fields: Any) -> StoredEvent:
    """A kept payload, received at noon."""
    defaults: dict[str, Any] = {
        "tenant": "default",
        "source": "llm-sentinel",
        "event_id": f"event-{next(_numbers)}",
        "received_at": NOON,
        "payload": b'{"title":"Latency"}',
    }
    return StoredEvent(incident_id=incident_id, **defaults | fields)


def a_key(**fields: Any) -> ApiKey:
    """A key that may read."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "id": f"KEY-{number:08d}",
        "tenant": "default",
        "name": "a reader",
        "digest": number.to_bytes(32),
        "scopes": (Scope.READ,),
        "created_at": NOON,
    }
    return ApiKey(**defaults | fields)


def an_item(kind: str = "teams", item_id: str = "platform", **fields: Any) -> ConfigurationItem:
    """A configuration item."""
    defaults: dict[str, Any] = {"document": {"name": item_id}, "created_at": NOON, "updated_at": NOON}
    return ConfigurationItem(kind=kind, id=item_id, **defaults | fields)


def a_dead_letter(**fields: Any) -> DeadLetter:
    """An event that could not be read."""
    defaults: dict[str, Any] = {
        "id": f"DLQ-{next(_numbers):08d}",
        "tenant": "default",
        "at": NOON,
        "source": "llm-sentinel",
        "reason": "invalid",
        "retriable": False,
        "faults": (("severity", "is missing"),),
        "body": b"{}",
    }
    return DeadLetter(**defaults | fields)
