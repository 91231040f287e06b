"""Whether the disk takes what the journal writes, and the probe by which the journal recovers by itself."""

import errno
from pathlib import Path

from llm_incident_manager.errors import Unavailable
from llm_incident_manager.journal.disk import Disk

FULL_RETRY_AFTER_SECONDS = 5.0
UNWRITABLE_RETRY_AFTER_SECONDS = 2.0
SECONDS_BETWEEN_PROBES = 1.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Health:
    """Remembers what the disk refused last; ``last_error`` is ``None`` while it refuses nothing."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        """Watch over ``folder``."""
        self._disk = disk
        self._folder = folder
        self.last_error: str | None = None

    def unwritable(self, error: OSError) -> Unavailable:
        """Return what a caller is told whose records could not be written."""
        self.last_error = f"the journal in {self._folder} cannot be written: {error.strerror or error}"
        if error.errno in _NO_SPACE:
            return Unavailable(self.last_error, retry_after_seconds=FULL_RETRY_AFTER_SECONDS, code="journal_full")
        return Unavailable(
            self.last_error, retry_after_seconds=UNWRITABLE_RETRY_AFTER_SECONDS, code="journal_unwritable"
        )

    def unreadable(self, error: OSError) -> Unavailable:
        """Return what triage is told that could not read."""
        self.last_error = f"the journal in {self._folder} cannot be read: {error.strerror or error}"
        return Unavailable(self.last_error, code="journal_unreadable")

    def undeletable(self, error: OSError) -> None:
        """Note that a drained segment could not be unlinked; it is tried again after the next commit."""
        self.last_error = f"cannot unlink a drained segment in {self._folder}: {error.strerror or error}"

    def well(self) -> None:
        """Note that a commit succeeded."""
        self.last_error = None

    def probe(self) -> bool:
        """Write a little if the disk refused before, and say whether it takes it: nobody sends to a node not ready."""
        if self.last_error is None:
            return True
        path = self._folder / "probe"
        try:
            descriptor = self._disk.open(path)
            try:
                self._disk.write_all(descriptor, bytes(4096), 0)
                self._disk.sync(descriptor)
            finally:
                self._disk.close(descriptor)
                self._disk.unlink(path)
        except OSError as error:
            self.unwritable(error)
            return False
        self.well()
        return True
