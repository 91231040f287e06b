"""Why: the three answers of an incident's explanation, each a sentence with its evidence below."""

from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.words import sentence, shorten
from llm_incident_manager.domain.vocabulary import LinkKind

QUESTIONS = (("severity", "Why {severity}?"), ("grouping", "Why one incident?"), ("route", "Why these people?"))
_SAID_ELSEWHERE = {
    *("text", "evidence", "severity", "event_count", "strategy", "source_severity", "fingerprint"),
    *("route", "policy", "team"),
}
"""What the sentence, the page's head or its details say already."""
_WORDS = {"next_threshold": "next"}
_LINKS = {kind.value for kind in LinkKind}
_MATCHED = ": matches"
_SEVERITIES = {"P0", "P1", "P2", "P3", "P4"}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: who found it, what, and where it says one, the severity and its weight."""

    who: str
    what: str
    severity: str = ""
    weight: str = ""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One question with its answer; ``facts`` are names and values beside the sentence."""

    question: str
    text: str
    evidence: list[Evidence]
    facts: list[tuple[str, str]]


def reasons_of(explanation: dict[str, Any], severity: str) -> list[Reason]:
    """Return the answers to why this severity, why one incident, why these people; a missing one is left out."""
    return [
        _reason(question.format(severity=severity), explanation[key])
        for key, question in QUESTIONS
        if explanation.get(key)
    ]


def _reason(question: str, answer: dict[str, Any]) -> Reason:
    facts = [
        (_WORDS.get(key, key.replace("_", " ")), shorten(_plain(value), 200))
        for key, value in answer.items()
        if key not in _SAID_ELSEWHERE and value not in (None, "", [], {})
    ]
    return Reason(
        question=question,
        text=shorten(sentence(answer.get("text")), 600),
        evidence=[_evidence(item) for item in answer.get("evidence") or () if not _is_elsewhere(item)][:12],
        facts=facts[:8],
    )


def _is_elsewhere(item: Any) -> bool:
    """Whether the page tells it in a better place: a notification, a link, the fingerprint, the route that matched."""
    if not isinstance(item, dict):
        return False
    by, finding = item.get("by"), str(item.get("finding") or "")
    return "channel" in item or by == "fingerprint" or by in _LINKS or (by == "considered" and _MATCHED in finding)


def _evidence(item: Any) -> Evidence:
    if not isinstance(item, dict):
        return Evidence(who="", what=shorten(item, 240))
    who = next((item[key] for key in ("judge", "by", "name", "kind", "source") if item.get(key)), "")
    what = next((item[key] for key in ("finding", "text", "what", "reason", "detail") if item.get(key)), "")
    if item.get("held") is False:
        what = f"did not hold: {what}"
    weight = item.get("weight")
    severity = str(item.get("severity") or "")
    return Evidence(
        who=shorten(who, 60).replace("_", " "),
        what=shorten(what, 240),
        severity=severity if severity in _SEVERITIES else "",
        weight="" if weight is None else f"{weight:g}" if isinstance(weight, int | float) else str(weight),
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(inner) for inner in value)
    return str(value)
