"""What is new in a document that is read again and again: pure, so that the cursor is nothing but what was told."""

from collections.abc import Mapping

from llm_incident_manager.domain.events.document import parse
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.source_acts import Act
from llm_incident_manager.errors import Invalid
from llm_incident_manager.sources.receive import Chosen, item_of, translated
from llm_incident_manager.sources.spec import Polled, Polling, PollMoment, Sent, SourceRequest, SourceSpec, Step

MOST_TOLD = 5000
"""What is remembered of one document; older things in it are known by their event ids all the same."""


def polling_of(spec: SourceSpec) -> Polling:
    """Return how the plugin asks; by default its document is read as if it was sent, without what was told already."""
    if spec.polling is not None:
        return spec.polling

    def read(request: SourceRequest, settings: SourceSettings, moment: PollMoment) -> Polled:
        sent = translated(Chosen(spec=spec, source=request.source, settings=settings), request)
        return only_news(sent, moment.told)

    return Polling(read=read)


def only_news(sent: Sent, told: Mapping[str, str]) -> Polled:
    """Return the steps that the document did not hold last time, known by their event ids."""
    names = [_name(step) for step in sent.steps]
    fresh = tuple(step for step, name in zip(sent.steps, names, strict=True) if name not in told)
    return Polled(sent=Sent(steps=fresh, is_batch=True), told=dict.fromkeys(names[:MOST_TOLD], ""))


def _name(step: Step) -> str:
    """Return what tells a step from all others: its event id, or what it says."""
    if isinstance(step, Act):
        return f"act:{stable_event_id(step.kind, step.act_id or step.text, step.dedup_key or step.incident_id or '')}"
    document = step if isinstance(step, Mapping) else _parsed(step)
    given = document.get("event_id") if isinstance(document, Mapping) else None
    if isinstance(given, str) and given:
        return given
    return f"said:{stable_event_id(item_of(step).decode('utf-8', 'replace'))}"


def _parsed(step: bytes) -> object:
    try:
        return parse(step)
    except Invalid:
        return None
