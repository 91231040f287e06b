"""A checkpoint: a signed statement about the heads of the chains that changed since the one before.

A statement names each tenant only by the digest of its section, so that a tenant can be shown its own section and the
signature over the whole, and learns nothing of the others.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = 1
START = "0" * 64
"""The ``previous`` of checkpoint 1."""
_SIGNED = b"llm-incident-manager/checkpoint/1\n"


class Head(msgspec.Struct, frozen=True, array_like=True):
    """The newest link of a chain as a checkpoint saw it; ``digest`` in hexadecimal."""

    chain: str
    version: int
    digest: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """The heads of one tenant."""

    tenant: str
    heads: tuple[Head, ...]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed: number and instant, the digest of the statement before, those of the sections, the public key."""

    format: int
    number: int
    at: datetime
    previous: str
    sections: tuple[str, ...]
    key: str


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as stored: the texts themselves, so that digests cover bytes and never a re-encoding."""

    statement: str
    sections: tuple[str, ...] = ()

    def read(self) -> Statement:
        """Return the statement; raises msgspec.DecodeError for what is none."""
        return msgspec.json.decode(self.statement, type=Statement)

    @property
    def digest(self) -> str:
        """What the next statement names as ``previous``."""
        return sha256(self.statement.encode()).hexdigest()

    def section_of(self, tenant: str) -> tuple[str, Section] | None:
        """Return the tenant's section, as text and decoded."""
        for text in self.sections:
            section = msgspec.json.decode(text, type=Section)
            if section.tenant == tenant:
                return text, section
        return None


def make(
    key: Ed25519PrivateKey, *, number: int, at: datetime, previous: str, sections: Iterable[Section]
) -> tuple[Checkpoint, bytes]:
    """Return the checkpoint and its signature."""
    texts = tuple(msgspec.json.encode(section).decode() for section in sections)
    statement = Statement(
        format=FORMAT,
        number=number,
        at=at,
        previous=previous,
        sections=tuple(digest_of(text) for text in texts),
        key=key.public_key().public_bytes_raw().hex(),
    )
    text = msgspec.json.encode(statement).decode()
    return Checkpoint(statement=text, sections=texts), key.sign(_SIGNED + text.encode())


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes to store."""
    return msgspec.json.encode(checkpoint)


def decode(body: bytes) -> Checkpoint:
    """Return what was stored; raises msgspec.DecodeError."""
    return msgspec.json.decode(body, type=Checkpoint)


def digest_of(section: str) -> str:
    """Return the digest under which a statement names a section."""
    return sha256(section.encode()).hexdigest()


def signature_fault(statement: str, key: str, signature: bytes, trusted: Sequence[str]) -> str | None:
    """Return why a signature proves nothing, or None; ``trusted`` are public keys in hexadecimal, none means any."""
    if trusted and key not in trusted:
        return "it is signed by a key that is not trusted"
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, _SIGNED + statement.encode())
    except (InvalidSignature, ValueError):
        return "its signature does not fit"
    return None
