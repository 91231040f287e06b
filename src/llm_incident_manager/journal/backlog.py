"""What is accepted and not yet done: two lanes, a bounded part of them in memory, and what triage has in flight."""

import heapq
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from llm_incident_manager.journal.record import Damage, Entry, Position, Record

RECORD_OVERHEAD_BYTES = 400
"""What a record costs in memory besides its body, roughly."""


class MemoryBudget:
    """How many records, and bytes of them, may wait in memory; the rest waits in the file."""

    __slots__ = ("_bytes", "_records", "bytes_left", "records_left")

    def __init__(self, records: int, size: int) -> None:
        self._records, self._bytes = records, size
        self.records_left, self.bytes_left = records, size

    def room(self) -> bool:
        """Say whether one more may be kept; what has to come into memory anyway may overdraw."""
        return self.records_left > 0 and self.bytes_left > 0

    def spend(self, entry: Entry, sign: int = 1) -> None:
        """Count one more in memory; ``sign`` -1: one fewer."""
        self.records_left -= sign
        self.bytes_left -= sign * (len(entry.record.body) + RECORD_OVERHEAD_BYTES)


class Lane:
    """Entries in the order of their acceptance: first those in memory, then those of which only the place is kept."""

    def __init__(self, budget: MemoryBudget, read: Callable[[Position], Record | None]) -> None:
        self._budget = budget
        self._read = read
        self._loaded: deque[Entry] = deque()
        # Four bytes a record: a gibibyte of journal holds millions.
        self._stored: deque[tuple[int, array[int]]] = deque()
        self._next_stored = 0
        self._stored_count = 0

    def __len__(self) -> int:
        return len(self._loaded) + self._stored_count

    def add(self, entry: Entry) -> None:
        """Add at the end."""
        if self._stored_count == 0 and self._budget.room():
            self._budget.spend(entry)
            self._loaded.append(entry)
            return
        segment, offset = entry.position.segment, entry.position.offset
        if not self._stored or self._stored[-1][0] != segment:
            self._stored.append((segment, array("I")))
        self._stored[-1][1].append(offset)
        self._stored_count += 1

    def extend(self, entries: Sequence[Entry]) -> None:
        """Add several at the end."""
        budget = self._budget
        if self._stored_count == 0 and budget.records_left >= len(entries):
            size = sum([len(entry.record.body) for entry in entries]) + RECORD_OVERHEAD_BYTES * len(entries)
            if size <= budget.bytes_left:
                budget.records_left -= len(entries)
                budget.bytes_left -= size
                self._loaded.extend(entries)
                return
        for entry in entries:
            self.add(entry)

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Put entries that were taken earlier back to their place."""
        for entry in entries:
            self._budget.spend(entry)
        if self._loaded and entries and self._loaded[0].position < entries[-1].position:
            self._loaded = deque(heapq.merge(self._loaded, entries, key=lambda entry: entry.position))
        else:
            self._loaded.extendleft(reversed(entries))

    def head(self, lost: Callable[[Position], None]) -> Entry | None:
        """Return the first entry and leave it."""
        while not self._loaded and self._stored_count:
            self._load_one(lost)
        return self._loaded[0] if self._loaded else None

    def take(self, lost: Callable[[Position], None]) -> Entry | None:
        """Remove and return the first entry; ``lost`` is told of places that cannot be read any more.

        Raises:
            OSError: the file cannot be read now; the entry stays.
        """
        entry = self.head(lost)
        if entry is not None:
            self._loaded.popleft()
            self._budget.spend(entry, -1)
        return entry

    def _load_one(self, lost: Callable[[Position], None]) -> None:
        segment, offsets = self._stored[0]
        position = Position(segment, offsets[self._next_stored])
        record = self._read(position)
        self._next_stored += 1
        self._stored_count -= 1
        if self._next_stored == len(offsets):
            self._stored.popleft()
            self._next_stored = 0
        if record is None:
            lost(position)
            return
        entry = Entry(position, record)
        self._budget.spend(entry)
        self._loaded.append(entry)


class Backlog:
    """Everything accepted and not yet done. Not safe between threads: the journal holds its lock."""

    def __init__(
        self, read: Callable[[Position], Record | None], lost: Callable[[Position], Damage], budget: MemoryBudget
    ) -> None:
        self._openings = Lane(budget, read)
        self._repeats = Lane(budget, read)
        self._in_flight: dict[Position, Entry] = {}
        self._oldest_in_flight: int | None = None
        self._as_damage = lost
        self._remaining: dict[int, int] = {}
        self.damaged: dict[Position, Damage] = {}

    def add(self, entries: Sequence[Entry]) -> None:
        """Add what was accepted by one commit, in one segment."""
        if not entries:
            return
        segment = entries[0].position.segment
        self._remaining[segment] = self._remaining.get(segment, 0) + len(entries)
        openings = [entry for entry in entries if entry.record.opens]
        if openings:
            self._openings.extend(openings)
            entries = [entry for entry in entries if not entry.record.opens]
        self._repeats.extend(entries)

    def add_damage(self, damage: Damage) -> None:
        """Keep a segment until somebody has recorded that a stretch of it cannot be read."""
        self.damaged[damage.position] = damage
        segment = damage.position.segment
        self._remaining[segment] = self._remaining.get(segment, 0) + 1

    def take(self, limit: int, *, repeats: bool = True) -> list[Entry]:
        """Move up to ``limit`` entries into flight: openings first, each lane in order.

        Raises:
            OSError: nothing could be read, and nothing was moved.
        """
        taken: list[Entry] = []
        try:
            for lane in (self._openings, self._repeats) if repeats else (self._openings,):
                while len(taken) < limit and (entry := lane.take(self._lost)) is not None:
                    taken.append(entry)
                    self._in_flight[entry.position] = entry
        except OSError:
            if not taken:
                raise
        oldest = [entry.record.received_at for entry in taken]
        if self._oldest_in_flight is not None:
            oldest.append(self._oldest_in_flight)
        self._oldest_in_flight = min(oldest, default=None)
        return taken

    def _lost(self, position: Position) -> None:
        self.damaged[position] = self._as_damage(position)  # its segment counts it already

    def done(self, positions: Iterable[Position]) -> bool:
        """Forget entries in flight and damages; say whether a segment has nothing left. Unknown ones are ignored."""
        drained = False
        for position in positions:
            if self._in_flight.pop(position, None) is None and self.damaged.pop(position, None) is None:
                continue
            left = self._remaining[position.segment] - 1
            self._remaining[position.segment] = left
            drained = drained or left == 0
        self._find_oldest_in_flight()
        return drained

    def release(self, positions: Iterable[Position]) -> None:
        """Give entries in flight back to their places in the lanes. Unknown ones are ignored."""
        back = sorted(
            (entry for position in positions if (entry := self._in_flight.pop(position, None)) is not None),
            key=lambda entry: entry.position,
        )
        self._openings.put_back([entry for entry in back if entry.record.opens])
        self._repeats.put_back([entry for entry in back if not entry.record.opens])
        self._find_oldest_in_flight()

    def _find_oldest_in_flight(self) -> None:
        self._oldest_in_flight = min((entry.record.received_at for entry in self._in_flight.values()), default=None)

    def remaining(self, segment: int) -> int:
        """Return how many entries of a segment are not done."""
        return self._remaining.get(segment, 0)

    def forget(self, segment: int) -> None:
        """The segment is unlinked."""
        self._remaining.pop(segment, None)

    def waiting(self, *, repeats: bool = True) -> int:
        """Return how many entries can be taken; without ``repeats``, how many openings."""
        return len(self._openings) + (len(self._repeats) if repeats else 0)

    def depth(self) -> int:
        """Return how many entries are not done, in flight or not."""
        return self.waiting() + len(self._in_flight)

    def oldest_received_at(self) -> int | None:
        """Return the earliest receipt of what is in flight or first in its lane, in microseconds since 1970."""
        heads = [head.record.received_at for lane in (self._openings, self._repeats) if (head := lane.head(self._lost))]
        if self._oldest_in_flight is not None:
            heads.append(self._oldest_in_flight)
        return min(heads, default=None)

    def in_flight(self, limit: int) -> list[Entry]:
        """Return up to ``limit`` of what was taken and neither done nor released."""
        return list(islice(self._in_flight.values(), limit))
