"""Classification rules and thresholds as documents: ``{rules: […], thresholds: […]}``."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from llm_incident_manager.domain.classification.rules import Rule, parse_rule
from llm_incident_manager.domain.classification.thresholds import Threshold, parse_threshold
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.kinds import SERVER_MADE
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.errors import Invalid

T = TypeVar("T")


class Classifying(msgspec.Struct, frozen=True, kw_only=True):
    """How severity is decided."""

    rules: tuple[Rule, ...] = ()
    thresholds: tuple[Threshold, ...] = ()


def parse_classification(document: dict[str, Any], known: Known, findings: Findings) -> Classifying:
    """Return the rules and thresholds in the order written."""
    part = Part(document, "", findings)
    part.allow("id", *SERVER_MADE)
    rules = _all(part, "rules", parse_rule)
    thresholds = _all(part, "thresholds", parse_threshold)
    names = [rule.name for rule in rules]
    for position, name in enumerate(names):
        if name in names[:position]:
            findings.fault(f"rules[{position}].name", f'there is a rule "{name}" already; names are unique')
    part.done()
    return Classifying(rules=rules, thresholds=thresholds)


def _all(part: Part, name: str, parse: Callable[[object, str], T]) -> tuple[T, ...]:
    found: list[T] = []
    for path, value in part.values(name):
        try:
            found.append(parse(value, path))
        except Invalid as invalid:
            part.findings.faults.extend(invalid.faults)
    return tuple(found)
