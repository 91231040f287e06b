"""Which team answers, and by which policy: the first route that matches, or more of them (RTE-01)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from llm_incident_manager.domain.routing.conditions import Conditions, Subject, mismatch
from llm_incident_manager.domain.routing.periods import ActivePeriods, is_active
from llm_incident_manager.domain.routing.strategy import Assignment


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the routing table; a higher ``priority`` is looked at first, then the name decides.

    ``schedule`` bounds when it matches. One that is to ``continue`` tells its people at level 1 too, and the next ones
    are looked at all the same: the first that is not decides team and policy.
    """

    name: str
    priority: int = 0
    conditions: Conditions = msgspec.field(default_factory=Conditions)
    schedule: ActivePeriods | None = None
    assign: Assignment = Assignment()
    policy: str | None = None
    goes_on: bool = False
    enabled: bool = True


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """One route or policy that was looked at, and why it did not match (``None`` if it did)."""

    name: str
    mismatch: str | None = None


class RouteChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The route taken, if any, those before it that only add people, and every one looked at on the way."""

    route: Route | None = None
    also: tuple[Route, ...] = ()
    considered: tuple[Considered, ...] = ()


def choose_route(routes: Sequence[Route], subject: Subject, at: datetime) -> RouteChoice:
    """Return the enabled route of highest priority that matches ``subject`` at ``at``; equal priorities go by name.

    Where every one that matches is to go on, the first of them decides.
    """
    considered: list[Considered] = []
    also: list[Route] = []
    for route in sorted(routes, key=lambda route: (-route.priority, route.name)):
        reason = _unusable(route, at) or mismatch(route.conditions, subject)
        considered.append(Considered(name=route.name, mismatch=reason))
        if reason is None and not route.goes_on:
            return RouteChoice(route=route, also=tuple(also), considered=tuple(considered))
        if reason is None:
            also.append(route)
    return RouteChoice(route=also[0] if also else None, also=tuple(also[1:]), considered=tuple(considered))


def _unusable(route: Route, at: datetime) -> str | None:
    if not route.enabled:
        return "it is disabled"
    if route.schedule is not None and not is_active(route.schedule, at):
        return "it is outside its active hours"
    return None
