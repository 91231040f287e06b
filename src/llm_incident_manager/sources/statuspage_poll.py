"""A status page that is watched (ING-13): what changed since last time, as events and as notes on the open incident.

The page is Statuspage's ``incidents.json`` or ``summary.json``, or a feed of its incidents, Atom or RSS.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from llm_incident_manager.domain.events.document import parse
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.history import HistoricIncident
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.source_acts import Act, ActKind
from llm_incident_manager.sources import reading, statuspage
from llm_incident_manager.sources.spec import Polled, Polling, PollMoment, Sent, SourceRequest, Step
from llm_incident_manager.sources.statuspage import newest_of, present, read_history
from llm_incident_manager.sources.statuspage_feed import feed_document, is_feed

PATH = "/api/v2/incidents.json"
LISTED = 50
"""``incidents.json`` lists so many; what is not on a longer list may only be old."""
MOST_GONE = 50
"""Of incidents that were taken off the page so many are remembered, in case they come back."""
_OVER = "over"
_GONE = "over|gone:"
_MAINTENANCE = "maintenance:"
_ENDED = ("completed", "resolved")


def url_of(endpoint: str) -> str:
    """Return the address to ask: a page's own address stands for the list of its incidents."""
    parts = urlsplit(endpoint)
    bare = parts.path in ("", "/") and not parts.query
    return f"{endpoint.rstrip('/')}{PATH}" if bare else endpoint


def poll(request: SourceRequest, settings: SourceSettings, moment: PollMoment) -> Polled:
    """Return what is new on the page; what was over before it was first seen is no news.

    One incident that cannot be read is named in the note and left as it was.

    Raises:
        Invalid: it is no status page, or only half of one.
    """
    document = feed_document(request.body) if is_feed(request.body) else parse(request.body)
    history = read_history(document)
    assert isinstance(document, Mapping)
    told: dict[str, str] = {}
    steps: list[Step] = []
    for each in history.incidents:
        before, told[each.external_id] = moment.told.get(each.external_id), _state(each)
        if before == told[each.external_id] or (before is None and each.resolved_at is not None):
            continue
        steps += _news(each, before, request, settings)
    gone: dict[str, str] = {}
    for key, before in moment.told.items():
        if key in told or key.startswith(_MAINTENANCE):
            continue
        if before.startswith(_GONE):
            gone[key] = before
        elif before.startswith(_OVER):
            continue
        elif history.faults or not _lists_all(document):
            told[key] = before
        else:
            steps.append(_gone(key, before, request))
            gone[key] = f"{_GONE}{int(request.received_at.timestamp())}"
    told |= dict(list(gone.items())[-MOST_GONE:])
    for event, key, state in _maintenance(document, request, settings):
        told[key] = state
        before = moment.told.get(key)
        if before != state and not (before is None and state in _ENDED):
            steps.append(event)
    note = "; ".join(f"{fault.field} {fault.message}" for fault in history.faults[:3])
    return Polled(sent=Sent(steps=tuple(steps)), told=told, note=note)


def _news(
    incident: HistoricIncident, before: str | None, request: SourceRequest, settings: SourceSettings
) -> Iterator[Step]:
    """Yield an event where the state is another one, and what is new in words for the incident that is open."""
    source = request.source
    # Ends and what comes after them are in the order in which they were read: the page's clock need not be ours.
    event = present(incident, settings) | {"source": source, "timestamp": request.received_at.isoformat()}
    word, at, text = newest_of(incident)
    _, told_id, told_title, told_text = _parts(before)
    if event["event_type"] == "resolved":
        yield event | {"title": reading.title(text and f"{incident.title}: {text}", default=incident.title)}
        return
    if before is None:
        yield event | {"timestamp": min(incident.created_at, request.received_at).isoformat()}
        return
    if before.startswith(_OVER):
        named = f"{event['event_id'][:200]}:{stable_event_id(before)}"
        yield event | {"event_id": named}
        return
    if told_id != _id(incident):
        yield event
    key = incident.external_id
    if told_text != stable_event_id(text) and text:
        said = f"{incident.document['resource']['name']}, {word}: {text}"
        act_id = f"{key}:{int(at.timestamp())}:{stable_event_id(text)}"
        yield Act(kind=ActKind.NOTE, source=source, dedup_key=key, act_id=act_id, text=reading.text(said, 8000))
    if told_title != stable_event_id(incident.title):
        yield Act(kind=ActKind.EDIT, source=source, dedup_key=key, fields={"title": incident.title})


def _gone(key: str, before: str, request: SourceRequest) -> dict[str, Any]:
    event_id = stable_event_id(key, before, "gone", request.received_at.isoformat())
    return reading.recovery(
        request.source,
        key,
        event_id=event_id,
        at=request.received_at.isoformat(),
        said="the page does not list it any more",
    )


def _id(incident: HistoricIncident) -> str:
    word, at, _ = newest_of(incident)
    return f"{word}:{int(at.timestamp())}:{incident.source_word}"


def _state(incident: HistoricIncident) -> str:
    """Return what is compared: whether it is over, what makes an event, title and text."""
    phase = _OVER if incident.resolved_at is not None else "open"
    text = newest_of(incident)[2]
    return f"{phase}|{_id(incident)}|{stable_event_id(incident.title)}|{stable_event_id(text)}"


def _parts(state: str | None) -> tuple[str, str, str, str]:
    phase, named, title, text = (*(state or "").split("|"), "", "", "", "")[:4]
    return phase, named, title, text


def _lists_all(document: Mapping[str, Any]) -> bool:
    """Whether an incident that is not there is over, or was taken off the page."""
    if "feed" in document:
        return False
    return "components" in document or len(document["incidents"]) < LISTED


def _maintenance(
    document: Mapping[str, Any], request: SourceRequest, settings: SourceSettings
) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield (event, key, state) of planned work: a change that is kept, opens nothing and pages nobody."""
    page = reading.mapping(document.get("page"))
    listed = [
        each for each in document["incidents"] if isinstance(each, Mapping) and each.get("impact") == "maintenance"
    ]
    for each in (*reading.objects(document.get("scheduled_maintenances")), *listed):
        name, state = reading.text(each.get("id"), 150), reading.text(each.get("status"), 40).lower() or "scheduled"
        if not name:
            continue
        provider = settings.provider.id if settings.provider is not None else reading.text(page.get("id"), 100)
        event = {
            "event_id": reading.key(f"{_MAINTENANCE}{name}", state),
            "source": request.source,
            "timestamp": reading.when(each.get("updated_at"), each.get("created_at"), now=request.received_at),
            "event_type": "change",
            "category": "availability",
            "title": reading.title(
                f"Maintenance {state.replace('_', ' ')}: {reading.text(each.get('name'), 300)}", default="Maintenance"
            ),
            "severity": "info",
            "resource": reading.resource("llm_provider", provider, name=page.get("name")),
            "tags": reading.tags(provider=provider),
            "payload": reading.payload(dict(each), "incident_updates", "components"),
        }
        yield event, f"{_MAINTENANCE}{name}", state


SPEC = replace(
    statuspage.SPEC,
    polling=Polling(
        read=poll,
        url=url_of,
        accept="application/json, application/atom+xml;q=0.9, application/rss+xml;q=0.9, application/xml;q=0.8",
    ),
)
"""The source with both ways: what a page sends, and the page watched."""
