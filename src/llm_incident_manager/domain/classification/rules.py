"""② Rules from configuration (CLS-01): if the condition holds, this is the severity."""

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_incident_manager.domain.classification.conditions import Condition, parse_condition
from llm_incident_manager.domain.events.severity import severity_of
from llm_incident_manager.domain.events.tree import member, shown
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.errors import FieldFault, Invalid


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule; a higher ``priority`` is looked at first, equal ones in the order written."""

    name: str
    condition: Condition
    severity: Severity
    priority: int = 0
    enabled: bool = True


def parse_rule(document: object, path: str = "rule") -> Rule:
    """Return the rule in ``{name, if, severity, priority?, enabled?}``.

    Raises:
        Invalid: ``invalid_rule`` naming every bad member.
    """
    if not isinstance(document, Mapping):
        wrong = FieldFault(path, f"is {shown(document)}; it must be an object with name, if and severity")
        raise Invalid("the rule is wrong", [wrong], code="invalid_rule")
    faults = [
        FieldFault(member(path, key), "is not known; a rule has name, if, severity, priority, enabled")
        for key in document
        if key not in ("name", "if", "severity", "priority", "enabled")
    ]
    name = document.get("name")
    if not isinstance(name, str) or not name.strip():
        faults.append(FieldFault(f"{path}.name", f"is {shown(name)}; it must be text"))
    condition = parse_condition(document.get("if"), f"{path}.if", faults)
    severity = read_severity(document, path, faults)
    priority, enabled = document.get("priority", 0), document.get("enabled", True)
    if isinstance(priority, bool) or not isinstance(priority, int):
        faults.append(FieldFault(f"{path}.priority", f"is {shown(priority)}; it must be a whole number"))
    if not isinstance(enabled, bool):
        faults.append(FieldFault(f"{path}.enabled", f"is {shown(enabled)}; it must be true or false"))
    if faults:
        raise Invalid(f"the rule is wrong: {faults[0].field} {faults[0].message}", faults, code="invalid_rule")
    return Rule(name=str(name), condition=condition, severity=severity, priority=priority, enabled=enabled)


def read_severity(document: Mapping[Any, Any], path: str, faults: list[FieldFault]) -> Severity:
    """Return the member ``severity``; what is wrong is added to ``faults``."""
    word = document.get("severity")
    severity = severity_of(word, {}) if isinstance(word, str) else None
    if severity is None:
        faults.append(FieldFault(f"{path}.severity", f"is {shown(word)}; it must be P0 to P4, or a word for one"))
    return severity or Severity.P4
