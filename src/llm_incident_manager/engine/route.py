"""④ Routed: the route, the policy and the plan for an incident, and why (RTE-01, RTE-04)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from llm_incident_manager.domain.escalation.plan import choose_policy, plan_for
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.incidents.changes import Routed
from llm_incident_manager.domain.incidents.incident import Incident, RoutingReason
from llm_incident_manager.domain.incidents.ladder import Plan
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.routing.conditions import Subject
from llm_incident_manager.domain.routing.route import Considered, Route, choose_route
from llm_incident_manager.domain.routing.strategy import Candidates, Choice, LoadsOf, choose, no_loads
from llm_incident_manager.domain.vocabulary import Severity, TargetType
from llm_incident_manager.engine.context import Context


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an incident goes: team, person, whom a strategy chose, plan, and the reason."""

    team: str | None
    user: str | None
    targets: tuple[Target, ...]
    plan: Plan
    reason: RoutingReason


def find_route(
    subject: Subject, context: Context, *, at: datetime, loads: LoadsOf = no_loads, holder: str | None = None
) -> Routing:
    """Return the route and plan that ``subject`` gets at ``at``; never nothing: the last resort is ``catch_all``.

    ``holder`` is the person that the incident is assigned to already: where the route could choose that person it does.
    """
    settings = context.settings
    choice = choose_route(settings.routes, subject, at)
    route = choice.route
    among = Candidates(directory=context.directory, loads=loads, at=at, holder=holder)
    chosen = choose(route.assign, subject, among) if route is not None else Choice()
    policies = choose_policy(
        settings.policies, subject, at, named=route.policy if route is not None else None
    )  # fmt: skip
    team = settings.teams.get(chosen.team) if chosen.team is not None else None
    plan = plan_for(
        subject.severity,
        policies.policy,
        team,
        settings.catch_all,
        user=chosen.user,
        chosen=chosen.targets,
        also=tuple(target for each in choice.also for target in _told_too(choose(each.assign, subject, among))),
    )
    reason = RoutingReason(
        route=route.name if route is not None else None,
        policy=plan.policy,
        team=chosen.team,
        sentence=_sentence(subject.severity, route, chosen, choice.also, plan),
        considered=(*_listed("route", choice.considered), *_listed("policy", policies.considered)),
    )
    return Routing(team=chosen.team, user=chosen.user, targets=chosen.targets, plan=plan, reason=reason)


def routed(incident: Incident, context: Context, *, at: datetime, loads: LoadsOf = no_loads) -> Routed:
    """Return the change that routes ``incident``; its deadlines count from ``at``."""
    routing = find_route(subject_of(incident), context, at=at, loads=loads, holder=incident.assigned_to)
    return Routed(
        team=routing.team if routing.team != incident.assigned_team else None,
        user=routing.user if incident.assigned_to is None else None,
        plan=routing.plan,
        routing=routing.reason,
        acknowledgment_deadline=_deadline(at, routing.plan.acknowledgment_seconds),
        resolution_deadline=_deadline(at, routing.plan.resolution_seconds),
    )


def subject_of(incident: Incident) -> Subject:
    """Return the facts of an incident that conditions look at."""
    return Subject(
        severity=incident.severity,
        category=incident.category,
        source=incident.source,
        environment=incident.environment,
        tags=incident.tags,
        resource_type=incident.resource.type,
        resource_id=incident.resource.id,
        region=region_of(incident.tags, incident.resource),
    )


def region_of(tags: Mapping[str, str], resource: Resource) -> str | None:
    """Return the region that an incident names, by its tag or by its resource's metadata."""
    named = tags.get("region") or resource.metadata.get("region")
    return named if isinstance(named, str) else None


def _told_too(choice: Choice) -> tuple[Target, ...]:
    if choice.targets:
        return choice.targets
    if choice.user is not None:
        return (Target(type=TargetType.USER, id=choice.user),)
    return (Target(type=TargetType.TEAM, id=choice.team),) if choice.team is not None else ()


def _sentence(severity: Severity, route: Route | None, chosen: Choice, also: Sequence[Route], plan: Plan) -> str:
    where = "no route matched"
    if route is not None:
        whom = f"team {chosen.team}" if chosen.team else f"user {chosen.user}" if chosen.user else "its policy"
        where = f"route '{route.name}' sends it to {chosen.sentence or whom}"
    if also:
        where += f"; told as well: {', '.join(repr(each.name) for each in also)}"
    if plan.policy is not None:
        how = f"policy '{plan.policy}' says who is told and when"
    elif plan.steps:
        how = f"no policy matched, so {severity} escalates by the default table"
    else:
        how = f"{severity} pages nobody"
    return f"{where}; {how}"


def _listed(kind: str, considered: Sequence[Considered]) -> tuple[str, ...]:
    return tuple(f"{kind} '{each.name}': {each.mismatch or 'matches'}" for each in considered)


def _deadline(at: datetime, seconds: float | None) -> datetime | None:
    return at + timedelta(seconds=seconds) if seconds is not None else None
