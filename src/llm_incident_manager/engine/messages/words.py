"""The words of a page: reasons, durations and instants for people who were just woken, and hostile text made plain."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "opened": "it has just been opened, and you are the first to be told",
        "next_level": "the level before you was told, and nobody took it",
        "acknowledgment_deadline": "nobody acknowledged it in time",
        "resolution_deadline": "it was not resolved in time",
        "manager_page": "it has lasted so long that the incident manager is told",
        "exhausted": "every level was told, and nobody took it; you are the last resort",
        "severity_raised": "it has become worse, so that everybody is told anew",
        "silence_ended": "the silence that kept it from you has ended, and it is still open",
        "escalated_by_hand": "somebody escalated it to you",
        "paged_by_hand": "somebody asked for you",
        "fallback": "those who should have been told could not be reached",
        "resolved": "you were told when it began",
        "acknowledged": "somebody has it",
        "acknowledgment_deadline_missed": "it has not been acknowledged by its deadline",
        "resolution_deadline_missed": "it has not been resolved by its deadline",
        "test": "somebody is trying out whether pages reach you",
    }
)
"""Why somebody is told, for people; the keys are the ledger's own reasons."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ud800-\udfff]")
_SPACE = re.compile(r"\s+")


def reason_words(reason: str) -> str:
    """Return why somebody is told, as the rest of a sentence after "because"."""
    return REASONS.get(reason) or one_line(reason, 200).replace("_", " ") or "it concerns you"


def plain(text: str, limit: int) -> str:
    """Return ``text`` in at most ``limit`` characters, without control characters and turned reading."""
    clean = _CONTROL.sub("", text[: limit * 2].replace("\r\n", "\n").replace("\r", "\n")).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def one_line(text: str, limit: int = 200) -> str:
    """Return :func:`plain` text on one line, so that it cannot pretend to be a line of ours."""
    clean = _SPACE.sub(" ", plain(text, limit * 2)).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def duration(span: timedelta) -> str:
    """Return ``45 s``, ``12 min``, ``3 h 5 min`` or ``2 d 4 h``; a negative span is ``0 s``."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def instant(value: datetime) -> str:
    """Return ``2026-03-02 12:00 UTC``."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def times(count: int) -> str:
    """Return ``once``, or ``37 times``."""
    return "once" if count == 1 else f"{count:,} times"
