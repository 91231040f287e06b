"""What a reader of a queue does when something fails that tells no reason, and when its broker forgets."""

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.events.queue import QueueKind
from llm_incident_manager.errors import IncidentManagerError, Invalid, Unavailable
from llm_incident_manager.sources.queues.reader import MOST_FAILURES, QueueReader
from llm_incident_manager.sources.queues.receive import NotKept
from llm_incident_manager.sources.queues.registry import DRIVERS, queue_spec
from llm_incident_manager.sources.queues.spec import Message
from tests.stories.app import START


@dataclass
class Queue:
    """A queue in memory: what is not done with is delivered again to the next connection, unless it forgets."""

    redelivers: bool = True
    messages: deque[Message] = field(default_factory=deque)
    lost: bool = False
    opened: int = 0
    forgotten: list[bytes] = field(default_factory=list)
    held: int = 0

    async def open(self) -> "Queue":
        self.lost = False
        self.opened += 1
        return self

    async def receive(self) -> Sequence[Message]:
        if self.lost:
            raise Unavailable("it is away", code="queue_away")
        found = list(self.messages)
        if not self.redelivers:
            self.messages.clear()
        return found

    async def done(self, messages: Sequence[Message]) -> None:
        if self.lost:
            raise Unavailable("it is away", code="queue_away")
        for message in messages:
            self.forgotten.append(message.body)
            if message in self.messages:
                self.messages.remove(message)

    async def hold(self, messages: Sequence[Message]) -> None:
        self.held += len(messages)

    async def leave(self) -> None:
        return

    async def waiting(self) -> int | None:
        return len(self.messages)

    async def close(self) -> None:
        return


@dataclass
class Desk:
    """Takes messages; ``answers`` decide by body."""

    answers: dict[bytes, IncidentManagerError | Exception] = field(default_factory=dict)
    taken: list[bytes] = field(default_factory=list)
    buried: list[tuple[bytes, str]] = field(default_factory=list)

    async def take(self, messages: Sequence[Message]) -> list[IncidentManagerError | None]:
        for message in messages:
            failure = self.answers.get(message.body)
            if failure is not None and not isinstance(failure, IncidentManagerError):
                raise failure
        found = [self.answers.get(message.body) for message in messages]
        self.taken += [message.body for message, answer in zip(messages, found, strict=True) if answer is None]
        return found  # type: ignore[return-value]

    async def bury(self, message: Message, refused: Invalid) -> None:
        self.buried.append((message.body, refused.message))


def reader_of(queue: Queue, desk: Desk) -> QueueReader:
    return QueueReader(
        "default/theirs",
        open=queue.open,
        take=desk.take,
        bury=desk.bury,
        clock=ManualClock(START),
        jitter=lambda: 0.0,
        most=2,
    )


@pytest.mark.requirement("ING-09", "REL-04")
async def test_what_fails_for_no_reason_that_it_tells_ends_as_a_dead_letter_and_holds_nobody_up() -> None:
    queue = Queue(messages=deque(Message(body=body, id=body.decode()) for body in (b"a", b"poison", b"b")))
    desk = Desk(answers={b"poison": RuntimeError("a fault of ours")})
    reader = reader_of(queue, desk)
    rests = [await reader.step() for _ in range(MOST_FAILURES)]
    assert rests == [1.0, 2.0, 4.0, 8.0, 0.0]
    assert desk.taken == [b"a", b"b"]
    ((body, reason),) = desk.buried
    assert body == b"poison"
    assert reason.startswith("it failed here 5 times; mention err-")
    assert sorted(queue.forgotten) == [b"a", b"b", b"poison"]
    assert "a fault of ours" not in str(reader.condition.fault)


@pytest.mark.requirement("REL-03")
async def test_what_is_held_is_tried_before_anything_more_is_fetched() -> None:
    queue = Queue(messages=deque([Message(body=b"a", id="a")]))
    desk = Desk(answers={b"a": Unavailable("full", retry_after_seconds=3.0)})
    reader = reader_of(queue, desk)
    assert await reader.step() == 3.0
    queue.messages.append(Message(body=b"b", id="b"))
    assert await reader.step() == 3.0
    assert (queue.forgotten, queue.held, reader.condition.held) == ([], 2, 1)
    desk.answers.clear()
    assert [await reader.step(), await reader.step()] == [0.0, 0.0]
    assert desk.taken == [b"a", b"b"]


@pytest.mark.requirement("ING-08", "REL-04")
async def test_a_dead_letter_that_cannot_be_kept_holds_up_nothing_until_there_are_too_many() -> None:
    queue = Queue(redelivers=False, messages=deque([Message(body=b"bad-1", id="1")]))
    away = NotKept("the database is away", retry_after_seconds=5.0)
    desk = Desk(answers={b"bad-1": away, b"bad-2": away})
    reader = reader_of(queue, desk)
    assert await reader.step() == 0.0
    queue.messages += [Message(body=b"good-1", id="2"), Message(body=b"bad-2", id="3")]
    assert await reader.step() == 0.0
    assert (desk.taken, reader.condition.held) == ([b"good-1"], 2)
    queue.messages.append(Message(body=b"good-2", id="4"))
    assert await reader.step() > 0
    assert desk.taken == [b"good-1"]  # as many as may be here are here
    desk.answers.clear()
    reader._clock.advance(timedelta(seconds=6))  # type: ignore[attr-defined]
    assert [await reader.step(), await reader.step()] == [0.0, 0.0]
    assert desk.taken == [b"good-1", b"bad-1", b"bad-2", b"good-2"]


@pytest.mark.parametrize("redelivers", [True, False])
async def test_what_was_held_when_the_way_broke_is_taken_once_it_is_there_again(redelivers: bool) -> None:
    queue = Queue(redelivers=redelivers, messages=deque([Message(body=b"a", id="a")]))
    desk = Desk(answers={b"a": Unavailable("full")})
    reader = reader_of(queue, desk)
    await reader.step()
    queue.lost = True
    desk.answers.clear()
    await reader.step()
    assert desk.taken == [b"a"]
    rest = await reader.step()
    if redelivers:  # it was durable and could not be acknowledged: it comes again, and is known again
        assert queue.opened == 2
        assert desk.taken == [b"a", b"a"]
    else:
        assert desk.taken == [b"a"]
    assert rest == 0.0 or not reader.condition.connected


async def test_a_driver_that_is_not_installed_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, library in (
        (QueueKind.RABBITMQ, "aio_pika"),
        (QueueKind.NATS, "nats"),
        (QueueKind.REDIS, "redis.asyncio"),
        (QueueKind.KAFKA, "confluent_kafka"),
    ):
        module, extra = DRIVERS[kind]
        assert queue_spec(kind).kind is kind
        with monkeypatch.context() as without:
            without.delitem(sys.modules, f"llm_incident_manager.sources.queues.{module}")
            without.setitem(sys.modules, library, None)
            with pytest.raises(Invalid) as missing:
                queue_spec(kind)
        assert f"pip install 'llm-incident-manager[{extra}]'" in missing.value.message
