"""OpenTelemetry logs over HTTP (``POST /v1/logs``), protobuf or JSON, and gRPC: what a rule names becomes an event.

Shapes: opentelemetry.io, "OTLP 1.x", "Logs Data Model", "Semantic conventions for generative AI". Prompts and
completions are not kept.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from llm_incident_manager.domain.events.document import MAX_BATCH
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.log_rules import ERRORS_ONLY
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import IncidentManagerError, Invalid
from llm_incident_manager.sources import reading, vendors
from llm_incident_manager.sources.answers import json_answer, receipts_of
from llm_incident_manager.sources.litellm_alerts import without_numbers
from llm_incident_manager.sources.log_records import LogRecord, json_records
from llm_incident_manager.sources.log_records_protobuf import MISSING, protobuf_records
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_UNSUPPORTED = "unsupported_media_type"
_PROMPTS = re.compile(
    r"gen_ai\.(prompt|completion|input|output|system_instructions|tool\.(call\.arguments|call\.result|definitions)|"
    r"event\.content)|(llm|traceloop|input|output)\.(prompts?|completions?|value|messages|entity\.(input|output))"
)
_SPOKEN = re.compile(r"gen_ai\.(user|system|assistant|tool|developer)\.message|gen_ai\.(choice|client\.inference.*)")
_HEX = re.compile(r"\b[0-9a-f]{8,}(-[0-9a-f]{2,})*\b")
_WORDS = ((21, "critical"), (17, "high"), (13, "medium"), (9, "low"), (0, "info"))
_TOLD = (
    *(
        "service.version",
        "deployment.environment.name",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.system",
    ),
    *("gen_ai.request.model", "gen_ai.response.model", "gen_ai.tool.name", "gen_ai.agent.name", "error.type"),
    *("exception.type", "http.response.status_code", "k8s.pod.name", "host.name"),
)
_GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 413: 3, 415: 3, 422: 3, 429: 8, 503: 14}
ALWAYS = -(2**31)
_MOST_LOOKED_AT = 2 * MAX_BATCH
"""So many records that may become events are looked at; more would hold up everybody else."""
REMOVED = "[removed: prompts are not kept]"


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return an event for every record that a rule of the settings (default: ERROR and worse) names.

    More than fit into one request are rejected in the answer, but the first of every problem is in, of those that are
    looked at.

    Raises:
        Invalid: it is no export request, or of no content type that is read here.
    """
    kind = _kind(request.headers)
    if kind == PROTOBUF:
        records = protobuf_records(request.body)
    elif kind in (JSON, ""):
        records = json_records(request.body)
    else:
        raise Invalid(f"{kind[:60]} is not read here; send {PROTOBUF} or {JSON}", code=_UNSUPPORTED)
    rules = (settings.log_rules if settings is not None else ()) or ERRORS_ONLY
    least = min((ALWAYS if rule.min_severity is None else rule.min_severity for rule in rules), default=ALWAYS)
    events: list[dict[str, Any]] = []
    left = 0
    for each in records:
        if each.severity_number < least:
            continue
        if len(events) >= _MOST_LOOKED_AT:
            left += 1
            continue
        record = _storable(each)
        body = _text(record.body)
        attributes = {name: _text(value) for name, value in (record.resource | record.attributes).items()}
        if any(rule.holds(record.severity_number, body, attributes) for rule in rules):
            events.append(_event(request, settings, record, body, attributes))
    kept = _first_of_each_first(events)[:MAX_BATCH]
    return Sent(steps=tuple(kept), reply={"left": left + len(events) - len(kept)})


