"""⑤ Opsgenie's heartbeats: a dead-man's switch for any sender that can ask for a URL (ING-12)."""

from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from llm_incident_manager.api.rest.opsgenie import Asked, OpsgenieDoor, told
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.engine.rows import Heartbeat
from llm_incident_manager.engine.views.instants import iso_or_none
from llm_incident_manager.errors import FieldFault, Invalid, NotFound
from llm_incident_manager.ids import new_id
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.opsgenie import PRIORITIES, SEVERITIES, TOOK, headers_of
from llm_incident_manager.sources.spec import Answer

_PATH = "/v2/heartbeats"
_NAMED = _PATH + "/{name}"
_UNITS = ("minutes", "hours", "days", "seconds")
_MOST_SECONDS = 366 * 86400
_LONGEST_NAME = 200


def heartbeat_routes(port: RestPort) -> list[BaseRoute]:
    """Return the routes of heartbeats."""
    paths = (
        (_PATH, "GET", _list),
        (_PATH, "POST", _create),
        (_NAMED, "GET", _get),
        (_NAMED, "PATCH", _update),
        (_NAMED, "DELETE", _delete),
        (_NAMED + "/enable", "POST", _enable),
        (_NAMED + "/disable", "POST", _disable),
        *((_NAMED + "/ping", method, _ping) for method in ("GET", "POST", "PUT", "PATCH")),
    )
    return [
        Route(path, OpsgenieDoor(port, path, answering, changes=path.endswith("/ping")), methods=[method],
              include_in_schema=False)
        for path, method, answering in paths
    ]  # fmt: skip


async def _list(asked: Asked) -> Answer:
    found = await asked.port.heartbeats.all(asked.caller, asked.source)
    return told({"heartbeats": [_document(each) for each in found]})


async def _create(asked: Asked) -> Answer:
    document = reading.json_object(asked.body)
    name = reading.text(document.get("name"))
    faults = [] if _is_name(name) else [
        FieldFault("name", f"must be text of 1 to {_LONGEST_NAME} printable characters without a slash")
    ]  # fmt: skip
    faults += [
        FieldFault(field, "may not be left out")
        for field in ("interval", "intervalUnit")
        if document.get(field) is None
    ]
    if faults:
        raise _invalid(faults)
    plain = Heartbeat(tenant=asked.caller.tenant, source=asked.source, name=name, every=10, unit="minutes")
    given = msgspec.structs.replace(plain, **_fields(document, plain))
    made = await asked.port.heartbeats.create(asked.caller, given)
    return told(_document(made), 201)


async def _get(asked: Asked) -> Answer:
    return told(_document(await asked.port.heartbeats.get(asked.caller, asked.source, _name(asked))))


async def _update(asked: Asked) -> Answer:
    document = reading.json_object(asked.body)
    before = await asked.port.heartbeats.get(asked.caller, asked.source, _name(asked))
    fields = _fields(document, before)
    after = await asked.port.heartbeats.change(asked.caller, asked.source, before.name, **fields)
    return told(_document(after))


async def _delete(asked: Asked) -> Answer:
    gone = await asked.port.heartbeats.delete(asked.caller, asked.source, _name(asked))
    return told({"name": gone.name}, result="Deleted")


async def _enable(asked: Asked) -> Answer:
    after = await asked.port.heartbeats.change(asked.caller, asked.source, _name(asked), enabled=True)
    return told(_short(after))


async def _disable(asked: Asked) -> Answer:
    after = await asked.port.heartbeats.change(asked.caller, asked.source, _name(asked), enabled=False)
    return told(_short(after))


async def _ping(asked: Asked) -> Answer:
    await asked.port.heartbeats.ping(asked.caller, asked.source, _name(asked))
    made = new_id("req")
    document = {"result": "PONG - Heartbeat received", "took": TOOK, "requestId": made}
    return json_answer(document, 202, **headers_of(made))


def _name(asked: Asked) -> str:
    name = asked.params["name"]
    if not _is_name(name):
        raise NotFound("there is no heartbeat of that name")
    return name


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _LONGEST_NAME and name.isprintable() and "/" not in name


def _fields(document: dict[str, Any], before: Heartbeat) -> dict[str, Any]:
    """Return the fields of a heartbeat that a document sets; raises Invalid naming every fault."""
    faults: list[FieldFault] = []
    found: dict[str, Any] = {}
    every, unit = (
        document.get("interval", before.every),
        reading.text(document.get("intervalUnit") or before.unit).lower(),
    )
    if unit not in _UNITS:
        faults.append(FieldFault("intervalUnit", f"must be one of {', '.join(_UNITS)}"))
    elif isinstance(every, bool) or not isinstance(every, int) or not 1 <= every <= _MOST_SECONDS // _seconds(unit):
        most = _MOST_SECONDS // _seconds(unit)
        faults.append(FieldFault("interval", f"must be a whole number from 1 to {most}"))
    else:
        found |= {"every": every, "unit": unit}
    if "enabled" in document:
        if not isinstance(document["enabled"], bool):
            faults.append(FieldFault("enabled", "must be true or false"))
        found["enabled"] = document["enabled"]
    if document.get("alertPriority"):
        priority = reading.text(document["alertPriority"]).upper()
        if priority not in SEVERITIES:
            faults.append(FieldFault("alertPriority", "must be one of P1, P2, P3, P4, P5"))
        else:
            found["severity"] = SEVERITIES[priority]
    if "description" in document:
        found["description"] = reading.text(document["description"], 10_000)
    if "alertMessage" in document:
        found["message"] = reading.title(document["alertMessage"], default="")
    if "alertTags" in document:
        found["tags"] = tuple(reading.labels(document["alertTags"]))
    if "ownerTeam" in document:
        found["team"] = reading.text(reading.mapping(document["ownerTeam"]).get("name"), 200)
    if faults:
        raise _invalid(faults)
    return found


def _seconds(unit: str) -> int:
    return {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}[unit]


def _short(heartbeat: Heartbeat) -> dict[str, Any]:
    return {"name": heartbeat.name, "enabled": heartbeat.enabled, "expired": heartbeat.expired}


def _document(heartbeat: Heartbeat) -> dict[str, Any]:
    return {
        "name": heartbeat.name,
        "description": heartbeat.description,
        "interval": heartbeat.every,
        "intervalUnit": heartbeat.unit,
        "enabled": heartbeat.enabled,
        "expired": heartbeat.expired,
        "lastPingTime": iso_or_none(heartbeat.last_ping_at),
        "ownerTeam": {"name": heartbeat.team},
        "alertMessage": heartbeat.message,
        "alertTags": list(heartbeat.tags),
        "alertPriority": PRIORITIES[heartbeat.severity],
    }


def _invalid(faults: list[FieldFault]) -> Invalid:
    return Invalid(f"{faults[0].field} {faults[0].message}", faults, code="invalid_heartbeat")
