"""What routes, policies and templates match on (specification §5.3 ``conditions``)."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

from llm_incident_manager.domain.vocabulary import Category, Environment, Severity


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of an incident, or of an event that would become one, that conditions look at."""

    severity: Severity
    category: Category
    source: str
    environment: Environment | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    resource_type: str = ""
    resource_id: str = ""
    region: str | None = None


class ResourceConditions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the trouble is about; ``*`` and ``?`` stand for any characters, and for one."""

    type: tuple[str, ...] = ()
    id: tuple[str, ...] = ()


class Conditions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All named conditions must hold, one value of each is enough; none named matches everything."""

    severity: tuple[Severity, ...] = ()
    category: tuple[Category, ...] = ()
    source: tuple[str, ...] = ()
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    environment: tuple[Environment, ...] = ()
    resource: ResourceConditions = ResourceConditions()


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
    for what, value, patterns in (
        ("resource type", subject.resource_type, conditions.resource.type),
        ("resource", subject.resource_id, conditions.resource.id),
    ):
        if patterns and not any(fnmatchcase(value, pattern) for pattern in patterns):
            return f"{what} {value[:100]} is not {' or '.join(patterns)}"
    return None


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(str(value) for value in values)
