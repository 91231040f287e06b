"""How far a source that is asked has been read: one row, which outlives the process, and its lease."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class PollState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one source that is asked.

    ``told`` is the cursor: the state of each thing that the journal has. ``etag`` and ``modified`` belong to the
    document whose news it has. ``failures`` counts polls without an answer in a row, ``bad`` these and the ones that
    brought bad news, since ``bad_since``; ``alarmed`` says that the bad news was told. ``note`` is what could not be
    read of a document that could.
    """

    source: str
    url: str = ""
    told: dict[str, str] = {}
    etag: str | None = None
    modified: str | None = None
    failures: int = 0
    bad: int = 0
    bad_since: datetime | None = None
    alarmed: bool = False
    polled_at: datetime | None = None
    succeeded_at: datetime | None = None
    news_at: datetime | None = None
    error: str = ""
    note: str = ""


class PollStore(Protocol):
    """The polls of one tenant; whoever holds a row's lease asks, and nobody else."""

    def due(self, sources: Sequence[str]) -> list[str]:
        """Return those of ``sources`` that are to be asked now, and those that never were."""
        ...

    def claim(self, sources: Sequence[str], *, holder: str, lease_seconds: float) -> list[PollState]:
        """Take the leases of those that are due still; a new one begins with nothing told."""
        ...

    def keep(self, state: PollState, *, holder: str, lease_seconds: float) -> bool:
        """Write the state and go on holding the lease; False, with nothing written, where it was lost."""
        ...

    def done(self, state: PollState, *, holder: str, wait_seconds: float) -> bool:
        """Write the state, end the lease, ask again after the wait; False, with nothing written, where it was lost."""
        ...

    def all(self) -> list[tuple[PollState, datetime]]:
        """Return every state by its source, and when somebody looks next."""
        ...

    def keep_only(self, sources: Sequence[str]) -> None:
        """Forget the others: they are not set any more."""
        ...
