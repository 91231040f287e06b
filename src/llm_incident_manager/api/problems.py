"""Errors as RFC 9457 problem documents: one table from the kind of error to its HTTP status."""

import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec
from starlette.responses import Response

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

MEDIA_TYPE = "application/problem+json"

STATUS_OF_KIND: Mapping[type[IncidentManagerError], int] = MappingProxyType(
    {
        Invalid: 422,
        TooLarge: 413,
        NotFound: 404,
        Conflict: 409,
        StaleVersion: 412,
        Forbidden: 403,
        Unauthenticated: 401,
        RateLimited: 429,
        Unavailable: 503,
    }
)

STATUS_OF_CODE: Mapping[str, int] = MappingProxyType({"malformed_json": 400, "malformed_body": 400})
"""Codes of input that cannot even be read, where the kind alone would say 422."""

_QUERY_FIELDS = frozenset({"cursor", "limit", "sort"})


class UnsupportedMediaType(IncidentManagerError):
    """The body is of a type, or packed in a way, that is not understood."""

    code = "unsupported_media_type"


class MethodNotAllowed(IncidentManagerError):
    """The path exists, the method does not."""

    code = "method_not_allowed"


_OWN: Mapping[type[IncidentManagerError], int] = MappingProxyType({UnsupportedMediaType: 415, MethodNotAllowed: 405})


def status_of(error: IncidentManagerError) -> int:
    """Return the HTTP status of an error: by its code where that is finer, else by its kind."""
    if isinstance(error, Invalid) and error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    for kind, status in (*STATUS_OF_KIND.items(), *_OWN.items()):
        if isinstance(error, kind):
            return status
    return 500


def problem_document(error: IncidentManagerError) -> dict[str, Any]:
    """Return the error as RFC 9457 shows it, with ``code``, the error's facts, and ``errors`` for input."""
    faults = list(error.faults) if isinstance(error, Invalid) else []
    if isinstance(error, Invalid) and not faults:
        field = error.code.removeprefix("invalid_")
        faults = [FieldFault(field if field in _QUERY_FIELDS else "body", error.message)]
    return problem(status_of(error), error.code, error.message, facts=error.facts, faults=faults)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    facts: Mapping[str, Any] | None = None,
    faults: Iterable[FieldFault] = (),
) -> dict[str, Any]:
    """Return a problem document."""
    document: dict[str, Any] = {
        "type": f"urn:llm-incident-manager:problem:{code.replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    own = {name: value for name, value in (facts or {}).items() if name not in document}
    errors = [{"field": fault.field, "message": fault.message} for fault in faults]
    return document | own | ({"errors": errors} if errors else {})


def problem_headers(error: IncidentManagerError) -> dict[str, str]:
    """Return the headers that go with an error: when to come back, how to say who one is."""
    if isinstance(error, RateLimited | Unavailable):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_seconds)))}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="llm-incident-manager"'}
    return {}


def problem_response(error: IncidentManagerError) -> Response:
    """Return the complete answer for an error."""
    return as_response(problem_document(error), problem_headers(error))


def as_response(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that carries a problem document."""
    content = msgspec.json.encode(document, enc_hook=str)
    own = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return Response(content, status_code=document["status"], headers=own, media_type=MEDIA_TYPE)
