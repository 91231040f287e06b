"""③ Which incidents a new one belongs together with: linked, never folded, each link with its reason (CLS-08)."""

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.incidents.incident import Link
from llm_incident_manager.domain.vocabulary import LinkKind


def links_of(event: Event, *, last: str | None, parent: str | None) -> tuple[Link, ...]:
    """Return the links of the incident that ``event`` opens.

    ``last`` is the newest incident of the same fingerprint, which has ended; ``parent`` the incident that counted the
    event that this one names as its parent (specification §5.1 ``parent_event_id``).
    """
    found: list[Link] = []
    if last is not None:
        found.append(Link(incident_id=last, kind=LinkKind.RECURRENCE_OF, reason="it was resolved before"))
    if parent is not None and parent != last:
        reason = f"its first event names event {event.parent_event_id} of that incident as its parent"
        found.append(Link(incident_id=parent, kind=LinkKind.PARENT, reason=reason))
    return tuple(found)
