"""incident.io's HTTP alert source (``POST /v2/alert_events/http/{source}``), which Grafana and Alertmanager speak, too.

Shape: docs.incident.io, "Alert Events V2 / Create HTTP".
"""

from collections.abc import Sequence

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid
from llm_incident_manager.sources import reading, vendors
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

_SEVERITIES = {
    "critical": "critical", "high": "high", "error": "high", "medium": "medium", "warning": "medium", "low": "low",
    "minor": "low", "info": "info",
}  # fmt: skip
_STATUSES = ("firing", "resolved")


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event of a firing alert, or the recovery of a resolved one.

    Raises:
        Invalid: title or status is missing.
    """
    document = reading.json_object(request.body)
    status, title = reading.text(document.get("status"), 40).lower(), reading.text(document.get("title"))
    faults = []
    if not title:
        faults.append(FieldFault("title", "is missing"))
    if status not in _STATUSES:
        faults.append(FieldFault("status", f"is {status or 'missing'}; send firing or resolved"))
    if faults:
        raise Invalid(f"{faults[0].field} {faults[0].message}", faults)
    dedup_key = reading.key(document.get("deduplication_key")) or reading.key(title)
    extra = reading.mapping(document.get("metadata"))
    event_id = vendors.moment_id(request, dedup_key, status, request.body.decode("utf-8", "replace"))
    reply = {"deduplication_key": dedup_key}
    at = reading.when(extra.get("timestamp"), extra.get("startsAt"), now=request.received_at)
    if status == "resolved":
        over = reading.recovery(
            request.source, dedup_key, event_id=event_id, at=request.received_at.isoformat(), said=title
        )
        return Sent(steps=(over,), reply=reply)
    event = {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": reading.category_of(extra.get("category"), title, document.get("description")),
        "title": reading.title(title, default="Alert"),
        "description": reading.description(document.get("description"), document.get("source_url")),
        "severity": vendors.severity(
            settings, extra.get("severity"), extra.get("priority"), known=_SEVERITIES, default="medium"
        ),
        "resource": reading.resource(
            "service", extra.get("service"), extra.get("host"), extra.get("instance"), default=request.source
        ),
        "tags": reading.tags(extra),
        "dedup_key": dedup_key,
        "payload": reading.payload(document),
    }
    return Sent(steps=(event,), reply=reply)


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return 202 with the deduplication key, which was made here if the sender gave none."""
    return json_answer({**sent.reply, "message": "Event accepted for processing", "status": "success"})


def refuse(error: IncidentManagerError, status: int) -> Answer:
    """Return incident.io's error document."""
    faults = list(error.faults) if isinstance(error, Invalid) else []
    listed = [{"code": error.code, "message": f"{each.field} {each.message}"} for each in faults]
    kind = "validation_error" if isinstance(error, Invalid) else error.code
    return json_answer(
        {"type": kind, "status": status, "errors": listed or [{"code": error.code, "message": error.message}]}, status
    )


SPEC = SourceSpec(
    name="incidentio",
    title="incident.io HTTP alerts",
    description="What tools send to incident.io's HTTP source; Grafana and Alertmanager have a receiver for it.",
    setup="""# In place of https://api.incident.io/v2/alert_events/http/<id>; any id will do
curl -X POST {url}/v2/alert_events/http/chat -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d '{
  "title": "Answers are slow", "status": "firing", "deduplication_key": "slow", "metadata": {"severity": "high"}}'""",
    read=read,
    answer=answer,
    refuse=refuse,
    overloaded=429,
    doors=(Door(path="/v2/alert_events/http/{config}"),),
    examples=(
        Example(
            title="firing",
            path="/v2/alert_events/http/01H",
            body='{"title": "Answers are slow", "status": "firing", "deduplication_key": "slow", "description": "p99", '
            '"source_url": "https://grafana.example.com/d/1", "metadata": {"severity": "high", "service": "chat"}}',
        ),
        Example(
            title="resolved",
            path="/v2/alert_events/http/01H",
            body='{"title": "Answers are slow", "status": "resolved", "deduplication_key": "slow"}',
            opens=0,
        ),
    ),
)
