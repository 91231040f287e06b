"""Opsgenie Alert API, what changes something: create an alert, and every action on one (ING-12).

Opsgenie answers 202 before it acts; here it is done, or durable, by then. What reads alerts is in
``api/rest/opsgenie.py``. Priorities are P1 to P5 there and P0 to P4 here: P1 critical is P0, P5 informational is P4.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.severity import severity_of
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.engine.source_acts import Act, ActKind
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid
from llm_incident_manager.ids import incident_id, incident_number, new_id
from llm_incident_manager.sources import alert_text, reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.opsgenie_requests import RequestMade, request_id
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

ALERTS = "/v2/alerts"
ALERT = ALERTS + "/{identifier:path}"
SEVERITIES = {f"P{severity.rank + 1}": severity for severity in Severity}
PRIORITIES = {severity: priority for priority, severity in SEVERITIES.items()}
TOOK = 0.001
"""Seconds, in every answer: clients raise without it, and nobody reads it."""
_WITHOUT_BODY = re.compile(rb"\s*")
_ACTIONS = {
    ("POST", "/close"): "Close", ("POST", "/acknowledge"): "Acknowledge", ("POST", "/unacknowledge"): "UnAcknowledge",
    ("POST", "/snooze"): "Snooze", ("POST", "/escalate"): "Escalate", ("POST", "/assign"): "AssignOwnership",
    ("POST", "/notes"): "AddNote", ("POST", "/tags"): "AddTags", ("DELETE", "/tags"): "RemoveTags",
    ("POST", "/details"): "AddDetails", ("DELETE", "/details"): "RemoveDetails",
    ("POST", "/responders"): "AddResponder", ("POST", "/teams"): "AddTeam",
    ("POST", "/actions/{action}"): "CustomAction", ("PUT", "/message"): "UpdateMessage",
    ("PUT", "/description"): "UpdateDescription", ("PUT", "/priority"): "UpdatePriority", ("DELETE", ""): "Delete",
}  # fmt: skip


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event of a new alert, or the acts of an action.

    Raises:
        Invalid: a required member is missing or wrong.
    """
    document = {} if _WITHOUT_BODY.fullmatch(request.body) else reading.json_object(request.body)
    action = _ACTIONS.get((request.method, request.path.removeprefix(ALERT)), "Create")
    reply = {"action": action, "at": request.received_at}
    if action == "Create":
        return Sent(steps=(_created(request, settings, document),), reply=reply)
    return Sent(steps=tuple(_acts(request, document, action)), reply=reply)


def incident_of(identifier: str, kind: str) -> str | None:
    """Return our id of an alert by its Opsgenie id or tiny id; None where it names none."""
    if kind == "tiny" and re.fullmatch(r"\d{13,17}", identifier, re.ASCII):
        identifier = f"INC-{identifier[:8]}-{identifier[8:]}"
    found = incident_number(identifier)
    return incident_id(*found) if found is not None else None


def tiny_of(alert_id: str) -> str:
    """Return the digits of an alert's id."""
    return "".join(each for each in alert_id if each.isdigit())


def identifier_type(written: str) -> str:
    """Return ``id``, ``alias`` or ``tiny``; raises Invalid."""
    kind = (written or "id").lower()
    if kind not in ("id", "alias", "tiny"):
        raise _invalid("identifierType", "must be id, alias or tiny")
    return kind


def _created(request: SourceRequest, settings: SourceSettings | None, document: dict[str, Any]) -> dict[str, Any]:
    message = reading.text(document.get("message"))
    if not message:
        raise _invalid("message", "may not be empty")
    body = request.body.decode("utf-8", "replace")
    now = request.received_at.isoformat()
    alias = reading.text(document.get("alias")) or stable_event_id("alias", now, body)
    details = reading.mapping(document.get("details"))
    severity, reason = _severity(settings, document.get("priority"), details)
    entity, source = reading.text(document.get("entity"), 512), reading.text(document.get("source"), 100)
    labels = reading.labels(document.get("tags"))
    heading = alert_text.uncounted(message)
    said = [document.get("description"), _noted(document.get("note")), _named("Responders", document.get("responders"))]
    resource = (
        reading.resource("service", entity, alias=alias, source=source)
        if entity
        else alert_text.resource_of(reading.tags(details)) or reading.resource("service", source, alias)
    )
    resource["metadata"] |= {"alias": alias, "source": source, "entity": entity}
    return {
        "event_id": stable_event_id("create", alias, now, body),
        "source": request.source,
        "timestamp": now,
        "event_type": "alert",
        "category": reading.category_of(details.get("category"), heading, entity, *labels),
        "title": reading.title(heading, default="Alert"),
        "description": reading.description(message if len(message) > len(reading.title(message, default="")) else "",
                                           *said),
        "severity": severity,
        "resource": resource,
        "metrics": reading.metrics(details),
        "tags": reading.tags(details, entity=entity),
        "labels": labels,
        "dedup_key": reading.key(alias),
        "payload": reading.payload(document) | ({"severity_reason": reason} if reason else {}),
    }  # fmt: skip


