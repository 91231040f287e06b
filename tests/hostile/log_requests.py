"""OTLP's export requests that no exporter would send: the source's example changed in its JSON, or in its bytes."""

import json
import random
from collections.abc import Iterator

from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from llm_incident_manager.sources import otlp
from tests.contract.mutants import bytes_changed, mutants


def log_requests(chance: random.Random) -> Iterator[bytes]:
    """Yield mutants of an ``ExportLogsServiceRequest`` without end; half of them are still one."""
    good = otlp.SPEC.examples[0].body.encode()
    written = _packed(good) or b""
    changed = mutants(good, chance)
    yield from (b"", b"\x0a", b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", written * 30)
    while True:
        packed = _packed(next(changed)) if chance.random() < 0.6 else written
        if packed is None:
            continue
        yield packed if packed is not written and chance.random() < 0.8 else bytes_changed(packed, chance)


def _packed(document: bytes) -> bytes | None:
    """Return the JSON as protobuf, or ``None`` where it says what protobuf cannot."""
    try:
        read = json.loads(document)
        if not isinstance(read, dict):
            return None
        return ParseDict(read, ExportLogsServiceRequest(), ignore_unknown_fields=True).SerializeToString()
    except (ParseError, ValueError, TypeError, RecursionError, AttributeError, SystemError):
        return None
