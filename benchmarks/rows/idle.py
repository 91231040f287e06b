"""An idle system: how long from the 202 to the page in the channel's hands; how soon it is ready after a start."""

import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.calls import percentile
from benchmarks.load import until
from benchmarks.product import product
from benchmarks.table import Figure, Goal, Verdict, against
from benchmarks.templates import filled, sentinel_event

PAGE = Goal(value=100, unit="ms", at_most=True)
START = Goal(value=2.0, unit="s", at_most=True)


def page_delay(bench: Bench) -> Iterator[Figure]:
    """Send events with pauses between them; each is a new problem."""
    delays: list[float] = []
    number = bench.pick(200, 40)
    with bench.folder() as folder, bench.receiver() as receiver, product(folder, receiver=receiver.url) as server:
        calls = server.calls()
        for count in range(number):
            title = f"Something new {count}"
            calls.post("/api/v1/events", filled(sentinel_event(title=title), f"idle-{count}"))
            answered = time.monotonic()
            if until(lambda title=title: title in receiver.first, 5, every=0.002):
                delays.append((receiver.first[title] - answered) * 1000)
            time.sleep(0.1)
    if len(delays) < number:
        yield Figure(
            what="202 → page handed to the channel, p99",
            figure=f"{number - len(delays)} of {number} not paged",
            goal=str(PAGE),
            verdict=Verdict.MISSED,
        )
        return
    note = (
        f"{number} pages, median {percentile(delays, 0.5):.0f} ms, worst {max(delays):.0f} ms; to the receiver's hands"
    )
    yield against(PAGE, "202 → page handed to the channel, idle, p99", percentile(delays, 0.99), note=note)


def start(bench: Bench) -> Iterator[Figure]:
    """Start on an empty folder, and again on the same one."""
    with bench.folder() as folder:
        with product(folder) as server:
            first = server.ready_seconds
        with product(folder) as server:
            again = server.ready_seconds
    yield against(START, "start to ready", again, note=f"the very first start, which makes the schema: {first:.2f} s")
