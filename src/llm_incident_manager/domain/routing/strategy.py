"""How a route chooses among those it could give an incident to (specification §3.1.3 "Routing Strategies", RTE-02).

A choice is told at level 1. It says why in a sentence, and with which figures: ``routes test``, the incident's
explanation and the audit trail show the same words. Nothing here is random, so that a choice can be repeated.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from llm_incident_manager.domain.people import Target, User
from llm_incident_manager.domain.routing.conditions import Subject
from llm_incident_manager.domain.routing.directory import Directory
from llm_incident_manager.domain.routing.periods import ActivePeriods, is_active
from llm_incident_manager.domain.vocabulary import TargetType

SKILLS_TAG = "required_skills"
"""An incident's tag that names the skills it needs, with commas between them."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SHOWN = 5


class Strategy(StrEnum):
    """The five of specification §3.1.3."""

    DIRECT = "direct"
    ON_CALL = "on_call"
    LOAD_BALANCED = "load_balanced"
    SKILL_BASED = "skill_based"
    GEO_BASED = "geo_based"


class Load(msgspec.Struct, frozen=True):
    """How many open incidents somebody has, and when somebody was last paged (UTC); ``None``: not that we know."""

    open: int = 0
    paged_at: datetime | None = None


LoadsOf = Callable[[Sequence[str]], Mapping[str, Load]]
"""The loads of ``user:ana``, ``team:platform`` …; who is missing has none."""


def no_loads(_: Sequence[str]) -> Mapping[str, Load]:
    """Return that nobody has anything."""
    return {}


