"""``WatchIncidents``: incidents that open or change, as they are then, to whoever may read them (SEC-01)."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.identity import Context, identified
from llm_incident_manager.api.grpc.messages import change_message, decoded
from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.domain.events.tree import shown
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Category, Environment, Scope, Severity, Status
from llm_incident_manager.engine.relay import TOPIC
from llm_incident_manager.errors import FieldFault, Invalid, Unavailable

E = TypeVar("E", bound=StrEnum)
MOST_BEHIND = 10_000
"""Incidents that changed and could not be told of yet; whoever is further behind must read the list again."""
AT_ONCE = 100
LOOK_SECONDS = 1.0
"""How soon a quiet watch notices that its key was revoked."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a watcher asked for: values of one filter are ORed, filters are ANDed, an empty one lets everything pass."""

    severity: frozenset[Severity]
    status: frozenset[Status]
    category: frozenset[Category]
    environment: frozenset[Environment]
    source: frozenset[str]
    assigned_to: frozenset[str]
    assigned_team: frozenset[str]
    tags: Mapping[str, str]

    def matches(self, incident: Incident) -> bool:
        """Whether the incident, as it is now, is asked for."""
        for asked, value in (
            (self.severity, incident.severity),
            (self.status, incident.status),
            (self.category, incident.category),
            (self.environment, incident.environment),
            (self.source, incident.source),
            (self.assigned_to, incident.assigned_to),
            (self.assigned_team, incident.assigned_team),
        ):
            if asked and value not in asked:
                return False
        return all(incident.tags.get(key) == value for key, value in self.tags.items())


def wanted(request: pb.WatchRequest) -> Wanted:
    """Return the filters of a request; raises Invalid naming every word that is none."""
    faults: list[FieldFault] = []
    found = Wanted(
        severity=_members(Severity, request.severity, "severity", faults),
        status=_members(Status, request.status, "status", faults),
        category=_members(Category, request.category, "category", faults),
        environment=_members(Environment, request.environment, "environment", faults),
        source=frozenset(request.source),
        assigned_to=frozenset(request.assigned_to),
        assigned_team=frozenset(request.assigned_team),
        tags=dict(request.tags),
    )
    if faults:
        raise Invalid(f"a filter is wrong: {faults[0].field} {faults[0].message}", faults, code="invalid_filter")
    return found


class Changed:
    """Incidents of one tenant that changed and were not told of yet, each once."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._kinds: dict[str, str] = {}
        self._lost = False
        self.some = asyncio.Event()

    async def follow(self, messages: AsyncIterator[Mapping[str, Any]]) -> None:
        """Note what the bus says, for as long as it says something."""
        async for message in messages:
            if message.get("tenant") == self._tenant:
                kind = "opened" if message.get("opened") else "changed"
                for incident_id in message["ids"]:
                    self._kinds.setdefault(incident_id, kind)
                if len(self._kinds) > MOST_BEHIND:
                    self._lost = True
                    self._kinds.clear()
                self.some.set()

    def take(self) -> dict[str, str]:
        """Return what changed, in order, as ``{id: opened|changed}``; raises Unavailable where it is too much."""
        if self._lost:
            raise Unavailable("you are too far behind; read the incidents again and watch anew", code="too_far_behind")
        self.some.clear()
        taken, self._kinds = self._kinds, {}
        return taken


class Watch:
    """Tells of changes until the caller, the key or the server ends."""

    def __init__(self, port: GrpcPort) -> None:
        self._port = port

    async def tell(self, raw: bytes, context: Context) -> None:
        """Answer one ``WatchRequest``."""
        port = self._port
        caller = identified(port, context)
        caller.require(Scope.READ)
        asked = wanted(decoded(pb.WatchRequest, raw))
        changed = Changed(caller.tenant)
        following = asyncio.create_task(changed.follow(port.listen(TOPIC)))
        stopping = asyncio.create_task(port.stopping.wait())
        try:
            await context.send_initial_metadata(())  # the listener is there by now: what changes from here on is told
            while not stopping.done():
                await self._rest(changed, stopping, following)
                if following.done():
                    await following  # raises what listening broke on
                    raise Unavailable("the message bus has ended; watch again", code="bus")
                identified(port, context).require(Scope.READ)
                kinds = changed.take()
                ids = list(kinds)
                for start in range(0, len(ids), AT_ONCE):
                    for incident in await self._read(caller.tenant, ids[start : start + AT_ONCE]):
                        if asked.matches(incident):
                            await context.write(change_message(incident, kinds[incident.id]).SerializeToString())
        finally:
            following.cancel()
            stopping.cancel()
        raise Unavailable("the server is stopping; watch again", code="stopping")

    async def _rest(self, changed: Changed, *ends: "asyncio.Task[Any]") -> None:
        some = asyncio.create_task(changed.some.wait())
        await asyncio.wait({some, *ends}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        some.cancel()

    async def _read(self, tenant: str, ids: Sequence[str]) -> list[Incident]:
        found = await self._port.store.read(tenant, lambda tx: tx.incidents.get_many(ids))
        return [found[incident_id] for incident_id in ids if incident_id in found]


def _members(kind: type[E], words: Sequence[str], name: str, faults: list[FieldFault]) -> frozenset[E]:
    known = {each.value: each for each in kind}
    for place, word in enumerate(words):
        if word not in known:
            faults.append(FieldFault(f"{name}[{place}]", f"is {shown(word)}; it must be one of {', '.join(known)}"))
    return frozenset(known[word] for word in words if word in known)
