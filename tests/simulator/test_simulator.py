"""The simulator finds nothing in the product, and finds each of five broken guarantees."""

import os
import time

import pytest

from tests.simulator.mutations import MUTATIONS
from tests.simulator.replay import trace_of
from tests.simulator.seeds import run_seed, run_seeds

SECONDS = float(os.environ.get("SIMULATOR_SECONDS", "30"))
FIRST_SEED = int(os.environ.get("SIMULATOR_SEED", str(time.time_ns() % 10**9)))
MOST_SEEDS = 400


@pytest.mark.requirement("REL-03")
@pytest.mark.requirement("RTE-07")
@pytest.mark.requirement("ING-08")
@pytest.mark.timeout(60 + 2 * SECONDS)
def test_whatever_fails_nothing_is_lost_and_nobody_is_forgotten() -> None:
    outcome = run_seeds(FIRST_SEED, until=time.monotonic() + SECONDS)
    print(outcome.sentence)
    assert not outcome.faults, outcome.sentence


def test_a_seed_replays() -> None:
    assert trace_of(42) == trace_of(42)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_guarantee_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTATIONS[name](monkeypatch)
    outcome = run_seeds(1, until=time.monotonic() + 90, most=MOST_SEEDS)
    assert outcome.faults, f"{name} went unnoticed in {outcome.seeds} seeds"
    print(f"{name}: noticed by seed {outcome.seed}: {outcome.faults[0][:150]}")
    assert run_seed(outcome.seed or 0), "the same seed finds it again"
