"""Specification §6.4's Audit Event: one transaction's changes to one thing, by whom, from where (AUD-02)."""

from typing import Any

import msgspec

from llm_incident_manager.domain.audit.entry import AuditEntry
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.engine.rows import StoredChange
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.engine.views.timeline import log_entries

_WEIGHTS = (
    *("incident_created", "resolved", "closed", "reopened", "escalated", "acknowledged", "state_changed"),
    *("assigned", "comment_added", "sla_breached", "action_executed", "notification_sent", "incident_updated"),
)
"""Which of several entries of one transaction names the event: the earlier one."""
_OF_AN_INCIDENT = frozenset({"resolved", "closed", "reopened", "escalated", "acknowledged", "assigned"})


def change_event(incident_id: str, stored: StoredChange) -> dict[str, Any]:
    """Return the event of one change set; ``details`` are the log entries it consists of."""
    entries = log_entries(incident_id, stored)
    change_set = stored.changes()
    kinds = sorted((entry["event_type"] for entry in entries), key=_WEIGHTS.index)
    kind = kinds[0] if kinds else "incident_updated"
    return {
        "event_id": f"audit-{incident_id}-{stored.version}",
        "timestamp": iso(change_set.at),
        "event_type": f"incident_{kind}" if kind in _OF_AN_INCIDENT else kind,
        "incident_id": incident_id,
        "actor": _actor(change_set.by),
        "changes": [change for entry in entries for change in entry["changes"]],
        "metadata": msgspec.to_builtins(change_set.request) if change_set.request is not None else {},
        "details": [{"event_type": entry["event_type"], "event_data": entry["event_data"]} for entry in entries],
    }


def entry_event(version: int, entry: AuditEntry) -> dict[str, Any]:
    """Return the event of one entry of the tenant's own chain; ``object`` names what was changed."""
    facts = dict(entry.body)
    changes, metadata, changed = facts.pop("changes", []), facts.pop("metadata", {}), facts.pop("object", None)
    return {
        "event_id": f"audit-tenant-{version}",
        "timestamp": iso(entry.at),
        "event_type": entry.event_type,
        "incident_id": None,
        "actor": _actor(entry.by),
        "changes": changes,
        "metadata": metadata,
        "object": changed,
        "details": [{"event_type": entry.event_type, "event_data": facts}] if facts else [],
    }


def _actor(by: Actor) -> dict[str, str]:
    return {"type": by.type.value, "id": by.id, "name": by.name or by.id}
