"""Sensitive members of events: encrypted before anything is kept, read again by who may (SEC-04).

docs/decisions/0077-sealed-members.md says what is decided on the plain event and what is made of the other one.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.events.document import written
from llm_incident_manager.domain.events.event import Event, SourceSettings
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.domain.events.sealed import MARKER, document_of, put_back, take_out
from llm_incident_manager.domain.events.sealed_path import Sealed
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.keyring import Keyring, Unreadable, key_of
from llm_incident_manager.errors import FieldFault, Invalid

LETTER = b"lim-sealed-letter:"
"""How the body of a dead letter begins that is encrypted whole."""
EVENT = b"lim-sealed-event:"
"""How it begins where only members are encrypted: the event passed the intake, and failed in triage."""
Looks = Callable[[str], bool]
"""Whether an incident of this fingerprint is open."""


def may_read(caller: Caller) -> bool:
    """Whether the caller is shown what was encrypted: the scope ``admin``."""
    return Scope.ADMIN in caller.scopes


class Sealing:
    """Encrypts and reads with one keyring."""

    def __init__(self, keys: Keyring | None = None) -> None:
        self.keys = keys or Keyring()

    def seal(
        self, event: Event, settings: SourceSettings, tenant: str, now: datetime, is_open: Looks
    ) -> tuple[Event, bytes, Sealed | None]:
        """Return the event without what its source wants encrypted, its text, and what was taken out.

        Raises Unavailable (``encryption_key_missing``) where there is no key and something to encrypt: nothing may be
        kept in the clear.
        """
        document = document_of(event)
        values = take_out(document, settings.encrypt)
        body = written(document)
        if not values:
            return event, body, None
        tokens = {
            place: self.keys.encrypt(written(value), _place(tenant, event.source, event.event_id, place))
            for place, value in values.items()
        }
        left = accept_document(body, tenant=tenant, received_at=now, sources={event.source: settings})
        fingerprint = None
        if left.fingerprint != event.fingerprint:
            # A hash of little is guessed by trying: only who has the key can make this one. Where an older key's is
            # open, it is the same trouble still.
            found = [f"k:{digest}" for digest in self.keys.digests(event.fingerprint)]
            fingerprint = next((each for each in found if is_open(each)), found[0])
        sealed = Sealed(values=tokens, fingerprint=fingerprint)
        return with_sealed(left, sealed), body, sealed

    def opened(self, event: Event, tenant: str) -> Event:
        """Return the event as it was sent, as far as it can be read; it is never kept like this."""
        if not event.sealed:
            return event
        values, _ = self._read(event.sealed, tenant, event.source, event.event_id)
        return _with(event, values)

    def shown(self, event: Event, tenant: str) -> Event:
        """Return the event for somebody who may read it; what cannot be read says why."""
        if not event.sealed:
            return event
        values, unreadable = self._read(event.sealed, tenant, event.source, event.event_id)
        return _with(event, values | {place: f"{MARKER[:-1]}: {why}]" for place, why in unreadable.items()})

    def again(self, event: Event, tenant: str) -> tuple[Event | None, int]:
        """Return the event encrypted with the active key (``None``: it is already), and how many cannot be read."""
        active = self.keys.active
        old = {place: token for place, token in (event.sealed or {}).items() if key_of(token) != active}
        values, unreadable = self._read(old, tenant, event.source, event.event_id)
        if not values or active is None:
            return None, len(unreadable)
        fresh = {
            place: self.keys.encrypt(written(value), _place(tenant, event.source, event.event_id, place))
            for place, value in values.items()
        }
        return msgspec.structs.replace(event, sealed={**(event.sealed or {}), **fresh}), len(unreadable)

    def digest(self, text: str) -> str:
        """Return a keyed digest of ``text``; raises Unavailable where there is no key."""
        self.keys.require()
        return self.keys.digests(text)[0]

    def letter(self, body: bytes, tenant: str, letter_id: str) -> bytes:
        """Return the body of a dead letter, encrypted whole: what is wrong has no members to rely on."""
        return LETTER + self.keys.encrypt(body, _place(tenant, "dead letter", letter_id, "body")).encode()

    def plain_letter(self, body: bytes, tenant: str, letter_id: str) -> bytes:
        """Return what a dead letter's body was before anything of it was encrypted.

        Raises Invalid (``encrypted``) saying why it cannot be read.
        """
        try:
            if body.startswith(LETTER):
                token = body[len(LETTER) :].decode()
                return self.keys.decrypt(token, _place(tenant, "dead letter", letter_id, "body"))
            if body.startswith(EVENT):
                event = _event_in(body)
                values, unreadable = self._read(event.sealed or {}, tenant, event.source, event.event_id)
                for why in unreadable.values():
                    raise Unreadable(why)
                return written(document_of(_with(event, values)))
        except Unreadable as why:
            remedy = "add that key to ENCRYPTION_KEYS, behind the active one"
            raise Invalid(
                f"the body cannot be read: {why}", [FieldFault("body", f"{why}; {remedy}")], code="encrypted"
            ) from None
        return body

    def letter_again(self, body: bytes, tenant: str, letter_id: str) -> tuple[bytes | None, int]:
        """Return a letter's body encrypted with the active key (``None``: it is), and how many cannot be read."""
        if body.startswith(LETTER) and key_of(body[len(LETTER) :].decode()) != self.keys.active:
            try:
                return self.letter(self.plain_letter(body, tenant, letter_id), tenant, letter_id), 0
            except Invalid:
                return None, 1
        if body.startswith(EVENT):
            fresh, unreadable = self.again(_event_in(body), tenant)
            return None if fresh is None else event_letter(fresh), unreadable
        return None, 0

    def _read(
        self, sealed: dict[str, str], tenant: str, source: str, event_id: str
    ) -> tuple[dict[str, Any], dict[str, str]]:
        values: dict[str, Any] = {}
        unreadable: dict[str, str] = {}
        for place, token in sealed.items():
            try:
                values[place] = msgspec.json.decode(self.keys.decrypt(token, _place(tenant, source, event_id, place)))
            except Unreadable as why:
                unreadable[place] = str(why)
        return values, unreadable


