"""What the vendors' webhooks have in common: words for severity, and messages without an identity."""

from collections.abc import Mapping

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.spec import SourceRequest

RETRY_SECONDS = 10
"""Equal messages without an id of their own are one if they arrive within the same ten seconds: a sender that tries
again does so at once, while trouble that ends and comes back must never be taken for a repeat."""


def severity(settings: SourceSettings | None, *words: object, known: Mapping[str, str], default: str) -> str:
    """Return the first of the sender's ``words`` that its settings know, else that ``known`` translates."""
    said = [found.lower() for word in words if (found := reading.text(word, 64))]
    own = settings.severity_words if settings is not None else {}
    return next((word for word in said if word in own), None) or next(
        (known[word] for word in said if word in known), default
    )


def moment_id(request: SourceRequest, *parts: object) -> str:
    """Return the event id of a message that has none."""
    moment = int(request.received_at.timestamp()) // RETRY_SECONDS
    return stable_event_id(*map(reading.text, parts), str(moment))
