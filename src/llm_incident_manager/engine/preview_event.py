"""What an event would become: its severity and why, and the incident that it would join; nothing is stored."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.classification.classify import classify
from llm_incident_manager.domain.correlation.cross_keys import folding
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.ports import Key, Store, Transaction
from llm_incident_manager.engine.rows import StoredEvent
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.views.event import event_document
from llm_incident_manager.errors import Invalid

OPENS, JOINS, ENDS, KEPT, KNOWN = "opens", "joins", "ends", "kept", "duplicate"
"""What an event would do; a recovery with nothing open, and a change, are only ``kept``."""


class PreviewEvent:
    """Looks at events without taking them in. Needs the scope ``read``; raises Unavailable while the store is away."""

    def __init__(self, store: Store, settings: Callable[[str], TenantSettings], clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    async def of(self, caller: Caller, items: Sequence[bytes]) -> list[dict[str, Any]]:
        """Return for each item ``{event, severity, severity_reason, cross_key, would, incident_id, errors}``."""
        caller.require(Scope.READ)
        settings, now = self._settings(caller.tenant), self._clock.now()
        read: list[Event | Invalid] = []
        for item in items:
            try:
                event = accept_document(item, tenant=caller.tenant, received_at=now, sources=settings.sources)
                read.append(folding(event, settings.cross_keys, caller.tenant))
            except Invalid as invalid:
                read.append(invalid)
        events = [event for event in read if isinstance(event, Event)]
        fingerprints = [event.fingerprint for event in events]
        keys = [(event.source, event.event_id) for event in events]

        def look(tx: Transaction) -> tuple[dict[str, str], set[Key]]:
            """Return the open incident of each fingerprint, also of those that are reported to a folded one."""
            folded = tx.reports.open_of(fingerprints)
            wanted = [*fingerprints, *(event.mark for event in events), *folded.values()]
            standing = {mark: incident.id for mark, incident in tx.incidents.open_by_fingerprint(wanted).items()}
            return standing | {own: standing[mark] for own, mark in folded.items()}, set(tx.events.known(keys))

        found, known = await self._store.read(caller.tenant, look)
        return [_shown(each, settings, found, known) for each in read]


def _shown(
    read: Event | Invalid, settings: TenantSettings, standing: dict[str, str], known: set[tuple[str, str]]
) -> dict[str, Any]:
    if isinstance(read, Invalid):
        errors = [{"field": fault.field, "message": fault.message} for fault in read.faults]
        return {
            "event": None, "severity": None, "severity_reason": None, "cross_key": None, "would": None,
            "incident_id": None, "errors": errors,
        }  # fmt: skip
    decided = classify(read, settings.rules, settings.thresholds)
    joins = None if read.is_change else standing.get(read.fingerprint, standing.get(read.mark))
    if (read.source, read.event_id) in known:
        would = KNOWN
    elif read.is_change or (read.recovers and joins is None):
        would = KEPT
    elif read.recovers:
        would = ENDS
    else:
        would = OPENS if joins is None else JOINS
    stored = StoredEvent(
        tenant=settings.tenant,
        source=read.source,
        event_id=read.event_id,
        incident_id=joins,
        received_at=read.received_at,
        payload=msgspec.json.encode(read),
    )
    return {
        "event": event_document(stored),
        "severity": decided.severity.value,
        "severity_reason": decided.sentence,
        "cross_key": {"name": read.fold.rule, "key": read.fold.key} if read.fold is not None else None,
        "would": would,
        "incident_id": joins,
        "errors": [],
    }
