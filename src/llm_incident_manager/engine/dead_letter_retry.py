"""Dead letters that may pass are tried again; for the rest, operators are told once (REL-04, specification §8.3.3)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.document import peek
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.incident import SYSTEM
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.dead_letters import (
    ANALYSIS,
    TRIAGE,
    DeadLetters,
    analyse,
    reason_of,
    remove,
    save_if_there,
)
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.rows import DeadLetter
from llm_incident_manager.engine.sealing import without_mark
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.errors import IncidentManagerError, NotFound, RateLimited, Unavailable

log = structlog.get_logger("dead_letters")
FIRST_RETRY = timedelta(minutes=1)
"""After the letter was written; each further one waits four times as long."""
PAGE = 100
_OVERLAP = timedelta(minutes=5)
"""Letters of other nodes may be written a little out of order."""


class _Same(msgspec.Struct, frozen=True):
    """The letter that stands for all of one body."""

    id: str
    attempts: int


class DeadLetterRetry:
    """A step for the loop, once a minute or so: :meth:`retry_due`.

    A retried letter stays until its event is really counted, so that its number of tries outlives a restart; the letter
    that another failure writes meanwhile is folded into it.
    """

    def __init__(self, store: Store, letters: DeadLetters, clock: Clock, telemetry: Telemetry) -> None:
        self._store = store
        self._letters = letters
        self._clock = clock
        self._telemetry = telemetry
        self._looked_at: dict[str, datetime] = {}
        self._waiting: dict[str, set[str]] = {}
        self._bodies: dict[tuple[str, bytes], _Same] = {}

    async def retry_due(self) -> int:
        """Analyse what is new, retry what is due; returns how many were tried. Raises Unavailable (store away).

        The gauge ``dead_letters`` says how many there are.
        """
        tenants = await self._store.system_read(lambda tx: {tenant.id for tenant in tx.tenants()})
        tried = total = 0
        for tenant in sorted(tenants | {"default"}):
            await self._look(tenant)
            for letter_id in sorted(self._waiting.get(tenant, ())):
                tried += await self._retry(tenant, letter_id)
            _, _, left = await self._store.read(tenant, lambda tx: tx.dead_letters.page(limit=1, cursor=None))
            total += left
        self._telemetry.set("dead_letters", None, total)
        return tried

    async def _look(self, tenant: str) -> None:
        """Sort out what arrived since the last look: the newest come first."""
        since = self._looked_at.get(tenant)
        newest: datetime | None = None
        cursor: str | None = None
        while True:
            letters, cursor, _ = await self._store.read(
                tenant,
                lambda tx, cursor=cursor: tx.dead_letters.page(limit=PAGE, cursor=cursor),  # type: ignore[misc]
            )
            fresh = [letter for letter in letters if since is None or letter.at >= since - _OVERLAP]
            await self._sort_out(tenant, fresh)
            newest = newest or (letters[0].at if letters else None)
            if cursor is None or len(fresh) < len(letters):
                break
        if newest is not None:
            self._looked_at[tenant] = newest

    async def _sort_out(self, tenant: str, letters: Sequence[DeadLetter]) -> None:
        hopeless: list[DeadLetter] = []
        for letter in letters:
            told = any(field == ANALYSIS for field, _ in letter.faults)
            if letter.source == TRIAGE and await self._is_folded(tenant, letter):
                continue
            if told:
                continue
            if analyse(letter).retriable:
                self._waiting.setdefault(tenant, set()).add(letter.id)
            else:
                hopeless.append(letter)
        await self._tell(tenant, hopeless)

    async def _is_folded(self, tenant: str, letter: DeadLetter) -> bool:
        """Whether ``letter`` repeats one that was tried more often, and went into it."""
        key = (tenant, sha256(letter.body).digest())
        stands = self._bodies.get(key)
        mine = _Same(letter.id, letter.attempts)
        if stands is None or stands.id == letter.id:
            self._bodies[key] = mine
            return False
        kept, gone = (stands, mine) if stands.attempts >= letter.attempts else (mine, stands)

        def work(tx: Transaction) -> bool:
            try:
                tx.dead_letters.get(kept.id)
                tx.dead_letters.remove(gone.id)
            except NotFound:
                return False
            return True

        folded = await self._store.transact(tenant, work, background=True)
        self._bodies[key] = kept if folded else mine
        if folded:
            self._waiting.get(tenant, set()).discard(gone.id)
        return folded and gone is mine

    async def _retry(self, tenant: str, letter_id: str) -> int:
        try:
            letter = await self._store.read(tenant, lambda tx: tx.dead_letters.get(letter_id))
            now = self._clock.now()
            if (letter.next_attempt_at or letter.at + FIRST_RETRY) > now:
                return 0
            if await self._is_counted(letter):
                await self._store.transact(
                    tenant, lambda tx: remove(tx, letter, "dead_letter_replayed", SYSTEM, RequestFacts())
                )
                self._waiting[tenant].discard(letter_id)
                log.info("dead_letter_passed", tenant=tenant, letter_id=letter_id, attempts=letter.attempts)
                return 0
            if not analyse(letter).retriable:
                await self._tell(tenant, [letter])
                return 0
            await self._try(letter, now)
        except NotFound:
            # A person replayed or discarded it.
            self._waiting[tenant].discard(letter_id)
            return 0
        return 1

    async def _try(self, letter: DeadLetter, now: datetime) -> None:
        tried = letter.attempts + 1
        wait = FIRST_RETRY * 4**letter.attempts
        try:
            await self._letters.take_in(letter)
        except (RateLimited, Unavailable):
            tried, wait = letter.attempts, FIRST_RETRY
        except IncidentManagerError as refused:
            faulty = msgspec.structs.replace(letter, reason=reason_of(letter, refused), retriable=False, attempts=tried)
            await self._tell(letter.tenant, [faulty])
            return
        later = msgspec.structs.replace(letter, attempts=tried, next_attempt_at=now + wait)
        await self._store.transact(letter.tenant, lambda tx: save_if_there(tx, later), background=True)
        self._bodies[letter.tenant, sha256(letter.body).digest()] = _Same(letter.id, tried)

    async def _is_counted(self, letter: DeadLetter) -> bool:
        name = peek(without_mark(letter.body))
        if name.source is None or name.event_id is None:
            return False
        key = (name.source, name.event_id)
        return key in await self._store.read(letter.tenant, lambda tx: tx.events.known([key]))

    async def _tell(self, tenant: str, letters: Sequence[DeadLetter]) -> None:
        """Write down why each is kept, once, for the audit and the log; then it waits for a person."""
        if not letters:
            return

        def work(tx: Transaction) -> list[str]:
            kept: list[str] = []
            for letter in letters:
                analysis = (ANALYSIS, analyse(letter).why)
                marked = msgspec.structs.replace(
                    letter, retriable=False, next_attempt_at=None, faults=(*letter.faults, analysis)
                )
                try:
                    save_if_there(tx, marked)
                except NotFound:
                    continue
                kept.append(letter.id)
            moves = [
                {"field": letter.id, "old_value": letter.reason, "new_value": analyse(letter).why}
                for letter in letters
                if letter.id in kept
            ]
            if kept:
                note(
                    tx, by=SYSTEM, request=RequestFacts(), event_type="dead_letters_kept", kind="dead_letters",
                    item_id=kept[0], changes=moves,
                )  # fmt: skip
            return kept

        kept = await self._store.transact(tenant, work, background=True)
        self._waiting.get(tenant, set()).difference_update(letter.id for letter in letters)
        if kept:
            log.error("dead_letters_need_a_person", tenant=tenant, number=len(kept), letters=kept[:10])
