"""A storm: a million events say fifty things; one incident and one page each, and a new P0 still gets through."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.bench import Bench
from benchmarks.calls import percentile
from benchmarks.load import Load, loading, until
from benchmarks.product import Product, product
from benchmarks.receiver import Receiver
from benchmarks.table import Figure, Goal, Verdict, against, shown
from benchmarks.templates import filled, sentinel_event, written

FINGERPRINTS = 50
BATCH = 100
ALARM = "Everything is down"
RATE = Goal(value=10_000, accept=5_000, unit="events/s")
ALARM_DELAY = Goal(value=2.0, unit="s", at_most=True)
TAKE = Goal(value=250, unit="ms", at_most=True)
LONGEST_SECONDS = 600
MEBIBYTE = 1 << 20


@dataclass
class Seen:
    """What was seen beside the storm while it raged."""

    alarm_sent: float | None = None
    takes: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


def batches(bench: Bench) -> Iterator[Figure]:
    """Storm in batches of 100, as sidecars send."""
    yield from _storm(bench, bench.storm_events, BATCH)


def single(bench: Bench) -> Iterator[Figure]:
    """Storm in single events."""
    yield from list(_storm(bench, bench.storm_events // 4, 1))[:2]


def _storm(bench: Bench, events: int, batch: int) -> Iterator[Figure]:
    requests = events // batch
    with bench.folder() as folder, bench.receiver() as receiver, product(folder, receiver=receiver.url) as server:
        template = written(folder, "event", sentinel_event())
        standing = _standing(server, receiver)
        seen = Seen()
        before = server.counted()
        started = time.monotonic()
        with loading(
            server.events,
            template,
            prefix="stormsto",
            requests=requests,
            batch=batch,
            fingerprints=FINGERPRINTS,
        ) as load:
            _beside(server, load, standing, seen, before=before.events, events=events)
            answered = load.wait()
            expected = before.events + events + (seen.alarm_sent is not None)
            in_time = until(lambda: server.counted().events >= expected, 60, every=0.02)
            took = time.monotonic() - started
        until(lambda: receiver.pages >= server.counted().pages, 15)
        found = server.counted()
        arrived = receiver.first.get(ALARM)
        pages = receiver.kinds.get("new_incident", 0) or receiver.pages
    incidents = found.incidents - before.incidents - (seen.alarm_sent is not None)
    title = f"storm of {shown(events)} events, {FINGERPRINTS} fingerprints, " + (
        f"batches of {batch}" if batch > 1 else "one per request"
    )
    whole = in_time and incidents == FINGERPRINTS and found.events == expected and not answered.refused
    line = against(RATE, title, events / took)
    note = (
        f"accepted at {shown(answered.per_second)}/s, all counted after {took:.1f} s; {incidents} incidents, "
        f"{pages - len(standing) - (arrived is not None)} pages; {shown(found.events - before.events)} counted"
        + (f", {answered.refused} refused" if answered.refused else "")
    )
    verdict = line.verdict if whole else Verdict.MISSED
    yield Figure(what=title, figure=line.figure, goal=line.goal, ratio=line.ratio, verdict=verdict, note=note)
    if arrived is None or seen.alarm_sent is None:
        yield Figure(
            what="a new P0 in the middle of it: paged after",
            figure="not paged",
            goal=str(ALARM_DELAY),
            verdict=Verdict.MISSED,
        )
    else:
        yield against(ALARM_DELAY, "a new P0 in the middle of it: paged after", arrived - seen.alarm_sent)
    yield against(
        TAKE,
        "take through the API while it drains, p99",
        percentile(seen.takes, 0.99) * 1000 if seen.takes else float("inf"),
        note=f"{len(seen.takes)} takes, median {percentile(seen.takes, 0.5) * 1000:.0f} ms" if seen.takes else "",
    )
    yield Figure(
        what="memory under the storm",
        figure=f"{max(seen.memory, default=0) / MEBIBYTE:.0f} MiB at most",
        goal="flat",
        note=_growth(seen.memory),
    )


def _standing(server: Product, receiver: Receiver) -> list[str]:
    """Open incidents that people will take during the storm; returns their ids."""
    calls = server.calls()
    events = [sentinel_event(title=f"Waiting for somebody {number}") for number in range(200)]
    ids = []
    for number, event in enumerate(events):
        answer = calls.post("/api/v1/events", filled(event, f"standing-{number}"))
        ids.append(str(answer.document["incident_id"]))
    server.wait_counted(len(ids))
    until(lambda: receiver.pages >= len(ids), 30)
    return ids


def _beside(server: Product, load: Load, standing: list[str], seen: Seen, *, before: int, events: int) -> None:
    """Until all is counted: people take incidents, and when half is counted something new breaks down."""
    calls = server.calls()
    waiting = list(standing)
    looked, counted = 0.0, 0
    last = time.monotonic() + LONGEST_SECONDS
    while (load.running() or counted < events) and time.monotonic() < last:
        if waiting:
            answer = calls.post(f"/api/v1/incidents/{waiting.pop()}/take")
            assert answer.status == 200, answer
            seen.takes.append(answer.seconds)
        now = time.monotonic()
        if now - looked > 0.3:
            looked = now
            seen.memory.append(server.memory_bytes())
            counted = server.counted().events - before
            if seen.alarm_sent is None and counted >= events // 2:
                alarm = sentinel_event(title=ALARM, severity="critical", category="availability")
                seen.alarm_sent = time.monotonic()
                calls.post("/api/v1/events", filled(alarm, "alarm"))
        time.sleep(0.05)


def _growth(memory: list[int]) -> str:
    if len(memory) < 4:
        return ""
    quarter = len(memory) // 4
    first, last = max(memory[: quarter * 2]), max(memory[-quarter:])
    return f"{first / MEBIBYTE:.0f} MiB at most in the first half, {last / MEBIBYTE:.0f} MiB in the last quarter"
