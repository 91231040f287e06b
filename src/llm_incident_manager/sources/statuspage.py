"""Statuspage API v2 (``GET /api/v2/incidents.json``, and its webhook): history to import, events to replay (ING-13).

Shapes: Atlassian Statuspage, "Status API" and "Webhook notifications".
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from llm_incident_manager.domain.events.document import parse
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.history import HistoricIncident, HistoricUpdate
from llm_incident_manager.domain.events.tree import shown, text_fault
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources.spec import Example, Sent, SourceRequest, SourceSpec

IMPACTS = {"critical": Severity.P1, "major": Severity.P2, "minor": Severity.P3, "none": Severity.P4}
"""A provider's outage is one step milder for us than for the provider."""

_LOOKING = ("investigating", "identified", "monitoring")
_WORKING = ("identified", "monitoring")
_OVER = ("resolved", "postmortem")


class StatuspageHistory(msgspec.Struct, frozen=True, kw_only=True):
    """One page's incidents, oldest first; what could not be read is named in ``faults`` and left out."""

    page_id: str
    page_name: str
    incidents: tuple[HistoricIncident, ...]
    skipped_maintenance: int
    faults: tuple[FieldFault, ...]

    @property
    def source(self) -> str:
        """``statuspage:<page id>``."""
        return f"statuspage:{self.page_id}"


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh event, to be sent at ``at``."""

    at: datetime
    document: dict[str, Any]


def read_history(document: object) -> StatuspageHistory:
    """Return the page's history. ``created_at`` is ``started_at``; maintenance is left out and counted.

    The first update (investigating, identified or monitoring) is the acknowledgment, the first that says identified or
    monitoring is the start of work, and a post-mortem closes. Instants that run backwards are moved.

    Raises:
        Invalid: ``invalid_statuspage``: there is no page with an id, or no list of incidents.
    """
    if not isinstance(document, Mapping):
        raise _invalid("body", f"is {shown(document)}; it must be the object that /api/v2/incidents.json answers")
    page, given = document.get("page"), document.get("incidents")
    page_id = page.get("id") if isinstance(page, Mapping) else None
    if not isinstance(page, Mapping) or not isinstance(page_id, str) or not page_id.strip() or len(page_id) > 100:
        raise _invalid("page.id", f"is {shown(page_id)}; it must be the page's id, text of 1 to 100 characters")
    if not isinstance(given, list):
        raise _invalid("incidents", f"is {shown(given)}; it must be a list")
    name = page.get("name")
    page_name = name if isinstance(name, str) and name else page_id
    incidents: list[HistoricIncident] = []
    faults: list[FieldFault] = []
    maintenance = 0
    for index, each in enumerate(given):
        if isinstance(each, Mapping) and each.get("impact") == "maintenance":
            maintenance += 1
            continue
        incident = _incident(each, f"incidents[{index}]", faults, page_id, page_name)
        if incident is not None:
            incidents.append(incident)
    return StatuspageHistory(
        page_id=page_id,
        page_name=page_name,
        incidents=tuple(sorted(incidents, key=lambda incident: (incident.created_at, incident.external_id))),
        skipped_maintenance=maintenance,
        faults=tuple(faults),
    )


def as_events(history: StatuspageHistory, *, start: datetime, speed: float = 1.0) -> list[Replayed]:
    """Return the history as fresh events, in order: one that opens and one that resolves each incident.

    The oldest is due at ``start``; the time between them passes ``speed`` times as fast. Event ids hold ``start``, so
    that a second replay counts again; ``dedup_key`` is the incident's id, so that the recovery finds its incident.
    """
    if speed <= 0:
        raise ValueError("speed must be above 0")
    if not history.incidents:
        return []
    origin = history.incidents[0].created_at
    events: list[Replayed] = []
    for incident in history.incidents:
        moments = [("alert", incident.created_at), ("resolved", incident.resolved_at)]
        for kind, moment in moments:
            if moment is None:
                continue
            at = start + timedelta(seconds=(moment - origin).total_seconds() / speed)
            fresh = {
                "event_id": f"{incident.external_id}:{kind}:{int(start.timestamp())}",
                "event_type": kind,
                "timestamp": at.astimezone(UTC).isoformat(),
                "dedup_key": incident.external_id,
            }
            events.append(Replayed(at=at, document=incident.document | fresh))
    return sorted(events, key=lambda event: event.at)


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return one event per incident, for the state it is in: from the incidents document, or a webhook's one incident.

    Each state of an incident has its own event id, so that what is sent again counts once. A component's update brings
    nothing: what is wrong with it is told as an incident.

    Raises:
        Invalid: as :func:`read_history`, or with the fault of the webhook's incident.
    """
    document = parse(request.body)
    if isinstance(document, Mapping) and "component_update" in document and "incident" not in document:
        return Sent()
    single = isinstance(document, Mapping) and isinstance(document.get("incident"), Mapping)
    if single:
        document = {"page": document.get("page"), "incidents": [document["incident"]]}
    history = read_history(document)
    if history.faults:
        first = history.faults[0]
        raise Invalid(
            f"the status page is wrong: {first.field} {first.message}", list(history.faults), code="invalid_statuspage"
        )
    # Each page is a source of its own, unless the key or the settings name one.
    source = history.source if request.source == SPEC.name else request.source
    steps = tuple(present(each, settings) | {"source": source} for each in history.incidents)
    return Sent(steps=steps, is_batch=not single)


