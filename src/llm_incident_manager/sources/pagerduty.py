"""PagerDuty Events API v2: ``POST /v2/enqueue`` and ``POST /v2/change/enqueue`` (ING-12).

The same ``dedup_key`` by the same routing key is the same incident; a resolve ends it, and the next trigger opens a new
one. A trigger has no id of its own: with a timestamp it is itself when sent again, without one it is a new trigger.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.severity import severity_of
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.source_acts import Act, ActKind
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid, Unauthenticated
from llm_incident_manager.sources import alert_text, reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

ENQUEUE, CHANGE = "/v2/enqueue", "/v2/change/enqueue"
_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event or act.

    Raises:
        Invalid: a required member is missing, or has a value that PagerDuty refuses too.
    """
    document = reading.json_object(request.body)
    if request.path == CHANGE:
        return Sent(steps=(_change(request, document),))
    action = reading.text(document.get("event_action"))
    if action not in _ACTIONS:
        raise _invalid("event_action", f"must be one of {', '.join(_ACTIONS)}")
    given = reading.text(document.get("dedup_key"))
    if not given and action != "trigger":
        raise _invalid("dedup_key", "is a required field")
    dedup_key = given or made_key(request)
    sent = trigger(request, settings, document, dedup_key) if action == "trigger" else end(request, action, dedup_key)
    return Sent(steps=(sent,), reply={"dedup_key": dedup_key})


def trigger(
    request: SourceRequest, settings: SourceSettings | None, document: dict[str, Any], dedup_key: str
) -> dict[str, Any]:
    """Return the event of a trigger."""
    payload = reading.mapping(document.get("payload"))
    summary, severity = reading.text(payload.get("summary")), reading.text(payload.get("severity"), 64).lower()
    faults = [
        FieldFault(f"payload.{name}", "is a required field")
        for name in ("summary", "source", "severity")
        if not reading.text(payload.get(name))
    ]
    own = settings.severity_words if settings is not None else {}
    if severity and severity not in _SEVERITIES and severity_of(severity, own) is None:
        faults.append(FieldFault("payload.severity", f"must be one of {', '.join(_SEVERITIES)}"))
    if faults:
        raise Invalid(f"{faults[0].field} {faults[0].message}", faults, code="invalid_pagerduty")
    details = payload.get("custom_details")
    alerts = alert_text.alerts_in(reading.mapping(details).get("firing"))
    labels = alert_text.shared_labels(alerts)
    severity, reason = _severity(severity, alerts, settings)
    heading = alert_text.uncounted(summary)
    where = reading.text(payload.get("source"))
    component, group, kind = (reading.text(payload.get(name)) for name in ("component", "group", "class"))
    return {
        "event_id": _identity(request, "trigger", dedup_key, payload.get("timestamp")),
        "source": request.source,
        "timestamp": reading.when(payload.get("timestamp"), now=request.received_at),
        "event_type": "alert",
        "category": reading.category_of(labels.get("category"), kind, heading, group, component),
        "title": reading.title(heading, summary, default="Alert"),
        "description": reading.description(
            summary if len(summary) > len(reading.title(heading, default="")) and not alerts else "",
            "\n".join(alert_text.said_in(alerts)),
            details if isinstance(details, str) else "",
            links_of(document),
        ),
        "severity": severity,
        "resource": alert_text.resource_of(labels) or reading.resource("host", where, component=component, group=group),
        "metrics": reading.metrics(reading.mapping(details)),
        "tags": reading.tags(
            labels, _plain(details), component=component, group=group, **{"class": kind},
            client=document.get("client"), environment=labels.get("environment") or labels.get("env"),
        ),
        "dedup_key": scoped(request, dedup_key),
        "payload": reading.payload(document, "routing_key") | ({"severity_reason": reason} if reason else {}),
    }  # fmt: skip


def end(request: SourceRequest, action: str, dedup_key: str, said: str = "", by: str = "") -> dict[str, Any] | Act:
    """Return what an acknowledgment or a resolve is."""
    if action == "acknowledge":
        return Act(kind=ActKind.ACKNOWLEDGE, source=request.source, dedup_key=scoped(request, dedup_key), by=by)
    return reading.recovery(
        request.source,
        scoped(request, dedup_key),
        event_id=_identity(request, "resolve", dedup_key, None),
        at=request.received_at.isoformat(),
        said=said,
    )


def made_key(request: SourceRequest) -> str:
    """Return the key of a trigger that names none: every such trigger is trouble of its own."""
    return stable_event_id(request.sender, request.received_at.isoformat(), _digest(request))


def scoped(request: SourceRequest, dedup_key: str) -> str:
    """Return the dedup key as it counts: within one routing key, or within one source where the key is bound to it."""
    return reading.key(request.sender, dedup_key)


def links_of(document: Mapping[str, Any]) -> str:
    """Return ``links``, ``images`` and ``client_url`` as lines."""
    found = [
        (each.get("text") or each.get("alt"), each.get("href") or each.get("src"))
        for name in ("links", "images", "contexts")
        for each in reading.objects(document.get(name))
    ]
    found.append((document.get("client"), document.get("client_url")))
    lines = [
        f"{reading.text(name, 200)}: {reading.text(href, 2000)}" if reading.text(name) else reading.text(href, 2000)
        for name, href in found
        if reading.text(href)
    ]
    return "\n".join(lines)


