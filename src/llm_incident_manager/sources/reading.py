"""Reading what vendors send, leniently: every function takes anything, and returns something that an event may hold."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from llm_incident_manager.domain.events.document import parse as parse
from llm_incident_manager.domain.events.raw import (
    MAX_LABEL,
    MAX_LABELS,
    MAX_METRIC_NAME,
    MAX_METRICS,
    MAX_TAG_KEY,
    MAX_TAG_VALUE,
    MAX_TAGS,
    RESOURCE_LIMITS,
    TEXT_LIMITS,
)
from llm_incident_manager.domain.events.stable import fitting_key
from llm_incident_manager.domain.events.tree import MAX_DEPTH, deeper_than, shown
from llm_incident_manager.domain.vocabulary import Category, Severity
from llm_incident_manager.errors import FieldFault, Invalid

_FRACTION = re.compile(r"(\.\d{6})\d+")
_OVER_OFFSET = re.compile(r"([+-]\d{2}:?\d{2})Z$")
_MILLISECONDS_FROM = 100_000_000_000
_AHEAD = timedelta(hours=24)


def json_object(body: bytes, *, what: str = "body") -> dict[str, Any]:
    """Return the JSON object in ``body``; raises Invalid."""
    document = parse(body)
    if not isinstance(document, dict):
        raise Invalid(f"the {what} is no JSON object", [FieldFault(what, f"is {shown(document)}; send a JSON object")])
    return document


def form_or_json(body: bytes, headers: Mapping[str, str], *, member: str = "payload") -> dict[str, Any]:
    """Return the JSON object in ``body``, or in the ``member`` of a form; a form without it is its own object."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded" or body[:64].lstrip()[:1] == b"{":
        return json_object(body)
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Invalid(f"the form cannot be read: {error}", [FieldFault("body", "is no form")]) from None
    fields: dict[str, Any] = dict(pairs)
    return json_object(fields[member].encode("utf-8", "replace"), what=member) if member in fields else fields


def mapping(value: object) -> dict[str, Any]:
    """Return an object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list; one object stands for a list of one."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list | tuple) else []


def text(value: object, limit: int | None = None, *, default: str = "") -> str:
    """Return text of at most ``limit`` characters that can be stored; numbers and booleans are written, others are not.

    What is cut ends in ``…``. Blank text is ``default``.
    """
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = shown(value)
    if not isinstance(value, str):
        return default
    found = clean(value).strip()
    if not found:
        return default
    return found if limit is None or len(found) <= limit else found[: limit - 1] + "…"


def clean(value: str) -> str:
    """Return ``value`` with a replacement sign for what cannot be stored: NUL, and halves of characters."""
    if "\x00" in value:
        value = value.replace("\x00", "\ufffd")
    return value if value.isascii() else value.encode(errors="replace").decode()


def title(*values: object, default: str) -> str:
    """Return the first of ``values`` that says something, in one line, as a title."""
    for value in values:
        found = " ".join(text(value).split())
        if found:
            return text(found, TEXT_LIMITS["title"])
    return default


def description(*values: object) -> str:
    """Return what is said, in paragraphs, as a description."""
    return text("\n\n".join(filter(None, map(text, values))), TEXT_LIMITS["description"])


def key(*parts: object, limit: int = TEXT_LIMITS["dedup_key"]) -> str:
    """Return the texts of ``parts`` joined by colons as a dedup key, an event id or the like."""
    return fitting_key(":".join(filter(None, map(text, parts))), limit)


def instant(value: object, *, now: datetime) -> datetime | None:
    """Return the time that ``value`` tells: ISO 8601 (nanoseconds, ``+00:00Z`` and no zone for UTC are taken), or Unix.

    ``None`` for what is no time, for Go's zero time (year 1), and for more than 24 h ahead of ``now``.
    """
    found = _unix(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if isinstance(value, str):
        word = value.strip()
        found = _unix(float(word)) if re.fullmatch(r"\d{9,19}(\.\d{1,9})?", word) else _iso(word)
    if found is None or found.year <= 1 or found - now > _AHEAD:
        return None
    return found


def when(*values: object, now: datetime) -> str:
    """Return the first of ``values`` that is a time, as an event's timestamp; else ``now``."""
    found = next((each for value in values if (each := instant(value, now=now)) is not None), now)
    return found.isoformat()


def tags(*sources: Mapping[str, object] | None, **more: object) -> dict[str, str]:
    """Return tags of whatever is text, a number or a boolean in ``sources``; later ones win, blanks are left out."""
    found: dict[str, str] = {}
    for each in (*sources, more):
        for name, value in (each or {}).items():
            written = text(value, MAX_TAG_VALUE)
            label = text(name, MAX_TAG_KEY)
            if written and label and (label in found or len(found) < MAX_TAGS):
                found[label] = written
    return found


