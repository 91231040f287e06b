"""Errors as gRPC statuses: one table from the kind of error to its code, with google.rpc's details beside it."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import grpc
import structlog
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from llm_incident_manager.errors import (
    Conflict,
    FieldFault,
    Forbidden,
    IncidentManagerError,
    Invalid,
    NotFound,
    RateLimited,
    StaleVersion,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from llm_incident_manager.ids import new_id

DOMAIN = "llm-incident-manager"
DETAILS_KEY = "grpc-status-details-bin"
_MESSAGE_BYTES = 600
_VIOLATION_BYTES = 300
_VIOLATIONS_BYTES = 3000
"""A client refuses more than 8 KiB of headers, and the status goes into one: what is said has an end."""
_FACT_BYTES = 200

CODE_OF_KIND: Mapping[type[IncidentManagerError], grpc.StatusCode] = MappingProxyType(
    {
        Invalid: grpc.StatusCode.INVALID_ARGUMENT,
        TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
        NotFound: grpc.StatusCode.NOT_FOUND,
        Conflict: grpc.StatusCode.FAILED_PRECONDITION,
        StaleVersion: grpc.StatusCode.ABORTED,
        Forbidden: grpc.StatusCode.PERMISSION_DENIED,
        Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
        RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
        Unavailable: grpc.StatusCode.UNAVAILABLE,
    }
)

CODE_OF_CODE: Mapping[str, grpc.StatusCode] = MappingProxyType(
    {
        "conflict": grpc.StatusCode.ABORTED,
        "version_conflict": grpc.StatusCode.ABORTED,
        "already_exists": grpc.StatusCode.ALREADY_EXISTS,
    }
)
"""Conflicts where the kind alone would say FAILED_PRECONDITION: who lost a race may simply decide anew."""

_log = structlog.get_logger("api.grpc")


def code_of(error: IncidentManagerError) -> grpc.StatusCode:
    """Return the status code of an error: by its code where that is finer, else by its kind."""
    if isinstance(error, Conflict) and error.code in CODE_OF_CODE:
        return CODE_OF_CODE[error.code]
    for kind, code in CODE_OF_KIND.items():
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INTERNAL


class Refusal:
    """A status to end a call with: ``code``, ``message``, and the details as trailing metadata."""

    __slots__ = ("code", "message", "trailing")

    def __init__(self, code: grpc.StatusCode, message: str, details: list[Message]) -> None:
        self.code = code
        self.message = _sendable(message)
        rich = status_pb2.Status(code=code.value[0], message=self.message)
        rich.details.extend(map(_packed, details))
        self.trailing = ((DETAILS_KEY, rich.SerializeToString()),)


def refusal_of(error: Exception, *, method: str) -> Refusal:
    """Return how a call that failed ends; a fault nobody expected is logged under the id that is answered."""
    if not isinstance(error, IncidentManagerError):
        fault_id = new_id("err")
        _log.error("call_failed", fault_id=fault_id, method=method, exc_info=error)
        return Refusal(grpc.StatusCode.INTERNAL, f"it failed here; mention {fault_id}", [])
    return Refusal(code_of(error), error.message, _details(error))


def _details(error: IncidentManagerError) -> list[Message]:
    """Return google.rpc's details: the stable code with the facts, then what the kind of error has to say."""
    facts = {name: _fact(value) for name, value in error.facts.items()}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.code.upper(), domain=DOMAIN, metadata=facts)]
    match error:
        case Invalid():
            details.append(error_details_pb2.BadRequest(field_violations=_violations(error)))
        case RateLimited() | Unavailable():
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(max(1, int(error.retry_after_seconds * 1000)))
            details.append(retry)
        case Conflict() | StaleVersion():
            violation = error_details_pb2.PreconditionFailure.Violation(
                type=error.code.upper(), subject="incident", description=_short(error.message, _VIOLATION_BYTES)
            )
            details.append(error_details_pb2.PreconditionFailure(violations=[violation]))
        case _:
            pass
    return details


def _violations(error: Invalid) -> list[Message]:
    """Return the faults that there is room for, and how many more there are."""
    faults = error.faults or [FieldFault("request", error.message)]
    found: list[Message] = []
    room = _VIOLATIONS_BYTES
    for fault in faults:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_short(fault.field, _VIOLATION_BYTES), description=_short(fault.message, _VIOLATION_BYTES)
        )
        room -= violation.ByteSize()
        if room < 0:
            rest = f"and {len(faults) - len(found)} more are wrong"
            return [*found, error_details_pb2.BadRequest.FieldViolation(field="request", description=rest)]
        found.append(violation)
    return found


def _fact(value: Any) -> str:
    """Return a fact as text; lists are comma-separated, as ``allowed_actions`` is."""
    if isinstance(value, list | tuple):
        return _short(",".join(map(str, value)), _FACT_BYTES)
    return _short(value if isinstance(value, str) else json.dumps(value, default=str), _FACT_BYTES)


def _packed(detail: Message) -> Packed:
    packed = Packed()
    packed.Pack(detail)
    return packed


def _short(text: str, most: int) -> str:
    """Return text that protobuf can carry, of at most so many bytes; halves of surrogate pairs are replaced."""
    raw = text.encode(errors="replace")
    return raw.decode() if len(raw) <= most else raw[: most - 3].decode(errors="ignore") + "…"


def _sendable(message: str) -> str:
    """Return a message short and plain enough for a trailing header."""
    return _short("".join(letter if letter.isprintable() else " " for letter in message), _MESSAGE_BYTES)
