"""``/api/v2``: Alertmanager's own API, for Prometheus, ``amtool`` and whatever else talks to an Alertmanager (ING-12).

Answers and errors have its shapes: an error is a JSON text. Alerts go the way of every event; silences are our own.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from llm_incident_manager.api.bodies import ClientGone, header, json_object, read_body
from llm_incident_manager.api.identity import request_facts
from llm_incident_manager.api.problems import problem_headers, status_of
from llm_incident_manager.api.rest import alertmanager_shapes as shapes
from llm_incident_manager.api.rest import door_key
from llm_incident_manager.api.rest.asking import require_plain
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.domain.classification.pattern import compile_pattern
from llm_incident_manager.domain.routing.silence import Matcher, SilenceState
from llm_incident_manager.domain.vocabulary import Scope as KeyScope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.documents.silences import read_matcher
from llm_incident_manager.errors import (
    FieldFault,
    Forbidden,
    IncidentManagerError,
    Invalid,
    NotFound,
    RateLimited,
    Unavailable,
)
from llm_incident_manager.sources.prometheus import event_of_alert, read_alerts
from llm_incident_manager.sources.reading import clean
from llm_incident_manager.sources.receive import item_of

SOURCE = "alertmanager"
"""The source of alerts whose key names none: the same as of its webhook, so that an alert by both ways is one."""
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_MOST_FILTERS = 50
Asked = Callable[[RestPort, Request, Caller], Awaitable[Response]]


class AlertmanagerDoor:
    """One call of the API. ``scope``: what the key must allow; ``None``: any key will do."""

    def __init__(self, port: RestPort, path: str, calls: dict[str, tuple[KeyScope | None, Asked]]) -> None:
        self._port = port
        self._calls = calls
        self.path = path
        """What requests are counted under."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self
        request = Request(scope, receive)
        needed, call = self._calls["GET" if scope["method"] == "HEAD" else scope["method"]]
        try:
            caller = _identified(self._port, scope)
            if needed is not None:
                caller.require(needed)
            answer = await call(self._port, request, caller)
        except ClientGone:
            return
        except IncidentManagerError as error:
            answer = _refused(error)
        await answer(scope, receive, send)


def alertmanager_routes(port: RestPort) -> list[BaseRoute]:
    """Return the routes of Alertmanager's API v2, and of its ``/-/healthy`` and ``/-/ready``."""
    read, respond = KeyScope.READ, KeyScope.RESPOND
    calls: dict[str, dict[str, tuple[KeyScope | None, Asked]]] = {
        "/api/v2/status": {"GET": (None, _status)},
        "/api/v2/receivers": {"GET": (None, _receivers)},
        "/api/v2/alerts": {"GET": (read, _alerts), "POST": (KeyScope.INGEST, _post_alerts)},
        "/api/v2/alerts/groups": {"GET": (read, _groups)},
        "/api/v2/silences": {"GET": (read, _silences), "POST": (respond, _post_silence)},
        "/api/v2/silence/{id}": {"GET": (read, _silence), "DELETE": (respond, _expire_silence)},
    }
    routes: list[BaseRoute] = [
        Route(path, AlertmanagerDoor(port, path, methods), methods=list(methods), include_in_schema=False)
        for path, methods in calls.items()
    ]

    async def healthy(_: Request) -> Response:
        return Response("OK", headers=_HEADERS, media_type="text/plain")

    async def ready(_: Request) -> Response:
        found = port.readiness()
        return Response("OK" if found.ready else found.reason, 200 if found.ready else 503, _HEADERS, "text/plain")

    routes.append(Route("/-/healthy", healthy, methods=["GET"], include_in_schema=False))
    routes.append(Route("/-/ready", ready, methods=["GET"], include_in_schema=False))
    return routes


async def _post_alerts(port: RestPort, request: Request, caller: Caller) -> Response:
    """Take alerts in: the valid ones are stored even where others are wrong, which is then a 400."""
    source = caller.source or SOURCE
    port.intake.require_open(caller, source)
    settings = port.settings(caller.tenant).sources.get(source)
    if settings is not None and settings.encrypt:
        raise Forbidden(
            f"source {source} encrypts members of its events, and alerts here are kept as they are sent; "
            "send them by Alertmanager's webhook"
        )
    body = await _body(port, request)
    alerts, wrong = read_alerts(body, source, port.clock.now())
    judged = await port.alerts.judge(caller.tenant, alerts)
    items = [item_of(event_of_alert(alert, settings)) for alert in judged]
    receipts = (await port.intake.accept_items(items, caller)).results if items else ()
    taken_in = [alert for alert, receipt in zip(judged, receipts, strict=True) if receipt.refusal is None]
    await port.alerts.note(caller.tenant, taken_in)
    refusals = [receipt.refusal for receipt in receipts if receipt.refusal is not None]
    for refusal in refusals:
        if isinstance(refusal, RateLimited | Forbidden | Unavailable):
            raise refusal
        wrong.append(refusal.message)
    return _json("\n".join(wrong), 400) if wrong else Response(status_code=200, headers=_HEADERS)


async def _alerts(port: RestPort, request: Request, caller: Caller) -> Response:
    return _json(await _chosen(port, request, caller))


