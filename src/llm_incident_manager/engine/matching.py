"""⑧ Whether one incident is among those that a list asks for, without asking the database: for live views."""

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.ids import incident_number


def matches(wanted: IncidentFilter, incident: Incident) -> bool:
    """Return whether the list of ``wanted`` would hold ``incident``, whatever its order, limit and cursor."""
    alternatives = (
        (wanted.severity, incident.severity),
        (wanted.status, incident.status),
        (wanted.category, incident.category),
        (wanted.source, incident.source),
        (wanted.environment, incident.environment),
        (wanted.assigned_to, incident.assigned_to),
        (wanted.assigned_team, incident.assigned_team),
    )
    if any(values and value not in values for values, value in alternatives):
        return False
    if wanted.open_only and not incident.is_open:
        return False
    if wanted.start is not None and incident.created_at < wanted.start:
        return False
    if wanted.end is not None and incident.created_at >= wanted.end:
        return False
    values_of: dict[str, set[str]] = {}
    for key, value in wanted.tags:
        values_of.setdefault(key, set()).add(value)
    if any(incident.tags.get(key) not in values for key, values in values_of.items()):
        return False
    text = folded(wanted.text or "")
    if incident_number(text.upper()) is not None:
        return incident.id == text.upper()
    return text in words(incident)


def words(incident: Incident) -> str:
    """Return what the text search looks in: title, id, source and resource, in folded case."""
    resource = incident.resource
    return folded(
        f"{incident.title}\n{incident.id}\n{incident.source}\n{resource.type}\n{resource.id}\n{resource.name}"
    )


def folded(text: str) -> str:
    """Return ``text`` without regard to case, and without NUL, which PostgreSQL cannot store in text."""
    return text.casefold().replace("\0", "")
