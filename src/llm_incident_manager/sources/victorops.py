"""VictorOps (Splunk On-Call) REST endpoint: ``POST …/alert/<key>/<routing key>`` (ING-12)."""

from collections.abc import Sequence
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.source_acts import Act, ActKind
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid
from llm_incident_manager.sources import alert_text, reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

_PATH = "/integrations/generic/20131114/alert/{key}"
_TYPES = ("CRITICAL", "WARNING", "ACKNOWLEDGEMENT", "INFO", "RECOVERY")
_KNOWN = (
    "message_type", "entity_id", "entity_display_name", "state_message", "monitoring_tool", "state_start_time",
    "timestamp", "ack_author", "ack_msg", "api_key", "routing_key",
)  # fmt: skip


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event or act; INFO is kept and opens nothing.

    Raises:
        Invalid: the message type is none of VictorOps'.
    """
    document = reading.json_object(request.body)
    kind = reading.text(document.get("message_type")).upper()
    kind = {"ACKNOWLEDGMENT": "ACKNOWLEDGEMENT", "OK": "RECOVERY"}.get(kind, kind)
    if kind not in _TYPES:
        what = f"must be one of {', '.join(_TYPES)}"
        raise Invalid(f"message_type {what}", [FieldFault("message_type", what)], code="invalid_victorops")
    entity = reading.text(document.get("entity_id")) or stable_event_id(
        request.sender, request.received_at.isoformat(), request.body.decode("utf-8", "replace")
    )
    at = document.get("state_start_time") or document.get("timestamp")
    state = stable_event_id(
        kind, request.sender, entity, reading.text(at) or request.received_at.isoformat(),
        request.body.decode("utf-8", "replace"),
    )  # fmt: skip
    key = reading.key(request.sender, entity)
    said = reading.text(document.get("state_message"))
    reply = {"entity_id": entity}
    if kind == "ACKNOWLEDGEMENT":
        by = reading.text(document.get("ack_author"), 200)
        acts = [Act(kind=ActKind.ACKNOWLEDGE, source=request.source, dedup_key=key, by=by)]
        note = reading.text(document.get("ack_msg"), 10_000)
        if note:
            acts.append(Act(kind=ActKind.NOTE, source=request.source, dedup_key=key, by=by, text=note))
        return Sent(steps=tuple(acts), reply=reply)
    if kind == "RECOVERY":
        now = request.received_at.isoformat()
        over = stable_event_id(kind, key, now)
        return Sent(steps=(reading.recovery(request.source, key, event_id=over, at=now, said=said),), reply=reply)
    event = _event(request, settings, document, kind)
    event |= {"event_id": state} | ({} if kind == "INFO" else {"dedup_key": key})
    return Sent(steps=(event,), reply=reply)


def _event(
    request: SourceRequest, settings: SourceSettings | None, document: dict[str, Any], kind: str
) -> dict[str, Any]:
    said = reading.text(document.get("state_message"))
    alerts = alert_text.alerts_in(said)
    labels = alert_text.shared_labels(alerts)
    # Alertmanager says CRITICAL whatever the label says.
    severity = (alert_text.worst_severity(alerts, settings) if kind == "CRITICAL" else None) or kind.lower()
    name = alert_text.uncounted(reading.text(document.get("entity_display_name")))
    heading = reading.title(name, said.split("\n")[0], document.get("entity_id"), default="Alert")
    host = document.get("host_name") or document.get("hostname") or document.get("entity_id")
    routing = reading.text(request.params.get("routing_key"), 200)
    at = document.get("state_start_time") or document.get("timestamp")
    reason = f"the alert's label says {severity}" if severity != kind.lower() else ""
    return {
        "source": request.source,
        "timestamp": reading.when(at, now=request.received_at),
        "event_type": "change" if kind == "INFO" else "alert",
        "category": reading.category_of(labels.get("category"), heading),
        "title": heading,
        "description": reading.description(said if said != heading else ""),
        "severity": "info" if kind == "INFO" else severity,
        "resource": alert_text.resource_of(labels) or reading.resource("service", document.get("service"), host),
        "tags": reading.tags(
            labels,
            {name: each for name, each in document.items() if name not in _KNOWN},
            monitoring_tool=document.get("monitoring_tool"),
            routing_key=routing,
        ),
        "payload": reading.payload(document) | ({"severity_reason": reason} if reason else {}),
    }


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return VictorOps' 200."""
    return json_answer({"result": "success", "entity_id": sent.reply["entity_id"]}, 200)


def refuse(error: IncidentManagerError, status: int) -> Answer:
    """Return VictorOps' failure; a wrong message is 400."""
    wrong = isinstance(error, Invalid)
    return json_answer({"result": "failure", "message": error.message}, 400 if wrong else status)


SPEC = SourceSpec(
    name="victorops",
    title="VictorOps (Splunk On-Call)",
    description=(
        "Messages of its REST endpoint: CRITICAL is P0 and WARNING P2 unless an alert's own label says otherwise, INFO "
        "opens nothing, ACKNOWLEDGEMENT and RECOVERY find their incident by `entity_id`."
    ),
    setup="""# Any tool: replace https://alert.victorops.com by {url}, and the API key by an ingest key.
# Alertmanager:
receivers:
- name: pages
  victorops_configs:
  - api_url: {url}/integrations/generic/20131114/alert/
    api_key: {key}
    routing_key: platform""",
    read=read,
    answer=answer,
    refuse=refuse,
    doors=(Door(path=_PATH + "/{routing_key}"), Door(path=_PATH)),
    overloaded=503,
    examples=(
        Example(
            path="/integrations/generic/20131114/alert/{key}/platform",
            status=200,
            body='{"message_type": "CRITICAL", "entity_id": "disk space/db01", "entity_display_name": '
            '"Disk of db01 is nearly full", "state_message": "97 % used", "monitoring_tool": "nagios", '
            '"state_start_time": 1792578600, "host_name": "db01"}',
        ),
        Example(
            title="a recovery",
            path="/integrations/generic/20131114/alert/{key}/platform",
            status=200,
            body='{"message_type": "RECOVERY", "entity_id": "disk space/db01"}',
            opens=0,
        ),
        Example(
            title="information",
            path="/integrations/generic/20131114/alert/{key}/platform",
            status=200,
            body='{"message_type": "INFO", "entity_id": "deploy", "state_message": "Build 42", '
            '"state_start_time": 1792578600}',
            opens=0,
        ),
    ),
)
