"""The OpenAPI document: what FastAPI finds in the routes, and what stands beside them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from llm_incident_manager.api.rest.answers import refusals
from llm_incident_manager.api.rest.models import configuration, incidents, oncall, operations, silences
from llm_incident_manager.api.rest.models.shapes import Problem
from llm_incident_manager.domain.events.raw import (
    MAX_LABEL,
    MAX_LABELS,
    MAX_METRICS,
    MAX_TAG_VALUE,
    MAX_TAGS,
    RESOURCE_LIMITS,
    TEXT_LIMITS,
)
from llm_incident_manager.domain.events.severity import WORDS
from llm_incident_manager.domain.vocabulary import Category, Severity

PATH = "/api/v1/openapi.json"
ABOUT = """Incidents of LLM applications: events in, the right person paged, an audit trail that verifies.

Every call needs an API key in `Authorization: Bearer …` or `X-API-Key: …`. A platform key acts for another tenant with
`X-Tenant`. Errors are problem documents (RFC 9457) with a stable `code`. Writes take an `Idempotency-Key`: sent again,
the same request gets the same answer and is done once. Changes take `If-Match` with the `ETag` that was read.
"""

_GIVEN: tuple[type[BaseModel], ...] = (
    incidents.IncidentGiven,
    incidents.IncidentEdited,
    incidents.Noted,
    incidents.ResolutionGiven,
    incidents.PageGiven,
    incidents.AssignGiven,
    incidents.CommentGiven,
    incidents.LinkGiven,
    incidents.MergeGiven,
    incidents.SnoozeGiven,
    incidents.BulkGiven,
    configuration.UserDocument,
    configuration.TeamDocument,
    configuration.RouteDocument,
    configuration.PolicyDocument,
    configuration.TemplateDocument,
    oncall.ScheduleDocument,
    oncall.OverrideDocument,
    oncall.SwapDocument,
    configuration.SourceDocument,
    configuration.Configured,
    silences.SilenceDocument,
    operations.KeyGiven,
    operations.RotateGiven,
    operations.TenantGiven,
    operations.Accepted,
    operations.BatchAccepted,
    Problem,
)
_NO_NUL = r"^[^\x00]*$"
_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1 to 255 printable ASCII characters: sent again, the same request is done once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` that was read; 412 where it is no longer the newest.",
    "schema": {"type": "string"},
}


def openapi_of(app: FastAPI, version: str) -> dict[str, Any]:
    """Return the whole document; every path, body, answer and header is in it."""
    document = get_openapi(
        title="LLM-Incident-Manager", version=version or "0", openapi_version="3.1.0", description=ABOUT,
        routes=app.routes,
    )  # fmt: skip
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _, given = models_json_schema([(model, "validation") for model in _GIVEN], ref_template=_REFERENCE)
    schemas.update(given.get("$defs", {}))
    schemas.update(_events())
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    document["security"] = [{"bearer": []}, {"header": []}]
    document["paths"]["/api/v1/events"] = {"post": _post_events()}
    document["paths"]["/api/v1/sources/{id}"]["post"] = _post_source()
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            call.setdefault("parameters", [])
            if path.startswith("/api/v1/") and method in ("post", "put", "patch", "delete"):
                call["parameters"] += [_KEY]
                if "412" in call["responses"] and "{id}" in path:
                    call["parameters"] += [_MATCH]
    return document


_REFERENCE = "#/components/schemas/{model}"


def _post_events() -> dict[str, Any]:
    shown = [{"$ref": f"#/components/schemas/{name}"} for name in ("Accepted", "BatchAccepted")]
    taken = [{"$ref": f"#/components/schemas/{name}"} for name in ("EventGiven", "BatchGiven", "EventList")]
    return {
        "tags": ["events"],
        "summary": "Send one event, or a batch",
        "operationId": "post_events",
        "description": (
            "202 means that it survives the process and the power. The same `event_id` of the same source is counted "
            "once, ever, and answered `duplicate`. In a batch each event is decided for itself. The body may be gzip. "
            "The key may stand in the header that the source's settings name."
        ),
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": taken}}}},
        "responses": {
            "202": {
                "description": "Stored durably.",
                "content": {"application/json": {"schema": {"anyOf": shown}}},
            },
            **{
                str(status): told for status, told in refusals(400, 401, 403, 404, 413, 415, 422, 429, 500, 503).items()
            },
        },
    }


def _post_source() -> dict[str, Any]:
    anything: dict[str, Any] = {"schema": {}}
    return {
        "tags": ["sources"],
        "summary": "Send what a tool sends, in its own shape",
        "operationId": "post_source",
        "description": (
            "`id` is a plugin (docs/sources.md lists them) or a source in your settings. What is good is stored "
            "durably before the answer, which has the tool's own status and body. The key may stand wherever the tool "
            "can put it: `Authorization` of any scheme, `X-API-Key`, `?key=`, or a member of the body."
        ),
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "description": "A plugin, or a source of your tenant; anything else is 404.",
            }
        ],
        "requestBody": {"required": False, "content": {"application/json": anything, "*/*": anything}},
        "responses": {
            "200": {"description": "Taken in, for tools that want exactly this status.", "content": {"*/*": anything}},
            "202": {"description": "Taken in.", "content": {"*/*": anything}},
            **{
                str(status): _loosely(told)
                for status, told in refusals(400, 401, 403, 404, 413, 415, 422, 429, 500, 503).items()
            },
        },
    }


def _loosely(told: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal that may also have the tool's own shape."""
    return told | {"content": {**told["content"], "*/*": {"schema": {}}}}


