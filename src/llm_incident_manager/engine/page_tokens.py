"""The secret word of one page: it stands in the page's links and buttons, and lets its reader act without sign-in.

It names the page and is signed, so that nobody can make one for a page that they were not sent. It says nothing of
what it may do and for how long: the page ledger does (``engine/page_answers.py``).
"""

import binascii
import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from llm_incident_manager.engine.identify import DEFAULT_TENANT

LONGEST = 300
_MAC_BYTES = 12
_COMPACT = re.compile(r"ntf-([0-9a-f]{26})")
_COMPACT_BYTES = 13


class PageTokens:
    """Makes and reads tokens with one key; every node that sends or answers pages needs the same."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(b"pages\0" + key.encode()).digest()

    def of(self, tenant: str, notification_id: str) -> str:
        """Return the token of a page: 34 characters, and the tenant's id behind it unless it is the default one."""
        compact = _COMPACT.fullmatch(notification_id)
        name = bytes.fromhex(compact[1]) if compact is not None else notification_id.encode()
        token = urlsafe_b64encode(self._mac(tenant, notification_id) + name).decode("ascii").rstrip("=")
        return token if tenant == DEFAULT_TENANT else f"{token}.{tenant}"

    def read(self, token: str) -> tuple[str, str] | None:
        """Return (tenant, notification id), or ``None`` for what was not made here."""
        if len(token) > LONGEST or not token.isascii():
            return None
        packed, found, tenant = token.partition(".")
        tenant = tenant if found else DEFAULT_TENANT
        try:
            raw = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            mac, name = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            notification_id = f"ntf-{name.hex()}" if len(name) == _COMPACT_BYTES else name.decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return None
        # Compared as made, so that a token has one spelling only.
        if not hmac.compare_digest(token, self.of(tenant, notification_id)):
            return None
        return (tenant, notification_id) if mac else None

    def _mac(self, tenant: str, notification_id: str) -> bytes:
        named = f"{tenant}\0{notification_id}".encode()
        return hmac.new(self._key, named, hashlib.sha256).digest()[:_MAC_BYTES]
