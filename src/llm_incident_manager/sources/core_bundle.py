"""The envelope that core bundles fan out to every project (ING-11)."""

from collections.abc import Sequence

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

_TELLS = ("request", "scheduled", "started", "completed", "heartbeat")
"""Endings of event types that tell of work, not of trouble, where no severity is given."""


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the envelope's event. Without a severity, what only tells of work is a change, anything else "medium".

    Raises:
        Invalid: there is no event type, or no sender in it.
    """
    document = reading.json_object(request.body)
    sender, kind = reading.text(document.get("source"), 128), reading.text(document.get("event_type"), 200)
    faults = [
        FieldFault(name, "is missing; the envelope has source, event_type, execution_id, timestamp, severity, payload")
        for name, value in (("source", sender), ("event_type", kind))
        if not value
    ]
    if faults:
        raise Invalid(f"the envelope is wrong: {faults[0].field} {faults[0].message}", faults, code="invalid_envelope")
    payload = reading.mapping(document.get("payload"))
    at = decisions.timestamp(request, document.get("timestamp"))
    severity = reading.text(document.get("severity"), 64)
    over = kind.lower() in ("resolved", "recovery") or kind.lower().endswith((".resolved", "_resolved"))
    tells = not severity and kind.lower().endswith(_TELLS)
    of = reading.text(payload.get("service") or payload.get("service_name") or payload.get("model"))
    heading = reading.title(
        payload.get("title"), payload.get("message"), f"{decisions.worded(kind)} from {sender}", default=kind
    )
    stem = kind.lower().removesuffix(".resolved").removesuffix("_resolved")
    event = {
        "event_id": decisions.identity(document.get("execution_id"), otherwise=(sender, kind, at)),
        "source": request.source,
        "timestamp": at,
        "event_type": "resolved" if over else "change" if tells else "alert",
        "category": reading.category_of(payload.get("category"), kind, sender),
        "title": heading,
        "description": reading.description(payload.get("description")),
        "severity": severity or ("info" if tells else "medium"),
        "resource": reading.resource("service", of, sender),
        "metrics": reading.metrics(reading.mapping(payload.get("metrics"))),
        "tags": reading.tags(
            {"environment": payload.get("environment"), "bundle": sender, "event_type": kind},
            reading.mapping(payload.get("tags")),
        ),
        "correlation_id": reading.text(document.get("execution_id"), 255) or None,
        "dedup_key": reading.key(sender, stem, of, payload.get("environment")),
        "payload": reading.payload(payload),
    }
    return Sent(steps=(event,), reply={"execution_id": reading.text(document.get("execution_id")) or event["event_id"]})


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return what every receiver of the bundle answers."""
    return json_answer({"status": "accepted", "execution_id": sent.reply["execution_id"]})


SPEC = SourceSpec(
    name="core-bundle",
    title="Core bundle fan-out",
    description="The envelope `{source, event_type, execution_id, timestamp, severity, payload}` of the core bundles.",
    setup="""# Environment of the bundle: it posts to <address>/api/v1/events.
INCIDENT_MANAGER_URL={url}/core-bundle
INCIDENT_MANAGER_API_KEY={key}""",
    read=read,
    answer=answer,
    doors=(Door(path="/core-bundle/api/v1/events"),),
    examples=(
        Example(
            title="an envelope",
            path="/core-bundle/api/v1/events",
            body='{"source": "security-core", "event_type": "scan_request", "execution_id": "exec-abc-123", '
            '"timestamp": "2026-10-18T00:00:00Z", "severity": "high", "payload": {"key": "value"}}',
        ),
        Example(
            title="without a severity",
            body='{"source": "security-core", "event_type": "scan_request", "execution_id": "exec-abc-124", '
            '"timestamp": "2026-10-18T00:00:00Z", "payload": {}}',
            opens=0,
        ),
    ),
)
