"""⑦ ``UpdateIncident``: the actions of specification §4.2, and what else REST offers, with its fields (RES-02)."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.api.rest.asking import as_reader, require_plain
from llm_incident_manager.api.rest.faults import faults_of
from llm_incident_manager.api.rest.models.incidents import (
    AssignGiven,
    CommentGiven,
    IncidentEdited,
    LinkGiven,
    MergeGiven,
    Noted,
    PageGiven,
    ResolutionGiven,
    SnoozeGiven,
)
from llm_incident_manager.domain.events.document import parse
from llm_incident_manager.domain.events.tree import member, shown, tree_faults
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import Action, Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import FieldFault, Invalid, NotFound, StaleVersion

M = TypeVar("M", bound=BaseModel)
EDIT = "update"
_JSON = frozenset({"tags", "labels", "metadata", "targets", "channels"})
_EMPTY_IS_NULL = frozenset({"assigned_to", "assigned_team", "external_id", "until", "user_id", "team_id"})


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command on an incident that exists and is the caller's; ``if_match`` is the version that it is meant for."""

    port: GrpcPort
    caller: Caller
    incident: Incident
    fields: Mapping[str, str]
    if_match: int | None

    def given(self, model: type[M], fields: Mapping[str, str] | None = None) -> M:
        """Return the fields as ``model``; raises Invalid naming every one at fault."""
        document = {name: _value(name, text) for name, text in (self.fields if fields is None else fields).items()}
        faults = [fault for name, value in document.items() for fault in tree_faults(member("", name), value)]
        if not faults:
            try:
                return model.model_validate_json(msgspec.json.encode(document))
            except ValidationError as wrong:
                faults = faults_of(wrong.errors(include_url=False))
        named = [FieldFault(f"fields.{fault.field}", fault.message) for fault in faults]
        raise Invalid(f"the command is wrong: {named[0].field} {named[0].message}", named, code="invalid_fields")


async def update(
    port: GrpcPort,
    caller: Caller,
    incident_id: str,
    action: str,
    fields: Mapping[str, str],
    if_match: int | None = None,
) -> Incident:
    """Do ``action`` and return the incident as it is after it.

    The incident must exist before anything else is looked at: raises NotFound, then Invalid, StaleVersion, Conflict.
    """
    caller.require(Scope.RESPOND)
    incident = await port.query.find(as_reader(caller), require_plain(incident_id))
    known = COMMANDS.get(action or EDIT)
    if known is None:
        remedy = f"is {shown(action)}; it must be one of {', '.join(COMMANDS)}"
        raise Invalid(
            f"there is no such action: action {remedy}", [FieldFault("action", remedy)], code="unknown_action"
        )
    if not action and not fields:
        raise Invalid("nothing is to be done", [FieldFault("action", "is missing, and there are no fields to edit")])
    if if_match is not None and if_match != incident.revision:
        raise StaleVersion(
            f"if_version is {if_match}; the newest version is {incident.revision}, read it again and decide anew",
            version=incident.revision,
        )
    return await known(Command(port=port, caller=caller, incident=incident, fields=fields, if_match=if_match))


def _acting(action: Action) -> Callable[[Command], Awaitable[Incident]]:
    async def act(command: Command) -> Incident:
        note = command.given(Noted).note
        respond, incident = command.port.respond, command.incident
        return await respond.act(command.caller, incident.id, action, note=note, if_match=command.if_match)

    return act


async def _resolve(command: Command) -> Incident:
    fields = dict(command.fields)
    walk = fields.pop("walk", "false")
    if walk not in ("true", "false"):
        raise Invalid(
            "the command is wrong", [FieldFault("fields.walk", f"is {shown(walk)}; it must be true or false")]
        )
    given = command.given(ResolutionGiven, fields)
    resolution = decide.ResolutionGiven(
        root_cause=given.root_cause,
        resolution_notes=given.resolution_notes or given.note,
        playbook_used=given.playbook_used,
    )
    return await command.port.respond.resolve(
        command.caller, command.incident.id, resolution, walk=walk == "true", if_match=command.if_match
    )


async def _take(command: Command) -> Incident:
    command.given(Noted)
    return await command.port.respond.take(command.caller, command.incident.id, if_match=command.if_match)


async def _assign(command: Command) -> Incident:
    given = command.given(AssignGiven)
    if given.user_id is None and given.team_id is None:
        remedy = FieldFault("fields.user_id", "is missing; name a user_id, a team_id or both")
        raise Invalid("nobody is named", [remedy])
    return await command.port.respond.assign(
        command.caller,
        command.incident.id,
        user_id=given.user_id,
        team_id=given.team_id,
        if_match=command.if_match,
    )


async def _comment(command: Command) -> Incident:
    text = command.given(CommentGiven).text
    return await command.port.respond.comment(command.caller, command.incident.id, text)


async def _link(command: Command) -> Incident:
    given = command.given(LinkGiven)
    await _must_exist(command, "incident_id", given.incident_id)
    return await command.port.respond.link(command.caller, command.incident.id, given.incident_id, given.kind)


async def _merge(command: Command) -> Incident:
    into = command.given(MergeGiven).into
    await _must_exist(command, "into", into)
    return await command.port.respond.merge(command.caller, command.incident.id, into)


async def _snooze(command: Command) -> Incident:
    until = command.given(SnoozeGiven).until
    return await command.port.respond.snooze(command.caller, command.incident.id, until)


async def _page(command: Command) -> Incident:
    given = command.given(PageGiven)
    targets = [Target(type=target.type, id=target.id) for target in given.targets]
    return await command.port.respond.page(command.caller, command.incident.id, targets, given.channels, given.note)


async def _edit(command: Command) -> Incident:
    fields = command.given(IncidentEdited).model_dump(mode="json", exclude_unset=True)
    return await command.port.respond.edit(command.caller, command.incident.id, fields, if_match=command.if_match)


COMMANDS: Mapping[str, Callable[[Command], Awaitable[Incident]]] = MappingProxyType(
    {each.value: _acting(each) for each in Action}
    | {
        Action.RESOLVE.value: _resolve,
        "take": _take,
        "assign": _assign,
        "comment": _comment,
        "link": _link,
        "merge": _merge,
        "snooze": _snooze,
        "page": _page,
        EDIT: _edit,
    }
)
"""What ``UpdateRequest.action`` may be."""


async def _must_exist(command: Command, field: str, incident_id: str) -> None:
    """What a field names and does not exist is wrong input, not a missing incident."""
    try:
        await command.port.query.find(as_reader(command.caller), incident_id)
    except NotFound:
        fault = FieldFault(f"fields.{field}", f"is {shown(incident_id)}; there is no such incident")
        raise Invalid(f"the command is wrong: {fault.field} {fault.message}", [fault]) from None


def _value(name: str, text: str) -> Any:
    """Return a field's value: JSON where it is a list or an object, null where an empty text says so, else the text."""
    if name in _EMPTY_IS_NULL and not text:
        return None
    if name not in _JSON:
        return text
    try:
        return parse(text.encode())
    except Invalid as wrong:
        fault = FieldFault(f"fields.{name}", f"is {shown(text)}; write it as JSON")
        raise Invalid(f"the command is wrong: {fault.field} {fault.message}", [fault], code=wrong.code) from None