def present(incident: HistoricIncident, settings: SourceSettings | None) -> dict[str, Any]:
    """Return the event of the state that an incident is in; each state has an event id of its own."""
    over = incident.resolved_at is not None
    word, at, _ = newest_of(incident)
    severity = (settings.severity_words if settings is not None else {}).get(incident.source_word, incident.severity)
    provider = settings.provider if settings is not None else None
    document = incident.document
    payload = {"severity_reason": f"the page calls its impact {incident.source_word}"} | document["payload"]
    known: dict[str, Any] = {}
    if provider is not None:
        page = document["resource"]
        known = {
            "resource": page
            | {"id": provider.id, "metadata": {"page": page["id"], "began": incident.created_at.isoformat()}},
            "tags": document["tags"] | {"provider": provider.id},
        }
    fresh = {
        "event_id": f"{incident.external_id}:{word}:{int(at.timestamp())}:{incident.source_word}"[:255],
        "event_type": "resolved" if over else "alert",
        "timestamp": at.isoformat(),
        "severity": severity.value,
        "payload": payload,
        "dedup_key": incident.external_id,
    }
    return document | known | fresh


def newest_of(incident: HistoricIncident) -> tuple[str, datetime, str]:
    """Return what the page said last: the word for its state, when, and its text."""
    newest = incident.updates[-1] if incident.updates else None
    text = newest.text if newest is not None else ""
    if incident.resolved_at is not None:
        return "resolved", incident.resolved_at, text
    return (newest.status or "investigating", newest.at, text) if newest else ("investigating", incident.created_at, "")


def _incident(
    given: object, path: str, faults: list[FieldFault], page_id: str, page_name: str
) -> HistoricIncident | None:
    if not isinstance(given, Mapping):
        faults.append(FieldFault(path, f"is {shown(given)}; it must be an object"))
        return None
    before = len(faults)
    external_id = _text(given.get("id"), f"{path}.id", 200, faults)
    title = _text(given.get("name"), f"{path}.name", None, faults)[:512]
    word = given.get("impact") or "none"
    severity = IMPACTS.get(word) if isinstance(word, str) else None
    if severity is None:
        known = ", ".join((*IMPACTS, "maintenance"))
        faults.append(FieldFault(f"{path}.impact", f"is {shown(word)}; it must be one of {known}"))
    started = given.get("started_at") or given.get("created_at")
    created = _instant(started, f"{path}.started_at", faults)
    updates = _updates(given, path, faults)
    resolved = _instant(given["resolved_at"], f"{path}.resolved_at", faults) if given.get("resolved_at") else None
    if len(faults) > before or severity is None or created is None:
        return None
    if resolved is None and given.get("status") in _OVER:
        resolved = _first(updates, _OVER) or (updates[-1].at if updates else created)
    # Never backwards, and nothing of the work after the end.
    end = None if resolved is None else max(created, resolved)
    acknowledged = _between(created, _first(updates, _LOOKING), end)
    working = _between(acknowledged or created, _first(updates, _WORKING), end)
    closed = _first(updates, ("postmortem",)) if end is not None else None
    components = _components(given)
    description = (updates[0].text if updates else "") or title
    return HistoricIncident(
        external_id=external_id,
        title=title,
        description=description,
        severity=severity,
        source_word=str(word),
        created_at=created,
        acknowledged_at=acknowledged,
        work_started_at=working,
        resolved_at=end,
        closed_at=None if closed is None or end is None else max(end, closed),
        updates=updates,
        components=components,
        document={
            "event_id": external_id,
            "source": f"statuspage:{page_id}",
            "timestamp": created.isoformat(),
            "event_type": "alert",
            "category": "availability",
            "title": title,
            "description": description,
            "severity": severity.value,
            "resource": {"type": "llm_provider", "id": page_id, "name": page_name[:512]},
            "tags": {"provider": page_name[:1024], "impact": str(word)},
            "labels": [component[:256] for component in components[:100]],
            "payload": {"impact": word, "components": list(components), "url": _url(given)},
            "schema_version": "1.1",
        },
    )


