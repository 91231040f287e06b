"""Engines: how SQLite and PostgreSQL are opened, and what makes them safe and alike."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool, StaticPool

from llm_incident_manager.errors import Invalid

BUSY_SECONDS = 5.0
_CONNECT_SECONDS = 5
# Pages of 4 KiB in the write-ahead log before they move to the file: 16 MiB.
_CHECKPOINT_PAGES = 4096
# Per connection, and only as far as the file is that large: a million incidents are searched in memory.
_CACHE_KIBIBYTES = 49_152


def database_url(url: str) -> URL:
    """Return the parsed URL with its driver named; raises Invalid for databases that are not supported."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The URL may hold a password, so the message leaves it out.
        raise _unsupported("the database URL cannot be read") from None
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return parsed.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise _unsupported(f"the database {other} is not supported")


def in_memory(url: URL) -> bool:
    """Whether the database lives only as long as its one connection."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def sqlite_engine(url: URL, *, writes: bool, size: int = 1, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """Return an engine whose transactions begin for writing, or see one snapshot and cannot write."""
    options: dict[str, Any] = {"poolclass": StaticPool}
    if not in_memory(url):
        options = {"poolclass": QueuePool, "pool_size": size, "max_overflow": 0}
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": busy_seconds}, **options)
    event.listen(engine, "connect", _settings(writes))
    # Python's sqlite3 opens no transaction for SELECT, and a late one for writing; both would break isolation.
    event.listen(engine, "begin", _begin_immediate if writes else _begin)
    return engine


def postgres_engine(url: URL, *, size: int) -> Engine:
    """Return an engine with a pool of ``size`` connections; raises Invalid if the driver is not installed."""
    try:
        return create_engine(
            url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "llm-incident-manager",
                # Compiling a statement takes longer than any of ours runs.
                "options": "-c jit=off",
            },
        )
    except ModuleNotFoundError as missing:
        raise Invalid(
            "PostgreSQL needs its driver: pip install 'llm-incident-manager[postgres]'", code="driver_missing"
        ) from missing


def snapshot_reader(engine: Engine) -> Engine:
    """Return the same PostgreSQL pool for transactions that see one snapshot and cannot write."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _settings(writes: bool) -> Callable[[Any, Any], None]:
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        _write_ahead(cursor)
        # FULL: a commit is on disk when it returns (specification §8.1: nothing accepted is lost).
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
        cursor.execute("PRAGMA temp_store = MEMORY")
        if not writes:
            cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    return prepare


def _write_ahead(cursor: Any) -> None:
    """Turn the write-ahead log on; SQLite does not wait for others here, though they are soon done."""
    last = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as fault:
            if "locked" not in str(fault) or time.monotonic() > last:
                raise
        # An exclusive lock is waited for, as long as the connection's time-out says.
        cursor.execute("BEGIN EXCLUSIVE")
        cursor.execute("COMMIT")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _unsupported(what: str) -> Invalid:
    return Invalid(
        f"{what}; use sqlite:////absolute/path.db or postgresql://user@host/name", code="unsupported_database"
    )
