"""New incidents: each event says something new; routed, its first timer set, its page planned, its last row counted."""

import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.load import send, until
from benchmarks.missing import Missing
from benchmarks.product import product
from benchmarks.table import Figure, Goal, Verdict, against, shown
from benchmarks.templates import sentinel_event, written
from tests.servers import postgres_server

BATCH = 100
SQLITE = Goal(value=1_500, accept=1_000, unit="incidents/s")
POSTGRESQL = Goal(value=1_500, unit="incidents/s")


def sqlite(bench: Bench) -> Iterator[Figure]:
    """Measure on SQLite."""
    yield _line(bench, "SQLite", None, SQLITE)


def postgresql(bench: Bench) -> Iterator[Figure]:
    """Measure on PostgreSQL, where there is one."""
    with postgres_server() as server:
        if isinstance(server, str):
            raise Missing(server)
        with server.fresh_database() as url:
            yield _line(bench, "PostgreSQL", url, POSTGRESQL)


def _line(bench: Bench, name: str, url: str | None, goal: Goal) -> Figure:
    events = bench.pick(20_000, 4_000)
    with bench.folder() as folder, bench.receiver() as receiver:
        with product(folder, receiver=receiver.url, database_url=url) as server:
            template = written(folder, "event", sentinel_event())
            started = time.monotonic()
            answered = send(
                server.events, template, prefix="openopen", requests=events // BATCH, batch=BATCH, fingerprints=999_983
            )
            in_time = until(lambda: server.counted().events >= events, 120, every=0.02)
            took = time.monotonic() - started
            found = server.counted()
            sent = receiver.pages
    line = against(goal, f"new incidents, routed, page planned, on {name}", events / took)
    whole = in_time and found.incidents == events and found.pages >= events
    return Figure(
        what=line.what,
        figure=line.figure,
        goal=line.goal,
        ratio=line.ratio,
        verdict=line.verdict if whole else Verdict.MISSED,
        note=f"accepted at {shown(answered.per_second)}/s; {shown(found.incidents)} incidents, "
        f"{shown(found.pages)} pages planned, {shown(sent)} of them delivered by then",
    )
