"""gRPC streams: how many events a second are accepted durably, in batches of 100 and one by one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.grpc_client import STREAMS, Streamed
from benchmarks.missing import Missing
from benchmarks.product import KEY, Product, product
from benchmarks.table import Figure, Goal, Verdict, against, shown

BATCH = 100
GOAL = Goal(value=5_000, unit="events/s")


def run(bench: Bench) -> Iterator[Figure]:
    """Measure both, each on an empty folder."""
    for batch in (BATCH, 1):
        with bench.folder() as folder, product(folder) as server:
            warm = _sent(server, 1.0, batch, "warm")
            before = server.cpu_seconds()
            burst = _sent(server, bench.seconds, batch, "burst")
            used = server.cpu_seconds() - before
            sent = warm.events + burst.events
            counted = server.wait_counted(sent)
            found = server.counted().events
        yield _figure(batch, burst, used, counted and found == sent, f"{shown(found)} of {shown(sent)} counted")


def _figure(batch: int, burst: Streamed, server_seconds: float, right: bool, counted: str) -> Figure:
    share = burst.cpu_seconds / max(burst.cpu_seconds + server_seconds, 1e-9)
    refused = f", {shown(burst.refused)} refused" if burst.refused else ""
    note = f"{STREAMS} streams, the client takes {share:.0%} of the processor time of both; {counted}{refused}"
    if batch == 1:
        what = "gRPC streams, one event per message"
        verdict = Verdict.REPORTED if right else Verdict.MISSED
        return Figure(what=what, figure=f"{shown(burst.per_second)} events/s", verdict=verdict, note=note)
    figure = against(GOAL, f"gRPC streams, batches of {batch}", burst.per_second, note=note)
    return figure if right else Figure(what=figure.what, figure=figure.figure, verdict=Verdict.MISSED, note=note)


def _sent(server: Product, seconds: float, batch: int, prefix: str) -> Streamed:
    """Send from a process of its own."""
    told = [server.grpc, KEY, str(seconds), str(batch), prefix]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.grpc_client", *told],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode:
        raise Missing(f"the client failed: {' '.join(done.stderr.split())[-300:]}")
    return Streamed(**json.loads(done.stdout))
