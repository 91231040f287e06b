"""⑦ People act: every command is load → decide → append, decided again when somebody was faster."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change, PeopleTold
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.planning import pages_for, reachable
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import Action, LinkKind, NotificationType, Scope, Severity
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.waiting import Untriaged
from llm_incident_manager.errors import Conflict, FieldFault, Invalid, NotFound, StaleVersion
from llm_incident_manager.ids import IdSource

Decide = Callable[[Incident, datetime], Sequence[Change]]
TRIES = 3
"""How often a command is decided again on Conflict, so that a person never meets a race."""


class Respond:
    """The commands on incidents. Each returns the incident as it is after the command.

    All raise NotFound for an unknown or foreign id, Forbidden without the scope ``respond``, StaleVersion when
    ``if_match`` is not the newest revision, and Unavailable while the store is away or the id is not triaged yet.
    """

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        untriaged: Untriaged,
        ids: IdSource,
        committed: Callable[[Incident], None] = lambda _: None,
    ) -> None:
        self._committed = committed
        self._store = store
        self._contexts = contexts
        self._untriaged = untriaged
        self._ids = ids

    async def act(
        self, caller: Caller, incident_id: str, action: Action, *, note: str = "", if_match: int | None = None
    ) -> Incident:
        """Take an action of §4.2's matrix; raises InvalidTransition naming what is allowed instead."""
        return await self._command(
            caller, incident_id, lambda incident, _: decide.act(incident, action, by=caller.actor, note=note), if_match
        )

    async def resolve(
        self,
        caller: Caller,
        incident_id: str,
        given: ResolutionGiven,
        *,
        walk: bool = False,
        if_match: int | None = None,
    ) -> Incident:
        """Resolve it, with ``walk`` through the legal steps before."""
        return await self._command(
            caller,
            incident_id,
            lambda incident, _: decide.resolve(incident, by=caller.actor, given=given, walk=walk),
            if_match,
        )

    async def take(self, caller: Caller, incident_id: str, *, if_match: int | None = None) -> Incident:
        """Make the caller the one who has it; harmless when repeated."""
        return await self._command(
            caller, incident_id, lambda incident, _: decide.take(incident, by=caller.actor), if_match
        )

    async def assign(
        self,
        caller: Caller,
        incident_id: str,
        *,
        user_id: str | None = None,
        team_id: str | None = None,
        if_match: int | None = None,
    ) -> Incident:
        """Hand it to a user or a team of the tenant; an unknown one is Invalid."""
        self._require_people(caller.tenant, user_id, team_id)
        return await self._command(
            caller, incident_id, lambda incident, _: decide.assign(incident, user=user_id, team=team_id), if_match
        )

    async def comment(self, caller: Caller, incident_id: str, text: str) -> Incident:
        """Write something down on the timeline."""
        comment_id = self._ids.new("cmt")
        return await self._command(caller, incident_id, lambda *_: decide.comment(text, comment_id=comment_id), None)

    async def snooze(self, caller: Caller, incident_id: str, until: datetime | None) -> Incident:
        """Hold the ladder until then; ``None`` lets it go on."""
        return await self._command(
            caller, incident_id, lambda incident, at: decide.snooze(incident, until=until, at=at), None
        )

    async def edit(
        self, caller: Caller, incident_id: str, fields: Mapping[str, Any], *, if_match: int | None = None
    ) -> Incident:
        """Set descriptive fields, ``severity``, ``assigned_to`` and ``assigned_team`` (``None``: nobody any more)."""
        user, team = fields.get("assigned_to"), fields.get("assigned_team")
        self._require_people(caller.tenant, user, team, names=("assigned_to", "assigned_team"))
        freed = tuple(name for name in ("assigned_to", "assigned_team") if name in fields and not fields[name])

        def edited(incident: Incident, _: datetime) -> list[Change]:
            changes = decide.edit(incident, dict(fields))
            if "severity" in fields:
                changes += decide.set_severity(incident, Severity(fields["severity"]), reason="set by hand")
            return changes + decide.assign(incident, user=user, team=team, freed=freed)

        return await self._command(caller, incident_id, edited, if_match)

    async def link(self, caller: Caller, incident_id: str, other_id: str, kind: LinkKind) -> Incident:
        """Link two incidents of the tenant, both ways."""
        caller.require(Scope.RESPOND)
        await self._untriaged.wait(incident_id)
        await self._untriaged.wait(other_id)

        def work(tx: Transaction) -> Incident:
            return self._linked(tx, caller, incident_id, other_id, kind)

        return await self._decided(caller, work, again=True)

    async def merge(self, caller: Caller, incident_id: str, into: str) -> Incident:
        """Make ``incident_id`` a duplicate of ``into`` and resolve it; returns the merged incident."""
        caller.require(Scope.RESPOND)
        await self._untriaged.wait(incident_id)
        await self._untriaged.wait(into)

        def work(tx: Transaction) -> Incident:
            incident = self._linked(tx, caller, incident_id, into, LinkKind.DUPLICATE_OF)
            if not incident.is_open:
                return incident
            given = ResolutionGiven(resolution_notes=f"Merged into {into}.")
            changes = decide.resolve(incident, by=caller.actor, given=given, walk=True)
            return self._commit(tx, caller, incident, changes)

        return await self._decided(caller, work, again=True)

    async def page(
        self, caller: Caller, incident_id: str, targets: Sequence[Target], channels: Sequence[str], note: str
    ) -> Incident:
        """Page these people now, beside the ladder; Invalid if none of them can be told, Conflict once it has ended."""

        def paged(incident: Incident, at: datetime) -> list[Change]:
            decide.require_open(incident, "paged for")
            context = self._contexts(caller.tenant)
            pages = pages_for(targets, tuple(channels), context.reach(incident.severity, at))
            if not reachable(pages):
                why = "; ".join(page.skipped for page in pages if page.skipped) or "no target was named"
                raise Invalid("nobody would be told", [FieldFault("targets", why)])
            return [
                PeopleTold(
                    type=NotificationType.ESCALATED,
                    level=incident.ladder.level,
                    cycle=incident.ladder.cycle,
                    reason="paged_by_hand",
                    pages=pages,
                    note=note,
                )
            ]

        return await self._command(caller, incident_id, paged, None)

    async def bulk(self, caller: Caller, incident_ids: Sequence[str], action: str) -> list[Incident | Exception]:
        """Do one action (§4.2, or ``take``) to many; each answers for itself."""
        results: list[Incident | Exception] = []
        for incident_id in incident_ids:
            try:
                if action == "take":
                    results.append(await self.take(caller, incident_id))
                elif action == Action.RESOLVE:
                    results.append(await self.resolve(caller, incident_id, ResolutionGiven()))
                else:
                    results.append(await self.act(caller, incident_id, Action(action)))
            except (Conflict, NotFound) as refused:
                results.append(refused)
        return results

    async def _command(self, caller: Caller, incident_id: str, decided: Decide, if_match: int | None) -> Incident:
        caller.require(Scope.RESPOND)
        await self._untriaged.wait(incident_id)

        def work(tx: Transaction) -> Incident:
            incident = tx.incidents.get(incident_id)
            if if_match is not None and if_match != incident.revision:
                raise StaleVersion(
                    f"version {if_match} is not the newest, {incident.revision} is; read it again and decide anew",
                    version=incident.revision,
                )
            return self._commit(tx, caller, incident, decided(incident, tx.now))

        return await self._decided(caller, work, again=if_match is None)

    async def _decided(self, caller: Caller, work: Callable[[Transaction], Incident], *, again: bool) -> Incident:
        """Run a command; where somebody was faster it is decided again, so that a person never meets a race."""
        for _ in range(TRIES - 1 if again else 0):
            try:
                return await self._transact(caller, work)
            except Conflict as conflict:
                if conflict.code not in ("conflict", "version_conflict"):
                    raise
        return await self._transact(caller, work)

    async def _transact(self, caller: Caller, work: Callable[[Transaction], Incident]) -> Incident:
        incident = await self._store.transact(caller.tenant, work)
        self._committed(incident)
        return incident

    def _commit(self, tx: Transaction, caller: Caller, incident: Incident, changes: Sequence[Change]) -> Incident:
        context = self._contexts(caller.tenant)
        return commit(tx, incident, changes, by=caller.actor, context=context, request=caller.request)

    def _linked(self, tx: Transaction, caller: Caller, incident_id: str, other_id: str, kind: LinkKind) -> Incident:
        incident, other = tx.incidents.get(incident_id), tx.incidents.get(other_id)
        reason = f"linked by {caller.actor.name or caller.actor.id}"
        back = _BACK.get(kind, LinkKind.RELATED)
        self._commit(tx, caller, other, decide.link(other, incident.id, back, reason=reason))
        return self._commit(tx, caller, incident, decide.link(incident, other.id, kind, reason=reason))

    def _require_people(
        self, tenant: str, user_id: str | None, team_id: str | None, names: tuple[str, str] = ("user_id", "team_id")
    ) -> None:
        settings = self._contexts(tenant).settings
        faults: list[FieldFault] = []
        if user_id and user_id not in settings.users:
            faults.append(FieldFault(names[0], f"there is no user {user_id}; known are {_names(settings.users)}"))
        if team_id and team_id not in settings.teams:
            faults.append(FieldFault(names[1], f"there is no team {team_id}; known are {_names(settings.teams)}"))
        if faults:
            raise Invalid("it cannot be assigned so", faults)


_BACK = {
    LinkKind.PARENT: LinkKind.CHILD,
    LinkKind.CHILD: LinkKind.PARENT,
    LinkKind.EXPLAINED_BY: LinkKind.EXPLAINS,
    LinkKind.EXPLAINS: LinkKind.EXPLAINED_BY,
}


def _names(known: Mapping[str, Any]) -> str:
    return ", ".join(sorted(known)[:20]) or "none yet"
