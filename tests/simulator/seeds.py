"""Many seeds, one after the other, until one finds a fault or the time is over."""

import asyncio
import time
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog

from tests.simulator.checks import faults_of
from tests.simulator.simulation import Simulation

EXPECTED = frozenset({"channel_failed"})
"""What the engine may log as an exception: a channel that failed is the simulator's own doing."""


class Outcome(msgspec.Struct, kw_only=True):
    """How many seeds ran, and the first that found something."""

    seeds: int
    seconds: float
    faults: list[str]
    seed: int | None = None

    @property
    def sentence(self) -> str:
        """What to print: the figures, or the seed to replay."""
        rate = f"{self.seeds} seeds in {self.seconds:.0f} s ({self.seeds / max(self.seconds, 0.001):.0f}/s)"
        if not self.faults:
            return f"{rate}, nothing is wrong"
        replay = f"replay: python -m tests.simulator --only --seed {self.seed}"
        return "\n".join([f"{rate}; seed {self.seed} is wrong:", *self.faults[:20], replay])


def run_seed(seed: int) -> list[str]:
    """Return what is wrong after this seed."""
    with listening() as logged:
        try:
            return asyncio.run(_run(seed)) + logged
        except Exception:
            return [traceback.format_exc(), *logged]


def run_seeds(first: int, *, until: float, most: int = 1_000_000) -> Outcome:
    """Run seeds from ``first`` on until the monotonic instant ``until``, at most ``most``; stop at the first fault."""
    started = time.monotonic()
    count = 0
    while count < most and (count == 0 or time.monotonic() < until):
        seed = first + count
        faults = run_seed(seed)
        count += 1
        if faults:
            return Outcome(seeds=count, seconds=time.monotonic() - started, faults=faults, seed=seed)
    return Outcome(seeds=count, seconds=time.monotonic() - started, faults=[])


async def _run(seed: int) -> list[str]:
    run = Simulation(seed)
    await run.run()
    return await faults_of(run)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Swallow the log meanwhile, and keep what it says about faults of our own."""
    heard: list[str] = []

    def listen(_: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        if method == "exception" and event["event"] not in EXPECTED:
            heard.append(f"logged: {dict(event)}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[listen], cache_logger_on_first_use=False)
    try:
        yield heard
    finally:
        structlog.configure(**before)
