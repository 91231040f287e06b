"""What can go wrong, drawn from the seed: a crash at any step, a database or a disk that refuses, a dead channel."""

import asyncio
import errno
import random
from collections.abc import Callable
from typing import Any, TypeVar

from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Outcome, Rejected, RetryLater
from llm_incident_manager.engine.ports import SystemTransaction, Transaction
from llm_incident_manager.engine.records import Position, Record
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.journal import Journal
from llm_incident_manager.storage.store import SqlStore

T = TypeVar("T")


class Crash(BaseException):
    """The process ends here; nothing of it runs on."""


class Trouble:
    """Draws what happens at each touch of the outside. ``calm`` ends all trouble: the seed's quiet-down."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.calm = False
        self.database_away = False
        self.crash_rate = chance.choice([0.0, 0.004, 0.02])
        self.store_rate = chance.choice([0.0, 0.01, 0.05])
        self.disk_rate = chance.choice([0.0, 0.0, 0.02])

    def may_crash(self) -> None:
        """Raise Crash now and then."""
        if not self.calm and self._chance.random() < self.crash_rate:
            raise Crash

    def may_refuse(self) -> None:
        """Raise Unavailable now and then, and always while the database is away."""
        if not self.calm and (self.database_away or self._chance.random() < self.store_rate):
            raise Unavailable("the database is away", code="database_unavailable")

    def of_disk(self, call: str) -> None:
        """Raise OSError now and then."""
        if not self.calm and self._chance.random() < self.disk_rate:
            raise OSError(errno.EIO, f"{call} refused")

    async def others_go_first(self) -> None:
        """Let what runs beside this run on for a while."""
        for _ in range(self._chance.choice((0, 0, 1, 3))):
            await asyncio.sleep(0)


class Life:
    """One process's life: once it has ended, whatever it still touches ends too."""

    def __init__(self) -> None:
        self.over = False

    def check(self) -> None:
        """Raise Crash if this process is gone."""
        if self.over:
            raise Crash

    def end(self) -> None:
        """Say that this process is gone."""
        self.over = True


class TroubledStore:
    """The real store, with crashes and refusals before, inside and after each transaction."""

    def __init__(self, inner: SqlStore, trouble: Trouble, life: Life) -> None:
        self._inner = inner
        self._trouble = trouble
        self._life = life

    async def transact(self, tenant: str, work: Callable[[Transaction], T], *, background: bool = False) -> T:
        await self._before()
        result = await self._inner.transact(tenant, lambda tx: self._then_refused(work(tx)))
        return self._after(result)

    async def system(self, work: Callable[[SystemTransaction], T], *, background: bool = True) -> T:
        await self._before()
        result = await self._inner.system(lambda tx: self._then_refused(work(tx)))
        return self._after(result)

    async def read(self, tenant: str, work: Callable[[Transaction], T]) -> T:
        await self._before()
        return await self._inner.read(tenant, work)

    async def system_read(self, work: Callable[[SystemTransaction], T]) -> T:
        await self._before()
        return await self._inner.system_read(work)

    async def _before(self) -> None:
        self._life.check()
        await self._trouble.others_go_first()
        self._life.check()
        self._dies(self._trouble.may_crash)
        self._trouble.may_refuse()

    def _then_refused(self, result: T) -> T:
        self._dies(self._trouble.may_crash)
        self._trouble.may_refuse()
        return result

    def _after(self, result: T) -> T:
        self._dies(self._trouble.may_crash)
        return result

    def _dies(self, may: Callable[[], None]) -> None:
        try:
            may()
        except Crash:
            self._life.end()
            raise


class TroubledJournal:
    """The real journal on the simulated disk; it commits in the caller, so that a seed replays."""

    def __init__(self, inner: Journal, trouble: Trouble, life: Life) -> None:
        self._inner = inner
        self._trouble = trouble
        self._life = life

    async def append(self, records: list[Record]) -> list[Position]:
        """Append durably, or raise Unavailable; the process may end before and after."""
        self._life.check()
        await self._trouble.others_go_first()
        self._dies()
        positions = self._inner.append_inline(records)
        self._dies()
        await self._trouble.others_go_first()
        self._life.check()
        return positions

    def done(self, positions: list[Position]) -> None:
        """Forget these; the process may end just before."""
        self._dies()
        self._inner.done(positions)

    def __getattr__(self, name: str) -> Any:
        self._life.check()
        return getattr(self._inner, name)

    def _dies(self) -> None:
        self._life.check()
        try:
            self._trouble.may_crash()
        except Crash:
            self._life.end()
            raise


class SentPage:
    """One attempt that a channel saw."""

    __slots__ = ("accepted", "address", "at_version", "message", "rejected")

    def __init__(self, message: Message, address: str, at_version: int) -> None:
        self.message = message
        self.address = address
        self.at_version = at_version
        self.accepted = False
        self.rejected = False


class TroubledChannel:
    """A channel whose far side is well, unwell, hanging or refusing, as ``moods`` says."""

    def __init__(
        self,
        name: str,
        trouble: Trouble,
        moods: dict[str, str],
        sent: list[SentPage],
        version: Callable[[str, str], int],
    ) -> None:
        self.name = name
        self._trouble = trouble
        self._moods = moods
        self._sent = sent
        self._version = version
        self.life = Life()

    async def send(self, message: Message, contact: Contact) -> Outcome:
        self.life.check()
        page = SentPage(message, contact.address, self._version(message.tenant, message.incident_id))
        self._sent.append(page)
        mood = "well" if self._trouble.calm else self._moods.get(self.name, "well")
        await self._trouble.others_go_first()
        self.life.check()
        match mood:
            case "unwell":
                return RetryLater(reason="503")
            case "hanging":
                raise TimeoutError
            case "refusing":
                page.rejected = True
                return Rejected(reason="410")
            case _:
                page.accepted = True
        self._dies()
        return Delivered(receipt=f"r-{len(self._sent)}")

    def destination(self, contact: Contact) -> str:
        return contact.address

    def _dies(self) -> None:
        try:
            self._trouble.may_crash()
        except Crash:
            self.life.end()
            raise
