"""③ What a provider's outage explains: open incidents on it and its models are linked with it, both ways (ING-13).

Looked for again and again, from what is stored: whichever of the two was there first, and whatever was interrupted.
Only tenants with a source that names its provider are looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.correlation.providers import RESOURCE, explained
from llm_incident_manager.domain.events.pulling import Provider
from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Change
from llm_incident_manager.domain.incidents.incident import SYSTEM, Incident
from llm_incident_manager.domain.vocabulary import LinkKind
from llm_incident_manager.engine.commit import commit
from llm_incident_manager.engine.context import Contexts
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.searching import searching
from llm_incident_manager.engine.settings import SettingsMemory
from llm_incident_manager.errors import Conflict

log = structlog.get_logger("explain")
LOOK_BACK = timedelta(hours=1)
"""An outage that ended is looked at for so long: what opened just before its end may not have been seen yet."""
OVERLAP = timedelta(minutes=2)
"""What opened so long ago is looked at again: it may have been committed late."""
LOOK_AT_ALL = timedelta(minutes=5)
"""Everything is looked at again so often: tags are edited, settings change."""
PAGE = 500
PAGES = 10
"""Incidents of one run; the next one goes on from there."""
MOST_LINKS = 200
"""Incidents that are listed on one outage; those beyond name it all the same."""
_OUTAGES = 100


class _Outage(msgspec.Struct, frozen=True, kw_only=True):
    incident: Incident
    provider: Provider
    began: datetime


class _Progress(msgspec.Struct, kw_only=True):
    """How far a tenant's incidents were looked at, for which outages, since when."""

    outages: frozenset[str]
    since: datetime
    reached: datetime | None = None


class Explain:
    """Links what an outage explains. Raises Unavailable while the store is away."""

    def __init__(
        self,
        store: Store,
        settings: SettingsMemory,
        contexts: Contexts,
        clock: Clock,
        committed: Callable[[Incident], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._contexts = contexts
        self._clock = clock
        self._committed = committed
        self._progress: dict[str, _Progress] = {}

    async def run_once(self) -> int:
        """Look once; returns how many incidents were linked."""
        linked = 0
        for tenant in self._settings.tenants():
            sources = self._settings.of(tenant).sources.values()
            pages = {source.name: source.provider for source in sources if source.provider is not None}
            if pages:
                linked += await self._look(tenant, pages)
        return linked

    async def _look(self, tenant: str, pages: Mapping[str, Provider]) -> int:
        outages = await self._store.read(tenant, lambda tx: _outages(tx, pages, self._clock.now()))
        if not outages:
            self._progress.pop(tenant, None)
            return 0
        progress = self._progress_of(tenant, outages)
        first = min(each.began - timedelta(seconds=each.provider.window_seconds) for each in outages)
        start = first if progress.reached is None else max(first, progress.reached - OVERLAP)
        linked, cursor = 0, None
        for _ in range(PAGES):
            wanted = IncidentFilter(start=start, open_only=True, sort="created_at", limit=PAGE, cursor=cursor)
            page = await self._store.read(tenant, searching(wanted))
            for outage in outages:
                linked += await self._link(tenant, outage, page.incidents)
            if page.incidents:
                progress.reached = page.incidents[-1].created_at
            cursor = page.next_cursor
            if cursor is None:
                progress.reached = self._clock.now()
                break
        return linked

    def _progress_of(self, tenant: str, outages: Sequence[_Outage]) -> _Progress:
        """Return how far this tenant was looked at; from the start where outages are others, or it is long ago."""
        now, ids = self._clock.now(), frozenset(each.incident.id for each in outages)
        known = self._progress.get(tenant)
        if known is None or not ids <= known.outages or now - known.since >= LOOK_AT_ALL:
            known = self._progress[tenant] = _Progress(outages=ids, since=now)
        return known

    async def _link(self, tenant: str, outage: _Outage, incidents: Sequence[Incident]) -> int:
        found = [each.id for each in incidents if _why(each, outage) is not None]
        if not found:
            return 0

        def work(tx: Transaction) -> list[Incident]:
            return self._linked(tx, outage, found)

        try:
            changed = await self._store.transact(tenant, work, background=True)
        except Conflict:
            # Somebody was faster; what is still unlinked is found by the next look at everything.
            self._progress.pop(tenant, None)
            return 0
        for incident in changed:
            self._committed(incident)
        if changed:
            log.info("outage_explains", tenant=tenant, outage=outage.incident.id, incidents=len(changed) - 1)
        return max(0, len(changed) - 1)

    def _linked(self, tx: Transaction, outage: _Outage, found: Sequence[str]) -> list[Incident]:
        """Link both sides in one transaction, as they are by now."""
        context = self._contexts(tx.tenant)
        upstream = tx.incidents.get(outage.incident.id)
        room = MOST_LINKS - sum(link.kind is LinkKind.EXPLAINS for link in upstream.links)
        changed: list[Incident] = []
        back: list[Change] = []
        for incident_id in found:
            incident = tx.incidents.get(incident_id)
            why = _why(incident, outage)
            if why is None:
                continue
            changes = decide.link(incident, upstream.id, LinkKind.EXPLAINED_BY, reason=why)
            changed.append(commit(tx, incident, changes, by=SYSTEM, context=context))
            if len(back) < room:
                back += decide.link(upstream, incident.id, LinkKind.EXPLAINS, reason=why)
        if changed:
            changed.append(commit(tx, upstream, back, by=SYSTEM, context=context))
        return changed


def _outages(tx: Transaction, pages: Mapping[str, Provider], now: datetime) -> list[_Outage]:
    names = tuple(sorted(pages))
    newest = IncidentFilter(source=names, sort="-updated_at", limit=_OUTAGES)
    still = msgspec.structs.replace(newest, open_only=True)
    known = {each.id: each for wanted in (newest, still) for each in tx.incidents.search(wanted).incidents}
    found: list[_Outage] = []
    for each in known.values():
        lately = each.is_open or (each.resolved_at is not None and now - each.resolved_at <= LOOK_BACK)
        if lately and each.resource.type == RESOURCE and not each.imported:
            found.append(_Outage(incident=each, provider=pages[each.source], began=_began(each)))
    return sorted(found, key=lambda outage: (outage.began, outage.incident.id))


def _began(outage: Incident) -> datetime:
    """Return when the page says that it began; what it was accepted at, where it says nothing, or something later."""
    told = outage.resource.metadata.get("began")
    try:
        at = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        at = None
    return outage.created_at if at is None or at.tzinfo is None else min(at, outage.created_at)


def _why(incident: Incident, outage: _Outage) -> str | None:
    """Return why it is explained, or None where it is not, or is said to be already."""
    upstream = outage.incident
    if any(link.incident_id == upstream.id and link.kind is LinkKind.EXPLAINED_BY for link in incident.links):
        return None
    return explained(incident, outage.provider, began=outage.began, ended=upstream.resolved_at)
