"""What cross-source keys would have folded: incidents of the last hours, grouped as the keys say; nothing changes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.correlation.cross_keys import CrossKey, fold_of
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.documents.correlation import parse_correlation
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.searching import searching
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import FieldFault, Invalid

MOST_INCIDENTS = 2000
"""The newest so many are looked at."""
MOST_HOURS = 24 * 30
_PAGE = 500
_MEMBERS = ("keys", "hours")


class PreviewFolds:
    """Looks back. Needs the scope ``read``; raises Unavailable while the store is away."""

    def __init__(self, store: Store, settings: Callable[[str], TenantSettings], clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def of(self, caller: Caller, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{hours, looked_at, keys, groups}`` for ``{keys?, hours?}``; without keys those that are set count.

        A group is ``{cross_key, key, resolve, sources, incidents}``; of each key also ``folded``, how many incidents
        it would have spared, and ``matched``. Raises Invalid naming every bad member of the keys.
        """
        caller.require(Scope.READ)
        hours = _hours(document)
        keys = _keys(document, self._settings(caller.tenant))
        found = await self._newest(caller.tenant, hours)
        groups: dict[tuple[str, str], list[Incident]] = {}
        for incident in found:
            fold = fold_of(_as_event(incident), keys, caller.tenant)
            if fold is not None:
                groups.setdefault((fold.rule, fold.fingerprint), []).append(incident)
        shown = [_group(keys, name, several, caller.tenant) for (name, _), several in groups.items()]
        shown.sort(key=lambda group: -len(group["incidents"]))
        return {
            "hours": hours,
            "looked_at": len(found),
            "keys": [_tally(key, shown) for key in keys],
            "groups": [group for group in shown if len(group["incidents"]) > 1],
        }

    async def _newest(self, tenant: str, hours: int) -> list[Incident]:
        start = self._clock.now() - timedelta(hours=hours)
        found: list[Incident] = []
        cursor: str | None = None
        while len(found) < MOST_INCIDENTS:
            wanted = IncidentFilter(start=start, sort="-created_at", limit=_PAGE, cursor=cursor)
            page = await self._store.read(tenant, searching(wanted))
            found += page.incidents
            cursor = page.next_cursor
            if cursor is None:
                break
        return [incident for incident in found if incident.source_event_id and not incident.imported]


def _hours(document: Mapping[str, Any]) -> int:
    faults = [FieldFault(str(name), "is not known; give keys, hours") for name in document if name not in _MEMBERS]
    hours = document.get("hours", 24)
    if isinstance(hours, bool) or not isinstance(hours, int) or not 1 <= hours <= MOST_HOURS:
        faults.append(FieldFault("hours", f"is {hours!r:.50}; it must be a whole number from 1 to {MOST_HOURS}"))
    if faults:
        raise Invalid(f"{faults[0].field} {faults[0].message}", faults)
    return int(hours)


def _keys(document: Mapping[str, Any], settings: TenantSettings) -> tuple[CrossKey, ...]:
    if document.get("keys") is None:
        return settings.cross_keys
    findings = Findings()
    keys = parse_correlation({"keys": document["keys"]}, Known(), findings)
    findings.refuse("the list of keys")
    return keys


def _as_event(incident: Incident) -> Event:
    """Return the incident's first event as far as keys look at it."""
    return Event(
        event_id=incident.source_event_id,
        source=incident.source,
        timestamp=incident.created_at,
        received_at=incident.created_at,
        event_type=incident.event_type,
        category=incident.category,
        title=incident.title,
        severity=incident.source_severity,
        source_severity=incident.severity,
        resource=incident.resource,
        fingerprint=incident.fingerprint,
        description=incident.description,
        environment=incident.environment,
        metrics=incident.metrics,
        tags=incident.tags,
        labels=incident.labels,
        correlation_id=_text(incident.metadata.get("correlation_id")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _group(keys: Sequence[CrossKey], name: str, incidents: Sequence[Incident], tenant: str) -> dict[str, Any]:
    fold = fold_of(_as_event(incidents[0]), keys, tenant)
    return {
        "cross_key": name,
        "key": fold.key if fold is not None else "",
        "resolve": fold.resolve if fold is not None else "",
        "sources": sorted({incident.source for incident in incidents}),
        "incidents": [
            {
                "id": incident.id,
                "source": incident.source,
                "title": incident.title,
                "severity": incident.severity.value,
                "status": incident.status.value,
                "created_at": iso(incident.created_at),
                "resolved_at": iso(incident.resolved_at) if incident.resolved_at is not None else None,
            }
            for incident in sorted(incidents, key=lambda incident: (incident.created_at, incident.id))
        ],
    }


def _tally(key: CrossKey, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [len(group["incidents"]) for group in groups if group["cross_key"] == key.name]
    return {"name": key.name, "enabled": key.enabled, "matched": sum(mine), "folded": sum(mine) - len(mine)}