def _event(
    request: SourceRequest, settings: SourceSettings | None, record: LogRecord, body: str, attributes: Mapping[str, str]
) -> dict[str, Any]:
    name = record.event_name or attributes.get("event.name", "")
    spoken = _SPOKEN.fullmatch(name) is not None
    body = "" if spoken else body
    service = attributes.get("service.name", "")
    kind = attributes.get("exception.type") or attributes.get("error.type") or name
    model = attributes.get("gen_ai.request.model") or attributes.get("gen_ai.response.model", "")
    tool = attributes.get("gen_ai.tool.name", "")
    message = attributes.get("exception.message", "")
    first = next((line for line in (body or message).splitlines() if line.strip()), "")
    heading = reading.title(first, kind, default=f"{record.severity_text or 'Log record'} in {service or 'a service'}")
    at = record.time or record.observed
    known = settings.severity_words if settings is not None else {}
    word = next(word for least, word in _WORDS if record.severity_number >= least or least == 0)
    environment = attributes.get("deployment.environment.name") or attributes.get("deployment.environment")
    return {
        "event_id": stable_event_id(
            service, str(at) if at else vendors.moment_id(request), str(record.severity_number), body,
            record.trace_id, record.span_id,
            msgspec.json.encode(record.attributes, order="sorted").decode(),
        ),
        "source": request.source,
        "timestamp": reading.when(at or None, now=request.received_at),
        "event_type": "alert",
        "category": reading.category_of(kind, heading, message),
        "title": heading,
        "description": reading.description(body if body != first else "", message if message != first else ""),
        "severity": record.severity_text if record.severity_text.lower() in known else word,
        "source_version": reading.text(attributes.get("service.version"), 128),
        "resource": reading.resource(
            "service", service, default=request.source, namespace=attributes.get("service.namespace")
        ),
        "metrics": reading.metrics(
            {name: value for name, value in attributes.items() if name.startswith("gen_ai.usage.")}
        ),
        "tags": reading.tags(
            {name: attributes.get(name) for name in _TOLD}, environment=environment, logger=record.scope
        ),
        "correlation_id": reading.text(record.trace_id, 255) or None,
        "dedup_key": reading.key(
            "otlp", service, kind or without_numbers(_HEX.sub("#", heading.lower())), model, tool
        ),
        "payload": reading.payload(
            {
                "severity_number": record.severity_number, "severity_text": record.severity_text,
                "event_name": name, "body": REMOVED if spoken else body,
                "attributes": _without_prompts(record.attributes), "resource": _without_prompts(record.resource),
                "trace_id": record.trace_id, "span_id": record.span_id,
            }
        ),
    }  # fmt: skip


