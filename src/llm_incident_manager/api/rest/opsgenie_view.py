"""An incident as Opsgenie shows an alert."""

from collections.abc import Mapping, Sequence
from typing import Any

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Status
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.sources.opsgenie import PRIORITIES, tiny_of

Document = dict[str, Any]
_TAKEN = (Status.ACKNOWLEDGED, Status.IN_PROGRESS)


def alert_document(incident: Incident, *, whole: bool = False) -> Document:
    """Return an alert as lists show it; the ``whole`` has entity, description and details too."""
    meta = incident.resource.metadata
    integration = {"id": incident.source, "name": incident.source, "type": "API"}
    found: Document = {
        "id": incident.id,
        "tinyId": tiny_of(incident.id),
        "alias": alias_of(incident),
        "message": incident.title,
        "status": "open" if incident.is_open else "closed",
        "acknowledged": incident.is_open and incident.status in _TAKEN,
        "isSeen": incident.acknowledged_at is not None,
        "tags": list(incident.labels),
        "snoozed": incident.is_open and incident.snoozed_until is not None,
        "count": incident.event_count,
        "lastOccurredAt": iso(incident.last_event_at or incident.created_at),
        "createdAt": iso(incident.created_at),
        "updatedAt": iso(incident.updated_at),
        "source": str(meta.get("source") or incident.source),
        "owner": incident.assigned_to or "",
        "priority": PRIORITIES[incident.severity],
        "responders": [{"type": "team", "id": incident.assigned_team}] if incident.assigned_team else [],
        "integration": integration,
        "report": _report(incident),
    }
    if incident.snoozed_until is not None:
        found["snoozedUntil"] = iso(incident.snoozed_until)
    if whole:
        found |= {
            "actions": [],
            "entity": str(meta.get("entity") or ""),
            "description": incident.description,
            "details": dict(incident.tags),
        }
    return found


def alias_of(incident: Incident) -> str:
    """Return the alias that the alert was created with, or was given."""
    return str(incident.resource.metadata.get("alias") or incident.id)


def log_document(entry: Mapping[str, Any], place: int) -> Document:
    """Return a line of the timeline as a line of an alert's log."""
    said = str(entry.get("notes") or entry.get("event_type") or "")
    return {
        "log": f"{entry.get('event_type')}: {said}" if said != entry.get("event_type") else said,
        "type": "system" if _actor(entry).get("type") == "system" else "alertRecipient",
        "owner": str(_actor(entry).get("name") or _actor(entry).get("id") or "System"),
        "createdAt": entry.get("timestamp"),
        "offset": str(place),
    }


def note_document(entry: Mapping[str, Any], place: int) -> Document:
    """Return a comment as a note."""
    return {
        "note": str(entry.get("notes") or ""),
        "owner": str(_actor(entry).get("name") or _actor(entry).get("id") or ""),
        "createdAt": entry.get("timestamp"),
        "offset": str(place),
    }


def recipient_documents(rows: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Return who was told, each once, with the newest state."""
    found: dict[str, Document] = {}
    for row in rows:
        who = str(row.get("recipient") or "")
        found[who] = {
            "user": {"id": who, "username": who.partition(":")[2] or who},
            "state": "action" if row.get("state") == "acted" else "notactive" if row.get("state") == "failed" else
            "active",
            "method": str(row.get("channel") or ""),
            "createdAt": row.get("planned_at"),
            "updatedAt": row.get("delivered_at") or row.get("planned_at"),
        }  # fmt: skip
    return list(found.values())


def _actor(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    actor = entry.get("actor")
    return actor if isinstance(actor, dict) else {}


def _report(incident: Incident) -> Document:
    found: Document = {}
    if incident.acknowledged_at is not None:
        found["ackTime"] = _milliseconds(incident.acknowledged_at - incident.created_at)
        found["acknowledgedBy"] = incident.assigned_to or ""
    if incident.resolved_at is not None:
        found["closeTime"] = _milliseconds(incident.resolved_at - incident.created_at)
        found["closedBy"] = incident.resolution.resolved_by or ""
    return found


def _milliseconds(span: Any) -> int:
    return int(span.total_seconds() * 1000)
