"""``python -m benchmarks``: measure, print the table, and with ``--write`` keep it in docs/benchmarks.md."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.document import write
from benchmarks.machine import facts
from benchmarks.missing import Missing
from benchmarks.rows import dashboard, grpc_streams, idle, intake, many, openings, steady, storm, websockets
from benchmarks.table import Figure, Verdict, plain

ROWS: Mapping[str, Callable[[Bench], Iterator[Figure]]] = {
    "intake": intake.single,
    "intake-batches": intake.batches,
    "grpc": grpc_streams.run,
    "steady": steady.run,
    "storm": storm.batches,
    "storm-single": storm.single,
    "openings": openings.sqlite,
    "openings-postgresql": openings.postgresql,
    "page-delay": idle.page_delay,
    "dashboard": dashboard.shown,
    "start": idle.start,
    "timers": many.timers,
    "lists": many.lists,
    "websockets": websockets.run,
}


def main() -> int:
    """Return 0 unless a figure misses its goal and ``--strict`` was given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long an intake burst lasts")
    parser.add_argument("--events", type=int, default=1_000_000, help="how many events a storm has")
    parser.add_argument("--incidents", type=int, default=1_000_000, help="how many incidents the lists are long")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, one round: for a first look")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="a folder on a real disk")
    parser.add_argument("--write", action="store_true", help="keep the results in docs/benchmarks.md")
    parser.add_argument("--strict", action="store_true", help="fail when a figure misses its goal")
    given = parser.parse_args()
    share = 10 if given.quick else 1
    bench = Bench(
        root=given.folder,
        quick=given.quick,
        seconds=given.seconds,
        storm_events=given.events // share,
        list_incidents=given.incidents // share,
    )
    machine = facts(bench.root)
    machine.append(f"FAST_INTAKE={os.environ.get('FAST_INTAKE', 'auto')}")
    if given.quick:
        machine.append("a quick run: a tenth of every size, and one round of each comparison")
    started = time.monotonic()
    figures: list[Figure] = []
    for name in given.only or ROWS:
        print(f"… {name}", file=sys.stderr, flush=True)
        try:
            found = list(ROWS[name](bench))
        except Missing as missing:
            found = [Figure(what=name, figure="–", verdict=Verdict.NOT_MEASURED, note=str(missing))]
        for figure in found:
            print(f"  {' · '.join(cell for cell in figure.cells if cell)}", file=sys.stderr, flush=True)
        figures += found
    print("\n".join(machine), "", plain(figures), sep="\n")
    print(f"\nmeasured in {time.monotonic() - started:.0f} s")
    if given.write:
        write(figures, machine, datetime.now(UTC))
    return int(given.strict and any(figure.verdict is Verdict.MISSED for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
