"""⑧ Opsgenie's API, what reads: alerts, counts, what came of a request, logs, notes, recipients (ING-12).

A key sees the alerts of its own source: what came by this API, or the source that the key is bound to.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from llm_incident_manager.api.bodies import ClientGone, header, read_body
from llm_incident_manager.api.identity import request_facts
from llm_incident_manager.api.problems import as_response, problem
from llm_incident_manager.api.rest import door_key
from llm_incident_manager.api.rest.asking import as_reader, require_plain
from llm_incident_manager.api.rest.doors import headers_in, query_in, refusal
from llm_incident_manager.api.rest.opsgenie_query import Wanted, wanted
from llm_incident_manager.api.rest.opsgenie_view import (
    alert_document,
    alias_of,
    log_document,
    note_document,
    recipient_documents,
)
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Scope as KeyScope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import IncidentManagerError, NotFound, Unavailable
from llm_incident_manager.ids import new_id
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.opsgenie import ALERT, ALERTS, SPEC, TOOK, headers_of, identifier_type, incident_of
from llm_incident_manager.sources.opsgenie_requests import request_made
from llm_incident_manager.sources.spec import Answer

_log = structlog.get_logger("api.opsgenie")
_PAGE = 500
_MOST_SIFTED = 5_000
"""Incidents that are looked through, newest first or as sorted, where no index answers what is asked."""
_MOST_LINES = 100


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose sender is known: a key for ``source``."""

    port: RestPort
    caller: Caller
    source: str
    query: Mapping[str, str]
    params: Mapping[str, str]
    method: str
    body: bytes


Answering = Callable[[Asked], Awaitable[Answer]]


