"""④ Routed: the route, the policy and the plan for an incident, and why (RTE-01, RTE-04)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from llm_incident_manager.domain.escalation.plan import choose_policy, plan_for
from llm_incident_manager.domain.incidents.changes import Routed
from llm_incident_manager.domain.incidents.incident import Incident, RoutingReason
from llm_incident_manager.domain.incidents.ladder import Plan
from llm_incident_manager.domain.routing.conditions import Subject
from llm_incident_manager.domain.routing.route import Considered, Route, choose_route
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.engine.context import Context


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an incident goes: team, person, plan, and the reason."""

    team: str | None
    user: str | None
    plan: Plan
    reason: RoutingReason


def find_route(subject: Subject, context: Context, *, at: datetime) -> Routing:
    """Return the route and plan that ``subject`` gets at ``at``; never nothing: the last resort is ``catch_all``."""
    settings = context.settings
    choice = choose_route(settings.routes, subject)
    route = choice.route
    team_id = route.team if route is not None else None
    policies = choose_policy(
        settings.policies, subject, at, named=route.policy if route is not None else None
    )  # fmt: skip
    team = settings.teams.get(team_id) if team_id is not None else None
    user = route.user if route is not None else None
    plan = plan_for(subject.severity, policies.policy, team, settings.catch_all, user=user)
    reason = RoutingReason(
        route=route.name if route is not None else None,
        policy=plan.policy,
        team=team_id,
        sentence=_sentence(subject.severity, route, plan),
        considered=(*_listed("route", choice.considered), *_listed("policy", policies.considered)),
    )
    return Routing(team=team_id, user=user, plan=plan, reason=reason)


def routed(incident: Incident, context: Context, *, at: datetime) -> Routed:
    """Return the change that routes ``incident``; its deadlines count from ``at``."""
    routing = find_route(subject_of(incident), context, at=at)
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
    )


def _sentence(severity: Severity, route: Route | None, plan: Plan) -> str:
    where = "no route matched"
    if route is not None:
        whom = f"team {route.team}" if route.team else f"user {route.user}" if route.user else "its policy"
        where = f"route '{route.name}' sends it to {whom}"
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
