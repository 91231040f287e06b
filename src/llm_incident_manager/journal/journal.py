"""The durable intake: what it has taken is found after ``kill -9`` or a loss of power (specification §8.1, RPO 0)."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Self

from llm_incident_manager.clock import Clock, SystemClock
from llm_incident_manager.errors import Conflict, Invalid, Unavailable
from llm_incident_manager.journal.arrivals import Arrivals, arrived_within
from llm_incident_manager.journal.backlog import Backlog, MemoryBudget
from llm_incident_manager.journal.disk import Disk
from llm_incident_manager.journal.frames import FRAME_HEADER, MAX_PAYLOAD_BYTES, encoded
from llm_incident_manager.journal.group_commit import Answer, GroupCommit
from llm_incident_manager.journal.health import FULL_RETRY_AFTER_SECONDS, SECONDS_BETWEEN_PROBES, Health
from llm_incident_manager.journal.in_work import InWorkMarks
from llm_incident_manager.journal.record import Damage, Entry, Position, Record
from llm_incident_manager.journal.segments import Segments

MAX_SEGMENT_BYTES = 1 << 30
DAMAGE_KEPT_BYTES = 1 << 20


class Journal:
    """Append-only segment files in a folder of their own; open one with :meth:`open`.

    ``append`` and ``append_nowait`` belong to the thread of one event loop; everything else may be called from any
    thread. Without a running loop (the simulator, imports) ``append_inline`` does the same in the caller's thread.

    Life of a record: appended → can be taken → in flight → done. Only ``done``, called once the database has
    committed, lets a segment be unlinked. After a restart everything of a segment that was not unlinked comes again,
    done or not; triage tells by (segment, offset) and by the event's identity.
    """

    def __init__(
        self,
        folder: Path,
        *,
        disk: Disk,
        clock: Clock,
        max_bytes: int,
        segment_bytes: int,
        memory_records: int,
        memory_bytes: int,
        seen: Callable[[Record], object],
    ) -> None:
        self._folder = folder
        self._seen = seen
        self._disk = disk
        self._clock = clock
        self._max_bytes = max_bytes
        self._closed = False
        self._let_go = False
        self._health = Health(disk, folder)
        self._writing = threading.Lock()
        self._state = threading.Lock()
        self._arrivals = Arrivals()
        self._oldest_known: int | None = None
        self._lock_file = self._lock_folder()
        # A quarter at most: a full journal whose only segment is still being written could never be emptied.
        segment_bytes = min(segment_bytes, max(max_bytes // 4, 1))
        self._segments = Segments(disk, folder, segment_bytes, int(clock.now().timestamp()))
        budget = MemoryBudget(memory_records, memory_bytes)
        self._backlog = Backlog(self._segments.read, self._lost, budget)
        self.cut_bytes = 0
        self.accepted = 0
        """How many records were accepted since the start."""
        self._load()
        self._marks = InWorkMarks(disk, folder / "in-work")
        self._group_commit = GroupCommit(self._commit, self._recover)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        max_bytes: int = 1 << 30,
        segment_bytes: int = 16 << 20,
        memory_records: int = 50_000,
        memory_bytes: int = 64 << 20,
        disk: Disk | None = None,
        clock: Clock | None = None,
        seen: Callable[[Record], object] = lambda _: None,
    ) -> Self:
        """Return the journal in ``folder``, which is made if need be, with everything in it that is not done.

        ``max_bytes`` bounds the files together, ``memory_records`` and ``memory_bytes`` what of them is kept in memory.
        ``seen`` is called with every record that waits from before: the ids it holds are taken.

        Raises:
            Invalid: a limit makes no sense, or a newer version of this product wrote the folder.
            Conflict: another process has it open.
            OSError: the folder cannot be read or made.
        """
        if not 0 < segment_bytes <= MAX_SEGMENT_BYTES:
            raise Invalid(f"segment_bytes is {segment_bytes}; give 1 to {MAX_SEGMENT_BYTES}")
        if max_bytes <= 0:
            raise Invalid(f"max_bytes is {max_bytes}; give a positive number of bytes")
        return cls(
            folder,
            disk=disk or Disk(),
            clock=clock or SystemClock(),
            max_bytes=max_bytes,
            segment_bytes=segment_bytes,
            memory_records=memory_records,
            memory_bytes=memory_bytes,
            seen=seen,
        )

    def _lock_folder(self) -> int:
        self._disk.make_folder(self._folder)
        try:
            return self._disk.lock(self._folder / "lock")
        except BlockingIOError as error:
            raise Conflict(
                f"another process has the journal {self._folder} open: stop it, or give this one its own DATA_DIR",
                code="journal_in_use",
            ) from error

    def _load(self) -> None:
        for number, piece in self._segments.contents():
            position = Position(number, piece.start)
            if piece.torn:
                self.cut_bytes += piece.end - piece.start
            elif piece.record is not None:
                self._seen(piece.record)
                self._backlog.add([Entry(position, piece.record)])
            else:
                self._backlog.add_damage(self._damage(position, piece.end - piece.start, piece.fault))
        self._remove_drained()

    def _damage(self, position: Position, length: int, reason: str) -> Damage:
        return Damage(position, length, self._segments.bytes_at(position, min(length, DAMAGE_KEPT_BYTES)), reason)

    def _lost(self, position: Position) -> Damage:
        header = self._segments.bytes_at(position, FRAME_HEADER.size)
        length = FRAME_HEADER.unpack(header)[0] if len(header) == FRAME_HEADER.size else 0
        return self._damage(position, FRAME_HEADER.size + min(length, MAX_PAYLOAD_BYTES), "became unreadable")

    # -- accepting

    async def append(self, records: Sequence[Record]) -> list[Position]:
        """Return the places of the records once no crash can take them; concurrent callers share one sync.

        A caller that is cancelled while waiting does not stop the write.

        Raises:
            Unavailable: none of them was accepted: ``journal_full``, ``journal_unwritable`` or ``journal_closed``.
        """
        future: asyncio.Future[list[Position] | Unavailable] = asyncio.get_running_loop().create_future()

        def answer(outcome: list[Position] | Unavailable) -> None:
            if not future.done():
                future.set_result(outcome)

        self.append_nowait(records, answer)
        outcome = await future
        if isinstance(outcome, Unavailable):
            raise Unavailable(
                outcome.message, retry_after_seconds=outcome.retry_after_seconds, code=outcome.code, **outcome.facts
            ) from outcome
        return outcome

    def append_nowait(self, records: Sequence[Record], answer: Answer) -> None:
        """Like :meth:`append`, and ``answer`` is called in this thread with the places or the error, always later.

        Raises:
            Unavailable: refused at once; ``answer`` is not called.
        """
        payloads = [encoded(record) for record in records]
        size = self._admit(payloads)
        self._group_commit.add(payloads, size, records, answer)

    def append_inline(self, records: Sequence[Record]) -> list[Position]:
        """Like :meth:`append`, in the calling thread.

        Raises:
            Unavailable: none of them was accepted.
        """
        payloads = [encoded(record) for record in records]
        self._admit(payloads)
        return self._commit(payloads, records)

    def _admit(self, payloads: Sequence[bytes]) -> int:
        if self._closed:
            raise _closed()
        size = sum(map(len, payloads)) + FRAME_HEADER.size * len(payloads)
        if size > self._room() and size > self._room_after_tidying():
            raise Unavailable(
                f"{size} bytes do not fit: the journal holds {self._segments.bytes_used} of {self._max_bytes} bytes",
                retry_after_seconds=FULL_RETRY_AFTER_SECONDS,
                code="journal_full",
            )
        return size

    def _room(self) -> int:
        return self._max_bytes - self._segments.bytes_used - self._group_commit.waiting_bytes

    def _room_after_tidying(self) -> int:
        with self._state:
            tail = self._segments.full_tail()  # the next commit leaves it behind; if it is drained, it is unlinked then
            drained = tail is not None and self._backlog.remaining(tail.number) == 0
            return self._room() + (tail.size if tail is not None and drained else 0)

    def _commit(self, payloads: Sequence[bytes], records: Sequence[Record]) -> list[Position]:
        with self._writing:
            if self._let_go:
                raise _closed()
            try:
                positions = self._segments.append(payloads)
            except OSError as error:
                refusal = self._health.unwritable(error)
                with self._state:
                    self._remove_drained()
                raise refusal from error
            self._health.well()
            self.accepted += len(positions)
            with self._state:
                self._backlog.add(list(map(Entry, positions, records)))
                self._remove_drained()
                self._arrivals.announce(openings=self._backlog.waiting(repeats=False) > 0)
        return positions

    # -- triage

    def take(self, limit: int, *, repeats: bool = True) -> list[Entry]:
        """Return up to ``limit`` entries and mark them in flight: openings first, then repeats, in order of acceptance.

        Without ``repeats`` only openings are returned.

        Raises:
            Unavailable: the files cannot be read now; everything stays.
        """
        with self._state:
            try:
                return self._backlog.take(limit, repeats=repeats)
            except OSError as error:
                raise self._health.unreadable(error) from error

    def done(self, positions: Sequence[Position]) -> None:
        """The database has committed these, durably: they are forgotten, and a segment with nothing left is unlinked.

        It also says that a :class:`Damage` is recorded. Repeating it is harmless.
        """
        with self._state:
            if self._backlog.done(positions):
                self._remove_drained()
            self._marks.finished(positions)

    def release(self, positions: Sequence[Position]) -> None:
        """Triage failed: give these back, to be taken again at their old place in the order."""
        with self._state:
            self._backlog.release(positions)
            self._marks.clear(positions)
            self._arrivals.announce(openings=self._backlog.waiting(repeats=False) > 0)

    def _remove_drained(self) -> None:
        for number in self._segments.left_behind():
            if self._backlog.remaining(number) == 0:
                try:
                    self._segments.remove(number)
                except OSError as error:
                    self._health.undeletable(error)
                else:
                    self._backlog.forget(number)

    async def wait(self, timeout_seconds: float | None = None, *, repeats: bool = True) -> bool:
        """Return true as soon as something can be taken (without ``repeats``: an opening), false after the time-out."""
        with self._state:
            if self._backlog.waiting(repeats=repeats):
                return True
            waiter = self._arrivals.enter(repeats=repeats)
        try:
            return await arrived_within(waiter, timeout_seconds)
        finally:
            with self._state:
                self._arrivals.leave(waiter)

    # -- records that kill the process

    def mark_in_work(self, positions: Iterable[Position]) -> None:
        """Note that triage is at work on these; ``done`` and ``release`` take the note away, ``kill -9`` does not."""
        with self._state:
            self._marks.mark(positions)

    def clear_in_work(self, positions: Iterable[Position]) -> None:
        """Take the note away."""
        with self._state:
            self._marks.clear(positions)

    def restarts(self, position: Position) -> int:
        """Return how many times the process ended while this entry was in work.

        Entries above 0 should be triaged in smaller and smaller company, so that it shows which of a batch it was.
        """
        return self._marks.restarts.get(position, 0)

    def suspects(self) -> list[tuple[Entry, int]]:
        """Return the entries that were in work when the process ended, with how many times; they can still be taken."""
        with self._state:
            found = [(self._segments.read(position), position, n) for position, n in self._marks.restarts.items()]
        return [(Entry(position, record), count) for record, position, count in found if record is not None]

    # -- how it is

    def depth(self) -> int:
        """Return how many events are accepted and not done (the metric ``worker_queue_depth``)."""
        return self._backlog.depth()

    def oldest_received_at(self) -> int | None:
        """Return when the oldest event that is not done was received, in microseconds since 1970; None: all is done."""
        with self._state:
            try:
                self._oldest_known = self._backlog.oldest_received_at()
            except OSError as error:
                self._health.unreadable(error)
            return self._oldest_known

    def lag_seconds(self) -> float:
        """Return how long the oldest event that is not done has been waiting."""
        oldest = self.oldest_received_at()
        return 0.0 if oldest is None else max(0.0, self._clock.now().timestamp() - oldest / 1_000_000)

    def bytes_used(self) -> int:
        """Return the size of all segments together."""
        return self._segments.bytes_used

    @property
    def syncs(self) -> int:
        """How many group commits there were since the start."""
        return self._segments.syncs

    @property
    def damaged(self) -> list[Damage]:
        """What cannot be read and is not recorded yet: the engine makes dead letters of it, then calls ``done``."""
        with self._state:
            return list(self._backlog.damaged.values())

    @property
    def healthy(self) -> bool:
        """Whether an event would be accepted now."""
        return self.last_error is None

    @property
    def last_error(self) -> str | None:
        """Why an event would not be accepted, or what the disk refused last; ``None`` if all is well."""
        if self._health.last_error is None and self._room() < min(1 << 20, self._max_bytes // 16):
            return f"the journal is full: {self._segments.bytes_used} of {self._max_bytes} bytes wait for triage"
        return self._health.last_error

    def probe(self) -> bool:
        """Write a little if the disk refused before, and say whether it takes it; the thread does so each second."""
        return self._closed or self._health.probe()

    def _recover(self) -> float | None:
        return None if self.probe() else SECONDS_BETWEEN_PROBES

    def close(self) -> None:
        """Commit what has gathered, and close the files; what is not done stays for the next start.

        If everything is done, no segment stays.
        """
        if self._closed:
            return
        self._closed = True
        self._group_commit.stop()
        with self._writing, self._state:
            self._segments.retire_tail()
            self._remove_drained()
        self.abandon()

    def abandon(self) -> None:
        """Let go of the files as they are, as ``kill -9`` does; for the simulator."""
        self._closed = True
        with self._writing, self._state:
            if self._let_go:
                return
            self._let_go = True
            self._group_commit.halt()
            self._segments.close()
            self._marks.close()
            self._disk.close(self._lock_file)


def _closed() -> Unavailable:
    return Unavailable("the journal is closed: this process is stopping", code="journal_closed")
