"""OpenTelemetry's log records, whichever encoding they came in, and their JSON encoding."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading

MAX_RECORDS = 10_000
"""In one request; a Collector sends 8,192 unless told otherwise."""
_DEPTH = 8
_MOST_VALUES = 1000
_NUMBERS = {
    "trace": 1, "debug": 5, "info": 9, "information": 9, "notice": 10, "warn": 13, "warning": 13, "error": 17,
    "critical": 21, "fatal": 21, "emergency": 24,
}  # fmt: skip


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record. Times are nanoseconds since 1970, 0 where unknown; ids are hex; values are plain."""

    time: int
    observed: int
    severity_number: int
    severity_text: str
    event_name: str
    body: Any
    attributes: dict[str, Any]
    scope: str
    resource: dict[str, Any]
    trace_id: str
    span_id: str


def json_records(body: bytes) -> list[LogRecord]:
    """Return the records of ``ExportLogsServiceRequest`` in OTLP's JSON; raises Invalid."""
    document = reading.json_object(body)
    require_few(
        len(reading.objects(per_scope.get("logRecords")))
        for per_resource in reading.objects(document.get("resourceLogs"))
        for per_scope in reading.objects(per_resource.get("scopeLogs"))
    )
    return list(_records(document))


def severity_number(number: int, text: str) -> int:
    """Return the number, or that of the word where a logger only says the word."""
    return number or _NUMBERS.get(text.lower(), 0)


def require_few(counts: Iterable[int]) -> None:
    """Raise Invalid where the counts come to more than one request may hold."""
    total = sum(counts)
    if total > MAX_RECORDS:
        what = f"holds {total} log records; send at most {MAX_RECORDS} in one request"
        raise Invalid(f"it {what}", [FieldFault("body", what)], code="batch_too_large")


def _records(document: dict[str, Any]) -> Iterator[LogRecord]:
    for per_resource in reading.objects(document.get("resourceLogs")):
        resource = _attributes(reading.mapping(per_resource.get("resource")).get("attributes"))
        for per_scope in reading.objects(per_resource.get("scopeLogs")):
            scope = reading.text(reading.mapping(per_scope.get("scope")).get("name"), 255)
            for record in reading.objects(per_scope.get("logRecords")):
                yield LogRecord(
                    time=_whole(record.get("timeUnixNano")),
                    observed=_whole(record.get("observedTimeUnixNano")),
                    severity_number=severity_number(
                        _whole(record.get("severityNumber")), reading.text(record.get("severityText"), 64)
                    ),
                    severity_text=reading.text(record.get("severityText"), 64),
                    event_name=reading.text(record.get("eventName"), 255),
                    body=_value(record.get("body")),
                    attributes=_attributes(record.get("attributes")),
                    scope=scope,
                    resource=resource,
                    trace_id=reading.text(record.get("traceId"), 64),
                    span_id=reading.text(record.get("spanId"), 32),
                )


def _attributes(pairs: object, levels: int = _DEPTH) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in reading.objects(pairs)[:_MOST_VALUES]:
        name = reading.text(pair.get("key"), 255)
        if name:
            found[name] = _value(pair.get("value"), levels)
    return found


def _value(value: object, levels: int = _DEPTH) -> Any:
    """Return what an ``AnyValue`` holds; bytes are only counted."""
    given = reading.mapping(value)
    if levels == 0:
        return None
    if "arrayValue" in given:
        values = reading.objects(reading.mapping(given["arrayValue"]).get("values"))[:_MOST_VALUES]
        return [_value(each, levels - 1) for each in values]
    if "kvlistValue" in given:
        return _attributes(reading.mapping(given["kvlistValue"]).get("values"), levels - 1)
    if "intValue" in given:
        return _whole(given["intValue"])
    if "bytesValue" in given:
        return f"{len(reading.text(given['bytesValue'])) * 3 // 4} bytes"
    return next((given[name] for name in ("stringValue", "boolValue", "doubleValue") if name in given), None)


def _whole(value: object) -> int:
    """Return an integer, which OTLP's JSON writes as a number or as text; 0 for what is none."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value if abs(value) < 2**64 else 0
    text = reading.text(value, 24)
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= 20 else 0
