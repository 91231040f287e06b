"""① Every sender's door: ``POST /api/v1/sources/{source}``, and the paths that vendors insist on (ING-12, SEC-02).

Key, network, limits, signature, translation, durability, acts; only then the sender's own answer.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import structlog
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive as Receiving
from starlette.types import Scope, Send

from llm_incident_manager.api.bodies import ClientGone, header, read_body
from llm_incident_manager.api.identity import request_facts
from llm_incident_manager.api.problems import as_response, problem, problem_document, problem_headers, status_of
from llm_incident_manager.api.rest import door_key
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.domain.vocabulary import Scope as KeyScope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import IncidentManagerError, Invalid, RateLimited, Unavailable
from llm_incident_manager.ids import new_id
from llm_incident_manager.sources.answers import receipt_answer
from llm_incident_manager.sources.receive import Chosen, Receive, choose
from llm_incident_manager.sources.spec import Answer, Door, SourceRequest, SourceSpec

PATH = "/api/v1/sources/{id}"
_MOST_QUERY_FIELDS = 200
_OWN_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_log = structlog.get_logger("api.doors")


class SourceDoor:
    """One path. ``spec`` is the plugin behind it; ``None``: the path's ``{id}`` names the plugin or the source."""

    def __init__(self, port: RestPort, specs: Mapping[str, SourceSpec], door: Door, spec: SourceSpec | None) -> None:
        self._port = port
        self._specs = specs
        self._door = door
        self._spec = spec
        self._receive = Receive(port.intake, port.acts)
        self.path = door.path
        """What requests are counted under."""

    async def __call__(self, scope: Scope, receive: Receiving, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self
        spec = self._spec
        try:
            spec = spec or self._specs.get(scope["path_params"].get("id", ""))
            answer = await self._answer(scope, receive, spec)
        except ClientGone:
            return
        except IncidentManagerError as error:
            answer = refusal(spec, error, headers_in(scope))
        except Exception as fault:
            # Here and not further out: the path may hold the key, so it must not reach the log.
            fault_id = new_id("err")
            _log.error("request_failed", fault_id=fault_id, path=self.path, exc_info=fault)
            await as_response(problem(500, "internal_error", f"it failed here; mention {fault_id}"))(
                scope, receive, send
            )
            return
        headers = {**_OWN_HEADERS, **{name.lower(): value for name, value in answer.headers}}
        media_type = answer.media_type if answer.body else None
        await Response(answer.body, answer.status, headers, media_type)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receiving, spec: SourceSpec | None) -> Answer:
        port = self._port
        headers = headers_in(scope)
        query = query_in(scope)
        params = {name: str(value) for name, value in scope["path_params"].items()}
        own = (*(spec.key_headers if spec is not None else ()), *sorted(port.key_headers()))
        presented = door_key.outside_the_body(headers, query, params, own)
        most = min(port.limits.body_bytes, (spec.body_bytes if spec is not None else None) or port.limits.body_bytes)
        if self._door.public:
            return self._public(scope, headers, query, params)
        body: bytes | None = None
        if presented is None and spec is not None and spec.key_members:
            body = await self._body(scope, receive, most)
            presented = door_key.inside_the_body(body, spec.key_members)
        presented = door_key.required(presented, lambda: _members(spec))
        facts = request_facts(scope)
        tenant = header(scope["headers"], b"x-tenant") or None
        caller = port.identify.authenticate(presented.key, tenant, request=facts)
        caller.require(KeyScope.INGEST)
        chosen = self._chosen(caller, params)
        self._receive.require_open(caller, chosen.source)
        if body is None:
            body = await self._body(scope, receive, most)
        now = port.clock.now()
        settings = chosen.settings
        if settings is not None and settings.signing_secret:
            chosen.spec.signature.verify(settings.signing_secret, body, headers, now, header=settings.signature_header)
        request = SourceRequest(
            source=chosen.source,
            body=body,
            received_at=now,
            method=scope["method"],
            path=self.path,
            params={name: value for name, value in params.items() if name not in (door_key.SEGMENT, "id")},
            query={name: value for name, value in query.items() if name != door_key.QUERY},
            headers={name: value for name, value in headers.items() if name != presented.header},
            sender="" if caller.source is not None else caller.lineage,
        )
        return await self._taken(chosen, request, caller, presented.key)

    async def _taken(self, chosen: Chosen, request: SourceRequest, caller: Caller, key: str) -> Answer:
        try:
            sent, outcomes = await self._receive.take(chosen, request, caller, key=key)
        except IncidentManagerError as error:
            return refusal(chosen.spec, error, request.headers)
        return (chosen.spec.answer or receipt_answer)(request, sent, outcomes)

    def _public(
        self, scope: Scope, headers: Mapping[str, str], query: Mapping[str, str], params: Mapping[str, str]
    ) -> Answer:
        """Answer a handshake: nothing is taken in."""
        assert self._spec is not None
        request = SourceRequest(
            source=self._spec.name,
            body=b"",
            received_at=self._port.clock.now(),
            method=scope["method"],
            path=self.path,
            params=params,
            query=query,
            headers={name: value for name, value in headers.items() if name != door_key.AUTHORIZATION},
        )
        sent = self._spec.read(request, None)
        return (self._spec.answer or receipt_answer)(request, sent, ())

    def _chosen(self, caller: Caller, params: Mapping[str, str]) -> Chosen:
        settings = self._port.settings(caller.tenant).sources
        name = self._spec.name if self._spec is not None else params.get("id", "")
        return choose(self._specs, settings, name, caller)

    async def _body(self, scope: Scope, receive: Receiving, most: int) -> bytes:
        limits = self._port.limits
        return await read_body(
            receive, scope["headers"], most=most, unpacked=limits.unpacked_bytes, seconds=limits.body_seconds
        )


