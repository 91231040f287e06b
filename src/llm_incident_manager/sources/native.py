"""The product's own shape: one event of specification §5.1, or a batch of §6.3."""

from collections.abc import Mapping

from llm_incident_manager.domain.events.document import decode_batch, is_batch
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.sources.spec import Sent, SourceSpec


def read(body: bytes, headers: Mapping[str, str], settings: SourceSettings | None) -> Sent:
    """Return the event as it came, or the batch taken apart.

    Raises:
        Invalid: a batch that is not JSON, empty, too large, or not as long as it says.
    """
    if not is_batch(body):
        return Sent(items=(body,))
    batch = decode_batch(body)
    return Sent(items=batch.items, batch_id=batch.batch_id, is_batch=True)


SPEC = SourceSpec(
    name="generic",
    title="Any tool",
    path="generic",
    read=read,
    description="Events in the product's own JSON: one, a list, or {batch_id, timestamp, events, count}.",
    example=(
        '{"event_id": "e-1", "source": "my-service", "timestamp": "2027-01-31T10:30:00Z", "event_type": "alert", '
        '"category": "performance", "title": "Answers are slow", "severity": "high", '
        '"resource": {"type": "service", "id": "chat"}}'
    ),
)