def _severity(settings: SourceSettings | None, priority: object, details: dict[str, Any]) -> tuple[str, str]:
    """Return the severity; Alertmanager gives no priority unless told to, but all labels as details."""
    if priority is not None and priority != "":
        return _priority(priority), f"Opsgenie priority {reading.text(priority, 2).upper()}"
    word = reading.text(details.get("severity"), 64)
    own = settings.severity_words if settings is not None else {}
    if word and severity_of(word, own) is not None:
        return word, f"no priority was sent, and the details say {word}"
    return SEVERITIES["P3"], "no priority was sent, which means P3 to Opsgenie"


def _priority(value: object) -> Severity:
    found = SEVERITIES.get(reading.text(value).upper())
    if found is None:
        raise _invalid("priority", "must be one of P1, P2, P3, P4, P5")
    return found


def _acts(request: SourceRequest, document: dict[str, Any], action: str) -> list[Any]:
    """Return what an action comes to; a note that goes with it is kept too."""
    where = _where(request)
    by = reading.text(document.get("user") or request.query.get("user"), 100)
    note = reading.text(document.get("note"), 25_000)
    if action in ("Close", "Delete"):
        return [_ended(request, where, action, by, note)]
    found: list[Any] = []

    def add(kind: ActKind, **more: Any) -> None:
        found.append(Act(kind=kind, source=request.source, by=by, **where, **more))

    match action:
        case "Acknowledge":
            add(ActKind.ACKNOWLEDGE)
        case "UnAcknowledge":
            add(ActKind.GIVE_BACK)
        case "Snooze":
            until = reading.instant(
                document.get("endTime"), now=datetime.max.replace(tzinfo=request.received_at.tzinfo)
            )
            if until is None or until <= request.received_at:
                raise _invalid("endTime", "must be a time to come, in ISO 8601")
            add(ActKind.SNOOZE, until=until)
        case "Escalate":
            add(ActKind.ESCALATE, text=_named("Escalated to", document.get("escalation")))
        case "AssignOwnership":
            owner = _person(document.get("owner"))
            if not owner:
                raise _invalid("owner", "needs an id or a username")
            add(ActKind.ASSIGN, text=owner)
        case "AddNote":
            if not note:
                raise _invalid("note", "may not be empty")
        case "AddTags":
            add(ActKind.ADD, fields={"labels": _required(reading.labels(document.get("tags")), "tags")})
        case "RemoveTags":
            wanted = document.get("tags") or request.query.get("tags", "").split(",")
            add(ActKind.REMOVE, fields={"labels": _required(reading.labels(wanted), "tags")})
        case "AddDetails":
            details = reading.tags(reading.mapping(document.get("details")))
            add(ActKind.ADD, fields={"tags": _required(details, "details")})
        case "RemoveDetails":
            names = document.get("keys") or request.query.get("keys", "").split(",")
            add(ActKind.REMOVE, fields={"tags": dict.fromkeys(_required(reading.labels(names), "keys"), "")})
        case "AddResponder" | "AddTeam":
            member = "responder" if action == "AddResponder" else "team"
            responder = reading.mapping(document.get(member))
            kind = reading.text(responder.get("type"), 20).lower() if member == "responder" else "team"
            name = _required(_person(responder), member)
            add(ActKind.PAGE, text=name, fields={"type": kind or "user", "name": name})
        case "CustomAction":
            name = reading.text(request.params.get("action"), 200)
            add(ActKind.NOTE, text=f"Action {name} was asked for.")
        case "UpdateMessage":
            message = _required(alert_text.uncounted(reading.text(document.get("message"))), "message")
            add(ActKind.EDIT, fields={"title": reading.title(message, default="Alert")})
        case "UpdateDescription":
            said = reading.description(document.get("description"))
            add(ActKind.EDIT, fields={"description": _required(said, "description")})
        case _:
            add(ActKind.GRADE, text=_priority(document.get("priority")).value)
    if note:
        add(ActKind.NOTE, text=note)
    return found


