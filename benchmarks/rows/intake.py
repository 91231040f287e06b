"""Intake bursts: how many events a second are accepted durably, beside a peer that keeps them in memory."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.load import Answered, send
from benchmarks.missing import Missing
from benchmarks.peer import alertmanager
from benchmarks.product import product
from benchmarks.table import Figure, Goal, Verdict, shown
from benchmarks.templates import peer_alert, sentinel_event, written

BATCH = 100
GOAL = Goal(value=1.0, accept=0.8, unit="× alertmanager")
ROUNDS = 3
"""Both sides take turns, and the middle of the ratios counts: a noisy neighbour spoils one round, not the figure."""


def single(bench: Bench) -> Iterator[Figure]:
    """Measure one event per request."""
    yield _line(bench, "intake burst, one event per request", 1)


def batches(bench: Bench) -> Iterator[Figure]:
    """Measure batches of 100."""
    yield _line(bench, f"intake burst, batches of {BATCH}", BATCH)


def _line(bench: Bench, what: str, batch: int) -> Figure:
    rounds = []
    for _ in range(bench.pick(ROUNDS, 1)):
        with bench.folder() as folder:
            ours, counted = _ours(bench, folder, batch)
            rounds.append((ours, counted, _theirs(bench, folder, batch)))
    faults = [counted for _, counted, _ in rounds if counted]
    counted = "; ".join(faults) or "everything accepted was counted within 60 s"
    compared = sorted(
        ((ours.per_second / theirs.per_second, ours, theirs) for ours, _, theirs in rounds if theirs),
        key=lambda each: each[0],
    )
    if not compared:
        ours = rounds[0][0]
        return Figure(
            what=what,
            figure=f"{shown(ours.per_second)} events/s",
            goal=str(GOAL),
            note=f"{_seen(ours)}; {counted}; no peer on this machine",
        )
    ratio, ours, theirs = compared[len(compared) // 2]
    every = ", ".join(f"{each:.2f}" for each, _, _ in compared)
    return Figure(
        what=what,
        figure=f"{shown(ours.per_second)} events/s",
        goal=str(GOAL),
        ratio=f"{ratio:.2f}",
        verdict=Verdict.MISSED if faults else GOAL.verdict(ratio),
        note=f"{_seen(ours)}; alertmanager {shown(theirs.per_second)} events/s, {_seen(theirs)}; "
        f"ratios of {len(compared)} rounds {every}; {counted}",
    )


def _ours(bench: Bench, folder: Path, batch: int) -> tuple[Answered, str]:
    """Return what the client saw, and what is wrong with the count, if anything."""
    template = written(folder, "event", sentinel_event())
    with product(folder) as server:
        warm = send(server.events, template, prefix="warmwarm", seconds=1, batch=batch)
        server.wait_counted(warm.events, 30)
        burst = send(server.events, template, prefix="burstbur", seconds=bench.seconds, batch=batch)
        sent = warm.events + burst.events
        in_time = server.wait_counted(sent)
        found = server.counted().events
    if not in_time:
        return burst, f"only {shown(found)} of {shown(sent)} accepted events were counted after 60 s"
    if found > sent + warm.unknown + burst.unknown:
        return burst, f"{shown(found)} events were counted, more than the {shown(sent)} sent"
    return burst, ""


def _theirs(bench: Bench, folder: Path, batch: int) -> Answered | None:
    template = written(folder, "alert", peer_alert() if batch > 1 else [peer_alert()])
    try:
        with alertmanager(folder / "peer") as target:
            send(target, template, prefix="warmwarm", seconds=1, batch=batch)
            return send(target, template, prefix="burstbur", seconds=bench.seconds, batch=batch)
    except Missing:
        return None


def _seen(answered: Answered) -> str:
    refused = f", {shown(answered.refused)} refused" if answered.refused else ""
    broken = f", {shown(answered.broken)} broken" if answered.broken else ""
    return f"p50 {answered.p50_ms:.0f} ms, p99 {answered.p99_ms:.0f} ms{refused}{broken}"
