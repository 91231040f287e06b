from datetime import UTC, datetime
from typing import Any

import pytest

from llm_incident_manager.domain.classification.classify import classify, decide_by
from llm_incident_manager.domain.classification.conditions import Condition
from llm_incident_manager.domain.classification.pattern import compile_pattern
from llm_incident_manager.domain.classification.rules import Rule, parse_rule
from llm_incident_manager.domain.classification.thresholds import Threshold, parse_threshold
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_value
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.errors import Invalid

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
BREACH = {"name": "data breach", "if": {"category": "security", "tags": {"breach": "true"}}, "severity": "P0"}
LATENCY = {"metric": "p95_latency_ms", "above": 10000, "severity": "P0"}


def event(**members: Any) -> Event:
    document = {
        "event_id": "e-1", "source": "shield", "timestamp": "2027-01-31T12:00:00Z", "event_type": "violation",
        "category": "security", "title": "Prompt injection", "severity": "high",
        "resource": {"type": "model", "id": "gpt", "metadata": {"region": "eu"}},
        "metrics": {"p95_latency_ms": 5400, "score": 0.5}, "tags": {"environment": "prod", "breach": "true"},
        "labels": ["llm", "chat"], "payload": {"attack": {"type": "injection", "blocked": True}},
    }  # fmt: skip
    return accept_value(document | members, tenant="t", received_at=NOW)


def holds(condition: dict[str, Any], **members: Any) -> bool:
    rule = parse_rule({"name": "r", "if": condition, "severity": "P0"})
    return rule.condition.test(event(**members))


@pytest.mark.requirement("CLS-01")
def test_the_rule_of_the_example_matches_and_explains_itself() -> None:
    found = classify(event(), [parse_rule(BREACH)], [parse_threshold(LATENCY)])
    assert found.severity is Severity.P0
    assert (found.strategy, found.rule) == ("rule", "data breach")
    assert found.sentence == "rule 'data breach' matched: category is security and tag breach is true"
    assert [(clause.text, clause.held) for clause in found.clauses] == [
        ('category is security (found: "security")', True),
        ('tag breach is true (found: "true")', True),
    ]
    assert found.degraded == ()


@pytest.mark.requirement("CLS-01")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"category": "cost"}, False),
        ({"category": ["cost", "security"]}, True),
        ({"severity": "P1"}, True),
        ({"severity": "critical"}, False),
        ({"environment": "production"}, True),
        ({"environment": "prod"}, True),
        ({"source": "shield", "event_type": "anomaly"}, False),
        ({"metrics": {"p95_latency_ms": {"above": 5000}}}, True),
        ({"metrics": {"p95_latency_ms": {"below": 5000}}}, False),
        ({"metrics": {"absent": {"below": 5000}}}, False),
        ({"any": [{"category": "cost"}, {"field": "title", "op": "contains", "value": "INJECTION"}]}, True),
        ({"all": [{"category": "security"}, {"not": {"source": "shield"}}]}, False),
        ({"field": "metrics.score", "op": "equals", "value": 0.5}, True),
        ({"field": "metrics.p95_latency_ms", "op": "equals", "value": 5400}, True),
        ({"field": "payload.attack.type", "op": "in", "value": ["injection", "leak"]}, True),
        ({"field": "payload.attack.blocked", "op": "equals", "value": True}, True),
        ({"field": "payload.attack.blocked", "op": "equals", "value": "true"}, True),
        ({"field": "payload.attack", "op": "exists", "value": True}, True),
        ({"field": "payload.nothing.here", "op": "exists", "value": False}, True),
        ({"field": "labels", "op": "contains", "value": "chat"}, True),
        ({"field": "labels", "op": "contains", "value": "cha"}, False),
        ({"field": "title", "op": "matches", "value": "^Prompt [a-z]+$"}, True),
        ({"field": "title", "op": "matches", "value": "^prompt"}, False),
        ({"field": "resource.metadata.region", "op": "not_equals", "value": "us"}, True),
        ({"field": "resource.type", "op": "equals", "value": "model"}, True),
    ],
)
def test_conditions(condition: dict[str, Any], expected: bool) -> None:
    assert holds(condition) is expected


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (7, "rule"),
        (BREACH | {"name": ""}, "rule.name"),
        (BREACH | {"severity": "P9"}, "rule.severity"),
        (BREACH | {"colour": "red"}, "rule.colour"),
        (BREACH | {"priority": "x"}, "rule.priority"),
        (BREACH | {"if": None}, "rule.if"),
        (BREACH | {"if": {"category": "weather"}}, "rule.if.category"),
        (BREACH | {"if": {"environment": "moon"}}, "rule.if.environment"),
        (BREACH | {"if": {"colour": "red"}}, "rule.if.colour"),
        (BREACH | {"if": {"any": []}}, "rule.if.any"),
        (BREACH | {"if": {"any": [{"field": "title", "op": "like", "value": "x"}]}}, "rule.if.any[0]"),
        (BREACH | {"if": {"not": {"field": "metrics.x", "op": "above", "value": "x"}}}, "rule.if.not"),
        (BREACH | {"if": {"field": "title", "op": "matches", "value": "(a+)+"}}, "rule.if"),
        (BREACH | {"if": {"metrics": {"x": {"over": 3}}}}, "rule.if.metrics.x"),
    ],
)
def test_a_wrong_rule_is_refused_by_field(document: object, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_rule(document)
    assert [fault.field for fault in caught.value.faults] == [field]


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a|b)*",
        "(?=x)",
        r"(a)\1",
        "a" * 201,
        ".*.*.*",
        "[",
        "a{1,}b*c+",
        "(ab){2,3}",
        "a{1,99999999999999999999}",
    ],
)
def test_a_pattern_that_could_run_away_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"), [(r"^a\(b\)+$", "a(b))"), ("[*+?]+x", "*x"), ("(a|b)?c{2}", "cc"), ("[]*]", "*")]
)
def test_a_harmless_pattern_works(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).search(text)


