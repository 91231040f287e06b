"""What a queue's driver is: it connects, hands out messages, and tells the broker which may be forgotten.

One file per broker with a ``SPEC``, and one line in ``registry.py``. A driver tries once and raises Unavailable for
whatever the broker or the network does; connecting again, backoff and what becomes of a message are the reader's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from llm_incident_manager.domain.events.queue import QueueKind, QueueSettings

RECEIVE_SECONDS = 1.0
"""How long :meth:`QueueConnection.receive` waits for the first message: as long as stopping may take."""
CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as it was delivered.

    ``id`` is the same when the broker delivers it again and no other's, or empty where the broker has no such thing.
    ``at`` is when it was put into the queue, where the broker says so. ``headers`` are in lower case. ``handle`` is
    what its connection knows it by.
    """

    body: bytes
    id: str = ""
    at: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    handle: Any = None


class QueueConnection(Protocol):
    """A connection that reads one source's queue. Everything but :meth:`close` raises Unavailable once it is lost.

    ``redelivers`` says whether the broker delivers again what was not :meth:`done`; it may have forgotten it instead.
    """

    @property
    def redelivers(self) -> bool: ...

    async def receive(self) -> Sequence[Message]:
        """Return what has arrived, at most ``prefetch``; waits for the first one, and returns nothing after a while."""
        ...

    async def done(self, messages: Sequence[Message]) -> None:
        """Let the broker forget them."""
        ...

    async def hold(self, messages: Sequence[Message]) -> None:
        """Say that they are being worked on, so that nobody else is given them."""
        ...

    async def leave(self) -> None:
        """Fetch nothing more, where what has arrived is lost otherwise; it can still be received."""
        ...

    async def waiting(self) -> int | None:
        """Return how many messages wait at the broker for anybody of this group, where it says so."""
        ...

    async def close(self) -> None:
        """Let go; what was not :meth:`done` is delivered again. Raises nothing."""
        ...


Addresses = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host that may be reached; raises Forbidden or Unavailable."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Who connects: ``group`` is shared by all nodes for this source, ``member`` is this node's own, kept over starts.

    ``addresses`` is asked before each connection.
    """

    group: str
    member: str
    addresses: Addresses


@dataclass(frozen=True, kw_only=True)
class QueueSpec:
    """How a driver describes itself."""

    kind: QueueKind
    title: str
    open: Callable[[QueueSettings, Place], Awaitable[QueueConnection]]
