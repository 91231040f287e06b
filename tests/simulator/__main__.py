"""``python -m tests.simulator --seed N --seconds S``: many seeds in a row, or one again."""

import argparse
import sys
import time

from tests.simulator.seeds import run_seed, run_seeds


def main() -> int:
    """Run and say what was found; the exit code is 1 where a seed found a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the first seed, or with --only the one")
    parser.add_argument("--only", action="store_true", help="this seed alone")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long")
    asked = parser.parse_args()
    if asked.only:
        faults = run_seed(asked.seed or 0)
        print("\n".join(faults) or "nothing is wrong")
        return bool(faults)
    first = asked.seed if asked.seed is not None else time.time_ns() % 10**9
    outcome = run_seeds(first, until=time.monotonic() + asked.seconds)
    print(outcome.sentence)
    return bool(outcome.faults)


if __name__ == "__main__":
    sys.exit(main())