@pytest.mark.requirement("CLS-02")
def test_the_worst_threshold_crossed_decides() -> None:
    ladder = [
        parse_threshold({"metric": "p95_latency_ms", "above": limit, "severity": severity})
        for limit, severity in ((1000, "P3"), (5000, "P1"), (10000, "P0"))
    ]
    found = classify(event(severity="low"), [], ladder)
    assert (found.severity, found.strategy) == (Severity.P1, "threshold")
    assert found.sentence == "p95_latency_ms is 5400: above 5000 ms p95_latency_ms it is P1"
    assert found.next_threshold == "above 10000 ms p95_latency_ms it becomes P0"
    assert [clause.held for clause in found.clauses] == [True, True, False]


@pytest.mark.requirement("CLS-02")
def test_a_threshold_looks_only_at_its_category_and_source() -> None:
    threshold = {"metric": "score", "below": 0.9, "severity": "P0"}
    assert classify(event(), [], [parse_threshold(threshold)]).severity is Severity.P0
    for narrow in ({"category": "cost"}, {"source": "sentinel"}):
        found = classify(event(), [], [parse_threshold(threshold | narrow)])
        assert (found.severity, found.strategy) == (Severity.P1, "source")


def test_the_source_decides_when_nothing_matches() -> None:
    found = classify(event(), [parse_rule(BREACH | {"enabled": False})], [parse_threshold(LATENCY)])
    assert (found.severity, found.strategy) == (Severity.P1, "source")
    assert found.sentence == "no rule and no threshold matched: the source says high, which is P1"
    assert found.next_threshold == "above 10000 ms p95_latency_ms it becomes P0"


def test_a_milder_rule_wins_over_a_threshold_and_the_source_and_says_so() -> None:
    mild = parse_rule({"name": "known noise", "if": {"source": "shield"}, "severity": "P4"})
    found = classify(event(metrics={"p95_latency_ms": 20000}), [mild], [parse_threshold(LATENCY)])
    assert found.severity is Severity.P4
    assert found.sentence.endswith("; the source says high, which is P1, but the rule decides")


def test_rules_go_by_priority_then_in_the_order_written() -> None:
    rules = [
        parse_rule({"name": name, "if": {}, "severity": severity, "priority": priority})
        for name, severity, priority in (("a", "P3", 0), ("b", "P1", 5), ("c", "P2", 5))
    ]
    assert classify(event(), rules).rule == "b"


def _broken(_: Event) -> bool:
    raise RuntimeError("boom")


@pytest.mark.requirement("CLS-05")
def test_a_failing_strategy_hands_on_to_the_next_and_is_noted() -> None:
    broken = Rule(name="broken", condition=Condition("never", _broken, ()), severity=Severity.P0)
    crossed = parse_threshold({"metric": "score", "above": 0.1, "severity": "P2"})
    found = classify(event(), [broken], [crossed])
    assert (found.severity, found.strategy) == (Severity.P2, "threshold")
    assert found.degraded == ('rules failed: RuntimeError: "boom"',)
    both = decide_by(event(), (("model", _raise), ("rules", _raise)))
    assert (both.severity, both.strategy, len(both.degraded)) == (Severity.P1, "source", 2)


def _raise(_: Event) -> None:
    raise ValueError("no model")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "threshold"),
        ({"metric": "x", "severity": "P0"}, "threshold"),
        ({"metric": "x", "above": 1, "below": 2, "severity": "P0"}, "threshold"),
        ({"metric": "x", "above": "1", "severity": "P0"}, "threshold.above"),
        ({"metric": "", "above": 1, "severity": "P0"}, "threshold.metric"),
        ({"metric": "x", "above": 1, "severity": "bad"}, "threshold.severity"),
        ({"metric": "x", "above": 1, "severity": "P0", "category": "x"}, "threshold.category"),
        ({"metric": "x", "above": 1, "severity": "P0", "over": 1}, "threshold.over"),
    ],
)
def test_a_wrong_threshold_is_refused_by_field(document: object, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_threshold(document)
    assert [fault.field for fault in caught.value.faults] == [field]


@pytest.mark.parametrize(
    ("threshold", "text"),
    [
        (Threshold(metric="cost_usd", above=12.5, severity=Severity.P1), "above 12.5 USD cost_usd"),
        (Threshold(metric="healthy", below=3, severity=Severity.P1), "below 3 healthy"),
        (Threshold(metric="x", above=0, severity=Severity.P1), "above 0 x"),
    ],
)
def test_a_threshold_reads_as_people_say_it(threshold: Threshold, text: str) -> None:
    assert threshold.text == text