class OpsgenieDoor:
    """One path of Opsgenie's API that is no event; its errors have Opsgenie's shape."""

    def __init__(self, port: RestPort, path: str, answering: Answering, *, changes: bool = False) -> None:
        self._port = port
        self._answering = answering
        self._changes = changes
        self.path = path
        """What requests are counted under."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self
        try:
            answer = await self._answering(await self._asked(scope, receive))
        except ClientGone:
            return
        except IncidentManagerError as error:
            answer = refusal(SPEC, error, headers_in(scope))
        except Exception as fault:
            # Here and not further out: the query may hold the key, so it must not reach the log.
            fault_id = new_id("err")
            _log.error("request_failed", fault_id=fault_id, path=self.path, exc_info=fault)
            failed = as_response(problem(500, "internal_error", f"it failed here; mention {fault_id}"))
            await failed(scope, receive, send)
            return
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **dict(answer.headers)}
        await Response(answer.body, answer.status, headers, answer.media_type)(scope, receive, send)

    async def _asked(self, scope: Scope, receive: Receive) -> Asked:
        port = self._port
        query = query_in(scope)
        presented = door_key.required(
            door_key.outside_the_body(headers_in(scope), query, {}, sorted(port.key_headers()))
        )
        tenant = header(scope["headers"], b"x-tenant") or None
        caller = port.identify.authenticate(presented.key, tenant, request=request_facts(scope))
        if KeyScope.READ not in caller.scopes or self._changes or scope["method"] not in ("GET", "HEAD"):
            caller.require(KeyScope.INGEST)
        source = caller.source or SPEC.name
        port.intake.require_open(caller, source)
        limits = port.limits
        body = b""
        if scope["method"] != "GET":
            body = await read_body(
                receive, scope["headers"], most=limits.body_bytes, unpacked=limits.unpacked_bytes,
                seconds=limits.body_seconds,
            )  # fmt: skip
        return Asked(
            port=port,
            caller=caller,
            source=source,
            query={name: value for name, value in query.items() if name != door_key.QUERY},
            params={name: str(value) for name, value in scope["path_params"].items()},
            method=scope["method"],
            body=body,
        )


def opsgenie_routes(port: RestPort) -> list[BaseRoute]:
    """Return the routes, the narrow ones first."""
    paths: tuple[tuple[str, Answering], ...] = (
        (ALERTS, _list),
        (ALERTS + "/count", _count),
        (ALERTS + "/requests/{request}", _request),
        (ALERT + "/logs", _logs),
        (ALERT + "/notes", _notes),
        (ALERT + "/recipients", _recipients),
        (ALERT, _get),
    )
    return [
        Route(path, OpsgenieDoor(port, path, answering), methods=["GET"], include_in_schema=False)
        for path, answering in paths
    ]


def told(data: object, status: int = 200, **more: object) -> Answer:
    """Return an answer that carries data."""
    made = new_id("req")
    return json_answer({"data": data, "took": TOOK, "requestId": made, **more}, status, **headers_of(made))


async def _list(asked: Asked) -> Answer:
    page = wanted(asked.query, asked.source)
    shown: list[dict[str, Any]] = []
    place = 0
    async for incident in _matching(asked, page, page.offset + page.limit):
        if place >= page.offset:
            shown.append(alert_document(incident))
        place += 1
        if len(shown) == page.limit:
            break
    return told(shown, paging={})


async def _count(asked: Asked) -> Answer:
    page = wanted(asked.query, asked.source)
    if page.also:
        return told({"count": sum([1 async for _ in _matching(asked, page, _MOST_SIFTED)])})
    found = await asked.port.store.read(asked.caller.tenant, lambda tx: tx.incidents.search(page.filter))
    return told({"count": found.total})


async def _request(asked: Asked) -> Answer:
    made = request_made(asked.params["request"])
    if made is None:
        raise NotFound("Request not found. It might not be processed, yet.")
    data: dict[str, Any] = {
        "success": made.incident_id is not None,
        "isSuccess": made.incident_id is not None,
        "action": made.action,
        "processedAt": iso(made.at),
        "integrationId": asked.source,
        "status": "Alert does not exist",
        "alertId": "",
        "alias": "",
    }
    if made.incident_id is not None:
        try:
            incident = await _own(asked, made.incident_id)
        except (NotFound, Unavailable) as away:
            if isinstance(away, Unavailable) and away.code != "not_yet_triaged":
                raise
            raise NotFound("Request not found. It might not be processed, yet.") from None
        data |= {
            "status": "Created alert" if made.action == "Create" else f"Processed: {made.action}",
            "alertId": incident.id,
            "alias": alias_of(incident),
        }
    return told(data)


async def _get(asked: Asked) -> Answer:
    return told(alert_document(await _alert(asked), whole=True))


async def _logs(asked: Asked) -> Answer:
    entries = await _timeline(asked)
    return told([log_document(entry, place) for place, entry in enumerate(entries)][:_MOST_LINES])


async def _notes(asked: Asked) -> Answer:
    entries = [each for each in await _timeline(asked) if each.get("event_type") == "comment_added"]
    return told([note_document(entry, place) for place, entry in enumerate(entries)][:_MOST_LINES])


async def _recipients(asked: Asked) -> Answer:
    incident = await _alert(asked)
    ledger = await asked.port.query.notifications(as_reader(asked.caller), incident.id)
    return told(recipient_documents(ledger["notifications"]))


async def _timeline(asked: Asked) -> list[dict[str, Any]]:
    incident = await _alert(asked)
    newest = asked.query.get("order", "desc").lower() != "asc"
    page = await asked.port.query.timeline(
        as_reader(asked.caller), incident.id, limit=_PAGE, cursor=None, newest_first=newest
    )
    found: list[dict[str, Any]] = page["entries"]
    return found


async def _alert(asked: Asked) -> Incident:
    """Return the alert that the path names by id, alias or tiny id; raises NotFound."""
    identifier, kind = asked.params["identifier"], identifier_type(asked.query.get("identifierType", ""))
    if kind == "alias":
        found = await asked.port.acts.newest(asked.caller.tenant, asked.source, reading.key(identifier))
        incident_id = found or incident_of(identifier, "id")
    else:
        incident_id = incident_of(identifier, kind)
    if incident_id is None:
        raise _unknown()
    try:
        return await _own(asked, incident_id)
    except NotFound:
        raise _unknown() from None


async def _own(asked: Asked, incident_id: str) -> Incident:
    incident = await asked.port.query.find(as_reader(asked.caller), require_plain(incident_id))
    if incident.source != asked.source:
        raise _unknown()
    return incident


async def _matching(asked: Asked, page: Wanted, most: int) -> AsyncIterator[Incident]:
    """Yield the incidents that match, in order, of the first ``most`` or of those that are looked through."""
    left = _MOST_SIFTED if page.also else most
    cursor: str | None = None
    while left > 0:
        asks = msgspec.structs.replace(page.filter, limit=min(left, _PAGE), cursor=cursor)
        rows = await asked.port.store.read(asked.caller.tenant, lambda tx, asks=asks: tx.incidents.search(asks))  # type: ignore[misc]
        for incident in rows.incidents:
            if all(holds(incident) for holds in page.also):
                yield incident
        left -= asks.limit
        cursor = rows.next_cursor
        if cursor is None:
            return


def _unknown() -> NotFound:
    return NotFound("Alert does not exist")
