"""Which team answers, and by which policy: the first route that matches (RTE-01)."""

from collections.abc import Sequence

import msgspec

from llm_incident_manager.domain.routing.conditions import Conditions, Subject, mismatch


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the routing table; a higher ``priority`` is looked at first, then the name decides."""

    name: str
    priority: int = 0
    conditions: Conditions = msgspec.field(default_factory=Conditions)
    team: str | None = None
    user: str | None = None
    policy: str | None = None
    enabled: bool = True


class Considered(msgspec.Struct, frozen=True, kw_only=True):
    """One route or policy that was looked at, and why it did not match (``None`` if it did)."""

    name: str
    mismatch: str | None = None


class RouteChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The route taken, if any, and every one looked at on the way."""

    route: Route | None = None
    considered: tuple[Considered, ...] = ()


def choose_route(routes: Sequence[Route], subject: Subject) -> RouteChoice:
    """Return the enabled route of highest priority that matches ``subject``; equal priorities go by name."""
    considered: list[Considered] = []
    for route in sorted(routes, key=lambda route: (-route.priority, route.name)):
        reason = mismatch(route.conditions, subject) if route.enabled else "it is disabled"
        considered.append(Considered(name=route.name, mismatch=reason))
        if reason is None:
            return RouteChoice(route=route, considered=tuple(considered))
    return RouteChoice(considered=tuple(considered))
