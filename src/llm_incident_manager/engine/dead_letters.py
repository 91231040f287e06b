"""What could not be processed, kept for a person: listed, replayed, discarded (REL-04, specification §8.3.3)."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.events.document import peek
from llm_incident_manager.domain.events.sealed import MARKER
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.accept import Receipt
from llm_incident_manager.engine.audit_note import note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.memory import SeenEvents
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.refused_events import NOT_TOLD
from llm_incident_manager.engine.rows import DeadLetter
from llm_incident_manager.engine.sealing import Sealing, is_sealed, may_read, without_mark
from llm_incident_manager.engine.views.instants import iso, iso_or_none
from llm_incident_manager.errors import IncidentManagerError, Invalid

MAX_RETRIES = 3
"""Specification §8.2.2."""
ANALYSIS = "analysis"
"""The field among a letter's faults that holds what the analysis said; a letter that has it was told of."""
TRIAGE = "triage"
"""The source of letters whose event was accepted, and failed behind the journal."""
_SHOWN_BYTES = 65_536


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a letter may pass if it is tried again, and why (specification §8.3.3 ``analyzeFailure``)."""

    retriable: bool
    why: str


class Accepts(Protocol):
    """The intake."""

    async def accept(self, body: bytes, caller: Caller) -> Receipt: ...


Again = Callable[[DeadLetter, Caller], Awaitable[Receipt | None]]
"""Lets a letter's source translate it once more; None: it is an event already. Raises what the intake raises."""


def analyse(letter: DeadLetter) -> Analysis:
    """Return what can be done about a letter: only what was valid and failed behind the intake is worth a retry."""
    if "unreadable journal bytes" in letter.reason:
        return Analysis(retriable=False, why="its bytes were damaged on disk; nothing can read them again")
    if "two restarts" in letter.reason:
        return Analysis(retriable=False, why="it may be what stopped the process twice; repair that, then replay it")
    if not letter.retriable:
        return Analysis(retriable=False, why="the event itself is wrong; correct it at its source and send it again")
    if letter.attempts >= MAX_RETRIES:
        return Analysis(retriable=False, why=f"it failed {letter.attempts} more times; replay it once that is repaired")
    return Analysis(retriable=True, why="it was valid when it was accepted, and what failed may work later")