async def _groups(port: RestPort, request: Request, caller: Caller) -> Response:
    return _json(shapes.groups_of(await _chosen(port, request, caller)))


async def _chosen(port: RestPort, request: Request, caller: Caller) -> list[dict[str, Any]]:
    """Return the alerts that the query asks for."""
    filters, now = _filters(request), port.clock.now()
    silences = port.settings(caller.tenant).silences
    active, silenced = _flag(request, "active"), _flag(request, "silenced")
    if not _is_receiver(request.query_params.get("receiver")):
        return []
    found = [each for each in await port.alerts.firing(caller) if shapes.matches(filters, shapes.labels_of(each))]
    documents = [shapes.alert_document(each, silences, now) for each in found]
    shown = {"active": active, "suppressed": silenced}
    return [each for each in documents if shown[each["status"]["state"]]]


async def _silences(port: RestPort, request: Request, caller: Caller) -> Response:
    filters = _filters(request)
    wanted = {state for state in SilenceState if _flag(request, state.value)}
    found = [
        shapes.silence_document(silence, document)
        for silence, document in await port.silences.all(caller)
        if document["state"] in wanted and shapes.matches(filters, shapes.silence_labels(silence))
    ]
    order = list(SilenceState)
    order.sort(key=[SilenceState.ACTIVE, SilenceState.PENDING, SilenceState.EXPIRED].index)
    return _json(sorted(found, key=lambda each: (order.index(each["status"]["state"]), each["endsAt"])))


async def _silence(port: RestPort, request: Request, caller: Caller) -> Response:
    wanted = request.path_params["id"]
    for silence, document in await port.silences.all(caller):
        if silence.id == wanted:
            return _json(shapes.silence_document(silence, document))
    raise NotFound(f"silence {wanted[:100]} not found")


async def _post_silence(port: RestPort, request: Request, caller: Caller) -> Response:
    """Make one, or change the one that is named; what cannot be changed any more is made anew, as Alertmanager does."""
    document = json_object(await _body(port, request))
    given = shapes.silence_given(document, port.clock.now())
    named = str(document.get("id") or "")
    if not named:
        made = await port.silences.create(caller, given)
    else:
        reader = msgspec.structs.replace(caller, scopes=caller.scopes | {KeyScope.READ})
        standing = await port.silences.get(reader, require_plain(named))
        if standing["state"] == SilenceState.EXPIRED:
            made = await port.silences.create(caller, given)
        else:
            if standing["state"] == SilenceState.ACTIVE:
                given["starts_at"] = standing["starts_at"]
            made = await port.silences.replace(caller, named, given)
    return _json({"silenceID": made["id"]})


async def _expire_silence(port: RestPort, request: Request, caller: Caller) -> Response:
    await port.silences.expire(caller, require_plain(request.path_params["id"]))
    return Response(status_code=200, headers=_HEADERS)


async def _status(port: RestPort, _: Request, __: Caller) -> Response:
    return _json(shapes.status_document(port.clock.now(), port.version))


async def _receivers(_: RestPort, __: Request, ___: Caller) -> Response:
    return _json([{"name": shapes.RECEIVER}])


def _identified(port: RestPort, scope: Scope) -> Caller:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, value in scope["headers"]}
    query = {"key": Request(scope).query_params.get("key", "")}
    presented = door_key.required(door_key.outside_the_body(headers, query, {}, sorted(port.key_headers())))
    tenant = header(scope["headers"], b"x-tenant") or None
    return port.identify.authenticate(presented.key, tenant, request=request_facts(scope))


async def _body(port: RestPort, request: Request) -> bytes:
    limits = port.limits
    return await read_body(
        request.receive,
        request.scope["headers"],
        most=limits.body_bytes,
        unpacked=limits.unpacked_bytes,
        seconds=limits.body_seconds,
    )


def _filters(request: Request) -> list[Matcher]:
    written = request.query_params.getlist("filter")
    if len(written) > _MOST_FILTERS:
        raise Invalid(f"{len(written)} filters are too many; send at most {_MOST_FILTERS}")
    return [read_matcher(each) for each in written]


def _flag(request: Request, name: str) -> bool:
    """Return a flag of the query; what is not said is true."""
    return request.query_params.get(name, "true").lower() not in ("false", "0", "f")


def _is_receiver(pattern: str | None) -> bool:
    """Whether the only receiver is the one asked for."""
    if not pattern:
        return True
    try:
        return compile_pattern(pattern).fullmatch(shapes.RECEIVER) is not None
    except (ValueError, re.error) as wrong:
        raise Invalid(f"receiver {wrong}", [FieldFault("receiver", str(wrong))]) from None


def _refused(error: IncidentManagerError) -> Response:
    status = 400 if isinstance(error, Invalid) else status_of(error)
    if isinstance(error, RateLimited | Unavailable):
        status = 503
    return _json(error.message, status, problem_headers(error))


def _json(document: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    if isinstance(document, str):
        document = clean(document)  # it may quote what was wrong
    return Response(
        msgspec.json.encode(document), status, {**_HEADERS, **(headers or {})}, media_type="application/json"
    )
