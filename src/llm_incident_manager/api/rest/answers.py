"""How answers are written down: which model goes with which status, and the problems a call may answer with."""

from typing import Any

from pydantic import BaseModel

from llm_incident_manager.api.problems import MEDIA_TYPE

_SAYS = {
    400: "The body cannot be read: malformed JSON, or not what its encoding says.",
    401: "No key, or a wrong one.",
    403: "The key may not do this.",
    404: "Unknown, or another tenant's.",
    409: "The state does not allow it, or the id is taken.",
    412: "`If-Match` is not the newest version.",
    413: "The body is too large.",
    415: "The content type is not JSON, or the encoding neither gzip nor none.",
    422: "The input is wrong; `errors` names every field with its remedy.",
    429: "Too many; come back after `Retry-After` seconds.",
    500: "It failed here; the detail names an id to mention.",
    503: "It cannot be done now, or the incident is not triaged yet; try again after `Retry-After` seconds.",
}
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string", "pattern": "^[0-9]+$"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "How to say who one is.", "schema": {"type": "string"}}}
ETAG = {"ETag": {"description": "The version, for `If-Match`.", "schema": {"type": "string"}}}

READS = (401, 403, 404, 422, 503)
LISTS = (401, 403, 404, 422, 503)
WRITES = (400, 401, 403, 404, 409, 412, 413, 415, 422, 503)


def answers(model: type[BaseModel], *problems: int, status: int = 200, etag: bool = False) -> dict[int | str, Any]:
    """Return what a call answers, for its documentation."""
    good: dict[str, Any] = {"model": model}
    if etag:
        good["headers"] = ETAG
    return {status: good, **refusals(*problems)}


def refusals(*problems: int) -> dict[int | str, Any]:
    """Return the problems a call may answer with."""
    return {status: refusal(status) for status in problems}


def refusal(status: int) -> dict[str, Any]:
    """Return how one problem is written down."""
    told: dict[str, Any] = {
        "description": _SAYS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        told["headers"] = _RETRY
    if status == 401:
        told["headers"] = _CHALLENGE
    return told


def takes(model: type[BaseModel] | str, *, required: bool = True) -> dict[str, Any]:
    """Return how a body is written down; it is read by the endpoint itself, after the caller is known."""
    name = model if isinstance(model, str) else model.__name__
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    return {"requestBody": {"required": required, "content": content}}
