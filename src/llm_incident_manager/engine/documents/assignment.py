"""Whom a route gives incidents to, as a document: ``assign: {strategy, team, user, schedule, teams, users, …}``."""

from collections.abc import Mapping
from types import MappingProxyType

from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.routing.strategy import Assignment, Region, Strategy
from llm_incident_manager.domain.vocabulary import TargetType
from llm_incident_manager.engine.documents.findings import listed, quoted
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.periods import read_periods
from llm_incident_manager.engine.documents.targets import read_reference, unreachable

_MEMBERS: Mapping[Strategy, frozenset[str]] = MappingProxyType(
    {
        Strategy.DIRECT: frozenset({"team", "user"}),
        Strategy.ON_CALL: frozenset({"team", "schedule"}),
        Strategy.LOAD_BALANCED: frozenset({"team", "schedule", "teams", "users"}),
        Strategy.SKILL_BASED: frozenset({"team", "schedule", "users", "skills"}),
        Strategy.GEO_BASED: frozenset({"team", "regions"}),
    }
)
"""What each strategy reads; anything else in its place would have no effect."""
_ALL = frozenset().union(*_MEMBERS.values())
_MOST_SKILLS = 50


def read_assignment(part: Part, known: Known, *, alone: bool) -> Assignment:
    """Return whom the route gives incidents to; a fault where that is nobody.

    Where it stands ``alone``, without a policy that names people, somebody of it must be reachable too.
    """
    before = len(part.findings.faults)
    strategy = part.choice("strategy", Strategy) or Strategy.DIRECT
    for name in sorted(_ALL - _MEMBERS[strategy]):
        if part.has(name):
            wanted = ", ".join(sorted(_MEMBERS[strategy]))
            part.fault(name, f"has no effect with strategy {strategy.value}, which reads {wanted}")
    part.allow(*_ALL)
    assignment = Assignment(
        strategy=strategy,
        team=read_reference(part, "team", "team", known.teams),
        user=read_reference(part, "user", "user", known.users),
        schedule=read_reference(part, "schedule", "schedule", known.schedules),
        teams=_several(part, "teams", "team", known.teams),
        users=_several(part, "users", "user", known.users),
        skills=tuple(dict.fromkeys(word.lower() for _, word in part.words("skills")[:_MOST_SKILLS])),
        regions=_regions(part, known),
    )
    part.done()
    if len(part.findings.faults) == before:
        fault = _fault(assignment) or (_unreachable(assignment, known) if alone else None)
        if fault is not None:
            part.fault("", fault)
    return assignment


def _fault(assignment: Assignment) -> str | None:
    """Return why the assignment leads to nobody, or ``None``."""
    team, user, schedule = assignment.team, assignment.user, assignment.schedule
    match assignment.strategy:
        case Strategy.DIRECT if team and user:
            return "names a team and a user; give one of the two"
        case Strategy.DIRECT if not team and not user:
            return "names neither a team nor a user"
        case Strategy.ON_CALL if not schedule:
            return "needs a schedule with strategy on_call"
        case Strategy.LOAD_BALANCED if (
            len([each for each in (assignment.teams, assignment.users, schedule) if each]) > 1
        ):
            return "names several of teams, users and schedule; give one of them to choose from"
        case Strategy.LOAD_BALANCED | Strategy.SKILL_BASED if not (
            assignment.teams or assignment.users or schedule or team
        ):
            return f"needs somebody to choose from with strategy {assignment.strategy.value}: users, schedule or team"
        case Strategy.GEO_BASED if not assignment.regions:
            return "needs regions with strategy geo_based"
        case _:
            return None


def _unreachable(assignment: Assignment, known: Known) -> str | None:
    reasons = [unreachable(target, known) for target in _whom(assignment)]
    if reasons and all(reasons):
        return f"reaches nobody: {'; '.join(reason for reason in reasons if reason)}"
    return None


def _whom(assignment: Assignment) -> list[Target]:
    """Return everybody whom the assignment may come to."""
    teams = [*assignment.teams, *([assignment.team] if assignment.team else [])]
    users = [*assignment.users, *([assignment.user] if assignment.user else [])]
    schedules = [assignment.schedule] if assignment.schedule else []
    return [
        *(Target(type=TargetType.TEAM, id=each) for each in teams),
        *(Target(type=TargetType.USER, id=each) for each in users),
        *(Target(type=TargetType.ON_CALL, id=each) for each in schedules),
        *(region.target for region in assignment.regions),
    ]


def _several(part: Part, name: str, what: str, names: frozenset[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path, word in part.words(name):
        if word not in names:
            part.findings.fault(path, f"{what} {quoted(word)} does not exist; known {what}s: {listed(names)}")
        found[word] = None
    return tuple(found)


def _regions(owner: Part, known: Known) -> tuple[Region, ...]:
    regions: list[Region] = []
    for part in owner.parts("regions"):
        name = part.text("name", required=True, limit=100)
        named = [
            Target(type=kind, id=value)
            for member, kind, names in (
                ("team", TargetType.TEAM, known.teams),
                ("user", TargetType.USER, known.users),
                ("schedule", TargetType.ON_CALL, known.schedules),
            )
            if (value := read_reference(part, member, member, names))
        ]
        match = tuple(word for _, word in part.words("match"))
        hours = read_periods(part, "hours")
        part.done()
        if len(named) != 1:
            part.fault("", "must name one of team, user and schedule")
            continue
        if any(region.name == name for region in regions):
            part.fault("name", f"{quoted(name)} stands twice; region names are unique within a route")
        regions.append(Region(name=name, target=named[0], match=match, hours=hours))
    return tuple(regions)
