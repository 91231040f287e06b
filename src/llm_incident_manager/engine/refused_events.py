"""What was answered as rejected, kept as dead letters; while the database is away the newest wait (REL-04)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.engine.rows import DeadLetter, LetterRequest
from llm_incident_manager.engine.sealing import Sealing, is_sealed
from llm_incident_manager.errors import Invalid, Unavailable
from llm_incident_manager.ids import IdSource

log = structlog.get_logger("accept")
NOT_TOLD = "the event is wrong; how was told to its sender, and its source's members are encrypted"
MAX_UNKEPT = 1000
"""How many of a tenant wait for the database."""


class RefusedEvents:
    """The intake's way to the dead letters."""

    def __init__(self, store: Store, ids: IdSource, sealing: Sealing) -> None:
        self._sealing = sealing
        self._store = store
        self._ids = ids
        self._unkept: dict[str, list[DeadLetter]] = {}

    def letter(
        self,
        body: bytes,
        tenant: str,
        source: str | None,
        refused: Invalid,
        at: datetime,
        request: LetterRequest | None = None,
    ) -> DeadLetter:
        """Return the letter of one refused body; ``request`` says how a vendor's came."""
        return DeadLetter(
            id=self._ids.new("dl"),
            tenant=tenant,
            at=at,
            source=source or "unknown",
            reason=refused.message,
            retriable=False,
            faults=tuple((fault.field, fault.message) for fault in refused.faults),
            body=body,
            request=request,
        )

    def sealed(self, letter: DeadLetter) -> DeadLetter:
        """Return the letter of a source whose members are encrypted: nothing of the body can be read, or guessed.

        The same body is the same letter. Raises Unavailable where there is no key.
        """
        letter_id = f"dl_{self._sealing.digest(_made_id(letter))}"
        return msgspec.structs.replace(
            letter,
            id=letter_id,
            reason=NOT_TOLD,
            faults=tuple((field, "is wrong") for field, _ in letter.faults),
            body=self._sealing.letter(letter.body, letter.tenant, letter_id),
        )

    async def keep(self, tenant: str, bad: Sequence[DeadLetter], *, durably: bool = False) -> None:
        """Keep them now, or with the next ones where the database is away.

        With ``durably`` it raises Unavailable instead, and the same body of the same source is the same letter when it
        is kept again: whoever could not be told that it is kept brings it again.
        """
        if durably:
            known_again = [
                letter if is_sealed(letter.body) else msgspec.structs.replace(letter, id=_made_id(letter))
                for letter in bad
            ]
            await self._store.transact(tenant, lambda tx: tx.dead_letters.add(known_again))
            return
        letters = [*self._unkept.pop(tenant, ()), *bad][-MAX_UNKEPT:]
        try:
            await self._store.transact(tenant, lambda tx: tx.dead_letters.add(letters))
        except Unavailable as away:
            self._unkept[tenant] = letters
            log.warning("dead_letters_wait", tenant=tenant, number=len(letters), reason=away.code)


def _made_id(letter: DeadLetter) -> str:
    return f"dl_{stable_event_id(letter.source, letter.body.decode('latin-1'))}"
