"""LLM-Governance-Core and its dashboard: audit signals and rows are changes; what was denied is looked at (ING-11)."""

from collections.abc import Sequence
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading
from llm_incident_manager.sources.answers import json_answer, receipt_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

_ROWS = "/api/v1/audit/logs"
_DENIED = ("denied", "deny", "refused", "rejected", "blocked", "failure", "failed")
_CATEGORIES = {"cost": "cost", "security": "security", "performance": "performance", "quota": "cost"}


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return an event per signal, row or alert.

    Raises:
        Invalid: it is none of these.
    """
    found, batch_id, is_batch = decisions.documents(request)
    steps = tuple(_event(request, each) for each in found)
    return Sent(steps=steps, batch_id=batch_id, is_batch=is_batch)


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return what the dashboard's audit service says on its own path, else the usual receipt."""
    if request.path != _ROWS:
        return receipt_answer(request, sent, outcomes)
    step = sent.steps[0] if sent.steps else {}
    event: dict[str, Any] = dict(step) if isinstance(step, dict) else {}
    row = reading.mapping(event.get("payload"))
    kept = {name: row.get(name) for name in ("action", "resource_type", "resource_id", "details")}
    data = {"id": event.get("event_id"), "timestamp": event.get("timestamp"), **kept}
    return json_answer({"success": True, "data": data, "message": None}, 201)


def _event(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any]:
    if decisions.is_own_shape(document):
        return decisions.own_shape(request, document, SPEC.name)
    if document.get("eventType") == "audit.signal" and isinstance(document.get("details"), dict):
        return _event(request, {"timestamp": document.get("timestamp")} | document["details"])
    if "alert_type" in document:
        return _alert(request, document)
    if reading.text(document.get("action")):
        return _audited(request, document)
    raise Invalid(
        "it is nothing that LLM-Governance-Core sends",
        [FieldFault("action", "is missing; send an audit signal, a row of the audit log, or an alert")],
        code="invalid_governance",
    )


def _audited(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any]:
    details = reading.mapping(document.get("details"))
    who = (
        reading.text(document.get("principal"))
        or reading.text(reading.mapping(details.get("actor")).get("id"))
        or reading.text(document.get("user_id"))
        or reading.text(request.headers.get("x-user-id"))
        or "somebody unnamed"
    )
    kind, _, name = reading.text(document.get("resource")).partition(":")
    kind = reading.text(document.get("resource_type")) or (kind if name else "resource")
    name = reading.text(document.get("resource_id")) or name or reading.text(document.get("resource"))
    action, outcome = reading.text(document.get("action"), 200), reading.text(document.get("outcome"), 100).lower()
    denied = outcome in _DENIED
    at = decisions.timestamp(request, document.get("timestamp"))
    said = f"{action} was {outcome} to {who}" if denied else f"{action} by {who}" + (f": {outcome}" if outcome else "")
    reason = "what was denied is looked at, and wakes nobody"
    return {
        "event_id": decisions.identity(document.get("id"), otherwise=(at, action, who, kind, name, outcome)),
        "source": request.source,
        "timestamp": at,
        "event_type": "violation" if denied else "change",
        "category": "compliance",
        "title": reading.title(said, default="Audit signal"),
        "description": reading.description(f"{action} on {kind} {name or 'unknown'} by {who}: {outcome or 'done'}."),
        "severity": "low" if denied else "info",
        "resource": reading.resource(kind, name),
        "tags": reading.tags(principal=who, action=action, outcome=outcome),
        "dedup_key": reading.key("denied" if denied else "change", action, who, kind, name),
        "payload": reading.payload(document) | ({"severity_reason": reason} if denied else {}),
    }


def _alert(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a row of the dashboard's alerts."""
    kind = reading.text(document.get("alert_type"), 100)
    at = decisions.timestamp(request, document.get("triggered_at"), document.get("created_at"))
    heading = reading.title(document.get("title"), document.get("message"), default=f"{decisions.worded(kind)} alert")
    of, name = reading.text(document.get("resource_type")), reading.text(document.get("resource_id"))
    dedup_key = reading.key("alert", kind, of, name, heading)
    over = reading.text(document.get("status")).lower() == "resolved"
    event_id = decisions.identity(document.get("id"), otherwise=(dedup_key, at))
    if over:
        ended = stable_event_id(event_id, "resolved")
        return reading.recovery(request.source, dedup_key, event_id=ended, at=at, said=heading)
    return {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": _CATEGORIES.get(kind, "compliance" if kind == "compliance" else "other"),
        "title": heading,
        "description": reading.description(document.get("message"), document.get("description")),
        "severity": reading.text(document.get("severity"), 64, default="medium"),
        "resource": reading.resource(of or "service", name, default="llm-governance"),
        "tags": reading.tags(alert_type=kind),
        "dedup_key": dedup_key,
        "payload": reading.payload(document),
    }


SPEC = SourceSpec(
    name="governance",
    title="LLM-Governance-Core",
    description=(
        "Audit signals and rows of the dashboard's audit log: changes, which open nothing, unless the outcome is a "
        "denial: that is a low incident of compliance. Alerts of the dashboard are incidents."
    ),
    setup="""# Where the dashboard's audit service is called, call this server: it answers as that one does.
curl {url}/api/v1/audit/logs -H "Authorization: Bearer {key}" -H "X-User-Id: $USER_ID" -d @row.json
# An audit signal of the core:
curl {url}/api/v1/sources/governance -H "Authorization: Bearer {key}" -d @signal.json""",
    read=read,
    answer=answer,
    doors=(Door(path=_ROWS),),
    examples=(
        Example(
            title="something denied",
            body='{"timestamp": "2026-10-21T10:45:00Z", "action": "model.deploy", "principal": "user:john.doe", '
            '"resource": "model:gpt-4-prod", "outcome": "denied", "metadata": {"policy": "four-eyes"}}',
        ),
        Example(
            title="something allowed",
            body='{"timestamp": "2026-10-21T10:45:00Z", "action": "incident.resolve", "principal": "user:john.doe", '
            '"resource": "incident:INC-20260221-00042", "outcome": "allowed", "metadata": {}}',
            opens=0,
        ),
        Example(
            title="a row of the audit log",
            path=_ROWS,
            status=201,
            headers={"X-User-Id": "0b0f7a52-7a0e-4a44-8f0a-3f3f4b0b8b11"},
            body='{"id": "row-1", "timestamp": "2026-10-21T10:45:00Z", "action": "incident_resolved", '
            '"resource_type": "incident", "resource_id": "INC-1", '
            '"details": {"actor": {"type": "user", "id": "john"}}}',
            opens=0,
        ),
    ),
)
