"""Much of everything: 10,000 open incidents at rest, 100,000 pending timers, lists over a million incidents."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.calls import percentile
from benchmarks.database import pending_timers
from benchmarks.filling import copy_seeds, make_seeds
from benchmarks.load import send, until
from benchmarks.product import SOON_SECONDS, Product, product
from benchmarks.table import Figure, Goal, against, shown
from benchmarks.templates import filled, sentinel_event, written

BATCH = 100
MEBIBYTE = 1 << 20
MEMORY = Goal(value=150, unit="MiB", at_most=True)
AT_REST = Goal(value=5, unit="% of a core", at_most=True)
FIRED = Goal(value=1.0, unit="s", at_most=True)
LIST = Goal(value=50, unit="ms", at_most=True)
LONG_START = Goal(value=5.0, unit="s", at_most=True)
FILTERS = (
    "status=NEW",
    "severity=P0",
    "severity=P1&category=security",
    "severity=P0&severity=P1&environment=production&category=availability",
    "source=llm-observatory&environment=staging",
    "tag=team:team-7",
    "status=CLOSED&severity=P2&start=2020-01-01",
    "environment=development&sort=created_at",
)


def timers(bench: Bench) -> Iterator[Figure]:
    """Open incidents until enough timers are pending; measure memory and processor at rest, then let some come due."""
    wanted = bench.pick(100_000, 10_000)
    at_rest = bench.pick(10_000, 1_000)
    with bench.folder() as folder, bench.receiver() as receiver:
        template = written(folder, "event", sentinel_event())
        with product(folder, receiver=receiver.url) as server:
            opened = _open(server, template, "restrest", at_rest)
            until(lambda: receiver.pages >= opened, 120)
        with product(folder, receiver=receiver.url) as server:
            time.sleep(5)
            memory = server.memory_bytes() / MEBIBYTE
            yield against(MEMORY, f"memory at rest with {shown(opened)} open incidents", memory)
            while (pending := pending_timers(folder / "data" / "incidents.db")) < wanted:
                opened += _open(server, template, f"fill{opened:04d}"[:8].ljust(8, "x"), at_rest, counted=opened)
            until(lambda: receiver.pages >= opened, 300)
        with product(folder, receiver=receiver.url) as server:
            time.sleep(5)
            used, since = server.cpu_seconds(), time.monotonic()
            time.sleep(bench.pick(20, 5))
            busy = 100 * (server.cpu_seconds() - used) / (time.monotonic() - since)
            late = _late(server, receiver.climbed, bench.pick(100, 20))
    yield against(AT_REST, f"processor at rest with {shown(pending)} pending timers", busy)
    if late is None:
        yield against(FIRED, "a due timer's page arrives after, p99", float("inf"))
        return
    note = f"{len(late)} due ones, median {percentile(late, 0.5):.2f} s, worst {max(late):.2f} s"
    yield against(FIRED, "a due timer's page arrives after, p99", percentile(late, 0.99), note=note)


def _open(server: Product, template: Path, prefix: str, number: int, counted: int = 0) -> int:
    """Open ``number`` incidents; the kinds of one prefix are its own, because its ids begin at one."""
    template = written(template.parent, prefix, sentinel_event(title=f"Trouble of {prefix}"))
    send(server.events, template, prefix=prefix, requests=number // BATCH, batch=BATCH, fingerprints=999_983)
    assert server.wait_counted(counted + number, 300)
    return number


def _late(server: Product, climbed: dict[str, float], number: int) -> list[float] | None:
    """Let incidents climb to level 2; returns by how many seconds each page came after its time."""
    calls = server.calls()
    due: dict[str, float] = {}
    for count in range(number):
        event = sentinel_event(source="soon", title=f"Soon {count}")
        incident_id = str(calls.post("/api/v1/events", filled(event, f"soon-{count}")).document["incident_id"])
        ladder = calls.get(f"/api/v1/incidents/{incident_id}").document["ladder"]
        due[incident_id] = datetime.fromisoformat(ladder["next_at"]).timestamp()
        time.sleep(0.05)
    if not until(lambda: all(incident in climbed for incident in due), SOON_SECONDS + 30):
        return None
    return [climbed[incident] - at for incident, at in due.items()]


def lists(bench: Bench) -> Iterator[Figure]:
    """Fill a database with incidents, start on it, and ask for filtered lists."""
    with bench.folder() as folder:
        with product(folder) as server:
            make_seeds(server)
        number = copy_seeds(folder / "data" / "incidents.db", bench.list_incidents)
        with product(folder) as server:
            started = server.ready_seconds
            memory = server.memory_bytes() / MEBIBYTE
            calls = server.calls()
            seconds: dict[str, list[float]] = {each: [] for each in FILTERS}
            for _ in range(bench.pick(25, 10)):
                for each, taken in seconds.items():
                    answer = calls.get(f"/api/v1/incidents?{each}&limit=50")
                    assert answer.status == 200, answer
                    taken.append(answer.seconds * 1000)
    yield against(
        LONG_START, f"start to ready with {shown(number)} incidents", started, note=f"{memory:.0f} MiB afterwards"
    )
    slowest = max(FILTERS, key=lambda each: percentile(seconds[each], 0.5))
    every = [value for taken in seconds.values() for value in taken]
    yield against(
        LIST,
        f"incident list, filtered, at {shown(number)} incidents, p99",
        percentile(every, 0.99),
        note=f"{len(every)} calls of {len(FILTERS)} filters, median {percentile(every, 0.5):.0f} ms; "
        f"slowest {slowest}: median {percentile(seconds[slowest], 0.5):.0f} ms",
    )
