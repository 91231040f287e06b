"""What asking another side needs of the network: one GET, tried once, through the guard of outgoing requests."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whole; ``headers`` are in lower case, ``after_seconds`` is what ``Retry-After`` asks for."""

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
    after_seconds: float | None = None


class NotFetched(msgspec.Struct, frozen=True, kw_only=True):
    """There is none, and why, without the address: it may be a secret."""

    reason: str


class Fetch(Protocol):
    """Gets a document; never raises for anything that the far side does."""

    async def get(self, url: str, headers: Mapping[str, str]) -> Fetched | NotFetched: ...
