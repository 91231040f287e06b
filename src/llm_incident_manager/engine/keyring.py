"""The keys that sensitive members are encrypted with: AES-256-GCM, the first one for writing, all for reading (SEC-04).

Written as ``id:base64`` of 32 random bytes, one a line or separated by commas. A ciphertext is
``1.<key id>.<base64url of nonce and ciphertext>`` and belongs to where it stands: moved elsewhere it cannot be read.
"""

import base64
import binascii
import hmac
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from llm_incident_manager.errors import FieldFault, Invalid, Unavailable

_VERSION = "1"
_NONCE_BYTES = 12
_KEY_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Unreadable(Exception):
    """A ciphertext that cannot be read; the message says why, and may be shown."""


class Keyring:
    """Keys by id; ``active`` is the one that encrypts, ``None`` where there is none. Safe between threads."""

    def __init__(self, keys: dict[str, bytes] | None = None) -> None:
        self._keys = dict(keys or {})
        self._ciphers = {name: AESGCM(key) for name, key in self._keys.items()}

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, that of the active one first."""
        return tuple(self._keys)

    @property
    def active(self) -> str | None:
        """The id of the key that encrypts."""
        return next(iter(self._keys), None)

    def require(self) -> str:
        """Return the id of the active key; raises Unavailable where there is none."""
        if self.active is None:
            raise Unavailable(
                "this source's members are to be encrypted and the server has no key; set ENCRYPTION_KEYS",
                code="encryption_key_missing",
                retry_after_seconds=30.0,
            )
        return self.active

    def encrypt(self, plain: bytes, place: bytes) -> str:
        """Return the ciphertext of ``plain``, bound to ``place``; raises Unavailable where there is no key."""
        active = self.require()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ciphers[active].encrypt(nonce, plain, place)
        return f"{_VERSION}.{active}.{base64.urlsafe_b64encode(sealed).decode()}"

    def decrypt(self, sealed: str, place: bytes) -> bytes:
        """Return what was encrypted; raises :class:`Unreadable`."""
        version, _, rest = sealed.partition(".")
        key_id, _, text = rest.partition(".")
        if version != _VERSION or not text:
            raise Unreadable("it is no ciphertext of this version")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Unreadable(f"it was encrypted with the key {key_id[:32]}, which this server does not have")
        try:
            data = base64.urlsafe_b64decode(text)
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError, binascii.Error):
            raise Unreadable(f"it was changed, or moved, since the key {key_id[:32]} encrypted it") from None

    def digests(self, text: str) -> list[str]:
        """Return a keyed digest of ``text`` for each key, the active one's first: 32 hex digits.

        Whoever does not have the key cannot try out what the text might be.
        """
        return [
            hmac.digest(hmac.digest(key, b"lim fingerprint", "sha256"), text.encode("utf-8", "surrogatepass"), "sha256")
            .hex()[:32]
            for key in self._keys.values()
        ]  # fmt: skip

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"


def key_of(sealed: str) -> str:
    """Return the id of the key that a ciphertext names."""
    return sealed.split(".", 2)[1] if sealed.count(".") >= 2 else ""


def new_key() -> str:
    """Return a new key as it is written in the settings, without its id."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


def read_keys(text: str, name: str) -> Keyring:
    """Return the keys in ``text``, which the variable or file ``name`` holds; raises Invalid, naming no key's value."""
    keys: dict[str, bytes] = {}
    faults: list[FieldFault] = []
    for number, each in enumerate([part for part in re.split(r"[\s,]+", text) if part], start=1):
        key_id, _, value = each.partition(":")
        if not value or not _ID.fullmatch(key_id):
            faults.append(FieldFault(name, f"entry {number} is not id:base64, with an id of letters, digits, - and _"))
            continue
        try:
            key = base64.b64decode(value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4), validate=True)
        except (ValueError, binascii.Error):
            faults.append(FieldFault(name, f"the key {key_id} is not base64; make one with: lim encryption new-key ID"))
            continue
        if len(key) != _KEY_BYTES:
            faults.append(FieldFault(name, f"the key {key_id} has {len(key)} bytes; AES-256 needs {_KEY_BYTES}"))
        elif key_id in keys:
            faults.append(FieldFault(name, f"the key {key_id} is there twice; ids are unique"))
        keys[key_id] = key
    if not keys and not faults:
        faults.append(FieldFault(name, "holds no key; write id:base64, or leave it out"))
    if faults:
        message = "\n".join(f"{name}: {fault.message}" for fault in faults)
        raise Invalid(message, faults, code="invalid_environment")
    return Keyring(keys)
