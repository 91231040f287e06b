"""⑦ A person opens an incident: routed, laddered and paged like one that an event opened (RES-02)."""

from collections.abc import Callable
from typing import Any

import msgspec

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.classification.decision import Classification
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.incidents.changes import Assigned, Change, IncidentOpened
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Category, Environment, Scope, Severity
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.commit import prepare_opening, write_openings
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.loads import Loads
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.ids import IncidentNumbers

SOURCE = "manual"
NOTHING_NAMED = Resource(type="manual", id="manual", name="")


class IncidentGiven(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a new incident."""

    title: str
    severity: Severity
    category: Category
    description: str = ""
    impact: str = ""
    resource: Resource = NOTHING_NAMED
    environment: Environment | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    assigned_to: str | None = None
    assigned_team: str | None = None


class OpenByHand:
    """Opens incidents for people."""

    def __init__(
        self,
        store: Store,
        contexts: Contexts,
        clock: Clock,
        numbers: IncidentNumbers,
        telemetry: Telemetry,
        committed: Callable[[Incident], None] = lambda _: None,
    ) -> None:
        self._committed = committed
        self._store = store
        self._contexts = contexts
        self._clock = clock
        self._numbers = numbers
        self._telemetry = telemetry

    async def open(self, caller: Caller, given: IncidentGiven) -> Incident:
        """Return the new incident; two alike are two: nothing joins what a person opened.

        Raises Forbidden without the scope ``respond``, Invalid for an unknown user or team, Unavailable while the store
        is away (nothing was opened then).
        """
        caller.require(Scope.RESPOND)
        context = self._contexts(caller.tenant)
        _require_people(context.settings, given)
        incident_id = self._numbers.reserve(self._clock.now().date())

        def work(tx: Transaction) -> Incident:
            changes: list[Change] = [_opening(caller, given, incident_id, tx)]
            if given.assigned_to or given.assigned_team:
                changes.append(Assigned(user=given.assigned_to, team=given.assigned_team))
            opened = prepare_opening(changes, by=caller.actor, at=tx.now, context=context, loads=Loads(tx))
            opened = msgspec.structs.replace(
                opened, change_set=msgspec.structs.replace(opened.change_set, request=caller.request)
            )
            write_openings(tx, [opened])
            return opened.incident

        incident = await self._store.transact(caller.tenant, work)
        self._committed(incident)
        self._telemetry.count(
            "incidents_created_total", {"severity": given.severity.value, "category": given.category.value}
        )
        return incident


def _opening(caller: Caller, given: IncidentGiven, incident_id: str, tx: Transaction) -> IncidentOpened:
    who = caller.actor.name or caller.actor.id
    resource = given.resource
    return IncidentOpened(
        incident_id=incident_id,
        tenant=caller.tenant,
        fingerprint=fingerprint(
            caller.tenant, SOURCE, given.category, resource.type, resource.id, given.title, None, incident_id
        ),
        severity=given.severity,
        category=given.category,
        title=given.title,
        description=given.description,
        source=SOURCE,
        source_event_id=incident_id,
        event_type=SOURCE,
        source_severity=given.severity.value,
        resource=resource,
        occurred_at=tx.now,
        accepted_at=tx.now,
        late=True,
        environment=given.environment,
        tags=given.tags,
        labels=given.labels,
        impact=given.impact,
        metadata=given.metadata,
        classification=Classification(
            severity=given.severity,
            strategy="person",
            sentence=f"{given.severity}, because {who} opened it by hand and said so.",
        ),
    )


def _require_people(settings: TenantSettings, given: IncidentGiven) -> None:
    faults: list[FieldFault] = []
    for field, what, named, known in (
        ("assigned_to", "user", given.assigned_to, settings.users),
        ("assigned_team", "team", given.assigned_team, settings.teams),
    ):
        if named is not None and named not in known:
            names = ", ".join(sorted(known)[:20]) or "none yet"
            faults.append(FieldFault(field, f"is {named!r}; there is no such {what}, known are {names}"))
    if faults:
        raise Invalid("it cannot be assigned so", faults)
