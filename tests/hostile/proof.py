"""``python -m tests.hostile.proof``: mutants through every door, and what a second helping of them costs in memory.

Every door gets a server of its own, so that what is measured is its doing; on PostgreSQL, where one is there, because
SQLite's page cache (up to 48 MiB a connection, as far as the file has grown) is in the process and would hide the rest.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import msgspec
import psutil

from tests.hostile.door import Door, Opening, Sender
from tests.hostile.http_doors import http_doors
from tests.hostile.stream_doors import stream_doors
from tests.process import ServerProcess
from tests.servers import postgres_server

EACH = 10_000
SLOW_SECONDS = 1.0
"""Nothing may take longer to answer; what did is sent again alone, as the machine may have been busy."""
TRIES = 4
GROWTH_MB = 10.0
SENDERS = 4
FAULTS_SHOWN = 5
CONFIG = "limits: {events_per_minute_per_source: 100000000}\n"
_DRAIN_SECONDS = 300.0


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one door: mutants sent, faults, the slowest answer, and the server's resident memory in MB."""

    door: str
    seed: int
    sent: int
    seconds: float
    faults: list[str]
    slowest_seconds: float
    at_start_mb: float
    first_mb: float
    second_mb: float

    @property
    def growth_mb(self) -> float:
        """What the second helping added."""
        return self.second_mb - self.first_mb

    @property
    def passed(self) -> bool:
        """Whether nothing failed, nothing hung, and memory stayed."""
        return not self.faults and self.growth_mb < GROWTH_MB

    @property
    def line(self) -> str:
        """One line that says all of it."""
        memory = f"{self.at_start_mb:.0f} → {self.first_mb:.0f} → {self.second_mb:.0f} MB ({self.growth_mb:+.1f})"
        verdict = "ok" if self.passed else "FAILED"
        slowest = f"slowest {self.slowest_seconds * 1000:.0f} ms"
        return (
            f"{self.door:22} {verdict:6} {self.sent:,} in {self.seconds:.0f} s, seed {self.seed}, {slowest}, {memory}"
        )


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What one sender found."""

    sent: int
    faults: list[str]
    slowest_seconds: float


def tried(sender: Sender, amount: int) -> Tried:
    """Send so many mutants; a slow answer counts as slow only where it is so each time that it is asked for."""
    faults: list[str] = []
    slowest, sent = 0.0, 0
    for _ in range(amount):
        mutant = sender.draw()
        seconds, fault = _timed(sender, mutant)
        again = 1
        while not fault and seconds > SLOW_SECONDS and again < TRIES:
            once_more, fault = _timed(sender, mutant)
            seconds, again = min(seconds, once_more), again + 1
        if not fault and seconds > SLOW_SECONDS:
            fault = f"took {seconds:.1f} s"
        slowest, sent = max(slowest, seconds), sent + 1
        if fault:
            faults.append(f"{fault} for {mutant!r:.1500}")
            if len(faults) >= FAULTS_SHOWN:
                break
    return Tried(sent=sent, faults=faults, slowest_seconds=slowest)


def prove(door: Door, folder: Path, *, each: int = EACH, seed: int, database_url: str | None = None) -> Proof:
    """Send ``each`` mutants, and as many again; return what came of it."""
    started = time.monotonic()
    env = {"OTLP_GRPC_PORT": "0", "LOG_LEVEL": "error"} | ({"DATABASE_URL": database_url} if database_url else {})
    with ServerProcess(folder, CONFIG, env=env) as server:
        key = str(server.post("/api/v1/api_keys", {"name": "mutants", "scopes": ["ingest"]}).json["key"])
        at_start = _resident_mb(server)
        found: list[Tried] = []
        measured: list[float] = []
        senders = [door.open(Opening(server, key, seed + number)) for number in range(SENDERS)]
        try:
            with ThreadPoolExecutor(SENDERS) as pool:
                for _ in range(2):
                    found += pool.map(lambda sender: tried(sender, each // SENDERS), senders)
                    server.until("all is worked off", lambda: not _waiting(server), _DRAIN_SECONDS)
                    measured.append(_resident_mb(server))
        finally:
            for sender in senders:
                sender.close()
        faults = [fault for each_found in found for fault in each_found.faults]
        faults += [line[:1500] for line in server.log.splitlines() if "Traceback" in line][:FAULTS_SHOWN]
    return Proof(
        door=door.name,
        seed=seed,
        sent=sum(each_found.sent for each_found in found),
        seconds=time.monotonic() - started,
        faults=faults,
        slowest_seconds=max(each_found.slowest_seconds for each_found in found),
        at_start_mb=at_start,
        first_mb=measured[0],
        second_mb=measured[1],
    )


def prove_all(names: Iterable[str] = (), *, each: int = EACH, seed: int | None = None) -> list[Proof]:
    """Prove every door, or those that are named, one after the other, and say of each what came of it."""
    wanted = set(names)
    proofs: list[Proof] = []
    with postgres_server() as postgres:
        for door in [*http_doors(), *stream_doors()]:
            if wanted and door.name not in wanted:
                continue
            drawn = random.SystemRandom().randrange(1 << 32) if seed is None else seed
            database: AbstractContextManager[str | None] = (
                nullcontext(None) if isinstance(postgres, str) else postgres.fresh_database()
            )
            with tempfile.TemporaryDirectory() as folder, database as url:
                proof = prove(door, Path(folder), each=each, seed=drawn, database_url=url)
            print(proof.line, *proof.faults, sep="\n  ", flush=True)
            proofs.append(proof)
    return proofs


def _timed(sender: Sender, mutant: object) -> tuple[float, str]:
    started = time.monotonic()
    fault = sender.attempt(mutant)
    return time.monotonic() - started, fault


def _resident_mb(server: ServerProcess) -> float:
    return psutil.Process(server.process.pid).memory_info().rss / 1_000_000


def _waiting(server: ServerProcess) -> float:
    return server.metric("worker_queue_depth")


def main() -> int:
    """Prove the doors that are named, or all of them; the exit code is 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.proof", description=__doc__)
    parser.add_argument("doors", nargs="*", help="names of doors; without any, all")
    parser.add_argument("--each", type=int, default=EACH, help="mutants of each helping; there are two")
    parser.add_argument("--seed", type=int, help="draw what an earlier run drew")
    asked = parser.parse_args()
    return int(not all(proof.passed for proof in prove_all(asked.doors, each=asked.each, seed=asked.seed)))


if __name__ == "__main__":
    sys.exit(main())
