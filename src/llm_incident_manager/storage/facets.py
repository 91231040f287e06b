"""Severity, status, category and environment as one number, so that one index finds any combination of them.

Each takes three bits. The codes stand in databases: a new word gets a new code, and no code is ever given twice.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity, Status

_WIDTH = 3
SEVERITY_CODES: Mapping[Severity, int] = {
    Severity.P0: 0,
    Severity.P1: 1,
    Severity.P2: 2,
    Severity.P3: 3,
    Severity.P4: 4,
}
STATUS_CODES: Mapping[Status, int] = {
    Status.NEW: 0,
    Status.ACKNOWLEDGED: 1,
    Status.IN_PROGRESS: 2,
    Status.ESCALATED: 3,
    Status.RESOLVED: 4,
    Status.CLOSED: 5,
}
CATEGORY_CODES: Mapping[Category, int] = {
    Category.PERFORMANCE: 0,
    Category.SECURITY: 1,
    Category.AVAILABILITY: 2,
    Category.COMPLIANCE: 3,
    Category.COST: 4,
    Category.OTHER: 5,
}
ENVIRONMENT_CODES: Mapping[Environment | None, int] = {
    None: 0,
    Environment.PRODUCTION: 1,
    Environment.STAGING: 2,
    Environment.DEVELOPMENT: 3,
    Environment.QA: 4,
}
_ALL: tuple[Mapping[Any, int], ...] = (SEVERITY_CODES, STATUS_CODES, CATEGORY_CODES, ENVIRONMENT_CODES)
_SHIFTS = tuple(_WIDTH * place for place in reversed(range(len(_ALL))))


def facets_of(incident: Incident) -> int:
    """Return the incident's number."""
    words = (incident.severity, incident.status, incident.category, incident.environment)
    return sum(codes[word] << shift for codes, word, shift in zip(_ALL, words, _SHIFTS, strict=True))


def severity_and_status(facets: int) -> tuple[Severity, Status]:
    """Return what those two were when the number was made."""
    return _SEVERITIES[facets >> _SHIFTS[0]], _STATUSES[(facets >> _SHIFTS[1]) & 7]


_SEVERITIES = {code: word for word, code in SEVERITY_CODES.items()}
_STATUSES = {code: word for word, code in STATUS_CODES.items()}


class Facets(NamedTuple):
    """A choice among all combinations: the codes allowed of each word."""

    severities: frozenset[int] = frozenset(SEVERITY_CODES.values())
    statuses: frozenset[int] = frozenset(STATUS_CODES.values())
    categories: frozenset[int] = frozenset(CATEGORY_CODES.values())
    environments: frozenset[int] = frozenset(ENVIRONMENT_CODES.values())

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Facets()

    def narrowed(
        self,
        *,
        severities: Iterable[Severity] = (),
        statuses: Iterable[Status] = (),
        categories: Iterable[Category] = (),
        environments: Iterable[Environment] = (),
    ) -> "Facets":
        """Return the choice cut down to the words named; naming none of a kind leaves that kind as it is."""
        named: tuple[Iterable[Any], ...] = (severities, statuses, categories, environments)
        cut = []
        for allowed, codes, words in zip(self, _ALL, named, strict=True):
            wanted = frozenset(codes[word] for word in words)
            cut.append(allowed & wanted if wanted else allowed)
        return Facets(*cut)

    def numbers(self) -> list[int]:
        """Return the number of every combination allowed, ascending: what an index of them seeks."""
        return [
            sum(code << shift for code, shift in zip(codes, _SHIFTS, strict=True))
            for codes in product(*map(sorted, self))
        ]

    def tests(self, column: ColumnElement[int]) -> list[ColumnElement[bool]]:
        """Return the same choice as arithmetic, which no index serves but any index that holds the number answers."""
        found: list[ColumnElement[bool]] = []
        for allowed, every, shift in zip(self, Facets(), _SHIFTS, strict=True):
            if allowed != every:
                found.append(column.bitwise_and(7 << shift).in_(sorted(code << shift for code in allowed)))
        return found
