"""From policy, team and table to the plan; which policy it is, and when it is active."""

from datetime import UTC, datetime

import pytest

from llm_incident_manager.domain.escalation.plan import choose_policy, plan_for
from llm_incident_manager.domain.escalation.policy import Level, Policy, PolicyTimers
from llm_incident_manager.domain.incidents.ladder import StepKind
from llm_incident_manager.domain.people import CatchAll, Target, Team
from llm_incident_manager.domain.routing.conditions import Conditions, Subject
from llm_incident_manager.domain.routing.periods import ActiveHours, ActivePeriods, is_active
from llm_incident_manager.domain.vocabulary import Category, Severity, TargetType
from tests.build import NOON

SUBJECT = Subject(severity=Severity.P0, category=Category.SECURITY, source="llm-shield")
LAST = CatchAll(targets=(Target(type=TargetType.USER, id="last"),), channels=("email",))


def a_policy(name: str, **fields: object) -> Policy:
    return Policy(id=name, name=name, **fields)  # type: ignore[arg-type]


@pytest.mark.requirement("RTE-05")
@pytest.mark.parametrize(
    ("severity", "due"),
    [
        (Severity.P0, {"acknowledgment_deadline": 300, "resolution_deadline": 900, "manager_page": 1800}),
        (Severity.P1, {"acknowledgment_deadline": 900, "resolution_deadline": 3600, "manager_page": 7200}),
        (Severity.P2, {"acknowledgment_deadline": 3600, "resolution_deadline": 14400}),
        (Severity.P3, {"acknowledgment_deadline": 14400, "resolution_deadline": 86400}),
        (Severity.P4, {}),
    ],
)
def test_without_a_policy_the_table_is_the_plan(severity: Severity, due: dict[str, float]) -> None:
    plan = plan_for(severity, None, Team(id="t", name="T"), LAST)
    passed, found = 0.0, {}
    for step in plan.steps:
        passed += step.after_seconds
        found[step.kind.value] = passed
    found.pop("next_level", None)
    found.pop("catch_all", None)
    assert found == due


@pytest.mark.requirement("RTE-04")
def test_a_policy_sets_deadlines_and_waits_and_ends_at_the_last_resort() -> None:
    timers = PolicyTimers(acknowledgment_timeout=60, resolution_timeout=600, escalation_interval=90)
    policy = a_policy("p", levels=(Level(level=2), Level(level=1, escalate_after=30)), timers=timers)
    plan = plan_for(Severity.P1, policy, None, LAST)
    assert [(step.kind, step.level, step.after_seconds) for step in plan.steps] == [
        (StepKind.LEVEL, 1, 0.0), (StepKind.LEVEL, 2, 30.0), (StepKind.CATCH_ALL, 2, 90.0),
    ]  # fmt: skip
    assert (plan.acknowledgment_seconds, plan.resolution_seconds) == (60, 600)
    assert (plan.steps[-1].targets, plan.steps[-1].channels) == (LAST.targets, LAST.channels)


@pytest.mark.requirement("RTE-04")
def test_what_a_policy_leaves_open_comes_from_the_table() -> None:
    plan = plan_for(Severity.P1, a_policy("p", levels=(Level(level=1),)), None, LAST)
    assert (plan.acknowledgment_seconds, plan.resolution_seconds, plan.steps[1].after_seconds) == (900, 3600, 900)


@pytest.mark.requirement("RTE-05")
def test_the_informational_get_a_policys_deadlines_but_no_steps() -> None:
    timers = PolicyTimers(resolution_timeout=600)
    plan = plan_for(Severity.P4, a_policy("p", levels=(Level(level=1),), timers=timers), None, LAST)
    assert (plan.steps, plan.resolution_seconds, plan.acknowledgment_seconds) == ((), 600, None)


@pytest.mark.requirement("RTE-01")
def test_the_named_policy_then_priority_then_name() -> None:
    low, high, twin = a_policy("b", priority=1), a_policy("z", priority=5), a_policy("a", priority=1)
    assert choose_policy([low, high, twin], SUBJECT, NOON, named=None).policy is high
    assert choose_policy([low, twin], SUBJECT, NOON, named=None).policy is twin
    chosen = choose_policy([low, high, twin], SUBJECT, NOON, named="b")
    assert chosen.policy is low
    disabled = a_policy("b", priority=9, enabled=False)
    choice = choose_policy([disabled, high], SUBJECT, NOON, named="b")
    assert (choice.policy, choice.considered[0].mismatch) == (high, "it is disabled")
    other = a_policy("o", conditions=Conditions(category=(Category.COST,)))
    choice = choose_policy([other], SUBJECT, NOON, named=None)
    assert (choice.policy, choice.considered[0].mismatch) == (None, "category security is not one of cost")


@pytest.mark.requirement("RTE-04")
@pytest.mark.parametrize(
    ("start", "end", "days", "instant", "active"),
    [
        ("09:00", "17:00", (), "2026-11-02T08:00", True),
        ("09:00", "17:00", (), "2026-11-02T07:59", False),
        ("09:00", "17:00", (), "2026-11-02T16:00", False),
        ("09:00", "17:00", (0, 6), "2026-11-02T10:00", False),
        ("22:00", "06:00", (1,), "2026-11-02T21:00", True),
        ("22:00", "06:00", (1,), "2026-11-03T04:59", True),
        ("22:00", "06:00", (1,), "2026-11-03T05:00", False),
        ("22:00", "06:00", (1,), "2026-11-02T03:00", False),
        ("00:00", "24:00", (0,), "2026-11-01T12:00", True),
        ("09:00", "17:00", (), "2026-07-06T07:00", True),
    ],
)
def test_active_hours_are_read_in_the_policys_zone(
    start: str, end: str, days: tuple[int, ...], instant: str, active: bool
) -> None:
    periods = ActivePeriods(timezone="Europe/Madrid", active_hours=ActiveHours(start=start, end=end), active_days=days)
    at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert is_active(periods, at) is active


def test_days_alone_bound_a_policy_too() -> None:
    sundays = ActivePeriods(active_days=(0,))
    assert is_active(sundays, datetime(2026, 11, 1, tzinfo=UTC))
    assert not is_active(sundays, datetime(2026, 11, 2, tzinfo=UTC))
