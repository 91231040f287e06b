"""CloudEvents 1.0 over HTTP: structured, binary and batched; the web hook handshake (``OPTIONS``).

Shapes: cloudevents/spec 1.0.2, "HTTP Protocol Binding", "JSON Event Format", "HTTP 1.1 Web Hooks".
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from llm_incident_manager.domain.events.document import MAX_BATCH
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.severity import WORDS
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid
from llm_incident_manager.sources import decisions, reading
from llm_incident_manager.sources.answers import json_answer, receipt_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

_PATH, _NAMED = "/api/v1/sources/cloudevents", "/api/v1/sources/{id}"
_STRUCTURED, _BATCH = "application/cloudevents", "application/cloudevents-batch"
_REQUIRED = ("specversion", "id", "source", "type")
_OVER = frozenset({"resolved", "recovered", "recovery", "closed", "cleared", "ended", "ok"})
_BEGUN = frozenset(
    {"triggered", "firing", "fired", "opened", "open", "created", "started", "raised", "updated", "alert"}
)
_FAILED = re.compile(r"fail|error|down|outage|crash|exception|denied|violat|breach", re.IGNORECASE)
_UNSUPPORTED = "unsupported_format"


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return one event per CloudEvent; ``(source, id)`` is counted once.

    A type that ends in ``.resolved``, or data whose ``status`` says so, ends the incident of the same type, source and
    subject.

    Raises:
        Invalid: an attribute is missing, or ``unsupported_format``: it is neither JSON nor binary.
    """
    if request.method == "OPTIONS":
        return _handshake(request)
    kind, _, format_ = request.headers.get("content-type", "").partition(";")[0].strip().lower().partition("+")
    if kind in (_STRUCTURED, _BATCH) and format_ not in ("json", ""):
        raise Invalid(
            f"events of the format {format_[:40]} are not read here",
            [FieldFault("content-type", f"is {kind}+{format_[:40]}; send application/cloudevents+json")],
            code=_UNSUPPORTED,
        )
    if kind != _BATCH and kind != _STRUCTURED and "ce-specversion" in request.headers:
        return Sent(steps=(_event(request, settings, _binary(request), ""),))
    if kind != _BATCH:
        found = reading.parse(request.body)
        if not isinstance(found, list):
            return Sent(steps=(_event(request, settings, reading.json_object(request.body), ""),))
    batch = reading.parse(request.body)
    if not isinstance(batch, list):
        raise Invalid("a batch is a JSON array", [FieldFault("body", "is no array of CloudEvents")])
    if len(batch) > MAX_BATCH:
        what = f"holds {len(batch)} events; send at most {MAX_BATCH} in one request"
        raise Invalid(f"it {what}", [FieldFault("body", what)], code="batch_too_large")
    steps = [_event(request, settings, reading.mapping(each), f"[{index}].") for index, each in enumerate(batch)]
    return Sent(steps=tuple(steps))


def _handshake(request: SourceRequest) -> Sent:
    origin = request.headers.get("webhook-request-origin", "")[:500]
    if not origin:
        raise Invalid(
            "nobody asks to send", [FieldFault("WebHook-Request-Origin", "is missing; it names who wants to send")]
        )
    rate = request.headers.get("webhook-request-rate", "")
    return Sent(
        reply={"origin": origin, "rate": rate if rate.isascii() and rate.isdecimal() and len(rate) < 9 else "*"}
    )


def _binary(request: SourceRequest) -> dict[str, Any]:
    """Return the event of the ``ce-`` headers; without a content type its data is JSON."""
    given = {name[3:]: unquote(value) for name, value in request.headers.items() if name.startswith("ce-")}
    kind = request.headers.get("content-type", "")
    return given | {"datacontenttype": kind, "data": _data(request.body, kind)}


def _data(body: bytes, kind: str) -> Any:
    media = kind.partition(";")[0].strip().lower()
    if not body:
        return None
    if media in ("", "application/json", "text/json") or media.endswith("+json"):
        try:
            return reading.parse(body)
        except Invalid:
            return body.decode("utf-8", "replace")
    return body.decode("utf-8", "replace") if media.startswith("text/") else {"bytes": len(body), "media_type": media}


