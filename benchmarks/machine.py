"""What the figures were measured on: cores, memory, and what a sync costs."""

import os
import platform
import sqlite3
import time
from pathlib import Path

from benchmarks.calls import percentile


def facts(root: Path) -> list[str]:
    """Return the facts, a line each; ``root`` is the disk that is measured."""
    medium, slow = sync_costs(root)
    return [
        f"{os.cpu_count()} cores ({_processor()}), {_memory_gibibytes():.1f} GiB of memory, {platform.system()} "
        f"{platform.release().split('-')[0]}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        f"a sync (`fdatasync`) of 4 KiB on this disk: median {medium * 1000:.2f} ms, p99 {slow * 1000:.2f} ms",
        f"load average before the run: {os.getloadavg()[0]:.1f}",
    ]


def sync_costs(root: Path, number: int = 200) -> tuple[float, float]:
    """Return median and p99 of a small write that is made durable, in seconds."""
    path = root / "bench-sync"
    costs = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(number):
            started = time.perf_counter()
            os.write(descriptor, b"\0" * 4096)
            os.fdatasync(descriptor)
            costs.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return percentile(costs, 0.5), percentile(costs, 0.99)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gibibytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
