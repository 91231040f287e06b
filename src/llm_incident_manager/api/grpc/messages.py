"""Between the messages of the proto file and the engine's own: events in, receipts and incidents out."""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.receipts import BatchReceipt, Receipt
from llm_incident_manager.engine.views.incident import incident_document
from llm_incident_manager.errors import FieldFault, Invalid, RateLimited, Unavailable

M = TypeVar("M", bound=Message)
_TEXTS = (
    *("event_id", "source", "timestamp", "event_type", "category", "title", "description", "severity"),
    *("source_version", "correlation_id", "parent_event_id", "dedup_key", "schema_version"),
)
_NO_NUMBER = msgspec.Raw(b"1e999")
"""JSON has no word for a number that is not finite: this stands for it, so that the validator names the metric."""


def decoded(kind: type[M], raw: bytes) -> M:
    """Return the message in ``raw``; raises Invalid where it is none, as gRPC itself would call that INTERNAL."""
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise Invalid(
            f"the message is no {kind.DESCRIPTOR.name}: it is damaged, or a text in it is not UTF-8",
            [FieldFault("message", f"cannot be read as {kind.DESCRIPTOR.full_name}; is every text UTF-8?")],
            code="malformed_message",
        ) from None


def event_json(sent: pb.IncidentRequest) -> bytes:
    """Return an event as JSON, as every other door takes it. What is empty is left out."""
    document: dict[str, Any] = {name: text for name in _TEXTS if (text := getattr(sent, name))}
    if sent.HasField("resource"):
        resource = sent.resource
        of_resource = {name: text for name in ("type", "id", "name") if (text := getattr(resource, name))}
        document["resource"] = of_resource | ({"metadata": dict(resource.metadata)} if resource.metadata else {})
    if sent.metrics:
        document["metrics"] = {
            name: value if math.isfinite(value) else _NO_NUMBER for name, value in sent.metrics.items()
        }
    if sent.tags:
        document["tags"] = dict(sent.tags)
    if sent.labels:
        document["labels"] = list(sent.labels)
    if sent.payload:
        document["payload"] = dict(sent.payload)
    return msgspec.json.encode(document)


def receipt_message(receipt: Receipt) -> pb.IncidentResponse:
    """Return the answer to one event."""
    message = pb.IncidentResponse(
        status=receipt.status,
        event_id=receipt.event_id or "",
        incident_id=receipt.incident_id or "",
        message=plain(receipt.message),
    )
    refusal = receipt.refusal
    if refusal is not None:
        message.code = refusal.code
    if isinstance(refusal, RateLimited | Unavailable):
        message.retry_after_seconds = refusal.retry_after_seconds
    if receipt.errors:
        message.errors.extend(
            pb.FieldFault(field=plain(fault.field), message=plain(fault.message)) for fault in receipt.errors
        )
    return message


def batch_message(batch_id: str, receipt: BatchReceipt) -> pb.BatchResponse:
    """Return the answer to a batch."""
    return pb.BatchResponse(
        batch_id=batch_id,
        accepted=receipt.accepted,
        duplicates=receipt.duplicates,
        rejected=receipt.rejected,
        results=[receipt_message(result) for result in receipt.results],
    )


def updated_message(incident: Incident, action: str) -> pb.IncidentResponse:
    """Return the answer to a command: where the incident stands now."""
    return pb.IncidentResponse(
        status=incident.status.value,
        incident_id=incident.id,
        message=f"{action} done; the incident is {incident.status.value}",
    )


def incident_message(document: Mapping[str, Any]) -> pb.Incident:
    """Return an incident's document as the message; what is null is left out, what is no text becomes JSON."""
    resource = document["resource"]
    shown = {
        **document,
        "resource": {**resource, "metadata": _texts(resource["metadata"])},
        "metadata": _texts(document["metadata"]),
    }
    return json_format.ParseDict(shown, pb.Incident(), ignore_unknown_fields=True)


def change_message(incident: Incident, kind: str) -> pb.IncidentChange:
    """Return what a watcher is told of an incident."""
    return pb.IncidentChange(kind=kind, incident=incident_message(incident_document(incident)))


def plain(text: str) -> str:
    """Return text that protobuf can carry: halves of surrogate pairs are replaced."""
    return text.encode(errors="replace").decode()


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in values.items()
    }
