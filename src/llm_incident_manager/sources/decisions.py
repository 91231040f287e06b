"""What the sister projects have in common: specification §6's own shape, and decisions around their findings."""

from collections.abc import Mapping
from typing import Any

from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.spec import SourceRequest

_INITIALS = ("pii", "phi", "slo", "sla", "llm")
HEARTBEATS = ("heartbeat", "ping", "pong")


def documents(request: SourceRequest) -> tuple[list[dict[str, Any]], str | None, bool]:
    """Return the objects in a body (one, a list, or ``{events: […]}``), the batch's id, and whether it is a batch."""
    found = reading.parse(request.body)
    if isinstance(found, list):
        return reading.objects(found), None, True
    document = reading.json_object(request.body)
    if isinstance(document.get("events"), list) and "event_id" not in document:
        return reading.objects(document["events"]), reading.text(document.get("batch_id"), 255) or None, True
    return [document], None, False


def is_own_shape(document: Mapping[str, Any]) -> bool:
    """Whether it is the event of specification §5.1 already."""
    return "event_id" in document and "title" in document and "resource" in document


def own_shape(request: SourceRequest, document: dict[str, Any], plugin: str) -> dict[str, Any]:
    """Return §5.1's event; it keeps its own source's name unless the key or the settings give one."""
    given = reading.text(document.get("source"))
    named = given if given and request.source == plugin else request.source
    return {name: value for name, value in document.items() if name != "type"} | {"source": named}


def timestamp(request: SourceRequest, *values: object) -> str:
    """Return when it happened."""
    return reading.when(*values, now=request.received_at)


def identity(*candidates: object, otherwise: tuple[object, ...]) -> str:
    """Return the first id that the sender gives, else one made of what it says."""
    found = next(filter(None, map(reading.text, candidates)), "")
    return reading.key(found) if found else stable_event_id(*map(reading.text, otherwise))


def worded(name: object) -> str:
    """Return a code name as people would write it: ``latency_spike`` and ``LatencySpike`` are "Latency spike"."""
    word = reading.text(name)
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in word.replace("_", " "))
    plain = " ".join(spaced.replace("-", " ").split()) if not word.isupper() else word
    return plain.upper() if plain.lower() in _INITIALS else plain[:1].upper() + plain[1:]


def listed(words: list[str]) -> str:
    """Return words joined by commas, each worded and in small letters."""
    return ", ".join(worded(word).lower() for word in words)