def door_routes(port: RestPort, specs: Mapping[str, SourceSpec]) -> list[BaseRoute]:
    """Return the routes of every source; raises Invalid where two sources want one path."""
    taken: dict[tuple[str, str], str] = {}
    routes: list[BaseRoute] = []
    for spec in specs.values():
        for door in spec.doors:
            for method in door.methods:
                other = taken.setdefault((door.path, method), spec.name)
                if other != spec.name:
                    raise Invalid(f"the sources {other} and {spec.name} both want {method} {door.path}")
            endpoint = SourceDoor(port, specs, door, spec)
            routes.append(Route(door.path, endpoint, methods=list(door.methods), include_in_schema=False))
    general = SourceDoor(port, specs, Door(path=PATH), None)
    routes.append(Route(PATH, general, methods=["POST"], include_in_schema=False))
    return routes


def refusal(spec: SourceSpec | None, error: IncidentManagerError, headers: Mapping[str, str]) -> Answer:
    """Return the answer to an error, in the sender's shape, with the status that this sender understands as "later"."""
    status = status_of(error)
    if spec is not None and spec.overloaded is not None and isinstance(error, RateLimited | Unavailable):
        status = spec.overloaded
    if spec is not None and spec.refuse_in is not None:
        answer = spec.refuse_in(error, status, headers)
    elif spec is not None and spec.refuse is not None:
        answer = spec.refuse(error, status)
    else:
        made = as_response(problem_document(error) | {"status": status})
        answer = Answer(status=status, body=bytes(made.body), media_type="application/problem+json")
    return Answer(
        status=answer.status,
        body=answer.body,
        media_type=answer.media_type,
        headers=(*problem_headers(error).items(), *answer.headers),
    )


def headers_in(scope: Scope) -> dict[str, str]:
    """Return the headers by their names in lower case."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def query_in(scope: Scope) -> dict[str, str]:
    """Return the first value of each name in the query; raises Invalid."""
    try:
        pairs = parse_qsl(
            scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_QUERY_FIELDS
        )
    except ValueError as error:
        raise Invalid(f"the query cannot be read: {error}", code="invalid_parameter") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _members(spec: SourceSpec | None) -> str:
    members = spec.key_members if spec is not None else ()
    return f", or as {' or '.join(members)} in the body" if members else ""