def labels(*values: object) -> list[str]:
    """Return labels of texts and lists of texts, each once."""
    found: dict[str, None] = {}
    for value in values:
        for each in value if isinstance(value, list | tuple) else (value,):
            written = text(each, MAX_LABEL)
            if written and len(found) < MAX_LABELS:
                found[written] = None
    return list(found)


def metrics(*sources: Mapping[str, object] | None, **more: object) -> dict[str, float]:
    """Return the finite numbers in ``sources``; booleans are none, texts that write a number are."""
    found: dict[str, float] = {}
    for each in (*sources, more):
        for name, value in (each or {}).items():
            number = as_number(value)
            label = text(name, MAX_METRIC_NAME)
            if number is not None and label and len(found) < MAX_METRICS:
                found[label] = number
    return found


def as_number(value: object) -> float | None:
    """Return a finite number, or ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def resource(kind: str, *names: object, name: object = None, default: str = "unknown", **metadata: object) -> Any:
    """Return an event's resource: the first of ``names`` that says something is its id; blank metadata is left out."""
    found = next(filter(None, (text(each) for each in names)), default)
    kept = {label: value for label, value in metadata.items() if value not in (None, "", [], {})}
    return {
        "type": text(kind, RESOURCE_LIMITS["type"], default="service"),
        "id": fitting_key(found, RESOURCE_LIMITS["id"]),
        "name": text(name, RESOURCE_LIMITS["name"]) or text(found, RESOURCE_LIMITS["name"]),
        "metadata": payload(kept),
    }


def payload(value: object, *without: str) -> dict[str, Any]:
    """Return an object as an event may keep it: texts cleaned, numbers finite, not too deep, without some members."""
    kept = {name: each for name, each in mapping(value).items() if name not in without}
    found: dict[str, Any] = _storable(kept, MAX_DEPTH - 1)
    return found


def category_of(*words: object, default: Category = Category.OTHER) -> Category:
    """Return the category that the words speak of, by what tools call such trouble."""
    said = " ".join(text(word).lower() for word in words)
    return next((found for found, pattern in _CATEGORIES if pattern.search(said)), default)


def worst(words: Iterable[object], ranks: Mapping[str, Severity]) -> str | None:
    """Return the worst of the severity words that ``ranks`` (lower case) knows."""
    known = [word for each in words if (word := text(each).lower()) in ranks]
    return min(known, key=lambda word: ranks[word].rank, default=None)


def recovery(source: str, dedup_key: str, *, event_id: str, at: str, said: str = "", **more: Any) -> dict[str, Any]:
    """Return the event that ends the incident of ``(source, dedup_key)``; with none open it does nothing."""
    return {
        "event_id": event_id,
        "source": source,
        "timestamp": at,
        "event_type": "resolved",
        "category": "other",
        "title": title(said, default="It is over"),
        "severity": "info",
        "resource": resource("service", dedup_key),
        "dedup_key": dedup_key,
        **more,
    }


_WORDS_OF = {
    Category.SECURITY: r"secur|inject|jailbreak|leak|breach|attack|threat|abuse|pii\b|toxic|credential|unauthori",
    Category.COST: r"cost|budget|spend|billing|usd\b|quota|token.?usage",
    Category.COMPLIANCE: r"complian|governance|policy|audit|gdpr|soc ?2",
    Category.AVAILABILITY: r"down\b|outage|availab|unreachable|error.?rate|5xx|failing|failure|circuit",
    Category.PERFORMANCE: r"laten|slow|timeout|hanging|throughput|p9\d|performance|drift|degrad|memory|cpu\b",
}
_CATEGORIES = tuple((category, re.compile(words)) for category, words in _WORDS_OF.items())


def _storable(value: object, levels: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        sound = as_number(value) is not None and (isinstance(value, float) or abs(value) < 2**63)
        return value if sound else shown(value)
    if isinstance(value, dict | list | tuple) and levels <= 0 and deeper_than(value, 0):
        return "…"
    if isinstance(value, dict):
        return {clean(str(name)): _storable(each, levels - 1) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each, levels - 1) for each in value]
    return clean(str(value))


def _unix(number: float) -> datetime | None:
    try:
        while abs(number) >= _MILLISECONDS_FROM:
            number /= 1000
        return datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(word: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(_OVER_OFFSET.sub(r"\1", _FRACTION.sub(r"\1", word.upper())))
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