def _ended(request: SourceRequest, where: dict[str, Any], action: str, by: str, note: str) -> dict[str, Any] | Act:
    """Return the end of an alert. A deleted one is resolved: what people were told of is never removed."""
    said = " ".join(
        filter(None, (f"{'Deleted' if action == 'Delete' else 'Closed'} in Opsgenie", f"by {by}" if by else ""))
    )
    said = f"{said}: {note}" if note else said
    if "incident_id" in where:
        return Act(kind=ActKind.RESOLVE, source=request.source, by=by, text=said, **where)
    now = request.received_at.isoformat()
    event_id = stable_event_id("close", where["dedup_key"], now)
    return reading.recovery(request.source, where["dedup_key"], event_id=event_id, at=now, said=said)


def _where(request: SourceRequest) -> dict[str, Any]:
    """Return the alert that is meant, as members of an act."""
    identifier, kind = request.params.get("identifier", ""), identifier_type(request.query.get("identifierType", ""))
    if kind == "alias":
        return {"dedup_key": reading.key(identifier)}
    return {"incident_id": incident_of(identifier, kind) or "INC-00000000-00000"}


def _person(value: object) -> str:
    found = reading.mapping(value)
    return next(filter(None, (reading.text(found.get(name), 200) for name in ("username", "name", "id"))), "")


def _named(what: str, value: object) -> str:
    names = [name for each in reading.objects(value) if (name := _person(each))]
    return f"{what}: {', '.join(names)}" if names else ""


def _noted(value: object) -> str:
    note = reading.text(value, 25_000)
    return f"Note: {note}" if note else ""


def _required(value: Any, field: str) -> Any:
    if not value:
        raise _invalid(field, "may not be empty")
    return value


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field} {message}", [FieldFault(field, message)], code="invalid_opsgenie")


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return Opsgenie's 202, whose request id tells later what came of it."""
    first = outcomes[0] if outcomes else None
    about = first.incident_id if first is not None else None
    made = request_id(RequestMade(action=sent.reply["action"], incident_id=about, at=sent.reply["at"]))
    document = {"result": "Request will be processed", "took": TOOK, "requestId": made}
    return json_answer(document, 202, **headers_of(made))


def refuse(error: IncidentManagerError, status: int) -> Answer:
    """Return Opsgenie's errors, which have a request id too."""
    made = new_id("req")
    faults = {fault.field: fault.message for fault in error.faults} if isinstance(error, Invalid) else {}
    document = {"message": error.message, "took": TOOK, "requestId": made} | ({"errors": faults} if faults else {})
    return json_answer(document, status, **headers_of(made, throttled=status == 429))


def headers_of(request_id: str, *, throttled: bool = False) -> dict[str, str]:
    """Return the headers of every answer of Opsgenie."""
    state = "THROTTLED" if throttled else "OK"
    return {"X_Request_ID": request_id, "X_Response_Time": str(TOOK), "X_RateLimit_State": state}


SPEC = SourceSpec(
    name="opsgenie",
    title="Opsgenie",
    description=(
        "The Alert API and heartbeats; P1 to P5 are P0 to P4. [Moving from Opsgenie](opsgenie.md) says what each call "
        "does. An ingest key is the GenieKey."
    ),
    setup="""# Any tool: replace https://api.opsgenie.com by {url}, and the API key by an ingest key.
curl {url}/v2/alerts -H "Authorization: GenieKey {key}" -d '{"message": "Answers are slow", "alias": "chat-slow"}'
# Alertmanager:
receivers:
- name: pages
  opsgenie_configs:
  - api_key: {key}
    api_url: {url}/""",
    read=read,
    answer=answer,
    refuse=refuse,
    doors=(
        Door(path=ALERTS),
        *(Door(path=ALERT + path, methods=(method,)) for method, path in _ACTIONS),
    ),
    overloaded=429,
    examples=(
        Example(
            path=ALERTS,
            headers={"Authorization": "GenieKey {key}"},
            body='{"message": "Answers of chat-api are slow", "alias": "chat-slow", "description": "p95 is 5.4 s", '
            '"priority": "P1", "tags": ["chat", "latency"], "details": {"region": "us-west-2"}, "entity": "chat-api", '
            '"source": "probe", "responders": [{"type": "team", "name": "platform"}]}',
            repeats_count=True,
        ),
        Example(
            title="a close",
            path=ALERTS + "/chat-slow/close?identifierType=alias",
            headers={"Authorization": "GenieKey {key}"},
            body='{"user": "ana", "note": "Rolled back"}',
            opens=0,
        ),
        Example(
            title="an acknowledgment",
            path=ALERTS + "/chat-slow/acknowledge?identifierType=alias",
            headers={"Authorization": "GenieKey {key}"},
            body='{"user": "ana"}',
            opens=0,
        ),
    ),
)
