"""Keys are changed: what was encrypted with an older key is encrypted again with the active one (SEC-04)."""

import base64
from typing import Any

import msgspec

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.event_store import Place
from llm_incident_manager.engine.ports import Store, Transaction
from llm_incident_manager.engine.sealing import Sealing
from llm_incident_manager.errors import Conflict, FieldFault, Invalid

STEP = 500
"""Events, or letters, of one transaction."""
_EVENT = msgspec.json.Decoder(Event)


class _Mark(msgspec.Struct, frozen=True, array_like=True):
    """How far it has come: the tenant, and the place among its events, or the cursor among its letters."""

    tenant: str
    event: Place | None = None
    letters: bool = False
    letter: str | None = None


class Reseal:
    """Works in steps, so that it may be stopped, and begun again, at any time; every step is harmless when repeated.

    Needs the scope ``admin`` (else Forbidden); who may do it for the whole server is the caller's question.
    """

    def __init__(self, store: Store, sealing: Sealing) -> None:
        self._store = store
        self._sealing = sealing

    def keys(self, caller: Caller) -> dict[str, Any]:
        """Return ``{active, keys}``: ids only."""
        caller.require(Scope.ADMIN)
        return {"active": self._sealing.keys.active, "keys": list(self._sealing.keys.ids)}

    async def step(self, caller: Caller, cursor: str | None) -> dict[str, Any]:
        """Do one step and return ``{looked_at, rewritten, unreadable, next_cursor}``; it is done where that is null.

        ``unreadable`` counts what was encrypted with keys that this server does not have: it stays as it is. Raises
        Conflict where there is no key, Invalid for a cursor that is none, Unavailable.
        """
        caller.require(Scope.ADMIN)
        if self._sealing.keys.active is None:
            raise Conflict("the server has no key to encrypt with; set ENCRYPTION_KEYS", code="encryption_key_missing")
        tenants = sorted(await self._store.system_read(lambda tx: [tenant.id for tenant in tx.tenants()]))
        mark = _read(cursor) if cursor is not None else _Mark(tenants[0] if tenants else "")
        following: _Mark | None
        if mark.letters:
            counts, letter = await self._store.transact(
                mark.tenant, lambda tx: self._letters(tx, mark.letter), background=True
            )
            after = next((tenant for tenant in tenants if tenant > mark.tenant), None)
            if letter is not None:
                following = _Mark(mark.tenant, None, True, letter)
            else:
                following = _Mark(after) if after is not None else None
        else:
            counts, event = await self._store.transact(
                mark.tenant, lambda tx: self._events(tx, mark.event), background=True
            )
            following = _Mark(mark.tenant, event) if event is not None else _Mark(mark.tenant, None, True)
        looked_at, rewritten, unreadable = counts
        return {
            "looked_at": looked_at,
            "rewritten": rewritten,
            "unreadable": unreadable,
            "next_cursor": _written(following) if following is not None else None,
        }

    def _events(self, tx: Transaction, after: Place | None) -> tuple[tuple[int, int, int], Place | None]:
        stored, place = tx.events.all(after=after, limit=STEP)
        fresh, lost = [], 0
        for each in stored:
            event = _EVENT.decode(each.payload)
            again, unreadable = self._sealing.again(event, tx.tenant)
            lost += bool(unreadable)
            if again is not None:
                fresh.append(msgspec.structs.replace(each, payload=msgspec.json.encode(again)))
        tx.events.rewrite(fresh)
        return (len(stored), len(fresh), lost), place

    def _letters(self, tx: Transaction, cursor: str | None) -> tuple[tuple[int, int, int], str | None]:
        letters, following, _ = tx.dead_letters.page(limit=STEP, cursor=cursor)
        rewritten = lost = 0
        for letter in letters:
            body, unreadable = self._sealing.letter_again(letter.body, tx.tenant, letter.id)
            lost += bool(unreadable)
            if body is not None:
                tx.dead_letters.save(msgspec.structs.replace(letter, body=body))
                rewritten += 1
        return (len(letters), rewritten, lost), following


def _read(cursor: str) -> _Mark:
    try:
        return _MARK.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, msgspec.MsgspecError):
        remedy = "is none of ours; start without a cursor"
        raise Invalid(f"the cursor {remedy}", [FieldFault("cursor", remedy)], code="invalid_cursor") from None


def _written(mark: _Mark) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(mark)).decode().rstrip("=")


_MARK = msgspec.json.Decoder(_Mark)
