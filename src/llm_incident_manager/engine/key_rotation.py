"""Keys that are due for rotation: told first, then an incident; a key never ends by itself because of it (SEC-02)."""

from datetime import datetime, timedelta

import structlog

from llm_incident_manager.domain.classification.decision import Classification
from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.incidents.changes import IncidentOpened, RequestFacts
from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.vocabulary import ActorType, Category, Severity
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.commit import prepare_opening, write_openings
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.loads import Loads
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import ApiKey
from llm_incident_manager.engine.views.api_key import is_due
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.ids import IncidentNumbers

SOURCE = "llm-incident-manager"
"""The source of incidents about ourselves."""
GRACE = timedelta(days=7)
"""A key that is due for so long opens an incident; so does one whose incident was resolved so long ago."""
WATCHMAN = Actor(type=ActorType.SYSTEM, id="key-rotation", name="Key rotation")
_LOG = structlog.get_logger(__name__)


class KeyRotation:
    """A step for a daily loop; repeated on the same day it changes nothing."""

    def __init__(self, store: Store, contexts: Contexts, numbers: IncidentNumbers) -> None:
        self._store = store
        self._contexts = contexts
        self._numbers = numbers

    async def due(self, now: datetime) -> list[ApiKey]:
        """Return the keys of all tenants that work, were not replaced, and should have been rotated by ``now``."""
        keys = await self._store.system_read(lambda tx: tx.api_keys())
        replaced = {key.replaces for key in keys}
        return [key for key in keys if is_due(key, now) and key.id not in replaced]

    async def remind(self, now: datetime) -> list[ApiKey]:
        """Tell of each key that is due (audit and log, once), open an incident for those due long; return the due."""
        keys = await self.due(now)
        for key in keys:
            if await self._store.transact(key.tenant, lambda tx, key=key: _tell(tx, key), background=True):  # type: ignore[misc]
                _LOG.warning("api_key_rotation_due", tenant=key.tenant, key_id=key.id, name=key.name)
            if key.rotate_after is not None and now - key.rotate_after >= GRACE:
                await self._open(key, now)
        return keys

    async def _open(self, key: ApiKey, now: datetime) -> None:
        mark = fingerprint(key.tenant, SOURCE, Category.COMPLIANCE, "api_key", key.id, "", None, f"rotation:{key.id}")

        def is_wanted(tx: Transaction) -> bool:
            last = tx.incidents.last_by_fingerprint([mark]).get(mark)
            before = tx.incidents.get(last) if last is not None else None
            return before is None or (not before.is_open and now - (before.resolved_at or before.updated_at) >= GRACE)

        if not await self._store.read(key.tenant, is_wanted):
            return
        incident_id = self._numbers.reserve(now.date())

        def work(tx: Transaction) -> Incident | None:
            opening = _opening(key, incident_id, mark, tx.now)
            opened = prepare_opening(
                [opening], by=WATCHMAN, at=tx.now, context=self._contexts(key.tenant), loads=Loads(tx)
            )
            return None if write_openings(tx, [opened]) else opened.incident

        await self._store.transact(key.tenant, work, background=True)


def _tell(tx: Transaction, key: ApiKey) -> bool:
    """Write that the key is due; False where that was written before."""
    event_type = "api_key_rotation_due"
    told, cursor = False, None
    while not told:
        page, cursor, _ = tx.audit.page(
            start=key.rotate_after, end=None, actor=WATCHMAN.id, incident=None, limit=200, cursor=cursor
        )
        told = any(f'"{key.id}"'.encode() in row.body for row in page if row.event_type == event_type)
        if cursor is None:
            break
    if not told:
        note(
            tx,
            by=WATCHMAN,
            request=RequestFacts(),
            event_type=event_type,
            kind="api_keys",
            item_id=key.id,
            changes=[],
        )
    return not told


def _opening(key: ApiKey, incident_id: str, mark: str, now: datetime) -> IncidentOpened:
    due = iso(key.rotate_after) if key.rotate_after is not None else "long ago"
    return IncidentOpened(
        incident_id=incident_id,
        tenant=key.tenant,
        fingerprint=mark,
        severity=Severity.P3,
        category=Category.COMPLIANCE,
        title=f"API key {key.name} should be rotated",
        description=(
            f"Key {key.id} was due for rotation at {due} and still works. Make its successor with "
            f"`lim keys rotate {key.id}`, hand it over, and let the old one end."
        ),
        source=SOURCE,
        source_event_id=f"rotation-{key.id}-{incident_id}",
        event_type="api_key_rotation_due",
        source_severity=Severity.P3.value,
        resource=Resource(type="api_key", id=key.id, name=key.name),
        occurred_at=now,
        accepted_at=now,
        late=True,
        classification=Classification(
            severity=Severity.P3,
            strategy="own",
            sentence=f"{Severity.P3}, because keys older than their term are a risk, not an outage.",
        ),
    )
