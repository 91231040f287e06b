"""What every row gets: where to work, how much to send, how long."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.receiver import Receiver


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The size of a run. ``root`` lies on a real disk: a file system in memory would make every sync free."""

    root: Path
    quick: bool = False
    seconds: float = 6.0
    storm_events: int = 1_000_000
    list_incidents: int = 1_000_000

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """Yield an empty folder on the real disk that is gone afterwards."""
        path = Path(tempfile.mkdtemp(prefix="bench-", dir=self.root))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def receiver(self) -> Iterator[Receiver]:
        """Yield a running receiver of pages."""
        receiver = Receiver()
        try:
            yield receiver
        finally:
            receiver.close()

    def pick(self, full: int, quick: int) -> int:
        """Return the size for this run."""
        return quick if self.quick else full
