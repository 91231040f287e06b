"""``python -m tests.soak``: the long proof, within an hour. It writes what was run and found to docs/soak.md."""

import argparse
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.hostile.proof import EACH, GROWTH_MB, Proof, prove_all
from tests.simulator.seeds import Outcome, run_seeds

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs" / "soak.md"
PIECE = 25
"""Seeds that one process runs before it says how it went."""


_ROW = re.compile(r"^\| ([a-z]+) \|.*\|$", re.MULTILINE)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the proof: what was run, how much of it, and what came out."""

    name: str
    amount: str
    seconds: float
    result: str
    passed: bool


def simulate(seeds: int, first: int, workers: int) -> Part:
    """Run the simulator over all cores with a line that shows how far it is; the first fault of each piece is kept."""
    started = time.monotonic()
    done, wrong = 0, list[Outcome]()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        pieces = [
            pool.submit(run_seeds, at, until=float("inf"), most=min(PIECE, first + seeds - at))
            for at in range(first, first + seeds, PIECE)
        ]
        for piece in as_completed(pieces):
            outcome = piece.result()
            done += outcome.seeds
            if outcome.faults:
                wrong.append(outcome)
                print(f"\n{outcome.sentence}")
            rate = done / (time.monotonic() - started)
            print(f"\rsimulator: {done:,} of {seeds:,} seeds, {rate:.1f}/s, {len(wrong)} wrong", end="", flush=True)
    print()
    replay = ", ".join(str(outcome.seed) for outcome in wrong)
    return Part(
        name="simulator",
        amount=f"{done:,} seeds from {first}",
        seconds=time.monotonic() - started,
        result=f"seeds {replay} are wrong" if wrong else "nothing is wrong",
        passed=not wrong,
    )


def run_tests(name: str, amount: str, paths: list[str], longer: Mapping[str, str]) -> Part:
    """Run tests with settings that make them longer than in ``make test``."""
    print(f"{name}: {amount}")
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "timeout=3600", *paths]
    ended = subprocess.run(command, cwd=ROOT, env={**os.environ, **longer}, capture_output=True, text=True, check=False)
    if ended.returncode:
        print(ended.stdout[-4000:])
    last = ended.stdout.splitlines()[-1] if ended.stdout else ""
    summary = re.findall(r"\d+ (?:passed|failed|error|errors|skipped)", last)
    return Part(
        name=name,
        amount=amount,
        seconds=time.monotonic() - started,
        result=", ".join(summary) or "did not run",
        passed=ended.returncode == 0,
    )


def try_mutants(each: int) -> Part:
    """Send mutated payloads through every door of real servers, and as many again; the lines name the seeds."""
    started = time.monotonic()
    proofs = prove_all(each=each)
    return Part(
        name="mutants",
        amount=f"{each:,} and {each:,} more through each of {len(proofs)} doors",
        seconds=time.monotonic() - started,
        result=mutants_sentence(proofs),
        passed=all(proof.passed for proof in proofs),
    )


def mutants_sentence(proofs: list[Proof]) -> str:
    """Return what came of the mutants: what failed by its door and seed, and what the second helping added."""
    faulty = [f"{proof.door} (seed {proof.seed})" for proof in proofs if proof.faults]
    grown = [f"{proof.door} {proof.growth_mb:+.1f} MB" for proof in proofs if proof.growth_mb >= GROWTH_MB]
    most = max(proofs, key=lambda proof: proof.growth_mb)
    said = [f"faults at {', '.join(faulty)}" if faulty else "no 5xx and no answer after more than a second"]
    if grown:
        said.append(f"the second helping added {', '.join(grown)}")
    else:
        said.append(f"the second helping added at most {most.growth_mb:.1f} MB ({most.door})")
    return "; ".join(said)


def report(parts: list[Part], before: str = "") -> str:
    """Return the document: each part's figures, when and of what; parts that were not run now are as they were."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = " with changes" if _git("status", "--porcelain", "--", "src", "tests") else ""
    run = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {commit}{changed}"
    new = {
        part.name: f"| {part.name} | {part.amount} | {part.seconds:,.0f} s | {_verdict(part)}: {part.result} | {run} |"
        for part in parts
    }
    old = {found[1]: found[0] for found in _ROW.finditer(before) if found[1] != "part"}
    rows = "\n".join((old | new).values())
    return f"""# The long proof

Written by `make soak`; each part's last run, as it was. `make test` runs shorter versions of the same.
Python {platform.python_version()}, {os.cpu_count()} cores ({platform.machine()}).

| part | how much | how long | result | when, commit |
|---|---|---|---|---|
{rows}

The simulator runs the whole engine under a clock of its own, with crashes, losses of power, a refusing database and
disk, and failing channels, all drawn from one seed: `python -m tests.simulator --only --seed N` replays it. What it
checks stands in `tests/simulator/checks.py`; `tests/simulator/mutations.py` lists five guarantees that it must see
broken.

Mutants are golden payloads of every source, event, call and stream, changed at random and sent to a server of its own
per door, on PostgreSQL: `python -m tests.hostile.proof DOOR --seed N` draws them again. What took longer than a second
is sent again alone, and counts if it does so every time. Memory is the server's resident memory when all is worked off.
"""


def main() -> int:
    """Run every part, or those that are named; the exit code is 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="of the simulator")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--factor", type=int, default=10, help="how much longer the random tests are")
    parser.add_argument("--kills", type=int, default=200, help="of a real process")
    parser.add_argument(
        "--parts",
        nargs="+",
        default=["simulator", "properties", "schedules", "looks", "chaos", "mutants"],
        help="which parts",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes of the simulator")
    parser.add_argument("--mutants", type=int, default=EACH, help="of each helping at a door; there are two")
    asked = parser.parse_args()
    parts: list[Part] = []
    if "simulator" in asked.parts:
        parts.append(simulate(asked.seeds, asked.first, asked.workers))
    if "properties" in asked.parts:
        longer = {"PROPERTY_FACTOR": str(asked.factor)}
        parts.append(run_tests("properties", f"{asked.factor} × the examples", ["tests/properties"], longer))
    if "schedules" in asked.parts:
        longer = {"ONCALL_EVERY_CHANGE": "1", "ONCALL_SECONDS": str(30 * asked.factor)}
        amount = "40 zones, every change of clocks from 2026 to 2035, minute by minute"
        parts.append(run_tests("schedules", amount, ["tests/properties/test_oncall_oracle.py"], longer))
    if "looks" in asked.parts:
        paths = ["tests/browser/test_dashboard_look.py"]
        parts.append(run_tests("looks", "every width in both themes", paths, {"LIM_ALL_LOOKS": "1"}))
    if "chaos" in asked.parts:
        longer = {
            "CHAOS_KILLS": str(asked.kills),
            "CHAOS_SECONDS": str(3 * asked.kills),
            "JOURNAL_KILL_SECONDS": str(12 * asked.factor),
        }
        paths = ["tests/chaos/test_kill_nine.py", "tests/chaos/test_journal_crash.py"]
        parts.append(run_tests("chaos", f"{asked.kills} kills of a real process", paths, longer))
    if "mutants" in asked.parts:
        parts.append(try_mutants(asked.mutants))
    REPORT.write_text(report(parts, REPORT.read_text() if REPORT.exists() else ""))
    print(f"written to {REPORT.relative_to(ROOT)}")
    return int(not all(part.passed for part in parts))


def _verdict(part: Part) -> str:
    return "passed" if part.passed else "**failed**"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
