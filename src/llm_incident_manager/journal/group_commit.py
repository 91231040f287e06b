"""Gathers what concurrent callers append, and has one thread commit whatever has gathered with one sync."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence

from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.record import Position, Record

GATHER_SECONDS = 0.002
"""So long at most callers are gathered while each look at the sockets finds some more of them."""
GATHER_MOST = 256

CROWD = 8
QUICK_SECONDS = 0.002
"""A crowd is committed in the loop itself while commits are so quick: handing it to the thread and back takes longer,
because both then fight for the interpreter at every socket that is read."""

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

    While one group is synced the next one gathers. Only the loop's thread gathers and hands over, so that nothing is
    locked; it does so at the end of its turn, so that everybody who is ready in that turn shares the sync.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[bytes], Sequence[Record]], list[Position]],
        idle_step: Callable[[], float | None],
        watch: Callable[[], float] = time.perf_counter,
    ) -> None:
        """``commit`` raises ``Unavailable``; ``idle_step`` runs before each wait and says how long it may last.

        ``watch`` tells seconds: how long commits take.
        """
        self._commit = commit
        self._idle_step = idle_step
        self._watch = watch
        self._gathering = Group()
        self._committing: Group | None = None
        self._ringing = False
        self._gathered = 0
        self._since = 0.0
        self._stopping = False
        self._commit_seconds = QUICK_SECONDS * 2
        self._doorbell: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes that were given to :meth:`add` and are not yet committed."""
        committing = self._committing
        return self._gathering.size + (committing.size if committing is not None else 0)

    def add(self, payloads: Sequence[bytes], size: int, records: Sequence[Record], answer: Answer) -> None:
        """Have these committed with the next group. To be called in the thread of one running event loop."""
        group, loop = self._gathering, asyncio.get_running_loop()
        under_way = group if group.loop is not None else self._committing
        if under_way is not None and under_way.loop is not loop:
            raise RuntimeError("another event loop's records are on their way: a journal serves one at a time")
        group.loop = loop
        group.payloads += payloads
        group.records += records
        group.tickets.append((len(records), answer))
        group.size += size
        if self._committing is None and not self._ringing:
            self._ringing = True
            loop.call_soon(self._ring)

    def _ring(self) -> None:
        group = self._gathering
        if self._stopping or self._committing is not None or not group.tickets:
            self._ringing = False
            return
        gathered, loop = len(group.tickets), group.loop
        if gathered > self._gathered and loop is not None and gathered < GATHER_MOST:
            now = loop.time()
            if self._gathered == 0:
                self._since = now
            if now - self._since < GATHER_SECONDS:
                # Somebody came in this turn: look once more who else is there, it costs less than a sync.
                self._gathered = gathered
                self._ringing = True
                loop.call_soon(self._ring)
                return
        self._ringing, self._gathered = False, 0
        if gathered >= CROWD and self._commit_seconds < QUICK_SECONDS:
            self._gathering = Group()
            _answer_all(group.tickets, self._committed(group))
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
            self._thread.start()
        self._committing, self._gathering = self._gathering, Group()
        self._doorbell.put(self._committing)

    def _run(self) -> None:
        while True:
            try:
                group = self._doorbell.get(timeout=self._idle_step())
            except queue.Empty:
                continue
            if group is None:
                return
            answer = self._committed(group)
            if not _tell(group, self._finished, group, answer):
                self._committing = None

    def _committed(self, group: Group) -> list[Position] | Unavailable:
        began = self._watch()
        try:
            return self._commit(group.payloads, group.records)
        except Unavailable as error:
            return error
        except Exception as error:  # a border: whatever goes wrong, nobody may wait for ever
            return Unavailable(f"the journal failed: {error!r}", code="journal_unwritable")
        finally:
            took = self._watch() - began
            # One slow commit is enough to leave it to the thread; quick ones win the loop back little by little.
            self._commit_seconds = max(took, self._commit_seconds + (took - self._commit_seconds) * 0.1)

    def _finished(self, group: Group, answer: list[Position] | Unavailable) -> None:
        if self._committing is group:
            self._committing = None
            self._ring()  # the next group is on its way to the disk while this one's callers are answered
        _answer_all(group.tickets, answer)

    def stop(self) -> None:
        """Commit what has gathered and end the thread; callers are answered in their loop."""
        self.halt()
        if self._thread is not None:
            self._thread.join()
        group, self._gathering = self._gathering, Group()
        if group.tickets:
            _tell(group, _answer_all, group.tickets, self._committed(group))

    def halt(self) -> None:
        """End the thread after what it is at."""
        self._stopping = True
        self._doorbell.put(None)


def _tell(group: Group, call: Callable[..., None], *given: object) -> bool:
    """Have ``call`` made in the group's loop; false where that is closed, and nobody is left to be told."""
    try:
        if group.loop is not None:
            group.loop.call_soon_threadsafe(call, *given)
    except RuntimeError:
        return False
    return group.loop is not None


def _answer_all(tickets: list[tuple[int, Answer]], answer: list[Position] | Unavailable) -> None:
    if isinstance(answer, Unavailable):
        for _, tell in tickets:
            tell(answer)
        return
    start = 0
    for count, tell in tickets:
        tell(answer[start : start + count])
        start += count
