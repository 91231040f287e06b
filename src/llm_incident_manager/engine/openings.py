"""From an event to the changes it makes: what opens an incident, what joins one, what ends one."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from llm_incident_manager.domain.classification.classify import worst_of
from llm_incident_manager.domain.classification.decision import Classification
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, EventsJoined, IncidentOpened, SeverityChanged
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.incident import Actor, Incident, Link
from llm_incident_manager.domain.vocabulary import ActorType
from llm_incident_manager.engine.context import Context


def integration(source: str) -> Actor:
    """Return the actor that a source is."""
    return Actor(type=ActorType.INTEGRATION, id=source, name=source)


def classified(events: Sequence[Event], context: Context, judged: Sequence[Event] | None = None) -> Classification:
    """Return the severity of the worst of ``events`` by the tenant's rules and thresholds, and why.

    ``judged`` are the same events as they were sent, where members are encrypted: rules look at these, and the reason
    tells of the others only.
    """
    return worst_of(events, context.settings.rules, context.settings.thresholds, judged)


def opening(
    event: Event,
    classification: Classification,
    *,
    tenant: str,
    incident_id: str,
    links: tuple[Link, ...] = (),
    quiet_seconds: int | None = None,
) -> IncidentOpened:
    """Return the change that opens an incident for ``event``."""
    return IncidentOpened(
        incident_id=incident_id,
        tenant=tenant,
        fingerprint=event.fingerprint,
        severity=classification.severity,
        category=event.category,
        title=event.title,
        description=event.description,
        source=event.source,
        source_event_id=event.event_id,
        event_type=event.event_type,
        source_severity=event.severity,
        resource=event.resource,
        occurred_at=event.timestamp,
        accepted_at=event.received_at,
        late=event.late,
        environment=event.environment,
        tags=event.tags,
        labels=event.labels,
        metrics=event.metrics,
        metadata=_metadata(event),
        classification=classification,
        links=links,
        quiet_seconds=quiet_seconds,
    )


def joining(
    incident: Incident | None, events: Sequence[Event], context: Context, judged: Sequence[Event] | None = None
) -> list[Change]:
    """Return the count of ``events``, folded, and the raise if one of them is worse than the incident is.

    ``judged``: as for :func:`classified`.
    """
    if not events:
        return []
    digest = sha256()
    for event in events:
        digest.update(f"{event.source}\0{event.event_id}\0".encode("utf-8", "surrogatepass"))
    last = max(events, key=lambda event: event.received_at)
    changes: list[Change] = [
        EventsJoined(
            count=len(events), last_at=last.received_at, digest=digest.hexdigest(), last_event_id=last.event_id
        )
    ]
    if incident is None or not incident.is_open:
        return changes
    worst = classified(events, context, judged)
    if worst.severity.worse_than(incident.severity):
        changes.append(
            SeverityChanged(
                before=incident.severity,
                after=worst.severity,
                raised=True,
                reason=f"a worse event arrived: {worst.sentence}",
                classification=worst,
            )
        )
    return changes


def recovering(incident: Incident, event: Event, context: Context) -> list[Change]:
    """Return what a source's recovery does: it walks to RESOLVED, or only proposes it where the source is set so."""
    return ending(incident, event.source, f"{event.source} says that it is over: {event.title}", context)


def ending(incident: Incident, source: str, text: str, context: Context) -> list[Change]:
    """Return what it does when ``source`` says that the incident is over, in these words."""
    settings = context.settings.sources.get(source)
    if not incident.is_open:
        return []
    if settings is not None and settings.resolve == "propose":
        return decide.comment(text, comment_id=context.ids.new("cmt"))
    given = ResolutionGiven(resolution_notes=text)
    return decide.resolve(incident, by=integration(source), given=given, walk=True)


def starts_at(accepted_at: datetime, now: datetime) -> datetime:
    """Return the instant an opening counts from: its acceptance, unless triage came much later."""
    return accepted_at if abs((now - accepted_at).total_seconds()) < 5.0 else now


def _metadata(event: Event) -> dict[str, object]:
    known = {
        "source_version": event.source_version or None,
        "correlation_id": event.correlation_id,
        "parent_event_id": event.parent_event_id,
        "enrichment": event.enrichment or None,
        "late": event.late or None,
    }
    return {name: value for name, value in known.items() if value is not None}
