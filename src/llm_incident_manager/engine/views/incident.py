"""An incident as every API shows it: specification §5.2's names, and what interfaces add."""

from typing import Any

from llm_incident_manager.domain.incidents.decide import is_unheard
from llm_incident_manager.domain.incidents.incident import ExecutedAction, Incident, Sla
from llm_incident_manager.domain.incidents.ladder import LadderState
from llm_incident_manager.domain.incidents.transitions import allowed_actions
from llm_incident_manager.domain.vocabulary import LinkKind
from llm_incident_manager.engine.views.instants import iso, iso_or_none

NO_DEADLINES = Sla()


def incident_document(incident: Incident) -> dict[str, Any]:
    """Return the incident as plain values; texts stay as they came, to be escaped where they are shown."""
    silence = incident.silence if incident.is_open else None
    # A silence that nobody was told before: the deadlines count from its end, so there is none to count down to yet.
    promised = incident.sla if not (incident.is_open and is_unheard(incident)) else NO_DEADLINES
    return {
        "id": incident.id,
        "external_id": incident.external_id,
        "fingerprint": incident.fingerprint,
        "severity": incident.severity.value,
        "status": incident.status.value,
        "category": incident.category.value,
        "title": incident.title,
        "description": incident.description,
        "impact": incident.impact,
        "source": incident.source,
        "source_event_id": incident.source_event_id,
        "assigned_to": incident.assigned_to,
        "assigned_team": incident.assigned_team,
        "escalation_level": incident.escalation_level,
        "created_at": iso(incident.created_at),
        "updated_at": iso(incident.updated_at),
        "acknowledged_at": iso_or_none(incident.acknowledged_at),
        "resolved_at": iso_or_none(incident.resolved_at),
        "closed_at": iso_or_none(incident.closed_at),
        "sla": {
            "acknowledgment_deadline": iso_or_none(promised.acknowledgment_deadline),
            "resolution_deadline": iso_or_none(promised.resolution_deadline),
            "acknowledgment_breached": incident.sla.acknowledgment_breached,
            "resolution_breached": incident.sla.resolution_breached,
        },
        **_bonds(incident),
        "metrics": {"mttd": incident.times.mttd, "mtta": incident.times.mtta, "mttr": incident.times.mttr},
        "resource": {
            "type": incident.resource.type,
            "id": incident.resource.id,
            "name": incident.resource.name,
            "metadata": incident.resource.metadata,
        },
        "environment": incident.environment.value if incident.environment is not None else None,
        "tags": dict(incident.tags),
        "labels": list(incident.labels),
        "resolution": {
            "root_cause": incident.resolution.root_cause,
            "resolution_notes": incident.resolution.resolution_notes,
            "resolved_by": incident.resolution.resolved_by,
            "playbook_used": incident.resolution.playbook_used,
            "actions_taken": [_executed(each) for each in incident.resolution.actions_taken],
        },
        "metadata": dict(incident.metadata),
        "event_type": incident.event_type,
        "event_count": incident.event_count,
        "event_metrics": dict(incident.metrics),
        "last_event_at": iso_or_none(incident.last_event_at),
        "snoozed_until": iso_or_none(incident.snoozed_until),
        "silenced_until": iso_or_none(silence.until) if silence is not None else None,
        "silenced_by": list(silence.silences) if silence is not None else [],
        "imported": incident.imported,
        "reported_by": _reports(incident),
        "allowed_actions": [action.value for action in allowed_actions(incident.status)],
        "ladder": ladder_document(incident),
        "version": incident.revision,
    }


def _reports(incident: Incident) -> dict[str, Any] | None:
    """Return who reports it, and what each says now; None unless a cross-source key made it one."""
    fold = incident.fold
    if fold is None:
        return None
    return {
        "cross_key": fold.rule,
        "key": fold.key,
        "resolve": fold.resolve,
        "reports": [
            {
                "source": report.source,
                "title": report.title,
                "state": report.state.value,
                "since": iso(report.since),
                "changed_at": iso(report.changed_at),
            }
            for report in fold.reports
        ],
    }


def ladder_document(incident: Incident) -> dict[str, Any]:
    """Return where the ladder stands, whom it tells next, and when.

    ``level`` is the level told last; ``next_targets`` are labels such as ``user:bo``.
    """
    ladder, plan = incident.ladder, incident.plan
    due = plan.steps[ladder.pending] if ladder.pending is not None and ladder.pending < len(plan.steps) else None
    return {
        "level": ladder.level,
        "state": ladder.state.value,
        "next_at": iso_or_none(ladder.next_at) if due is not None else None,
        "next_level": due.level if due is not None else None,
        "next_step": due.kind.value if due is not None else None,
        "next_targets": [target.label for target in due.targets] if due is not None else [],
        "policy": plan.policy,
        "cycle": ladder.cycle,
        "round": ladder.round,
        "reason": ladder.reason or _why(ladder.state),
    }


def _why(state: LadderState) -> str:
    match state:
        case LadderState.CLIMBING:
            return "the next step follows if nobody acts"
        case LadderState.TAKEN:
            return "somebody has it"
        case LadderState.EXHAUSTED:
            return "every level was told"
        case LadderState.SNOOZED:
            return "it is snoozed"
        case LadderState.SILENCED:
            return "a silence matches it"
        case LadderState.ENDED:
            return "the incident is over"
        case LadderState.QUIET:
            return "it pages nobody"


def _bonds(incident: Incident) -> dict[str, Any]:
    by_kind: dict[LinkKind, list[str]] = {}
    for link in incident.links:
        by_kind.setdefault(link.kind, []).append(link.incident_id)
    first = {kind: ids[0] for kind, ids in by_kind.items()}
    return {
        "related_incidents": list(dict.fromkeys(link.incident_id for link in incident.links)),
        "parent_incident": first.get(LinkKind.PARENT),
        "duplicate_of": first.get(LinkKind.DUPLICATE_OF),
        "recurrence_of": first.get(LinkKind.RECURRENCE_OF),
        "links": [
            {"incident_id": link.incident_id, "kind": link.kind.value, "reason": link.reason} for link in incident.links
        ],
    }


def _executed(action: ExecutedAction) -> dict[str, Any]:
    return {
        "id": action.id,
        "type": action.type,
        "description": action.description,
        "executed_by": action.executed_by,
        "executed_at": iso(action.executed_at),
        "result": action.result,
    }
