"""What the intake needs of windows that several processes share: a part of them, asked for beforehand."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """``number`` more of the ``limit`` in a window are wanted; a negative one gives back what was not used."""

    key: tuple[str, ...]
    limit: float
    number: int
    window_seconds: float = 60.0


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """So many were granted and count as used; where none was, one will fit after ``wait_seconds``."""

    number: int
    wait_seconds: float = 0.0


class SharedWindows(Protocol):
    """Sliding windows that are counted once for all processes. Raises Unavailable where they cannot be reached."""

    async def take(self, asks: Sequence[Ask]) -> list[Grant]:
        """Return what is granted of each; atomic for each key."""
        ...

    async def ping(self) -> None:
        """Return if they can be reached."""
        ...
