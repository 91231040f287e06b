"""Ladders of any shape: one step at an instant, each once a round, and an end; routing finds somebody or says why."""

import os
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_incident_manager.domain.escalation.moves import advance, carry_over, resume, settle, start
from llm_incident_manager.domain.escalation.plan import plan_for
from llm_incident_manager.domain.escalation.policy import TABLE, Level, Policy, PolicyTimers, Repeat
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState, Plan, StepKind
from llm_incident_manager.domain.notifications.planning import Reach, pages_for, reachable
from llm_incident_manager.domain.people import CatchAll, Contact, Target, Team, User
from llm_incident_manager.domain.routing.directory import Directory
from llm_incident_manager.domain.vocabulary import Severity, Status, TargetType
from llm_incident_manager.ids import CountingIds
from tests.build import NOON

EXAMPLES = int(150 * float(os.environ.get("PROPERTY_FACTOR", "1")))
SECONDS = st.floats(1, 100_000).map(lambda value: round(value, 3))
NAMES = st.sampled_from(["ana", "bo", "lead", "ghost"])
TARGETS = st.builds(
    Target,
    type=st.sampled_from(list(TargetType)),
    id=NAMES,
    fallback=st.none() | st.builds(Target, type=st.just(TargetType.USER), id=NAMES),
)
LEVELS = st.lists(
    st.builds(
        Level,
        level=st.integers(1, 9),
        targets=st.lists(TARGETS, max_size=3).map(tuple),
        escalate_after=st.none() | SECONDS,
        notification_channels=st.lists(st.sampled_from(["email", "webhook", "phone"]), max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=5,
)
POLICIES = st.builds(
    Policy,
    id=st.just("p"),
    name=st.just("p"),
    levels=LEVELS.map(tuple),
    repeat=st.builds(Repeat, times=st.integers(0, 3)),
    timers=st.builds(
        PolicyTimers,
        acknowledgment_timeout=st.none() | SECONDS,
        resolution_timeout=st.none() | SECONDS,
        escalation_interval=st.none() | SECONDS,
    ),
)
PAGED = st.sampled_from([Severity.P0, Severity.P1, Severity.P2, Severity.P3])
PLANS = st.builds(
    lambda severity, policy: plan_for(severity, policy, Team(id="t", name="T"), CatchAll()),
    PAGED,
    st.none() | POLICIES,
)


@pytest.mark.requirement("RTE-04")
@given(plan=PLANS, delays=st.lists(st.floats(0, 50_000), max_size=30))
@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
def test_a_ladder_is_climbed_one_step_at_an_instant_and_ends(plan: Plan, delays: list[float]) -> None:
    ladder = start(plan, Status.NEW, at=NOON)
    status, at, told = Status.NEW, NOON, 1
    late = iter(delays)
    while ladder.pending is not None:
        assert ladder.next_at is not None
        if any(plan.steps[place].after_seconds for place in range(len(plan.steps))):
            assert ladder.next_at >= at, "time does not go back"
        at = max(ladder.next_at, at) + timedelta(seconds=next(late, 0.0))
        kind = plan.steps[ladder.pending].kind
        if kind not in (StepKind.CATCH_ALL, StepKind.MANAGER) and ladder.pending > 0:
            status = Status.ESCALATED
        before, (ladder, step) = ladder, advance(ladder, plan, status, at=at)
        told += 1
        assert step is plan.steps[before.pending or 0]
        assert ladder.told_at == at
        if ladder.next_at is not None and plan.steps[ladder.pending or 0].after_seconds >= 1:
            assert ladder.next_at > at, "two steps at one instant"
        assert told <= len(plan.steps) * (plan.repeat + 1), "it never ends"
    assert ladder.state is LadderState.EXHAUSTED
    levels = sum(1 for step in plan.steps if step.kind is not StepKind.CATCH_ALL)
    assert told == levels * (plan.repeat + 1) + 1 if plan.policy is not None else told <= len(plan.steps)


@pytest.mark.requirement("RTE-05")
@given(plan=PLANS, pause=st.floats(0, 500_000))
@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
def test_after_a_pause_what_follows_keeps_its_distance(plan: Plan, pause: float) -> None:
    at = NOON + timedelta(seconds=pause)
    ladder = resume(start(plan, Status.NEW, at=NOON), plan, Status.NEW, at=at)
    if ladder.pending is None or ladder.next_at is None:
        return
    assert ladder.next_at >= at
    moved, _ = advance(ladder, plan, Status.ESCALATED, at=ladder.next_at)
    if moved.next_at is not None:
        assert moved.pending is not None
        after = plan.steps[moved.pending].after_seconds if moved.pending else plan.steps[-1].after_seconds
        assert (moved.next_at - ladder.next_at).total_seconds() >= after - 0.001


@given(before=PLANS, after=PLANS, steps=st.integers(0, 6))
@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
def test_on_another_plan_nothing_higher_counts_as_told(before: Plan, after: Plan, steps: int) -> None:
    ladder = start(before, Status.ESCALATED, at=NOON)
    for _ in range(steps):
        if ladder.pending is not None and ladder.next_at is not None:
            ladder, _step = advance(ladder, before, Status.ESCALATED, at=ladder.next_at)
    carried = carry_over(ladder, before, after, Status.ESCALATED)
    if carried.index >= 0:
        told, counted = before.steps[ladder.index], after.steps[carried.index]
        assert counted.level <= max(told.level, carried.level) or counted.kind is told.kind
    assert carried == settle(carried, after, Status.ESCALATED), "settled twice is settled once"


@given(plan=PLANS, status=st.sampled_from(list(Status)))
@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
def test_settling_twice_is_settling_once(plan: Plan, status: Status) -> None:
    ladder: Ladder = settle(start(plan, Status.NEW, at=NOON), plan, status)
    assert settle(ladder, plan, status) == ladder
    if not status.is_open:
        assert (ladder.state, ladder.pending, ladder.next_at) == (LadderState.ENDED, None, None)


def _directory() -> Directory:
    contacts = {"ana": ("email", "webhook"), "bo": ("phone",), "lead": ()}
    users = {
        name: User(id=name, name=name, contacts=tuple(Contact(channel=each, address=name) for each in channels))
        for name, channels in contacts.items()
    }
    return Directory(users, {"ana": Team(id="ana", name="Team", members=("ana", "bo"))}, lambda *_: ("bo",))


@pytest.mark.requirement("RTE-01")
@given(policy=st.none() | POLICIES, severity=st.sampled_from(list(Severity)), last=st.lists(TARGETS, max_size=2))
@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
def test_routing_finds_somebody_or_says_why_not(policy: Policy | None, severity: Severity, last: list[Target]) -> None:
    plan = plan_for(severity, policy, None, CatchAll(targets=tuple(last)))
    assert bool(plan.steps) == (severity is not Severity.P4)
    if plan.policy is None:
        assert (plan.acknowledgment_seconds, plan.resolution_seconds) == (
            TABLE[severity].acknowledgment, TABLE[severity].resolution,
        )  # fmt: skip
    ids = CountingIds()
    reach = Reach(
        directory=_directory(), channels=frozenset({"email", "webhook"}), severity=severity, at=NOON,
        new_id=lambda: ids.new("ntf"),
    )  # fmt: skip
    for step in plan.steps:
        pages = pages_for(step.targets, step.channels, reach)
        if step.targets and not reachable(pages):
            assert pages, "nobody can be told, and nothing says why"
        assert all(page.skipped for page in pages if page.channel not in reach.channels)
        paged = [(page.recipient, page.channel, page.contact) for page in pages if page.skipped is None]
        assert len(paged) == len(set(paged)), "the same contact twice"