def with_sealed(event: Event, sealed: Sealed) -> Event:
    """Return an event read from what is kept together with what stands beside it."""
    return msgspec.structs.replace(event, sealed=sealed.values, fingerprint=sealed.fingerprint or event.fingerprint)


def event_letter(event: Event) -> bytes:
    """Return the body of a dead letter for an event whose members were encrypted, as they are."""
    return EVENT + msgspec.json.encode(event)


def without_sealed_key(event: Event) -> Event:
    """Return the event without its fold where something encrypted has gone into the key: markers are all alike."""
    if event.fold is None or not event.sealed or MARKER not in event.fold.key.casefold():
        return event
    return msgspec.structs.replace(event, fold=None)


def is_sealed(body: bytes) -> bool:
    """Whether something of a dead letter's body is encrypted."""
    return body.startswith((LETTER, EVENT))


def without_mark(body: bytes) -> bytes:
    """Return what of a letter's body names the event: the text without our mark, where there is one."""
    return body.removeprefix(EVENT)


def _event_in(body: bytes) -> Event:
    return _EVENT.decode(body[len(EVENT) :])


def _with(event: Event, values: dict[str, Any]) -> Event:
    document = document_of(event)
    put_back(document, values)
    resource = document["resource"]
    return msgspec.structs.replace(
        event,
        title=str(document["title"]),
        description=str(document.get("description", "")),
        resource=msgspec.structs.replace(
            event.resource, name=resource["name"], metadata=_mapping(resource["metadata"])
        ),
        tags=document["tags"],
        labels=tuple(document["labels"]),
        payload=_mapping(document["payload"]),
        sealed=None,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"…": value}


def _place(*parts: str) -> bytes:
    return b"".join(
        [b"%d:%b" % (len(part), part) for part in (each.encode("utf-8", "surrogatepass") for each in parts)]
    )


_EVENT = msgspec.json.Decoder(Event)