def _event(
    request: SourceRequest, settings: SourceSettings | None, event: Mapping[str, Any], path: str
) -> dict[str, Any]:
    faults = [
        FieldFault(f"{path}{name}", "is missing; CloudEvents 1.0 requires it")
        for name in _REQUIRED
        if not reading.text(event.get(name))
    ]
    version = reading.text(event.get("specversion"), 20)
    if version and not version.startswith("1."):
        faults.append(FieldFault(f"{path}specversion", f"is {version}; send 1.0"))
    if faults:
        raise Invalid(f"it is no CloudEvent: {faults[0].field} {faults[0].message}", faults, code="invalid_cloudevent")
    data = _data_of(event)
    said = data if isinstance(data, dict) else {}
    origin, kind, subject = (reading.text(event.get(name)) for name in ("source", "type", "subject"))
    event_id = stable_event_id(origin, reading.text(event.get("id")))
    if decisions.is_own_shape(said):
        return decisions.own_shape(request, said, SPEC.name) | {"event_id": event_id}
    at = reading.when(event.get("time"), said.get("timestamp"), now=request.received_at)
    stem, _, state = kind.rpartition(".")
    status = reading.text(said.get("status") or said.get("state")).lower()
    what = stem if stem and state.lower() in _OVER | _BEGUN else kind
    dedup_key = reading.key(said.get("dedup_key")) or reading.key(what, origin, subject)
    heading = reading.title(
        said.get("title"), said.get("summary"), said.get("message"), data if isinstance(data, str) else None,
        f"{kind} ({subject or origin})", default="CloudEvent",
    )  # fmt: skip
    if status in _OVER or (stem and state.lower() in _OVER):
        return reading.recovery(request.source, dedup_key, event_id=event_id, at=at, said=heading)
    known = WORDS if settings is None else {**WORDS, **settings.severity_words}
    default = "high" if _FAILED.search(kind) else "medium"
    words = [reading.text(each.get(name), 64) for each in (event, said) for name in ("severity", "level", "priority")]
    return {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "change" if said.get("event_type") == "change" else "alert",
        "category": reading.category_of(said.get("category"), kind, heading),
        "title": heading,
        "description": reading.description(said.get("description"), data if isinstance(data, str) else None),
        "severity": next((word for word in words if word.lower() in known), default),
        "resource": reading.resource("service", said.get("service"), subject, origin),
        "metrics": reading.metrics(reading.mapping(said.get("metrics"))),
        "tags": reading.tags(reading.mapping(said.get("tags")), ce_type=kind, ce_source=origin, ce_subject=subject),
        "dedup_key": dedup_key,
        "payload": reading.payload({name: value for name, value in event.items() if name != "data_base64"})
        | reading.payload({"data": data}),
    }  # fmt: skip


def _data_of(event: Mapping[str, Any]) -> Any:
    packed = event.get("data_base64")
    if not isinstance(packed, str):
        return event.get("data")
    try:
        return _data(base64.b64decode(packed, validate=True), reading.text(event.get("datacontenttype")))
    except (binascii.Error, ValueError):
        return None


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return 202 with the receipt; to a handshake 200, and who may send."""
    if request.method != "OPTIONS":
        return receipt_answer(request, sent, outcomes)
    headers = (
        ("allow", "OPTIONS, POST"),
        ("webhook-allowed-origin", str(sent.reply["origin"])),
        ("webhook-allowed-rate", str(sent.reply["rate"])),
    )
    return Answer(status=200, headers=headers)


def refuse(error: IncidentManagerError, status: int) -> Answer:
    """Return what is wrong; 415 for a format that is not read here, 400 for what is no CloudEvent."""
    if isinstance(error, Invalid) and status == 422:
        status = 415 if error.code == _UNSUPPORTED else 400
    faults = error.faults if isinstance(error, Invalid) else ()
    return json_answer(
        {"error": error.message, "errors": [{"field": each.field, "message": each.message} for each in faults]}, status
    )


SPEC = SourceSpec(
    name="cloudevents",
    title="CloudEvents 1.0",
    description=(
        "Events of any producer, structured, binary or in batches; each `(source, id)` counts once. A type that ends "
        "in `.resolved` ends what the same type, source and subject began; data in the shape of our events stays so."
    ),
    setup="""curl "{url}/api/v1/sources/cloudevents?key={key}" -H "Content-Type: application/cloudevents+json" -d '{
  "specversion": "1.0", "id": "1", "source": "/chat", "type": "com.example.model.failed", "subject": "gpt-4o",
  "data": {"title": "The model fails", "severity": "high"}}'""",
    read=read,
    answer=answer,
    refuse=refuse,
    overloaded=429,
    doors=tuple(Door(path=path, methods=("OPTIONS",), public=True) for path in (_PATH, _NAMED)),
    examples=(
        Example(
            title="structured",
            headers={"Content-Type": "application/cloudevents+json; charset=utf-8"},
            body='{"specversion": "1.0", "id": "a-1", "source": "/chat", "type": "com.example.model.failed", "subject":'
            ' "gpt-4o", "time": "2026-10-31T10:30:00Z", "data": {"title": "The model fails", "severity": "critical"}}',
        ),
        Example(
            title="binary",
            headers={
                "ce-specversion": "1.0", "ce-id": "a-2", "ce-source": "/chat", "ce-type": "com.example.model.failed",
                "ce-time": "2026-10-31T10:30:00Z",
            },
            body='{"message": "The model fails"}',
        ),
        Example(
            title="a batch",
            headers={"Content-Type": "application/cloudevents-batch+json"},
            body='[{"specversion": "1.0", "id": "b-1", "source": "/chat", "type": "alert.triggered", "time": '
            '"2026-10-31T10:30:00Z"}, {"specversion": "1.0", "id": "b-2", "source": "/rag", "type": "alert.fired"}]',
            opens=2,
        ),
        Example(
            title="a handshake",
            method="OPTIONS",
            path=_PATH,
            headers={"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "120"},
            body="",
            status=200,
            opens=0,
        ),
    ),
)  # fmt: skip
