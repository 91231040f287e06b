"""The hash chain (AUD-06): each link's digest covers its stored bytes and the digest before it.

Digests are SHA-256 over bytes as stored, never over re-encoded JSON. A chain starts at a digest of its own tenant and
id, so that links cannot be moved to another chain.
"""

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

import msgspec

TENANT_CHAIN = "tenant"
"""The id of the chain of what people do to a tenant's keys, policies and settings."""

_LINK = b"llm-incident-manager/link/1\n"
_GENESIS = b"llm-incident-manager/genesis/1\n"


class ChainLink(Protocol):
    """One link as stored."""

    @property
    def version(self) -> int: ...

    @property
    def body(self) -> bytes: ...

    @property
    def previous(self) -> bytes: ...

    @property
    def digest(self) -> bytes: ...


class FaultKind(StrEnum):
    """What is wrong with a link."""

    MISSING = "missing"
    BROKEN = "broken"
    ALTERED = "altered"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """The first link that does not hold: one is missing before it, it does not follow, or its bytes changed."""

    version: int
    kind: FaultKind
    expected: bytes | None = None
    found: bytes | None = None


def genesis(tenant: str, chain_id: str) -> bytes:
    """Return the ``previous`` of version 1: a digest of tenant and chain id."""
    return hashlib.sha256(_GENESIS + msgspec.json.encode((tenant, chain_id))).digest()


def link_digest(previous: bytes, body: bytes) -> bytes:
    """Return the 32-byte digest of the link that stores ``body`` after the link whose digest is ``previous``."""
    return hashlib.sha256(_LINK + previous + body).digest()


def verify_links(links: Iterable[ChainLink], *, previous: bytes, version: int = 0) -> Fault | None:
    """Return the first fault of links in order that should follow version ``version`` with digest ``previous``.

    A whole chain follows version 0 with :func:`genesis`; a page of one follows the link before it.
    """
    for link in links:
        version += 1
        if link.version != version:
            return Fault(version=version, kind=FaultKind.MISSING)
        if link.previous != previous:
            return Fault(version=version, kind=FaultKind.BROKEN, expected=previous, found=link.previous)
        digest = link_digest(link.previous, link.body)
        if link.digest != digest:
            return Fault(version=version, kind=FaultKind.ALTERED, expected=digest, found=link.digest)
        previous = digest
    return None
