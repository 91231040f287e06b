"""The product's own shape: one event of specification §5.1, or a batch of §6.3."""

from llm_incident_manager.domain.events.document import batch_of
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.sources import mapped
from llm_incident_manager.sources.spec import Example, Sent, SourceRequest, SourceSpec


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event as it came, or the batch taken apart; another shape where the settings hold a mapping.

    Raises:
        Invalid: a batch that is not JSON, empty, too large, or not as long as it says.
    """
    if settings is not None and settings.mapping is not None:
        return mapped.read(request, settings.mapping)
    batch = batch_of(request.body)
    if batch is None:
        return Sent(steps=(request.body,))
    return Sent(steps=batch.items, batch_id=batch.batch_id, is_batch=True)


SPEC = SourceSpec(
    name="generic",
    title="Any tool",
    description=(
        "Events in the product's own JSON: one, a list, or `{batch_id, timestamp, events, count}`; or any JSON, by a "
        "mapping in the settings."
    ),
    setup="""curl -X POST {url}/api/v1/sources/generic -H "Authorization: Bearer {key}" -d '{
  "event_id": "e-1", "source": "my-service", "timestamp": "2026-01-31T10:30:00Z", "event_type": "alert",
  "category": "performance", "title": "Answers are slow", "severity": "high",
  "resource": {"type": "service", "id": "chat"}}'""",
    read=read,
    examples=(
        Example(
            body='{"event_id": "e-1", "source": "my-service", "timestamp": "2026-10-31T10:30:00Z", '
            '"event_type": "alert", "category": "performance", "title": "Answers are slow", "severity": "high", '
            '"resource": {"type": "service", "id": "chat"}}'
        ),
    ),
)
