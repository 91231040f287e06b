"""What every endpoint starts from: who asks with which scope, the incident a command is on, and the body given."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Depends, Path, Request
from pydantic import BaseModel, ValidationError

from llm_incident_manager.api.bodies import json_object, read_body, require_json
from llm_incident_manager.api.rest.faults import faults_of
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.domain.events.tree import tree_faults
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import FieldFault, Invalid, NotFound, StaleVersion

M = TypeVar("M", bound=BaseModel)
_LONGEST_ID = 200


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose sender is known and may do this."""

    port: RestPort
    request: Request
    caller: Caller

    async def document(self, *, most: int | None = None) -> dict[str, Any]:
        """Return the JSON object in the body; an empty body is an empty object."""
        document = json_object(await whole_body(self.request, most=most))
        if most is None:
            _require_sound(document)
        return document

    async def given(self, model: type[M]) -> M:
        """Return the body as ``model``; raises Invalid naming every field at fault."""
        body = await whole_body(self.request)
        _require_sound(json_object(body))
        try:
            return model.model_validate_json(body if body.strip() else b"{}")
        except ValidationError as wrong:
            faults = faults_of(wrong.errors(include_url=False))
            first = faults[0]
            raise Invalid(f"the body is wrong: {first.field} {first.message}", faults, code="invalid_body") from None


class OnIncident(msgspec.Struct, frozen=True, kw_only=True):
    """A command on an incident that exists and is the caller's."""

    asked: Asking
    incident: Incident

    @property
    def reader(self) -> Caller:
        """The caller, with the scope to read."""
        return as_reader(self.asked.caller)

    def if_match(self) -> int | None:
        """Return the version that ``If-Match`` demands; raises StaleVersion where it is not the newest."""
        return expected_version(self.asked.request, self.incident.revision)


def _require_sound(document: dict[str, Any]) -> None:
    """Refuse what cannot be stored or told on, however deep it stands: NUL, half characters, numbers out of range."""
    faults = [FieldFault(fault.field or "body", fault.message) for fault in tree_faults("", document)]
    if faults:
        raise Invalid(f"the body is wrong: {faults[0].field} {faults[0].message}", faults, code="invalid_body")


def asking(scope: Scope) -> Callable[[Request], Awaitable[Asking]]:
    """Return the dependency that lets those in who have ``scope``."""

    async def allowed(request: Request) -> Asking:
        caller: Caller = request.state.caller
        caller.require(scope)
        return Asking(port=request.app.state.port, request=request, caller=caller)

    return allowed


Reader = Annotated[Asking, Depends(asking(Scope.READ))]
Responder = Annotated[Asking, Depends(asking(Scope.RESPOND))]
Admin = Annotated[Asking, Depends(asking(Scope.ADMIN))]

Id = Annotated[str, Path(description="An id of your tenant; an unknown or foreign one is 404.")]


async def incident_asked_for(id: Id, asked: Responder) -> OnIncident:
    """Return the incident of a command: it must exist before anything else is looked at."""
    require_plain(id)
    incident = await asked.port.query.find(as_reader(asked.caller), id)
    return OnIncident(asked=asked, incident=incident)


Commanded = Annotated[OnIncident, Depends(incident_asked_for)]


def as_reader(caller: Caller) -> Caller:
    """Return the caller with the scope to read: who may act on an incident may see it."""
    return msgspec.structs.replace(caller, scopes=caller.scopes | {Scope.READ})


def require_plain(value: str) -> str:
    """Return an id that could exist; raises NotFound for what never can."""
    if not value or len(value) > _LONGEST_ID or not value.isprintable():
        raise NotFound("there is nothing of that id")
    return value


def expected_version(request: Request, newest: int) -> int | None:
    """Return the version that ``If-Match`` demands, ``None`` where it demands nothing (RFC 9110 §13.1.1)."""
    written = request.headers.get("if-match")
    if written is None or written.strip() == "*":
        return None
    if f'"{newest}"' in [tag.strip().removeprefix("W/") for tag in written.split(",")]:
        return newest
    raise StaleVersion(
        f"If-Match is {written[:80]}; the newest version is {newest}, read it again and decide anew", version=newest
    )


def etag(version: int) -> dict[str, str]:
    """Return the header that carries a version."""
    return {"ETag": f'"{version}"'}


async def whole_body(request: Request, *, most: int | None = None) -> bytes:
    """Return the body, read once."""
    kept: bytes | None = getattr(request.state, "body", None)
    if kept is None:
        port: RestPort = request.app.state.port
        limits = port.limits
        headers = request.scope["headers"]
        kept = await read_body(
            request.receive,
            headers,
            most=most or limits.body_bytes,
            unpacked=max(most or 0, limits.unpacked_bytes),
            seconds=limits.body_seconds,
        )
        request.state.body = kept
    if kept.strip():
        require_json(request.scope["headers"])
    return kept
