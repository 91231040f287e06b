"""What the intake remembers so that most events need no question to the database."""

import asyncio
from collections.abc import Collection, Iterable

from llm_incident_manager.domain.events.event import Event

Identity = tuple[str, str, str]
"""(tenant, source, event id): counted once, ever."""


class OpenFingerprints:
    """From (tenant, fingerprint) to the open incident, or to the one reserved for it; backed by the database.

    A folded incident stands under the fingerprint of its key and under those of the problems that sources report to it:
    ``_reported`` holds these by incident, so that all of them end and go on together.
    """

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], str] = {}
        self._ending: set[tuple[str, str, str]] = set()
        self._reported: dict[tuple[str, str], set[str]] = {}

    def get(self, tenant: str, fingerprint: str) -> str | None:
        """Return the incident that an event of this fingerprint joins, or ``None``."""
        return self._ids.get((tenant, fingerprint))

    def joined(self, tenant: str, event: Event) -> str | None:
        """Return the incident that ``event`` joins: by its own fingerprint, or by its cross-source key; or ``None``."""
        found = self._ids.get((tenant, event.fingerprint))
        return found if found is not None or event.fold is None else self._ids.get((tenant, event.fold.fingerprint))

    def report(self, tenant: str, fingerprints: Iterable[str], incident_id: str) -> None:
        """Sources' own problems belong to this folded incident."""
        mine = self._reported.setdefault((tenant, incident_id), set())
        for fingerprint in fingerprints:
            mine.add(fingerprint)
            self.put(tenant, fingerprint, incident_id)

    def put(self, tenant: str, fingerprint: str, incident_id: str) -> None:
        """An incident was opened, or an id reserved, for this fingerprint."""
        if (tenant, fingerprint, incident_id) not in self._ending:
            self._ids[(tenant, fingerprint)] = incident_id

    def drop(self, tenant: str, fingerprint: str, incident_id: str) -> None:
        """That incident is not open any more; another one of the fingerprint stays."""
        for each in (fingerprint, *self._reported.pop((tenant, incident_id), ())):
            self._leave(tenant, each, incident_id)

    def end(self, tenant: str, fingerprint: str, incident_id: str) -> None:
        """Its recovery is on its way: what comes from now on is new trouble, whoever still counts for it meanwhile."""
        for each in (fingerprint, *self._reported.get((tenant, incident_id), ())):
            self._ending.add((tenant, each, incident_id))
            self._leave(tenant, each, incident_id)

    def end_those(self, incident_ids: Collection[str]) -> None:
        """Their recoveries waited when the process started."""
        waiting = [(*key, incident_id) for key, incident_id in self._ids.items() if incident_id in incident_ids]
        for tenant, fingerprint, incident_id in waiting:
            self.end(tenant, fingerprint, incident_id)

    def ended(self, tenant: str, fingerprint: str, incident_id: str) -> None:
        """Its recovery is triaged: the database says what came of it."""
        for each in (fingerprint, *self._reported.get((tenant, incident_id), ())):
            self._ending.discard((tenant, each, incident_id))

    def goes_on(self, tenant: str, fingerprint: str, incident_id: str) -> None:
        """Its recovery could not be stored."""
        self.ended(tenant, fingerprint, incident_id)
        for each in (fingerprint, *self._reported.get((tenant, incident_id), ())):
            self._ids.setdefault((tenant, each), incident_id)

    def _leave(self, tenant: str, fingerprint: str, incident_id: str) -> None:
        if self._ids.get((tenant, fingerprint)) == incident_id:
            del self._ids[(tenant, fingerprint)]

    def __len__(self) -> int:
        return len(self._ids)


