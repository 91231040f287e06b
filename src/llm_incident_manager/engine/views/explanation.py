"""Why: this severity, this grouping, these people; each a sentence with its evidence."""

from typing import Any

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.reports import named
from llm_incident_manager.domain.vocabulary import LinkKind


def explanation_document(incident: Incident, told: list[dict[str, Any]]) -> dict[str, Any]:
    """Return ``{severity, grouping, route}``, each with ``text`` and ``evidence``; ``told`` are the page documents."""
    return {"severity": _severity(incident), "grouping": _grouping(incident), "route": _route(incident, told)}


def _severity(incident: Incident) -> dict[str, Any]:
    found = incident.classification
    if found is None:
        text = f"{incident.severity}, as it was given when the incident was opened."
        return {"text": text, "severity": incident.severity.value, "strategy": "given", "evidence": []}
    evidence: list[dict[str, Any]] = [
        {"by": found.strategy, "finding": clause.text, "held": clause.held, "severity": found.severity.value}
        for clause in found.clauses
    ]
    evidence += [{"by": "degraded", "finding": each, "held": True, "severity": None} for each in found.degraded]
    text = found.sentence or f"{found.severity} by {found.strategy}."
    if found.severity is not incident.severity:
        text += f" It is {incident.severity} now, because a person set it so."
    answer: dict[str, Any] = {
        "text": text,
        "severity": incident.severity.value,
        "strategy": found.strategy,
        "rule": found.rule,
        "source_severity": incident.source_severity,
        "next_threshold": found.next_threshold,
        "evidence": evidence,
    }
    return answer


def _grouping(incident: Incident) -> dict[str, Any]:
    one = incident.event_count == 1
    if incident.source == "manual":
        text = "A person opened it; nothing joins it by itself."
    else:
        events = "One event" if one else f"{incident.event_count} events"
        text = (
            f"{events} of {incident.source} on {incident.resource.type} {incident.resource.id} with the same "
            f"fingerprint: source, category, resource, title and environment are equal."
        )
    evidence = [{"by": "fingerprint", "finding": incident.fingerprint}]
    if incident.fold is not None:
        fold = incident.fold
        ends = "when one of them says that it is over" if fold.resolve == "any" else "when all of them say so"
        text = f"{named(fold.reports)} report it: the cross-source key {fold.rule} makes them one. It ends {ends}."
        evidence = [{"by": "cross-source key", "finding": fold.key}, *evidence]
    for link in incident.links:
        words = link.kind.value.replace("_", " ")
        evidence.append({"by": link.kind.value, "finding": f"{words} {link.incident_id}: {link.reason or 'linked'}"})
    again = next((link for link in incident.links if link.kind is LinkKind.RECURRENCE_OF), None)
    if again is not None:
        text += f" The same trouble was resolved before as {again.incident_id}."
    return {
        "text": text,
        "fingerprint": incident.fingerprint,
        "event_count": incident.event_count,
        "evidence": evidence,
    }


def _route(incident: Incident, told: list[dict[str, Any]]) -> dict[str, Any]:
    routing = incident.routing
    sentence = routing.sentence or "It was not routed"
    evidence: list[dict[str, Any]] = [{"by": "considered", "finding": each} for each in routing.considered]
    evidence += [
        {"by": page["recipient"] or page["target"], "finding": page["sentence"], "channel": page["channel"]}
        for page in told
    ]
    if incident.silence is not None and incident.is_open:
        sentence += f"; nobody is paged now, {incident.silence.reason}"
        evidence += [{"by": "silence", "finding": each} for each in incident.silence.silences]
    return {
        "text": f"{sentence[:1].upper()}{sentence[1:]}.",
        "route": routing.route,
        "policy": routing.policy,
        "team": routing.team,
        "evidence": evidence,
    }
