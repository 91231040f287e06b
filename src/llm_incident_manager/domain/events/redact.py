"""Secrets and personal data taken out of an event before anything keeps it, where its source asks for that.

Found by pattern, so it is a net and no promise: a name or a street is not found. What is put in its place is never
longer than what stood there, so that no limit is broken.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from llm_incident_manager.domain.events.document import parse, written
from llm_incident_manager.errors import Invalid

KEPT = frozenset(
    {
        *("event_id", "source", "timestamp", "event_type", "category", "severity", "schema_version", "dedup_key"),
        *("correlation_id", "parent_event_id", "metrics", "received_at"),
    }
)
"""Members that decide what an event is, or that hold numbers only: they stay as they are."""

_SECRET_NAME = re.compile(
    r"(?i)(.*[_.-])?(password|passwd|passphrase|secret|token|api[_-]?key|authorization|private[_-]?key|access[_-]?key"
    r"|cookie|credentials?)"
)
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"),
    re.compile(r"\beyJ[\w-]{8,4000}\.[\w-]{8,4000}\.[\w-]{0,2000}"),
    re.compile(r"\b(?:sk|pk|rk)[-_][\w-]{16,300}"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|hf_|AIza|ya29\.|npm_|dop_v1_)[\w.-]{10,300}"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"(?i)(?<=\bbearer )[\w.~+/-]{8,4000}=*"),
    re.compile(r"(?i)(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)"),
)
_NAMED_SECRET = re.compile(
    r"(?i)\b(password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key)"
    r"""(["']?\s{0,3}[=:]\s{0,3}["']?)([^\s"',;&]{1,500})"""
)
_EMAIL = re.compile(r"\b[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,6}\.[A-Za-z]{2,24}\b")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]\d)")
_PHONE = re.compile(r"(?<!\w)\+\d(?:[ ().-]{0,2}\d){7,14}(?!\w)")
_IP = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]?\w)|(?<![\w:])(?:[0-9A-Fa-f]{1,4}:){4,7}[0-9A-Fa-f]{1,4}\b"
)


def _in_place(kind: str, found: str) -> str:
    marker = f"[{kind}]"
    return marker if len(marker) <= len(found) else "*" * len(found)


def _without_secrets(text: str) -> str:
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: _in_place("secret", found[0]), text)
    return _NAMED_SECRET.sub(lambda found: found[1] + found[2] + _in_place("secret", found[3]), text)


def _plain(pattern: re.Pattern[str], kind: str) -> Callable[[str], str]:
    return lambda text: pattern.sub(lambda found: _in_place(kind, found[0]), text)


def _without_cards(text: str) -> str:
    return _CARD.sub(lambda found: _in_place("card", found[0]) if _is_card(found[0]) else found[0], text)


_WAYS: Mapping[str, Callable[[str], str]] = {
    "secrets": _without_secrets,
    "emails": _plain(_EMAIL, "mail"),
    "cards": _without_cards,
    "phones": _plain(_PHONE, "phone"),
    "ips": _plain(_IP, "ip"),
}
KINDS = tuple(_WAYS)
"""What can be asked for."""


def redact_text(text: str, kinds: tuple[str, ...]) -> str:
    """Return ``text`` without what ``kinds`` name."""
    for kind in kinds:
        text = _WAYS[kind](text)
    return text


def redact_body(body: bytes, kinds: tuple[str, ...]) -> bytes:
    """Return an event's JSON text without what ``kinds`` name, the members of :data:`KEPT` untouched.

    What is not JSON is taken as text.
    """
    try:
        document = parse(body)
    except Invalid:
        return redact_text(body.decode("utf-8", "replace"), kinds).encode()
    if not isinstance(document, dict):
        return written(_redacted(document, kinds))
    return written({name: each if name in KEPT else _member(name, each, kinds) for name, each in document.items()})


def _redacted(value: Any, kinds: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return redact_text(value, kinds)
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, each in value.items():
            label = redact_text(name, kinds)
            while label in found:
                label += "_"
            found[label] = _member(name, each, kinds)
        return found
    if isinstance(value, list):
        return [_redacted(each, kinds) for each in value]
    if "cards" in kinds and isinstance(value, int) and not isinstance(value, bool) and 10**12 <= value < 10**19:
        return "[card]" if _is_card(str(value)) else value
    return value


def _member(name: str, value: Any, kinds: tuple[str, ...]) -> Any:
    if "secrets" in kinds and isinstance(value, str) and value and _SECRET_NAME.fullmatch(name[:200]):
        return _in_place("secret", value)
    return _redacted(value, kinds)


def _is_card(text: str) -> bool:
    """Whether the digits pass Luhn's check (ISO/IEC 7812-1)."""
    digits = [int(each) for each in text if each.isdecimal()]
    doubled = [sum(divmod(2 * digit, 10)) if index % 2 else digit for index, digit in enumerate(reversed(digits))]
    return any(digits) and sum(doubled) % 10 == 0
