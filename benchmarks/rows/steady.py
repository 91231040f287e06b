"""A minute of 3,000 single events a second: how far triage falls behind."""

import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.calls import Calls
from benchmarks.load import loading
from benchmarks.product import product
from benchmarks.table import Figure, Goal, Verdict, against, shown
from benchmarks.templates import sentinel_event, written

RATE = 3000
FINGERPRINTS = 50
GOAL = Goal(value=1.0, unit="s", at_most=True)


def run(bench: Bench) -> Iterator[Figure]:
    """Send at a fixed rate and sample the lag twice a second."""
    seconds = bench.pick(60, 10)
    with bench.folder() as folder, product(folder) as server:
        template = written(folder, "event", sentinel_event())
        lags: list[float] = []
        calls = server.calls()
        with loading(
            server.events, template, prefix="steadyst", seconds=seconds, fingerprints=FINGERPRINTS, rate=RATE
        ) as load:
            while load.running():
                time.sleep(0.5)
                lags.append(lag_seconds(calls))
            answered = load.wait()
        in_time = server.wait_counted(answered.events)
    rate = answered.events / seconds
    kept = rate >= RATE * 0.98 and not answered.refused and in_time
    line = against(GOAL, f"lag at {shown(RATE)} single events/s for {seconds} s", max(lags))
    note = (
        f"{shown(rate)} events/s accepted, {answered.refused} refused, p99 {answered.p99_ms:.0f} ms; "
        f"median lag {sorted(lags)[len(lags) // 2]:.2f} s; {'everything' if in_time else 'NOT everything'} counted"
    )
    yield Figure(
        what=line.what,
        figure=line.figure,
        goal=line.goal,
        ratio=line.ratio,
        verdict=line.verdict if kept else Verdict.MISSED,
        note=note,
    )


def lag_seconds(calls: Calls) -> float:
    """Return how long the oldest event that is not triaged has been waiting, as the metrics say."""
    for line in str(calls.get("/metrics").document).splitlines():
        if line.startswith("worker_queue_lag_seconds "):
            return float(line.split()[1])
    return 0.0