class DeadLetters:
    """The dead letters of the caller's tenant. Reading needs the scope ``read``, the rest ``admin`` (else Forbidden).

    An unknown or foreign id is NotFound; Unavailable while the store is away.
    """

    def __init__(
        self,
        store: Store,
        intake: Accepts,
        clock: Clock,
        seen: SeenEvents | None = None,
        again: Again | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        self._sealing = sealing or Sealing()
        self._store = store
        self._intake = intake
        self._clock = clock
        self._seen = seen
        self._again = again

    async def page(
        self, caller: Caller, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[dict[str, Any]], str | None, int]:
        """Return one page, newest first, the next cursor and the total."""
        caller.require(Scope.READ)
        letters, next_cursor, total = await self._store.read(
            caller.tenant, lambda tx: tx.dead_letters.page(limit=limit, cursor=cursor)
        )
        return [self._shown(letter, caller) for letter in letters], next_cursor, total

    async def get(self, caller: Caller, letter_id: str) -> dict[str, Any]:
        """Return one."""
        caller.require(Scope.READ)
        return self._shown(await self._store.read(caller.tenant, lambda tx: tx.dead_letters.get(letter_id)), caller)

    async def replay(self, caller: Caller, letter_id: str) -> dict[str, Any]:
        """Take the event in again and return ``{status, event_id, incident_id, message}``; then the letter is gone.

        Repeating it is harmless: an event is counted once. Raises Invalid where the event still is wrong: the letter
        stays, with the faults it has now. RateLimited and Unavailable leave it as it was.
        """
        caller.require(Scope.ADMIN)
        letter = await self._store.read(caller.tenant, lambda tx: tx.dead_letters.get(letter_id))
        try:
            receipt = await self.take_in(letter)
        except Invalid as invalid:
            tried = msgspec.structs.replace(
                letter, reason=reason_of(letter, invalid), retriable=False, attempts=letter.attempts + 1,
                next_attempt_at=None, faults=_faults(invalid, letter),
            )  # fmt: skip
            await self._store.transact(caller.tenant, lambda tx: save_if_there(tx, tried))
            raise
        await self._store.transact(
            caller.tenant, lambda tx: remove(tx, letter, "dead_letter_replayed", caller.actor, caller.request)
        )
        return {
            "status": receipt.status,
            "event_id": receipt.event_id,
            "incident_id": receipt.incident_id,
            "message": receipt.message,
        }

    async def discard(self, caller: Caller, letter_id: str) -> None:
        """Throw one away; the audit keeps who did it, and which event it was."""
        caller.require(Scope.ADMIN)

        def work(tx: Transaction) -> None:
            letter = tx.dead_letters.get(letter_id)
            remove(tx, letter, "dead_letter_discarded", caller.actor, caller.request)

        await self._store.transact(caller.tenant, work)

    def _shown(self, letter: DeadLetter, caller: Caller) -> dict[str, Any]:
        if not is_sealed(letter.body):
            return letter_document(letter)
        body = MARKER.encode()
        if may_read(caller):
            try:
                body = self._sealing.plain_letter(letter.body, letter.tenant, letter.id)
            except Invalid as unreadable:
                body = f"{MARKER[:-1]}: {unreadable.message}]".encode()
        return letter_document(msgspec.structs.replace(letter, body=body))

    async def take_in(self, letter: DeadLetter) -> Receipt:
        """Send a letter through the intake, in the name of its tenant, a vendor's through its source before.

        Raises what the intake raises, and Invalid (``encrypted``) where its body cannot be read.
        """
        name = peek(without_mark(letter.body))
        if letter.source == TRIAGE and self._seen is not None and name.source and name.event_id:
            # The intake remembers it as accepted, but it was never counted.
            self._seen.forget((letter.tenant, name.source, name.event_id))
        plain = self._sealing.plain_letter(letter.body, letter.tenant, letter.id)
        letter = msgspec.structs.replace(letter, body=plain)
        caller = Caller(tenant=letter.tenant, actor=SYSTEM, scopes=frozenset({Scope.INGEST}), key_id="dead-letters")
        if letter.source != TRIAGE and self._again is not None:
            translated = await self._again(letter, caller)
            if translated is not None:
                return translated
        return await self._intake.accept(letter.body, caller)


def letter_document(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter as APIs show it; ``body`` is the event as text, at most 64 KiB of it."""
    told = [message for field, message in letter.faults if field == ANALYSIS]
    analysis = analyse(letter)
    return {
        "id": letter.id,
        "at": iso(letter.at),
        "source": letter.source,
        "reason": letter.reason,
        "retriable": analysis.retriable,
        "analysis": told[-1] if told else analysis.why,
        "attempts": letter.attempts,
        "next_attempt_at": iso_or_none(letter.next_attempt_at),
        "faults": [{"field": field, "message": message} for field, message in letter.faults if field != ANALYSIS],
        "body": letter.body[:_SHOWN_BYTES].decode(errors="replace"),
        "body_bytes": len(letter.body),
    }


def remove(tx: Transaction, letter: DeadLetter, event_type: str, by: Actor, request: RequestFacts) -> None:
    """Remove a letter and write who did it, in one transaction; raises NotFound if somebody was faster."""
    tx.dead_letters.remove(letter.id)
    name = peek(without_mark(letter.body))
    facts = (("source", name.source or letter.source), ("event_id", name.event_id), ("reason", letter.reason))
    moves = [{"field": field, "old_value": value, "new_value": None} for field, value in facts]
    note(
        tx, by=by, request=request, event_type=event_type, kind="dead_letters", item_id=letter.id, changes=moves
    )  # fmt: skip


def save_if_there(tx: Transaction, letter: DeadLetter) -> None:
    """Write a letter that still exists; raises NotFound for one that was removed meanwhile, which stays removed."""
    tx.dead_letters.get(letter.id)
    tx.dead_letters.save(letter)


def reason_of(letter: DeadLetter, refused: IncidentManagerError) -> str:
    """Return why a letter was refused again, as it may be kept: of an encrypted body nothing is told."""
    return refused.message if not is_sealed(letter.body) or refused.code == "encrypted" else NOT_TOLD


def _faults(invalid: Invalid, letter: DeadLetter) -> tuple[tuple[str, str], ...]:
    if is_sealed(letter.body):
        return letter.faults
    told = tuple(fault for fault in letter.faults if fault[0] == ANALYSIS)
    return (*((fault.field, fault.message) for fault in invalid.faults), *told)
