"""Who commits: the loop itself for a crowd on a quick disk, the journal's thread for everybody else."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.group_commit import CROWD, QUICK_SECONDS, GroupCommit
from llm_incident_manager.journal.record import Position, Record
from tests.contract.journal.kit import records


class SlowOrQuick:
    """A disk whose commits take as long as it is told, on a watch of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.takes = QUICK_SECONDS / 10
        self.committed_in: list[tuple[int, int]] = []
        self.fault: Exception | None = None

    def commit(self, payloads: Sequence[bytes], given: Sequence[Record]) -> list[Position]:
        self.now += self.takes
        self.committed_in.append((threading.get_ident(), len(given)))
        if self.fault is not None:
            raise self.fault
        return [Position(1, number) for number in range(len(given))]


class Callers:
    """So many at once, each with a record of its own."""

    def __init__(self, group: GroupCommit) -> None:
        self._group = group

    async def come(self, number: int) -> list[list[Position] | Unavailable]:
        loop = asyncio.get_running_loop()
        answers = []
        for _ in range(number):
            answer: asyncio.Future[list[Position] | Unavailable] = loop.create_future()
            self._group.add([b"x"], 1, records("a"), answer.set_result)
            answers.append(answer)
        return list(await asyncio.gather(*answers))


@pytest.mark.requirement("ING-08")
async def test_a_crowd_is_committed_in_the_loop_while_the_disk_is_quick() -> None:
    disk = SlowOrQuick()
    group = GroupCommit(disk.commit, lambda: None, lambda: disk.now)
    callers, here = Callers(group), threading.get_ident()
    for _ in range(20):
        await callers.come(1)
    assert here not in {thread for thread, _ in disk.committed_in}, "whoever is alone goes through the thread"
    assert await callers.come(CROWD) == [[Position(1, number)] for number in range(CROWD)]
    assert disk.committed_in[-1] == (here, CROWD)

    disk.takes = QUICK_SECONDS * 50
    await callers.come(CROWD)
    assert disk.committed_in[-1][0] == here, "nobody knew yet"
    await callers.come(CROWD)
    assert disk.committed_in[-1][0] != here, "one slow commit is enough"

    disk.takes = 0.0
    for _ in range(60):
        await callers.come(CROWD)
    assert disk.committed_in[-1][0] == here, "quick ones win the loop back"
    group.stop()


async def test_what_fails_in_the_loop_is_answered_to_everybody_in_the_crowd() -> None:
    disk = SlowOrQuick()
    group = GroupCommit(disk.commit, lambda: None, lambda: disk.now)
    callers = Callers(group)
    for _ in range(20):
        await callers.come(1)
    disk.fault = OSError("gone")
    outcomes = await callers.come(CROWD)
    assert {outcome.code for outcome in outcomes if isinstance(outcome, Unavailable)} == {"journal_unwritable"}
    assert len(outcomes) == CROWD
    group.stop()
