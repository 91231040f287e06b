"""The store: transactions as plain functions, run on threads, or inline for tests and the simulator.

Reading order: :func:`open_store` picks the engines, :class:`SqlStore` runs the work, ``transaction.py`` is what the
work gets, and beside it one file holds the statements of each stored thing.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine, text

from llm_incident_manager.clock import Clock
from llm_incident_manager.engine.ports import SystemTransaction, Transaction
from llm_incident_manager.errors import Unavailable
from llm_incident_manager.storage.connections import (
    BUSY_SECONDS,
    database_url,
    in_memory,
    postgres_engine,
    snapshot_reader,
    sqlite_engine,
)
from llm_incident_manager.storage.faults import DATABASE_FAULTS, translated, worth_repeating
from llm_incident_manager.storage.lanes import Lanes
from llm_incident_manager.storage.migrate import create, migrate
from llm_incident_manager.storage.transaction import SqlSystemTransaction

__all__ = ["SqlStore", "migrate", "open_store"]

T = TypeVar("T")
Work = Callable[[SqlSystemTransaction], T]
_ATTEMPTS = 5
"""Whoever begins anew after a deadlock may meet the same one again before it lets go."""
_DATABASE_TIME = text("SELECT clock_timestamp()")


class SqlStore:
    """A :class:`~llm_incident_manager.engine.ports.Store` on SQLite or PostgreSQL.

    Without lanes the work runs in the caller. On PostgreSQL work that meets a deadlock is run again, so it must be free
    of effects outside the transaction.
    """

    def __init__(
        self,
        writer: Engine,
        reader: Engine,
        *,
        tell_time: Callable[[Connection], datetime],
        write_lanes: Lanes | None,
        read_lanes: Lanes | None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._tell_time = tell_time
        self._write_lanes = write_lanes
        self._read_lanes = read_lanes
        self._closed = False

    async def transact(self, tenant: str, work: Callable[[Transaction], T], *, background: bool = False) -> T:
        """Run ``work`` in one write transaction and commit; its own exception rolls everything back and passes through.

        Raises Unavailable (``database_unavailable``) when the database is locked, full, read-only or away.
        """
        return await self._write(lambda whole: work(whole.of(tenant)), background)

    async def read(self, tenant: str, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a read transaction that sees one snapshot; whatever it writes is refused or rolled back."""
        return await self._read(lambda whole: work(whole.of(tenant)))

    async def system(self, work: Callable[[SystemTransaction], T], *, background: bool = True) -> T:
        """Run ``work`` over all tenants in one write transaction."""
        return await self._write(work, background)

    async def system_read(self, work: Callable[[SystemTransaction], T]) -> T:
        """Run ``work`` over all tenants in a read transaction."""
        return await self._read(work)

    async def close(self) -> None:
        """Finish what is queued and close every connection; harmless when closed already."""
        if self._closed:
            return
        self._closed = True
        for lanes in {each for each in (self._write_lanes, self._read_lanes) if each is not None}:
            await asyncio.to_thread(lanes.close)
        self._reader.dispose()
        self._writer.dispose()

    async def _write(self, work: Work[T], background: bool) -> T:
        if self._write_lanes is None:
            return self._run(self._writer, work)
        job = self._write_lanes.submit(lambda: self._run(self._writer, work), background=background)
        return await asyncio.wrap_future(job)

    async def _read(self, work: Work[T]) -> T:
        if self._read_lanes is None:
            return self._run(self._reader, work)
        job = self._read_lanes.submit(lambda: self._run(self._reader, work), background=False)
        return await asyncio.wrap_future(job)

    def _run(self, engine: Engine, work: Work[T]) -> T:
        if self._closed and self._write_lanes is None:
            raise Unavailable("the store is closed", code="database_unavailable")
        # SQLite has one writer; on PostgreSQL rows are locked, and only by those who may write.
        locks = engine is self._writer and engine.dialect.name == "postgresql"
        attempt = 1
        while True:
            try:
                with engine.connect() as connection, connection.begin() as transaction:
                    result = work(SqlSystemTransaction(connection, self._tell_time, locks=locks))
                    if engine is self._reader and engine is not self._writer:
                        transaction.rollback()
                    return result
            except DATABASE_FAULTS as fault:
                if attempt == _ATTEMPTS or not worth_repeating(fault):
                    raise translated(fault) from fault
            attempt += 1


def open_store(
    url: str,
    *,
    clock: Clock | None = None,
    inline: bool = False,
    readers: int = 4,
    connections: int = 8,
    busy_seconds: float = BUSY_SECONDS,
) -> SqlStore:
    """Return the store at ``url``: ``sqlite:////absolute/path.db``, ``sqlite://`` (memory) or ``postgresql://…``.

    ``clock`` decides the time (tests and the simulator); without one the database's does. ``inline`` runs work in the
    caller, without threads; a database in memory is always inline and gets its schema here, any other needs
    :func:`migrate` before. ``readers`` are SQLite's reading threads, ``connections`` PostgreSQL's pool; SQLite waits
    ``busy_seconds`` for another process's lock. Raises Invalid for what cannot be opened; nothing is connected yet.
    """
    parsed = database_url(url)

    def tell_time(connection: Connection) -> datetime:
        if clock is not None:
            return clock.now()
        if connection.dialect.name == "sqlite":
            return datetime.now(UTC)  # the database lives in this process
        at: datetime = connection.execute(_DATABASE_TIME).scalar_one()
        return at.astimezone(UTC)

    if parsed.get_backend_name() == "sqlite":
        writer = sqlite_engine(parsed, writes=True, busy_seconds=busy_seconds)
        if in_memory(parsed):
            with writer.begin() as connection:
                create(connection)
        if inline or in_memory(parsed):
            return SqlStore(writer, writer, tell_time=tell_time, write_lanes=None, read_lanes=None)
        reader = sqlite_engine(parsed, writes=False, size=readers, busy_seconds=busy_seconds)
        one_writer = Lanes("store-writer", threads=1)
        return SqlStore(
            writer,
            reader,
            tell_time=tell_time,
            write_lanes=one_writer,
            read_lanes=Lanes("store-reader", threads=readers),
        )
    writer = postgres_engine(parsed, size=connections)
    lanes = None if inline else Lanes("store", threads=connections)
    return SqlStore(writer, snapshot_reader(writer), tell_time=tell_time, write_lanes=lanes, read_lanes=lanes)