def _first_of_each_first(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events so that no problem is left out for the repeats of another, else in their order."""
    if len(events) <= MAX_BATCH:
        return events
    first: dict[str, int] = {}
    for index, event in enumerate(events):
        first.setdefault(event["dedup_key"], index)
    places = set(first.values())
    return [events[index] for index in sorted(range(len(events)), key=lambda index: (index not in places, index))]


def _storable(record: LogRecord) -> LogRecord:
    """Return the record with what can be stored and written as JSON, whatever was sent."""
    kept = reading.payload({"body": record.body, "attributes": record.attributes, "resource": record.resource})
    return msgspec.structs.replace(record, **kept)


def _without_prompts(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: REMOVED if _PROMPTS.match(name) else value for name, value in values.items()}


def _text(value: Any) -> str:
    """Return a value as text: of an object its message, else JSON."""
    if isinstance(value, dict):
        said = next((value[name] for name in ("message", "msg", "error") if isinstance(value.get(name), str)), None)
        return reading.text(said) if said else msgspec.json.encode(value).decode()
    if isinstance(value, list):
        return msgspec.json.encode(value).decode()
    return reading.text(value)


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return ``ExportLogsServiceResponse`` in the sender's own encoding."""
    refusals = [receipt.refusal for receipt in receipts_of(outcomes) if receipt.refusal is not None]
    left = int(sent.reply.get("left", 0))
    said = refusals[0].message if refusals else f"send at most {MAX_BATCH} records that become events in one request"
    rejected = len(refusals) + left
    if _kind(request.headers) == PROTOBUF:
        partial = _varint(1, rejected) + _bytes(2, said.encode("utf-8", "replace"))
        return _protobuf(_bytes(1, partial) if rejected else b"", 200)
    partial_success = {"rejectedLogRecords": str(rejected), "errorMessage": said}
    return json_answer({"partialSuccess": partial_success} if rejected else {}, 200)


def refuse(error: IncidentManagerError, status: int, headers: Mapping[str, str]) -> Answer:
    """Return ``google.rpc.Status`` in the sender's own encoding; 400 tells an exporter not to try again."""
    if isinstance(error, Invalid) and status == 422:
        status = 415 if error.code in (MISSING, _UNSUPPORTED) else 400
    code = _GRPC.get(status, 2)
    if _kind(headers) == PROTOBUF:
        return _protobuf(_varint(1, code) + _bytes(2, error.message.encode("utf-8", "replace")), status)
    return json_answer({"code": code, "message": error.message}, status)


def _protobuf(body: bytes, status: int) -> Answer:
    return Answer(status=status, body=body, media_type=PROTOBUF, headers=(("content-type", PROTOBUF),))


def _varint(field: int, value: int) -> bytes:
    return bytes([field << 3]) + b"".join(_digits(value))


def _bytes(field: int, value: bytes) -> bytes:
    return bytes([field << 3 | 2]) + b"".join(_digits(len(value))) + value


def _digits(value: int) -> Iterator[bytes]:
    """Yield a number in protobuf's groups of seven bits; the first bit says that more follow."""
    while value > 0x7F:
        yield bytes([value & 0x7F | 0x80])
        value >>= 7
    yield bytes([value])


def _kind(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


SPEC = SourceSpec(
    name="otlp",
    title="OpenTelemetry logs (OTLP over HTTP and gRPC)",
    description=(
        "Log records of any OpenTelemetry SDK or Collector; those that a rule names become events, ERROR and worse "
        "where none is set. Service, model, tool and error type make the incident; prompts are not kept. Protobuf "
        "needs `pip install 'llm-incident-manager[otel]'`, JSON nothing. [gRPC](grpc.md#opentelemetry-logs) "
        "(`LogsService/Export`, port 4317) has the same rules and answers."
    ),
    setup="""# The application's or the Collector's environment. gRPC: the server's name, port 4317, and PROTOCOL=grpc
export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT={url}/v1/logs OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_LOGS_HEADERS="authorization=Bearer%20{key}"
# Here, if ERROR and worse is not what you want; a record becomes an event where one rule holds:
sources:
  otlp:
    quiet_seconds: 3600                  # logs never say that it is over
    log_rules:
      - {min_severity: 13, attributes: {gen_ai.request.model: "*"}}
      - {body: "*out of memory*"}""",
    read=read,
    answer=answer,
    refuse_in=refuse,
    doors=(Door(path="/v1/logs"),),
    examples=(
        Example(
            title="JSON",
            path="/v1/logs",
            headers={"Content-Type": JSON},
            body='{"resourceLogs": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": '
            '"chat"}}]}, "scopeLogs": [{"scope": {"name": "app"}, "logRecords": [{"timeUnixNano": '
            '"1793442600000000000", "severityNumber": 17, "severityText": "ERROR", "body": {"stringValue": '
            '"The model does not answer"}, '
            '"attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}}, {"key": "error.type", '
            '"value": {"stringValue": "timeout"}}], "traceId": "5b8efff798038103d269b633813fc60c", "spanId": '
            '"eee19b7ec3c1b174"}, {"timeUnixNano": "1793442600000000000", "severityNumber": 9, "body": {"stringValue": '
            '"All is well"}}]}]}]}',
            status=200,
        ),
        Example(title="nothing of note", path="/v1/logs", body='{"resourceLogs": []}', status=200, opens=0),
    ),
)
