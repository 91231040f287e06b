"""② How bad it is, and why: rules, else thresholds, else the source's own word (specification §3.1.2, §8.2.3)."""

from collections.abc import Callable, Sequence

from llm_incident_manager.domain.classification.conditions import found_text
from llm_incident_manager.domain.classification.decision import Classification, Clause
from llm_incident_manager.domain.classification.rules import Rule
from llm_incident_manager.domain.classification.thresholds import Threshold, next_threshold, plain
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.tree import shown
from llm_incident_manager.domain.vocabulary import Severity

_RANK = {severity: severity.rank for severity in Severity}
_LONGEST_REASON = 300

Strategy = Callable[[Event], Classification | None]
"""Gives a classification, or ``None`` if it has nothing to say; when it raises, the next one is asked."""


def classify(
    event: Event,
    rules: Sequence[Rule] = (),
    thresholds: Sequence[Threshold] = (),
    *,
    told: Event | None = None,
) -> Classification:
    """Return the severity and the reason.

    The first rule that matches decides, even if it is milder than what the source said; else the worst threshold
    crossed; else the source's word. A strategy that fails is named in ``degraded`` and the next one decides (CLS-05).
    ``told`` is the same event without what may not be written down: the reason tells of its values.
    """
    strategies = (("rules", by_rules(rules, told)), ("thresholds", by_thresholds(thresholds)))
    decided = decide_by(event, strategies, told)
    try:
        worse = next_threshold(thresholds, event, decided.severity)
    except Exception:  # an explanation must never cost the decision
        worse = None
    return _with(decided, next_threshold=worse)


def worst_of(
    events: Sequence[Event],
    rules: Sequence[Rule] = (),
    thresholds: Sequence[Threshold] = (),
    judged: Sequence[Event] | None = None,
) -> Classification:
    """Return the classification of the worst of ``events``, of equal ones the first; explained is only that one.

    ``judged`` are the events that rules look at where they may not be written down; ``events`` then are what is told.
    """
    ordered = _ordered(rules)
    looked_at = events if judged is None else judged
    worst = min(range(len(events)), key=lambda at: _RANK[_severity(looked_at[at], ordered, thresholds)])
    told = None if looked_at[worst] is events[worst] else events[worst]
    return classify(looked_at[worst], rules, thresholds, told=told)


def _severity(event: Event, rules: Sequence[Rule], thresholds: Sequence[Threshold]) -> Severity:
    """Return the severity that :func:`classify` gives, without the words."""
    try:
        for rule in rules:
            if rule.condition.test(event):
                return rule.severity
    except Exception:  # as in decide_by: the next strategy decides
        pass
    try:
        crossed = [
            each.severity for each in thresholds if each.concerns(event) and each.crossed_by(event.metrics[each.metric])
        ]
        if crossed:
            return min(crossed, key=_RANK.__getitem__)
    except Exception:  # likewise
        pass
    return event.source_severity


def _ordered(rules: Sequence[Rule]) -> list[Rule]:
    return sorted((rule for rule in rules if rule.enabled), key=lambda rule: -rule.priority)


def decide_by(event: Event, strategies: Sequence[tuple[str, Strategy]], told: Event | None = None) -> Classification:
    """Return the first classification that a named strategy gives, else the source's own; never raises."""
    degraded: list[str] = []
    for name, strategy in strategies:
        try:
            decided = strategy(event)
        except Exception as error:  # whatever breaks in a strategy, the event must get a severity (CLS-05)
            why = "" if told is not None else f": {shown(str(error), 200)}"
            degraded.append(f"{name} failed: {type(error).__name__}{why}")
            continue
        if decided is not None:
            return _with(decided, degraded=tuple(degraded))
    sentence = f"no rule and no threshold matched: the source says {event.severity}, which is {event.source_severity}"
    reason = (told or event).payload.get("severity_reason")
    if isinstance(reason, str) and reason:
        sentence += f": {reason[:_LONGEST_REASON]}"
    return Classification(
        severity=event.source_severity, strategy="source", sentence=sentence, degraded=tuple(degraded)
    )


def by_rules(rules: Sequence[Rule], told: Event | None = None) -> Strategy:
    """Return the strategy that asks these rules, higher priority first; ``told``: as for :func:`classify`."""
    ordered = _ordered(rules)

    def decide(event: Event) -> Classification | None:
        for rule in ordered:
            if rule.condition.test(event):
                clauses = tuple(
                    Clause(text=found_text(leaf, told or event), held=leaf.test(event))
                    for leaf in rule.condition.leaves
                )
                sentence = f"rule '{rule.name}' matched: {rule.condition.text}"
                return Classification(
                    severity=rule.severity,
                    strategy="rule",
                    rule=rule.name,
                    sentence=sentence + _against_source(event, rule.severity, "the rule decides"),
                    clauses=clauses,
                )
        return None

    return decide


def by_thresholds(thresholds: Sequence[Threshold]) -> Strategy:
    """Return the strategy that takes the worst of the thresholds crossed."""

    def decide(event: Event) -> Classification | None:
        concerned = [threshold for threshold in thresholds if threshold.concerns(event)]
        crossed = [each for each in concerned if each.crossed_by(event.metrics[each.metric])]
        if not crossed:
            return None
        worst = min(crossed, key=lambda each: each.severity.rank)
        found = plain(event.metrics[worst.metric])
        sentence = f"{worst.metric} is {found}: {worst.text} it is {worst.severity}"
        clauses = tuple(
            Clause(text=f"{each.text} (found: {plain(event.metrics[each.metric])})", held=each in crossed)
            for each in concerned
        )
        return Classification(
            severity=worst.severity,
            strategy="threshold",
            sentence=sentence + _against_source(event, worst.severity, "the threshold decides"),
            clauses=clauses,
        )

    return decide


def _against_source(event: Event, severity: Severity, who: str) -> str:
    if not event.source_severity.worse_than(severity):
        return ""
    return f"; the source says {event.severity}, which is {event.source_severity}, but {who}"


def _with(
    decided: Classification, *, degraded: tuple[str, ...] | None = None, next_threshold: str | None = None
) -> Classification:
    return Classification(
        severity=decided.severity,
        strategy=decided.strategy,
        rule=decided.rule,
        sentence=decided.sentence,
        clauses=decided.clauses,
        degraded=decided.degraded if degraded is None else degraded,
        next_threshold=next_threshold,
    )
