"""What a classification decided, and why (CLS-04)."""

import msgspec

from llm_incident_manager.domain.vocabulary import Severity


class Clause(msgspec.Struct, frozen=True, kw_only=True):
    """One condition that was looked at: ``p95_latency_ms above 10000`` with the value found."""

    text: str
    held: bool


class Classification(msgspec.Struct, frozen=True, kw_only=True):
    """The severity given, by which strategy (``rule``, ``threshold``, ``source``) and rule, and a sentence for people.

    ``next_threshold`` says what would make it worse ("above 10000 ms p95_latency_ms it becomes P0").
    """

    severity: Severity
    strategy: str
    rule: str | None = None
    sentence: str = ""
    clauses: tuple[Clause, ...] = ()
    degraded: tuple[str, ...] = ()
    next_threshold: str | None = None
