"""A database of many incidents: some are made by the product, then their rows are copied under ids of their own."""

import contextlib
import sqlite3
from pathlib import Path

from benchmarks.product import Product
from benchmarks.templates import KIND, sentinel_event

SEEDS = 500
OPEN_EVERY = 100
"""One incident in so many is open."""
SEVERITIES = ("critical", "high", "medium", "low")
CATEGORIES = ("performance", "availability", "security", "cost")
ENVIRONMENTS = ("production", "staging", "development")
SOURCES = ("llm-sentinel", "llm-observatory", "llm-edge-agent")
DAYS = 30


def make_seeds(server: Product) -> None:
    """Open varied incidents through the API, and resolve and close nearly all of them."""
    calls = server.calls()
    ids = []
    for start in range(0, SEEDS, 100):
        events = [_varied(number) for number in range(start, start + 100)]
        answer = calls.post("/api/v1/events", events)
        ids += [result["incident_id"] for result in answer.document["results"]]
    assert server.wait_counted(SEEDS)
    for number, incident_id in enumerate(ids):
        if number % OPEN_EVERY:
            for step in ("resolve?walk=true", "close"):
                answer = calls.post(f"/api/v1/incidents/{incident_id}/{step}", {})
                assert answer.status == 200, answer


def _varied(number: int) -> dict[str, object]:
    event = sentinel_event(
        event_id=f"seed-{number}",
        source=SOURCES[number % 3],
        severity=SEVERITIES[number % 4],
        category=CATEGORIES[number // 4 % 4],
        title=f"Trouble of kind {number % 50}",
        tags={"environment": ENVIRONMENTS[number // 3 % 3], "team": f"team-{number % 20}"},
    )
    event["resource"]["id"] = event["resource"]["id"].replace(KIND, f"{number:06d}")
    return event


def copy_seeds(database: Path, incidents: int) -> int:
    """Copy the seeds, spread over the last thirty days, until there are ``incidents``; returns how many there are.

    A copy is in every table that lists and the start look into: the row, the body, the tags.
    """
    copies = incidents // SEEDS - 1
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("CREATE TEMP TABLE copies (n INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO copies VALUES (?)", ((number,) for number in range(1, copies + 1)))
        columns = [row[1] for row in connection.execute("PRAGMA table_info(incidents)")]
        # Every seed gets a range of numbers of its own on the day of the copy.
        connection.execute(
            "CREATE TEMP TABLE seeds AS SELECT tenant, id, row_number() OVER (ORDER BY id) AS seed FROM incidents"
        )
        shift = f"(c.n % {DAYS}) * 86400000000"
        new_id = "substr(i.id, 1, 13) || printf('%09d', 100000 + c.n * 1000 + s.seed)"
        shown = {
            "id": new_id,
            "number": "i.number / 1000000000 * 1000000000 + 100000 + c.n * 1000 + s.seed",
            "fingerprint": "i.fingerprint || '-' || c.n",
        }
        instants = {
            "created_at",
            "updated_at",
            "last_event_at",
            "acknowledged_at",
            "resolved_at",
            "closed_at",
            "ended_at",
        }
        values = [shown.get(name) or (f"i.{name} - {shift}" if name in instants else f"i.{name}") for name in columns]
        source = "incidents i JOIN seeds s ON s.tenant = i.tenant AND s.id = i.id CROSS JOIN copies c"
        connection.execute(
            "INSERT INTO incident_bodies SELECT b.tenant, "
            + new_id
            + ", CAST(replace(CAST(b.body AS TEXT), i.id, "
            + new_id
            + f") AS BLOB) FROM {source} JOIN incident_bodies b ON b.tenant = i.tenant AND b.incident_id = i.id"
        )
        connection.execute(
            f"INSERT INTO incident_tags SELECT t.tenant, t.key, t.value, {new_id} FROM {source} "
            "JOIN incident_tags t ON t.tenant = i.tenant AND t.incident_id = i.id"
        )
        connection.execute(f"INSERT INTO incidents ({', '.join(columns)}) SELECT {', '.join(values)} FROM {source}")
        connection.commit()
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (number,) = connection.execute("SELECT count(*) FROM incidents").fetchone()
        return int(number)
