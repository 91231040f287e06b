"""What was really counted, asked of the database beside the product: nobody vouches for himself."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import psycopg

_QUESTION = "SELECT count(*), coalesce(sum(event_count), 0) FROM incidents"
_TIMERS = "SELECT count(*) FROM timers"
_PAGES = "SELECT count(*) FROM notifications"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many incidents there are, how many events they count together, and how many pages are planned."""

    incidents: int
    events: int
    pages: int


def counted(database: str) -> Counted:
    """Return what the database holds now; ``database`` is SQLite's file or PostgreSQL's URL."""
    if not database.startswith("postgresql"):
        if not Path(database).exists():
            return Counted(incidents=0, events=0, pages=0)
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            incidents, events = connection.execute(_QUESTION).fetchone()
            (pages,) = connection.execute(_PAGES).fetchone()
            return Counted(incidents=incidents, events=events, pages=pages)
    with psycopg.connect(database.replace("+psycopg", "")) as session:
        row = session.execute(_QUESTION).fetchone()
        planned = session.execute(_PAGES).fetchone()
        assert row is not None
        assert planned is not None
        return Counted(incidents=int(row[0]), events=int(row[1]), pages=int(planned[0]))


def pending_timers(database: Path) -> int:
    """Return how many timers are pending in SQLite's file."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        (number,) = connection.execute(_TIMERS).fetchone()
        return int(number)
