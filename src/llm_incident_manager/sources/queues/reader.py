"""Reads the queue of one source: fetched, taken durably, and only then acknowledged (ING-10, REL-03).

Nothing is lost: what cannot be taken yet is held, and nothing more is fetched meanwhile. Nothing goes round for ever:
what can never be taken, and what fails here several times, becomes a dead letter.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec
import structlog

from llm_incident_manager.clock import Clock
from llm_incident_manager.errors import IncidentManagerError, Invalid, RateLimited, Unavailable
from llm_incident_manager.ids import new_id
from llm_incident_manager.resilience.backoff import delay
from llm_incident_manager.sources.queues.receive import NotKept, NotYet
from llm_incident_manager.sources.queues.spec import Message, QueueConnection

log = structlog.get_logger("queues")
MOST_FAILURES = 5
"""How often a message may fail here, for no reason that it tells, before it is a dead letter."""
LONGEST_HOLD_SECONDS = 10.0
SHORTEST_HOLD_SECONDS = 0.05
LOOK_SECONDS = 10.0
"""How often the broker is asked how much waits."""

Take = Callable[[Sequence[Message]], Awaitable[list[NotYet | None]]]
"""Takes messages in order; returns for each None once it is done with, or why not yet."""
Bury = Callable[[Message, Invalid], Awaitable[None]]
"""Makes a message a dead letter, durably; raises Unavailable."""
Open = Callable[[], Awaitable[QueueConnection]]


class QueueCondition(msgspec.Struct):
    """How reading goes. ``waiting`` is the broker's figure, ``None`` where it has none; instants are in UTC."""

    connected: bool = False
    held: int = 0
    waiting: int | None = None
    last_success: datetime | None = None
    taken: int = 0
    fault: str | None = None


class QueueReader:
    """One source's reader; a step is one look at the queue, and whoever repeats it rests as long as it says."""

    def __init__(
        self, name: str, *, open: Open, take: Take, bury: Bury, clock: Clock, jitter: Callable[[], float], most: int
    ) -> None:
        self.condition = QueueCondition()
        self._name = name
        self._open = open
        self._take = take
        self._bury = bury
        self._clock = clock
        self._jitter = jitter
        self._most = most
        self._connection: QueueConnection | None = None
        self._held: list[Message] = []
        self._aside: list[Message] = []
        self._aside_until = float("-inf")
        self._tries = 0
        self._failures: dict[str, int] = {}
        self._looked = float("-inf")

    async def step(self) -> float:
        """Fetch and take what is there; return the seconds to rest before the next step, 0 for none."""
        try:
            connection = self._connection or await self._connect()
            if self._aside and self._clock.monotonic() >= self._aside_until:
                self._held, self._aside = [*self._aside, *self._held], []
            elif len(self._aside) >= self._most:
                return SHORTEST_HOLD_SECONDS
            if not self._held:
                self._held = list(await connection.receive())
                self._tries = 0
            rest = await self._work(connection) if self._held else 0.0
            await self._look(connection)
            return rest
        except IncidentManagerError as refused:
            return await self._lose(refused)

    async def finish(self) -> None:
        """Take what has arrived and would be lost, and let go."""
        connection = self._connection
        try:
            if connection is not None and not connection.redelivers:
                await connection.leave()
                while self._held or (messages := list(await connection.receive())):
                    self._held = self._held or messages
                    if await self._work(connection):
                        log.error("queue_messages_lost", queue=self._name, number=len(self._held))
                        break
        except IncidentManagerError as refused:
            log.warning("queue_away", queue=self._name, reason=refused.message)
        await self.close()

    async def close(self) -> None:
        """Let go; what is held is delivered again, or stays held where the broker has forgotten it."""
        self.condition.connected = False
        connection, self._connection = self._connection, None
        if connection is not None:
            if connection.redelivers:
                self._held, self._aside = [], []
            await connection.close()

    async def _connect(self) -> QueueConnection:
        self._connection = connection = await self._open()
        self.condition.connected = True
        self.condition.fault = None
        log.info("queue_connected", queue=self._name)
        return connection

    async def _lose(self, refused: IncidentManagerError) -> float:
        told = refused.message
        if self.condition.fault != told:
            log.warning("queue_away", queue=self._name, reason=told)
        await self.close()
        self.condition.fault = told
        self._tries += 1
        return delay(self._tries - 1, jitter=self._jitter())

    async def _work(self, connection: QueueConnection) -> float:
        messages, self.condition.held = self._held, len(self._held)
        answers = await self._answers(messages)
        done = [message for message, answer in zip(messages, answers, strict=True) if answer is None]
        refusals = [answer for answer in answers if answer is not None]
        left = [(message, answer) for message, answer in zip(messages, answers, strict=True) if answer is not None]
        # A dead letter that waits for the database holds up nothing that the journal takes.
        self._held = [message for message, answer in left if not isinstance(answer, NotKept)]
        self._aside += [message for message, answer in left if isinstance(answer, NotKept)]
        self.condition.held = len(self._held) + len(self._aside)
        if done:
            await connection.done(done)
            self.condition.last_success = self._clock.now()
            self.condition.taken += len(done)
        if not refusals:
            self.condition.fault = None
            return 0.0
        await connection.hold([*self._held, *self._aside])
        self.condition.fault = refusals[0].message
        waits = [each.retry_after_seconds for each in refusals if isinstance(each, RateLimited | Unavailable)]
        rest = max(SHORTEST_HOLD_SECONDS, min([*waits, LONGEST_HOLD_SECONDS]))
        if self._aside:
            self._aside_until = self._clock.monotonic() + rest
        return rest if self._held else 0.0

    async def _answers(self, messages: list[Message]) -> list[NotYet | None]:
        try:
            return await self._take(messages)
        except IncidentManagerError:
            raise
        except Exception as fault:
            # A named border: one message must neither end the reading of a queue, nor come back for ever.
            if len(messages) > 1:
                return [answer for each in messages for answer in await self._answers([each])]
            return [await self._failed(messages[0], fault)]

    async def _failed(self, message: Message, fault: Exception) -> NotYet | None:
        fault_id = new_id("err")
        log.error("message_failed", queue=self._name, fault_id=fault_id, exc_info=fault)
        mark = message.id or str(hash(message.body))
        self._failures[mark] = failures = self._failures.get(mark, 0) + 1
        if failures < MOST_FAILURES:
            return Unavailable(f"it failed here; mention {fault_id}", retry_after_seconds=delay(failures - 1))
        try:
            await self._bury(message, Invalid(f"it failed here {failures} times; mention {fault_id}", code="failed"))
        except Unavailable as away:
            return away
        del self._failures[mark]
        return None

    async def _look(self, connection: QueueConnection) -> None:
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self.condition.waiting = await connection.waiting()
