"""The words that sources use for severity, and what they come to (specification §3.1.2, §6.1 ``mapping.severity``)."""

from collections.abc import Mapping
from types import MappingProxyType

from llm_incident_manager.domain.vocabulary import Severity

WORDS: Mapping[str, Severity] = MappingProxyType(
    {severity.value.lower(): severity for severity in Severity}
    | dict.fromkeys(("critical", "crit", "emergency", "emerg", "fatal", "panic", "blocker", "urgent"), Severity.P0)
    | dict.fromkeys(("high", "error", "err", "major", "severe", "alert", "page"), Severity.P1)
    | dict.fromkeys(("medium", "moderate", "warning", "warn"), Severity.P2)
    | dict.fromkeys(("low", "minor", "notice"), Severity.P3)
    | dict.fromkeys(("info", "informational", "information", "debug", "trace", "none", "ok"), Severity.P4)
)
"""Lower case. The first word of each row is §6.1's; the others are those of syslog, log levels and alerting tools."""


def severity_of(word: str, own_words: Mapping[str, Severity]) -> Severity | None:
    """Return what ``word`` means, whatever its case; the source's own words (lower case) come first."""
    key = word.lower().strip()
    return own_words.get(key) or WORDS.get(key)


def severity_remedy(own_words: Mapping[str, Severity]) -> str:
    """Return the sentence that tells a sender which words are known."""
    words = ", ".join(dict.fromkeys((*own_words, *(word for word in WORDS if word[0] != "p" or len(word) > 2))))
    return f"it must be P0 to P4 or one of {words}"