def _change(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any]:
    payload = reading.mapping(document.get("payload"))
    summary = reading.text(payload.get("summary"))
    if not summary:
        raise _invalid("payload.summary", "is a required field")
    where = reading.text(payload.get("source"))
    return {
        "event_id": _identity(request, "change", summary, payload.get("timestamp")),
        "source": request.source,
        "timestamp": reading.when(payload.get("timestamp"), now=request.received_at),
        "event_type": "change",
        "category": "other",
        "title": reading.title(summary, default="Change"),
        "description": reading.description(links_of(document)),
        "severity": "info",
        "resource": reading.resource("service", where),
        "tags": reading.tags(_plain(payload.get("custom_details"))),
        "payload": reading.payload(document, "routing_key"),
    }


def _severity(severity: str, alerts: Sequence[alert_text.Alert], settings: SourceSettings | None) -> tuple[str, str]:
    """Return the severity, and why it is not the one that was sent: "error" is what Alertmanager always says."""
    label = alert_text.worst_severity(alerts, settings) if severity == "error" else None
    if label is None or label.lower() == severity:
        return severity, ""
    return label, f"the alert's label says {label}; Alertmanager sends error whatever the label says"


def _plain(details: object) -> dict[str, Any]:
    """Return the short values among custom details; what Alertmanager writes in them is read elsewhere."""
    left_out = ("firing", "resolved", "num_firing", "num_resolved")
    return {name: each for name, each in reading.mapping(details).items() if name not in left_out}


def _identity(request: SourceRequest, state: str, dedup_key: str, timestamp: object) -> str:
    at = reading.text(timestamp) or request.received_at.isoformat()
    return stable_event_id(state, request.sender, dedup_key, at, _digest(request))


def _digest(request: SourceRequest) -> str:
    return stable_event_id(request.body.decode("utf-8", "replace"))


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field} {message}", [FieldFault(field, message)], code="invalid_pagerduty")


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return PagerDuty's 202."""
    if request.path == CHANGE:
        return json_answer({"status": "success", "message": "Change event processed"}, 202)
    return json_answer({"status": "success", "message": "Event processed", "dedup_key": sent.reply["dedup_key"]}, 202)


def refuse(error: IncidentManagerError, status: int) -> Answer:
    """Return PagerDuty's errors: 400 for a wrong event and for a wrong routing key."""
    if isinstance(error, Invalid | Unauthenticated):
        faults = error.faults if isinstance(error, Invalid) else []
        errors = [f"'{fault.field}' {fault.message}" for fault in faults] or [error.message]
        return json_answer({"status": "invalid event", "message": "Event object is invalid", "errors": errors}, 400)
    status_text = "throttle exceeded" if status == 429 else "error"
    return json_answer({"status": status_text, "message": error.message, "errors": [error.message]}, status)


SPEC = SourceSpec(
    name="pagerduty",
    title="PagerDuty Events API v2",
    description=(
        "Triggers, acknowledgments, resolves and change events. `critical`, `error`, `warning`, `info` are P0, P1, P2, "
        "P4; from Alertmanager the alerts' own label counts. An ingest key is the routing key."
    ),
    setup="""# Any tool: replace https://events.pagerduty.com by {url}, and the routing key by an ingest key.
pagerduty trigger -k {key} --description "Answers are slow" --base-url {url}
# Alertmanager:
receivers:
- name: pages
  pagerduty_configs:
  - routing_key: {key}
    url: {url}/v2/enqueue""",
    read=read,
    answer=answer,
    refuse=refuse,
    doors=(Door(path=ENQUEUE), Door(path=CHANGE)),
    key_members=("routing_key",),
    key_headers=("x-routing-key",),
    overloaded=429,
    body_bytes=512 * 1024,
    examples=(
        Example(
            path=ENQUEUE,
            body='{"routing_key": "{key}", "event_action": "trigger", "dedup_key": "chat-api/latency", "payload": '
            '{"summary": "Latency of chat-api is 5.4 s", "source": "chat-api-7", "severity": "critical", '
            '"timestamp": "2026-10-21T10:30:00.000+0000", "component": "gateway", "class": "latency", '
            '"custom_details": {"p95_ms": 5400}}, "links": [{"href": "https://runbooks.example.com/1", '
            '"text": "Runbook"}]}',
        ),
        Example(
            title="an acknowledgment of what is not known",
            path=ENQUEUE,
            body='{"routing_key": "{key}", "event_action": "acknowledge", "dedup_key": "never-heard-of"}',
            opens=0,
        ),
        Example(
            title="a resolve",
            path=ENQUEUE,
            body='{"routing_key": "{key}", "event_action": "resolve", "dedup_key": "never-heard-of"}',
            opens=0,
        ),
        Example(
            title="a change",
            path=CHANGE,
            body='{"routing_key": "{key}", "payload": {"summary": "Build 42 deployed", "source": "ci", '
            '"timestamp": "2026-10-21T10:31:00Z", "custom_details": {"build": 42}}}',
            opens=0,
        ),
    ),
)
