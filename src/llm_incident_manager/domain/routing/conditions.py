"""What routes, policies and templates match on (specification §5.3 ``conditions``)."""

from collections.abc import Mapping

import msgspec

from llm_incident_manager.domain.vocabulary import Category, Environment, Severity


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of an incident, or of an event that would become one, that conditions look at."""

    severity: Severity
    category: Category
    source: str
    environment: Environment | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)


class Conditions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All named conditions must hold, one value of each is enough; none named matches everything."""

    severity: tuple[Severity, ...] = ()
    category: tuple[Category, ...] = ()
    source: tuple[str, ...] = ()
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    environment: tuple[Environment, ...] = ()


def mismatch(conditions: Conditions, subject: Subject) -> str | None:
    """Return why ``subject`` does not match, as a sentence, or ``None`` if it does."""
    if conditions.severity and subject.severity not in conditions.severity:
        return f"severity {subject.severity} is not one of {_listed(conditions.severity)}"
    if conditions.category and subject.category not in conditions.category:
        return f"category {subject.category} is not one of {_listed(conditions.category)}"
    if conditions.source and subject.source not in conditions.source:
        return f"source {subject.source} is not one of {_listed(conditions.source)}"
    if conditions.environment and subject.environment not in conditions.environment:
        return f"environment {subject.environment or 'unknown'} is not one of {_listed(conditions.environment)}"
    for key, wanted in conditions.tags.items():
        if subject.tags.get(key) != wanted:
            return f"tag {key} is {subject.tags.get(key, 'absent')}, not {wanted}"
    return None


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(str(value) for value in values)