class SeenEvents:
    """Which identities were counted: the recent ones exactly, with their incident; older ones as "perhaps".

    Until :meth:`warmed`, everything that is not recent is "perhaps", and the database is asked.
    """

    def __init__(self, recent: int = 50_000, bits: int = 1 << 26) -> None:
        self._recent = recent
        self._young: dict[Identity, str | None] = {}
        self._old: dict[Identity, str | None] = {}
        self._mask = bits - 1
        self._bloom = bytearray(bits // 8)
        self._warm = False
        self._under_way: dict[Identity, asyncio.Future[None] | None] = {}

    def lookup(self, identity: Identity) -> tuple[bool, str | None]:
        """Return whether it is among the recent, and its incident."""
        if identity in self._young:
            return True, self._young[identity]
        if identity in self._old:
            return True, self._old[identity]
        return False, None

    def perhaps(self, identity: Identity) -> bool:
        """Whether the database must be asked: false only if it was certainly never counted."""
        if not self._warm:
            return True
        bloom = self._bloom
        a, b, c, d = self._places(identity)
        return bool(
            bloom[a >> 3] & 1 << (a & 7)
            and bloom[b >> 3] & 1 << (b & 7)
            and bloom[c >> 3] & 1 << (c & 7)
            and bloom[d >> 3] & 1 << (d & 7)
        )

    def is_new(self, identity: Identity) -> bool:
        """Whether it certainly was never counted and nobody is making it durable: no question, no waiting."""
        # Whatever is among the recent ones has left its marks in the filter as well. What is new mostly finds its first
        # place empty: that one is looked at for every event, the others for few.
        first = hash(identity) & self._mask
        if self._bloom[first >> 3] & 1 << (first & 7) and self.perhaps(identity):
            return False
        return self._warm and identity not in self._under_way

    def add(self, identity: Identity, incident_id: str | None) -> None:
        """It is counted now."""
        if len(self._young) >= self._recent:
            self._old, self._young = self._young, {}
        self._young[identity] = incident_id
        # As _mark does; this is the way of every event.
        bloom, mask, word = self._bloom, self._mask, hash(identity)
        place, step = word & 0xFFFFFFFF, (word >> 32) | 1
        bloom[(place & mask) >> 3] |= 1 << (place & 7)
        place += step
        bloom[(place & mask) >> 3] |= 1 << (place & 7)
        place += step
        bloom[(place & mask) >> 3] |= 1 << (place & 7)
        place += step
        bloom[(place & mask) >> 3] |= 1 << (place & 7)

    def forget(self, identity: Identity) -> None:
        """It was not counted after all (its triage failed): the database is asked again."""
        self._young.pop(identity, None)
        self._old.pop(identity, None)

    def warm(self, identities: Iterable[Identity]) -> None:
        """Take in what the database knows, page by page."""
        for identity in identities:
            self._mark(identity)

    def warmed(self) -> None:
        """The database has been read to the end."""
        self._warm = True

    def under_way(self, identity: Identity) -> "asyncio.Future[None] | None":
        """Return what to wait for while the same event is being made durable for somebody else."""
        if identity not in self._under_way:
            return None
        future = self._under_way[identity]
        if future is None:
            future = self._under_way[identity] = asyncio.get_running_loop().create_future()
        return future

    def begin(self, identity: Identity) -> None:
        """It is being made durable."""
        # Nearly nobody ever waits for it, so what to wait for is made only then.
        self._under_way[identity] = None

    def end(self, identity: Identity) -> None:
        """It is durable, or was refused."""
        future = self._under_way.pop(identity, None)
        if future is not None and not future.done():
            future.set_result(None)

    def _mark(self, identity: Identity) -> None:
        bloom = self._bloom
        a, b, c, d = self._places(identity)
        bloom[a >> 3] |= 1 << (a & 7)
        bloom[b >> 3] |= 1 << (b & 7)
        bloom[c >> 3] |= 1 << (c & 7)
        bloom[d >> 3] |= 1 << (d & 7)

    def _places(self, identity: Identity) -> tuple[int, int, int, int]:
        # The filter lives as long as the process, so the process's own keyed hash will do; two halves of it make four
        # places (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006).
        word = hash(identity)
        first, step, mask = word & 0xFFFFFFFF, (word >> 32) | 1, self._mask
        return first & mask, (first + step) & mask, (first + 2 * step) & mask, (first + 3 * step) & mask
