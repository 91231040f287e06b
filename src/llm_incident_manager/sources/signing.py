"""How senders sign: which header, over which bytes, and how old a signature may be (SEC-04).

A sender's signature is compared in constant time; one with a time in it may not be older than its tolerance.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from llm_incident_manager.errors import Unauthenticated

TOLERANCE = timedelta(minutes=5)
_LONGEST = 2000


@dataclass(frozen=True, kw_only=True)
class Signed:
    """What a signature header says: any of ``digests`` may be right, over ``message``, made ``at``."""

    digests: tuple[bytes, ...]
    message: bytes
    at: datetime | None = None


ReadSignature = Callable[[str, bytes, Mapping[str, str]], Signed]
"""``read(value, body, headers)``; no digests where the value makes no sense."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A vendor's way to sign: HMAC-SHA-256 in ``header`` (lower case), taken apart by ``read``."""

    header: str
    read: ReadSignature
    tolerance: timedelta = TOLERANCE

    def verify(
        self, secret: str, body: bytes, headers: Mapping[str, str], now: datetime, *, header: str | None = None
    ) -> None:
        """Raise Unauthenticated unless ``body`` was signed with ``secret``; ``header`` stands in for the usual one."""
        name = header or self.header
        value = headers.get(name)
        if not value:
            raise Unauthenticated(
                f"this source signs what it sends; the header {name} is missing", code="signature_missing"
            )
        signed = self.read(value[:_LONGEST], body, headers)
        expected = hmac.new(secret.encode("utf-8", "surrogatepass"), signed.message, sha256).digest()
        matches = [hmac.compare_digest(expected, digest) for digest in signed.digests]
        if not any(matches):
            raise Unauthenticated(
                f"the signature in {name} is not right; is the signing_secret of this source the sender's?",
                code="signature_wrong",
            )
        if signed.at is not None and abs(now - signed.at) > self.tolerance:
            raise Unauthenticated(
                f"the signature in {name} was made at {signed.at:%Y-%m-%d %H:%M:%S} UTC, more than "
                f"{self.tolerance.total_seconds():.0f} s from now; check the sender's clock",
                code="signature_old",
            )


def digest_in(text: str) -> tuple[bytes, ...]:
    """Return the digest that 64 hexadecimal digits write, with or without ``sha256=`` before them."""
    text = text.strip().removeprefix("sha256=").removeprefix("v1=")
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return ()
    return (found,) if len(found) == sha256().digest_size else ()


def over_body(header: str) -> Signature:
    """Return the plainest way: hex of the body's HMAC, several parted by commas (``v1=a,v1=b``)."""

    def read(value: str, body: bytes, _: Mapping[str, str]) -> Signed:
        return Signed(digests=tuple(each for text in value.split(",") for each in digest_in(text)), message=body)

    return Signature(header=header, read=read)


def stamped(header: str, *, time: str = "t", digest: str = "v1", tolerance: timedelta = TOLERANCE) -> Signature:
    """Return the way of ``t=<unix>,v1=<hex>``: the HMAC is over ``"<t>.<body>"``."""

    def read(value: str, body: bytes, _: Mapping[str, str]) -> Signed:
        parts = [part.strip().partition("=") for part in value.split(",")]
        at = next((text for name, _, text in parts if name == time), "")
        digests = tuple(each for name, _, text in parts if name == digest for each in digest_in(text))
        instant = unix_instant(at)
        if instant is None:
            return Signed(digests=(), message=body)
        return Signed(digests=digests, message=at.encode() + b"." + body, at=instant)

    return Signature(header=header, read=read, tolerance=tolerance)


def unix_instant(text: str) -> datetime | None:
    """Return the instant that digits write, in seconds since 1970."""
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        return None
    return datetime.fromtimestamp(int(text), UTC)


def own_signature() -> Signature:
    """Return the way that this product signs its own webhooks, for senders that have none of theirs."""
    return stamped("x-incident-signature")