class Region(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One region of a geo-based route: whose it is, which words mean it (``us-*``), and when people work there."""

    name: str
    target: Target
    match: tuple[str, ...] = ()
    hours: ActivePeriods | None = None

    def means(self, region: str) -> bool:
        """Whether ``region`` is a word for it, whatever its case."""
        word = region.strip().lower()
        patterns = self.match or (self.name, f"{self.name}-*")
        return any(fnmatchcase(word, pattern.lower()) for pattern in patterns)


class Assignment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a route gives incidents to. Which members a strategy reads is said at :func:`choose`."""

    strategy: Strategy = Strategy.DIRECT
    team: str | None = None
    user: str | None = None
    schedule: str | None = None
    teams: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Team and person that the incident is assigned to, whom level 1 tells (none: as without a choice), and why."""

    team: str | None = None
    user: str | None = None
    targets: tuple[Target, ...] = ()
    sentence: str = ""


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """What choosing looks at. ``holder`` is who has the incident already: whoever has it keeps it."""

    directory: Directory
    loads: LoadsOf = no_loads
    at: datetime
    holder: str | None = None


def choose(assignment: Assignment, subject: Subject, among: Candidates) -> Choice:
    """Return whom the incident goes to.

    - ``direct``: ``team`` or ``user``.
    - ``on_call``: whoever is on call on ``schedule`` when level 1 is told.
    - ``load_balanced``: of ``teams``, or of the people of ``users``, ``schedule`` or ``team``, the one with the fewest
      open incidents; then who was paged least recently; then by id.
    - ``skill_based``: of those people who has most of the skills that are needed (``skills``, and the incident's tag
      ``required_skills``); then as load-balanced.
    - ``geo_based``: the region of ``regions`` that the incident names (tag or resource metadata ``region``); where it
      names none of them, the first whose people are at work now.

    Whoever cannot be reached is passed over. Where nobody is left, ``team`` is told, else the tenant's catch-all.
    """
    match assignment.strategy:
        case Strategy.DIRECT:
            return Choice(team=assignment.team, user=assignment.user)
        case Strategy.ON_CALL:
            target = Target(type=TargetType.ON_CALL, id=assignment.schedule or "")
            whom = f"whoever is on call on schedule {target.id}"
            return Choice(team=assignment.team, targets=(target,), sentence=f"on call: {whom}")
        case Strategy.LOAD_BALANCED if assignment.teams:
            return _least_busy_team(assignment, among)
        case Strategy.LOAD_BALANCED:
            people, passed = _people(assignment, among)
            return _least_busy(assignment, people, among, "load-balanced", passed)
        case Strategy.SKILL_BASED:
            return _most_skilled(assignment, subject, among)
        case Strategy.GEO_BASED:
            return _nearest(assignment, subject, among)


def _least_busy_team(assignment: Assignment, among: Candidates) -> Choice:
    reachable = [team for team in assignment.teams if _reaches(Target(type=TargetType.TEAM, id=team), among)]
    passed = [f"team {team} cannot be reached" for team in assignment.teams if team not in reachable]
    if not reachable:
        return _nobody(assignment, "load-balanced", passed)
    loads = among.loads([f"team:{team}" for team in reachable])
    team = min(reachable, key=lambda each: _busy(loads, f"team:{each}"))
    figures = _figures(loads, [f"team:{each}" for each in reachable])
    return Choice(
        team=team,
        targets=(Target(type=TargetType.TEAM, id=team),),
        sentence=_sentence(f"load-balanced: team {team} of {figures}", passed),
    )


def _least_busy(
    assignment: Assignment, people: Sequence[User], among: Candidates, how: str, passed: Sequence[str]
) -> Choice:
    if not people:
        return _nobody(assignment, how, passed)
    keys = [f"user:{user.id}" for user in people]
    if f"user:{among.holder}" in keys:
        chosen, figures = f"user:{among.holder}", f"user {among.holder}, who has it already"
    else:
        loads = among.loads(keys)
        chosen = min(keys, key=lambda each: _busy(loads, each))
        figures = f"user {chosen.partition(':')[2]} of {_figures(loads, keys)}"
    user = chosen.partition(":")[2]
    return Choice(
        team=assignment.team,
        user=user,
        targets=(Target(type=TargetType.USER, id=user),),
        sentence=_sentence(f"{how}: {figures}", passed),
    )


def _most_skilled(assignment: Assignment, subject: Subject, among: Candidates) -> Choice:
    tagged = (word.strip() for word in subject.tags.get(SKILLS_TAG, "").split(","))
    needed = tuple(dict.fromkeys(word.lower() for word in (*assignment.skills, *tagged) if word))
    people, passed = _people(assignment, among)
    if not needed:
        return _least_busy(assignment, people, among, "skill-based, and no skill is asked for", passed)
    covered = {user.id: len({skill.lower() for skill in user.skills} & set(needed)) for user in people}
    most = max(covered.values(), default=0)
    words = ", ".join(needed[:_SHOWN])
    if most == 0:
        return _nobody(assignment, f"skill-based: nobody has {words}", passed)
    best = [user for user in people if covered[user.id] == most]
    return _least_busy(assignment, best, among, f"skill-based, {most} of {len(needed)} of {words}", passed)


def _nearest(assignment: Assignment, subject: Subject, among: Candidates) -> Choice:
    named = subject.region
    passed: list[str] = []
    if named:
        for region in assignment.regions:
            if region.means(named):
                if _reaches(region.target, among):
                    return _in_region(region, assignment, f"geo-based: region {named[:100]} is {region.name}", passed)
                passed.append(f"{region.target.label} cannot be reached")
    why = f"region {named[:100]} is none of the route's" if named and not passed else "no region is named"
    if passed:
        why = f"region {(named or '')[:100]} cannot be reached"
    for region in assignment.regions:
        at_work = region.hours is None or is_active(region.hours, among.at)
        if at_work and _reaches(region.target, among):
            return _in_region(region, assignment, f"geo-based: {why}; {region.name} is at work", passed)
        passed.append(f"{region.name} is {'out of reach' if at_work else 'not at work'}")
    return _nobody(assignment, f"geo-based: {why}", passed)


def _in_region(region: Region, assignment: Assignment, sentence: str, passed: Sequence[str]) -> Choice:
    team = region.target.id if region.target.type is TargetType.TEAM else assignment.team
    user = region.target.id if region.target.type is TargetType.USER else None
    return Choice(team=team, user=user, targets=(region.target,), sentence=_sentence(sentence, passed))


def _people(assignment: Assignment, among: Candidates) -> tuple[list[User], list[str]]:
    """Return who of the route's people can be reached, and of the others why not."""
    directory = among.directory
    if assignment.users:
        ids: Sequence[str] = assignment.users
    elif assignment.schedule is not None:
        found = directory.find(Target(type=TargetType.ON_CALL, id=assignment.schedule), among.at)
        ids = [key.partition(":")[2] for each in found.recipients if (key := each.key).startswith("user:")]
    else:
        team = directory.teams.get(assignment.team or "")
        ids = team.members if team is not None else ()
    people: list[User] = []
    passed: list[str] = []
    for user_id in dict.fromkeys(ids):
        user = directory.users.get(user_id)
        if user is not None and _reaches(Target(type=TargetType.USER, id=user_id), among):
            people.append(user)
        else:
            passed.append(f"user {user_id} cannot be reached")
    return people, passed


def _reaches(target: Target, among: Candidates) -> bool:
    return any(each.contacts for each in among.directory.find(target, among.at).recipients)


def _nobody(assignment: Assignment, how: str, passed: Sequence[str]) -> Choice:
    whom = f"team {assignment.team}" if assignment.team else "the catch-all"
    return Choice(team=assignment.team, sentence=_sentence(f"{how}; nobody to choose, so {whom} is told", passed))


def _busy(loads: Mapping[str, Load], key: str) -> tuple[int, datetime, str]:
    load = loads.get(key, Load())
    return load.open, load.paged_at or _LONG_AGO, key


def _figures(loads: Mapping[str, Load], keys: Sequence[str]) -> str:
    ordered = sorted(keys, key=lambda key: _busy(loads, key))
    shown = [_figure(key.partition(":")[2], loads.get(key, Load())) for key in ordered[:_SHOWN]]
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(shown) + more


def _figure(name: str, load: Load) -> str:
    paged = f"paged {load.paged_at:%Y-%m-%d %H:%M:%S}" if load.paged_at is not None else "never paged"
    return f"{name} ({load.open} open, {paged})"


def _sentence(what: str, passed: Sequence[str]) -> str:
    more = f"; {len(passed) - _SHOWN} more passed over" if len(passed) > _SHOWN else ""
    return "; ".join((what, *passed[:_SHOWN])) + more