def _updates(given: Mapping[Any, Any], path: str, faults: list[FieldFault]) -> tuple[HistoricUpdate, ...]:
    listed = given.get("incident_updates") or []
    if not isinstance(listed, list):
        faults.append(FieldFault(f"{path}.incident_updates", f"is {shown(listed)}; it must be a list"))
        return ()
    updates: list[HistoricUpdate] = []
    for index, each in enumerate(listed):
        where = f"{path}.incident_updates[{index}]"
        if not isinstance(each, Mapping):
            faults.append(FieldFault(where, f"is {shown(each)}; it must be an object"))
            continue
        at = _instant(each.get("display_at") or each.get("created_at"), f"{where}.created_at", faults)
        status, text = each.get("status"), each.get("body")
        if at is not None:
            words = _clean(text) if isinstance(text, str) else ""
            updates.append(HistoricUpdate(at=at, status=str(status or "")[:64].lower(), text=words[:32_768]))
    updates.reverse()  # newest first in the document; the sort is stable, so equal instants keep their order
    return tuple(sorted(updates, key=lambda update: update.at))


def _components(given: Mapping[Any, Any]) -> tuple[str, ...]:
    listed = given.get("components")
    if not isinstance(listed, list):
        return ()
    names = (each.get("name") for each in listed if isinstance(each, Mapping))
    return tuple(_clean(name) for name in names if isinstance(name, str) and name)


def _url(given: Mapping[Any, Any]) -> str | None:
    link = given.get("shortlink")
    return _clean(link)[:2048] if isinstance(link, str) else None


def _first(updates: tuple[HistoricUpdate, ...], words: tuple[str, ...]) -> datetime | None:
    return next((update.at for update in updates if update.status in words), None)


def _between(low: datetime, at: datetime | None, high: datetime | None) -> datetime | None:
    if at is None:
        return None
    return max(low, at) if high is None else min(max(low, at), high)


def _text(value: object, path: str, limit: int | None, faults: list[FieldFault]) -> str:
    if not isinstance(value, str) or not value.strip():
        faults.append(FieldFault(path, f"is {shown(value)}; it must be text"))
        return ""
    if limit is not None and len(value) > limit:
        faults.append(FieldFault(path, f"has {len(value)} characters; it may have at most {limit}"))
    return _clean(value)


def _clean(text: str) -> str:
    """Replace what cannot be stored: a status page's words are shown, never compared."""
    if text_fault(text) is None:
        return text
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def _instant(value: object, path: str, faults: list[FieldFault]) -> datetime | None:
    try:
        instant = datetime.fromisoformat(value.upper()) if isinstance(value, str) else None
        if instant is not None and instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    faults.append(FieldFault(path, f'is {shown(value)}; it must be a time with its zone, as "2027-01-31T10:30:00Z"'))
    return None


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(
        f"the status page is wrong: {field} {message}", [FieldFault(field, message)], code="invalid_statuspage"
    )


SPEC = SourceSpec(
    name="statuspage",
    title="Status page (Statuspage API v2)",
    description=(
        "A provider's status page: watched, or by its webhook. An outage is an incident on the resource `llm_provider` "
        "and explains the incidents on that provider and its models; see [status-pages.md](status-pages.md)."
    ),
    setup="""# Watched from here; an Atom or RSS feed of incidents will do as endpoint, too:
sources:
  openai-status:
    plugin: statuspage
    mode: pull
    endpoint: https://status.openai.com
    provider: openai
# Or told by the page: Subscribe to updates > Webhook, with the URL
#   {url}/api/v1/sources/statuspage?key={key}""",
    read=read,
    examples=(
        Example(
            body='{"page": {"id": "acme"}, "incident": {"id": "i-1", "name": "Elevated errors", "impact": "major", '
            '"status": "investigating", "created_at": "2026-10-31T10:30:00Z", "incident_updates": []}}'
        ),
        Example(
            title="it is over",
            body='{"page": {"id": "acme"}, "incident": {"id": "i-1", "name": "Elevated errors", "impact": "major", '
            '"status": "resolved", "created_at": "2026-10-31T10:30:00Z", "resolved_at": "2026-10-31T11:30:00Z", '
            '"incident_updates": []}}',
            opens=0,
        ),
        Example(
            title="a component",
            body='{"page": {"id": "acme"}, "component_update": {"new_status": "degraded_performance", "old_status": '
            '"operational"}, "component": {"id": "c-1", "name": "API", "status": "degraded_performance"}}',
            opens=0,
        ),
    ),
)
