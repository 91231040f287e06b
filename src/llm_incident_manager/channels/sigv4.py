"""AWS Signature Version 4 for one POST (AWS General Reference, "Create a signed AWS API request").

Proven in ``tests/contract/test_sigv4.py`` with the vectors that AWS publishes.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """An access key; ``session_token`` belongs to temporary ones. ``repr`` shows the key's id only."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={self.access_key_id!r})"


def signed_headers(
    credentials: Credentials,
    *,
    method: str,
    path: str,
    query: str = "",
    headers: Mapping[str, str],
    body: bytes,
    region: str,
    service: str,
    at: datetime,
) -> dict[str, str]:
    """Return ``headers`` with ``X-Amz-Date``, the session's token and ``Authorization``.

    ``path`` is absolute and unencoded, ``query`` is canonical already (sorted, encoded); ``headers`` hold ``Host``.
    """
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    complete = {**headers, "X-Amz-Date": stamp}
    if credentials.session_token is not None:
        complete["X-Amz-Security-Token"] = credentials.session_token
    canonical, names = canonical_request(method, path, query, complete, body)
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = string_to_sign(stamp, scope, canonical)
    signature = _hmac(_signing_key(credentials.secret_access_key, stamp[:8], region, service), to_sign).hex()
    complete["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return complete


def canonical_request(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """Return the canonical request and the names of its signed headers."""
    lowered = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    names = ";".join(name for name, _ in lowered)
    lines = "".join(f"{name}:{value}\n" for name, value in lowered)
    encoded = quote(path, safe="/-_.~")
    return f"{method}\n{encoded}\n{query}\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}", names


def string_to_sign(stamp: str, scope: str, canonical: str) -> str:
    """Return what is signed."""
    return f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