def _events() -> dict[str, Any]:
    def text(name: str, *, required: bool = False) -> dict[str, Any]:
        bounds: dict[str, Any] = {"type": "string", "maxLength": TEXT_LIMITS[name]}
        return bounds | ({"minLength": 1, "pattern": _NOT_BLANK} if required else {"pattern": _NO_NUL})

    def of_resource(name: str) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": RESOURCE_LIMITS[name], "pattern": _NOT_BLANK}

    resource = {
        "type": "object",
        "required": ["type", "id"],
        "additionalProperties": True,
        "properties": {
            "type": of_resource("type"),
            "id": of_resource("id"),
            "name": {"type": "string", "maxLength": RESOURCE_LIMITS["name"], "pattern": _NO_NUL},
            "metadata": {"type": "object"},
        },
    }
    members: dict[str, Any] = {
        "event_id": text("event_id", required=True),
        "source": text("source", required=True),
        "source_version": text("source_version"),
        "timestamp": {"type": "string", "format": "date-time", "description": "With its zone; not over 24 h ahead."},
        "event_type": text("event_type", required=True),
        "category": {"type": "string", "enum": [category.value for category in Category]},
        "title": text("title", required=True),
        "description": text("description"),
        "severity": {
            "type": "string",
            "enum": [*Severity, *(word for word in WORDS if word not in {each.lower() for each in Severity})],
            "description": "In any case; words of the source's own stand in its settings.",
        },
        "resource": resource,
        "metrics": {"type": "object", "additionalProperties": {"type": "number"}, "maxProperties": MAX_METRICS},
        "tags": {
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": MAX_TAG_VALUE},
            "maxProperties": MAX_TAGS,
        },
        "labels": {"type": "array", "items": {"type": "string", "maxLength": MAX_LABEL}, "maxItems": MAX_LABELS},
        "correlation_id": text("correlation_id"),
        "parent_event_id": text("parent_event_id"),
        "dedup_key": text("dedup_key"),
        "payload": {"type": "object"},
    }
    required = ["event_id", "source", "timestamp", "event_type", "category", "title", "severity", "resource"]
    about = "An event (specification §5.1). Unknown members are kept in `payload`."
    event = {"type": "object", "description": about, "required": required, "properties": members}
    several = {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": "object"}}
    return {
        "EventGiven": event,
        "EventList": several,
        "BatchGiven": {
            "type": "object",
            "description": "A batch (specification §6.3). Each event is decided for itself.",
            "required": ["events"],
            "properties": {
                "batch_id": {"type": ["string", "null"]},
                "timestamp": {},
                "count": {"type": ["integer", "null"]},
                "events": several,
            },
        },
        "EventToRoute": {
            "type": "object",
            "description": "An event in which everything may be left out.",
            "properties": members | {"environment": {"type": "string"}},
        },
        "FoldsToPreview": {
            "type": "object",
            "description": "Cross-source keys to try out, by default those that are set, and how far to look back.",
            "properties": {
                "keys": {
                    "type": "array",
                    "maxItems": 100,
                    "items": {
                        "type": "object",
                        "required": ["name", "key"],
                        "properties": {
                            "name": {"type": "string", "maxLength": 200},
                            "if": {"type": "object", "description": "A condition, as in classification rules."},
                            "key": {"type": "string", "maxLength": 500, "examples": ["{resource.id}/{environment}"]},
                            "resolve": {"enum": ["all", "any"], "default": "all"},
                            "enabled": {"type": "boolean", "default": True},
                        },
                    },
                },
                "hours": {"type": "integer", "minimum": 1, "maximum": 720, "default": 24},
            },
        },
        "StatuspageHistory": {
            "type": "object",
            "description": "Statuspage API v2's `incidents.json`.",
            "required": ["page", "incidents"],
            "properties": {
                "page": {"type": "object"},
                "incidents": {"type": "array", "items": {"type": "object"}},
            },
        },
    }
