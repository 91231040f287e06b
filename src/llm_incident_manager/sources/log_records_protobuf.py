"""OpenTelemetry's log records from protobuf; needs the extra ``otel``, and loads it with the first such request."""

from collections.abc import Iterable
from typing import Any

from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources.log_records import LogRecord, require_few, severity_number

MISSING = "otel_extra_missing"
INSTALL = "pip install 'llm-incident-manager[otel]'"
_DEPTH = 8
_MOST_VALUES = 1000


def protobuf_records(body: bytes) -> list[LogRecord]:
    """Return the records of an ``ExportLogsServiceRequest``.

    Raises:
        Invalid: it is none, or ``otel_extra_missing``: nothing here can read protobuf.
    """
    try:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    except ImportError:
        raise Invalid(
            f"protobuf cannot be read here: {INSTALL}, or send JSON (OTEL_EXPORTER_OTLP_PROTOCOL=http/json)",
            [FieldFault("content-type", "is application/x-protobuf; the extra otel is not installed")],
            code=MISSING,
        ) from None
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        raise Invalid(
            "it is no ExportLogsServiceRequest", [FieldFault("body", "cannot be decoded as OTLP's protobuf")]
        ) from None
    require_few(len(per_scope.log_records) for each in request.resource_logs for per_scope in each.scope_logs)
    return [
        LogRecord(
            time=record.time_unix_nano,
            observed=record.observed_time_unix_nano,
            severity_number=severity_number(record.severity_number, record.severity_text[:64]),
            severity_text=record.severity_text[:64],
            event_name=record.event_name[:255],
            body=_value(record.body),
            attributes=_attributes(record.attributes),
            scope=per_scope.scope.name[:255],
            resource=_attributes(per_resource.resource.attributes),
            trace_id=record.trace_id.hex(),
            span_id=record.span_id.hex(),
        )
        for per_resource in request.resource_logs
        for per_scope in per_resource.scope_logs
        for record in per_scope.log_records
    ]


def _attributes(pairs: Iterable[Any], levels: int = _DEPTH) -> dict[str, Any]:
    return {pair.key[:255]: _value(pair.value, levels) for _, pair in zip(range(_MOST_VALUES), pairs, strict=False)}


def _value(value: Any, levels: int = _DEPTH) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or levels == 0:
        return None
    if kind == "array_value":
        return [_value(each, levels - 1) for each in value.array_value.values[:_MOST_VALUES]]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values, levels - 1)
    if kind == "bytes_value":
        return f"{len(value.bytes_value)} bytes"
    return getattr(value, kind)
