"""The ``log_rules`` of a source: which of its log records become events."""

from llm_incident_manager.domain.events.log_rules import LogRule
from llm_incident_manager.engine.documents.part import Part

_FATAL4 = 24
_MOST = 50


def parse_log_rules(owner: Part) -> tuple[LogRule, ...]:
    """Return the rules of ``log_rules``; a record becomes an event where one of them holds."""
    rules: list[LogRule] = []
    listed = owner.values("log_rules")
    if len(listed) > _MOST:
        owner.fault("log_rules", f"has {len(listed)} rules; at most {_MOST} are allowed")
    for path, value in listed[:_MOST]:
        part = Part(value, path, owner.findings)
        rule = LogRule(
            min_severity=part.whole("min_severity", low=1, high=_FATAL4, unit="OpenTelemetry severity"),
            attributes=_patterns(part),
            body=part.text("body").lower() or None,
        )
        part.done()
        if rule == LogRule() and isinstance(value, dict):
            part.fault("", "names nothing, so that it would make an event of every record; name min_severity, say")
        rules.append(rule)
    return tuple(rules)


def _patterns(owner: Part) -> dict[str, str]:
    part = owner.part("attributes")
    if part is None:
        return {}
    return {name: part.text(name, required=True).lower() for name, _ in part.members()}
