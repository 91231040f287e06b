"""④ Routed, as a rehearsal: whom an event would reach, level by level, and why; nothing is written or sent."""

from datetime import datetime
from typing import Any

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_value
from llm_incident_manager.domain.incidents.ladder import Step
from llm_incident_manager.domain.notifications.planning import Reach, pages_for, reachable
from llm_incident_manager.domain.routing.conditions import Subject
from llm_incident_manager.domain.routing.strategy import LoadsOf, no_loads
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.openings import classified
from llm_incident_manager.engine.route import find_route, region_of
from llm_incident_manager.engine.views.instants import iso

_ASSUMED: dict[str, Any] = {
    "event_id": "routes-test",
    "source": "manual",
    "event_type": "test",
    "category": "other",
    "title": "Where would this go?",
    "severity": "P2",
}
"""What is assumed where the document does not say."""


def routing_of(
    document: dict[str, Any], context: Context, *, tenant: str, at: datetime, loads: LoadsOf = no_loads
) -> dict[str, Any]:
    """Return route, policy, levels with their people and channels, and every route and policy looked at on the way.

    The document is an event (specification §5.1) in which everything may be left out; ``environment`` may stand on its
    own. Raises Invalid naming every bad field.
    """
    event = _event(document, context, tenant=tenant, at=at)
    found = classified([event], context)
    severity = found.severity
    subject = Subject(
        severity=severity,
        category=event.category,
        source=event.source,
        environment=event.environment,
        tags=event.tags,
        resource_type=event.resource.type,
        resource_id=event.resource.id,
        region=region_of(event.tags, event.resource),
    )
    routing = find_route(subject, context, at=at, loads=loads)
    reach = Reach(directory=context.directory, channels=context.channels, severity=severity, at=at, new_id=lambda: "")
    levels: list[dict[str, Any]] = []
    after = 0.0
    for step in routing.plan.steps:
        after += step.after_seconds
        levels.append(_level(step, after, reach))
    return {
        "severity": severity.value,
        "severity_reason": found.sentence,
        "category": event.category.value,
        "source": event.source,
        "environment": event.environment.value if event.environment is not None else None,
        "at": iso(at),
        "route": routing.reason.route,
        "policy": routing.plan.policy,
        "team": routing.team,
        "user": routing.user,
        "reason": routing.reason.sentence,
        "considered": list(routing.reason.considered),
        "acknowledgment_seconds": routing.plan.acknowledgment_seconds,
        "resolution_seconds": routing.plan.resolution_seconds,
        "repeat": routing.plan.repeat,
        "levels": levels,
    }


def _level(step: Step, after: float, reach: Reach) -> dict[str, Any]:
    pages = pages_for(step.targets, step.channels, reach)
    return {
        "level": step.level,
        "step": step.kind.value,
        "after_seconds": after,
        "targets": [target.label for target in step.targets],
        "channels": list(step.channels),
        "reaches_somebody": reachable(pages),
        "people": [
            {
                "target": page.target,
                "recipient": page.recipient,
                "name": page.name,
                "channel": page.channel,
                "skipped": page.skipped,
            }
            for page in pages
        ],
    }


def _event(document: dict[str, Any], context: Context, *, tenant: str, at: datetime) -> Event:
    complete = _ASSUMED | {"timestamp": at.isoformat(), "resource": {"type": "service", "id": "test"}} | document
    environment = complete.pop("environment", None)
    tags = complete.get("tags")
    if isinstance(environment, str) and (tags is None or isinstance(tags, dict)):
        complete["tags"] = {"environment": environment, **(tags or {})}
    return accept_value(complete, tenant=tenant, received_at=at, sources=context.settings.sources)
