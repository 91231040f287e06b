"""Streams: durable events a second over WebSocket, and what a thousand idle connections cost."""

import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.product import product
from benchmarks.streams import Stream, frame, stream
from benchmarks.table import Figure, Goal, Verdict, against, shown
from benchmarks.templates import filled, sentinel_event

CONNECTIONS = 8
BATCH = 100
FINGERPRINTS = 50
IDLE = 1000
RATE = Goal(value=5000, unit="events/s")
MEMORY = Goal(value=100, unit="MB", at_most=True)


def run(bench: Bench) -> Iterator[Figure]:
    """Measure batches of 100, singles, and idle connections."""
    yield _streamed(
        bench, f"WebSocket, batches of {BATCH}, {CONNECTIONS} connections", BATCH, bench.pick(100_000, 10_000)
    )
    yield _streamed(bench, f"WebSocket, one event per message, {CONNECTIONS} connections", 1, bench.pick(40_000, 4_000))
    yield _idle(bench)


def _streamed(bench: Bench, what: str, batch: int, events: int) -> Figure:
    each = events // CONNECTIONS // batch * batch
    rounds = [_pieces(f"s{number}", each, batch) for number in range(CONNECTIONS)]
    with bench.folder() as folder, product(folder) as server:
        stream(server.url, [_pieces(f"warm{number}", batch, batch) for number in range(CONNECTIONS)])
        before = server.cpu_seconds()
        streamed = stream(server.url, rounds)
        used = server.cpu_seconds() - before
        sent = streamed.events + CONNECTIONS * batch
        in_time = server.wait_counted(sent)
        found = server.counted().events
    note = (
        f"{shown(streamed.events)} events acknowledged in {streamed.seconds:.1f} s; processor: server {used:.1f} s, "
        f"client {streamed.client_cpu_seconds:.1f} s; {shown(found)} of {shown(sent)} counted"
    )
    line = against(RATE, what, streamed.per_second, note=note) if batch > 1 else None
    if line is None:
        verdict = Verdict.REPORTED if in_time and found == sent else Verdict.MISSED
        return Figure(what=what, figure=f"{shown(streamed.per_second)} events/s", verdict=verdict, note=note)
    if in_time and found == sent:
        return line
    return Figure(what=line.what, figure=line.figure, goal=line.goal, verdict=Verdict.MISSED, note=note)


def _pieces(prefix: str, events: int, batch: int) -> list[tuple[bytes, int]]:
    """Return frames with distinct events of few fingerprints, in pieces of about a hundred events."""
    event = sentinel_event()
    bodies = [filled(event, f"{prefix}-{number}", f"{number % FINGERPRINTS:06d}") for number in range(events)]
    if batch > 1:
        frames = [frame(b"[" + b",".join(bodies[at : at + batch]) + b"]") for at in range(0, events, batch)]
        return [(each, batch) for each in frames]
    return [(b"".join(map(frame, bodies[at : at + 100])), len(bodies[at : at + 100])) for at in range(0, events, 100)]


def _idle(bench: Bench) -> Figure:
    number = bench.pick(IDLE, 100)
    with bench.folder() as folder, product(folder) as server:
        stream(server.url, [_pieces("warm", 10, 1)])
        time.sleep(1.0)
        before = server.memory_bytes()
        connections = [Stream(server.url) for _ in range(number)]
        time.sleep(2.0)
        after = server.memory_bytes()
        cpu = server.cpu_seconds()
        time.sleep(5.0)
        cpu = (server.cpu_seconds() - cpu) / 5.0
        for connection in connections:
            connection.close()
    megabytes = (after - before) / 1e6
    note = f"{megabytes * 1000 / number:.0f} KB each; with them open {cpu:.1%} of a core at rest"
    return against(MEMORY, f"{shown(number)} idle WebSockets, memory", megabytes, note=note)
