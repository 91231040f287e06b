"""Gathers what concurrent callers append, and has one thread commit whatever has gathered with one sync."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence

from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.record import Position, Record

Answer = Callable[[list[Position] | Unavailable], None]
"""Called in the event loop's thread: the places, all durable, or why none of the records counts."""


class Group:
    """What has gathered for one commit."""

    __slots__ = ("loop", "payloads", "records", "size", "tickets")

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.payloads: list[bytes] = []
        self.records: list[Record] = []
        self.tickets: list[tuple[int, Answer]] = []
        self.size = 0


class GroupCommit:
    """One thread that commits group after group, and wakes the callers of a group with one call into their loop.

    While one group is synced the next one gathers. When the thread is idle, the first caller rings only at the end of
    the loop's present turn, so that everybody who is ready in that turn shares the sync.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[bytes], Sequence[Record]], list[Position]],
        idle_step: Callable[[], float | None],
    ) -> None:
        """``commit`` raises ``Unavailable``; ``idle_step`` runs before each wait and says how long it may last."""
        self._commit = commit
        self._idle_step = idle_step
        self._lock = threading.Lock()
        self._gathering = Group()
        self._busy = False
        self._ringing = False
        self._stopping = False
        self._committing_bytes = 0
        self._doorbell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes that were given to :meth:`add` and are not yet committed."""
        return self._gathering.size + self._committing_bytes

    def add(self, payloads: Sequence[bytes], size: int, records: Sequence[Record], answer: Answer) -> None:
        """Have these committed with the next group. To be called in the thread of one running event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            group = self._gathering
            if group.loop is not None and group.loop is not loop:
                raise RuntimeError("the records of another event loop are waiting: a journal serves one loop at a time")
            group.loop = loop
            group.payloads.extend(payloads)
            group.records.extend(records)
            group.tickets.append((len(records), answer))
            group.size += size
            ring = not self._busy and not self._ringing
            self._ringing = self._ringing or ring
        if ring:
            loop.call_soon(self._ring)

    def _ring(self) -> None:
        self._ringing = False
        if self._stopping:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()
        self._doorbell.put(None)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._doorbell.get(timeout=self._idle_step())
            except queue.Empty:
                continue
            self.commit_gathered()

    def commit_gathered(self) -> None:
        """Commit, in the calling thread, until nothing is waiting."""
        while (group := self._next_group()) is not None:
            answer: list[Position] | Unavailable
            try:
                answer = self._commit(group.payloads, group.records)
            except Unavailable as error:
                answer = error
            except Exception as error:  # a border: whatever goes wrong, nobody may wait for ever
                answer = Unavailable(f"the journal failed: {error!r}", code="journal_unwritable")
            self._committing_bytes = 0
            self._wake(group, answer)

    def _next_group(self) -> Group | None:
        with self._lock:
            group = self._gathering
            self._busy = bool(group.tickets)
            if not self._busy:
                return None
            self._gathering = Group()
            self._committing_bytes = group.size
            return group

    def _wake(self, group: Group, answer: list[Position] | Unavailable) -> None:
        if group.loop is None or group.loop.is_closed():
            return  # nobody is left to be told
        group.loop.call_soon_threadsafe(_answer_all, group.tickets, answer)

    def stop(self) -> None:
        """Commit what has gathered and end the thread; callers are answered in their loop."""
        self.halt()
        if self._thread is not None:
            self._thread.join()
        self.commit_gathered()

    def halt(self) -> None:
        """End the thread after what it is at."""
        self._stopping = True
        self._doorbell.put(None)


def _answer_all(tickets: list[tuple[int, Answer]], answer: list[Position] | Unavailable) -> None:
    if isinstance(answer, Unavailable):
        for _, tell in tickets:
            tell(answer)
        return
    start = 0
    for count, tell in tickets:
        tell(answer[start : start + count])
        start += count
