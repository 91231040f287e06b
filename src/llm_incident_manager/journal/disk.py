"""Every system call of the journal, in one small object that tests and the simulator replace or watch."""

import errno
import fcntl
import os
from pathlib import Path

_sync_data = getattr(os, "fdatasync", os.fsync)


class Disk:
    """The file system as the journal uses it. Every method raises ``OSError`` when the system refuses."""

    def make_folder(self, folder: Path) -> None:
        """Create the folder (and those above it), readable by its owner alone, unless it exists."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def names(self, folder: Path) -> list[str]:
        """Return the names in the folder, in any order."""
        return os.listdir(folder)

    def lock(self, path: Path) -> int:
        """Return a descriptor that keeps every other process out until closed, by exit or ``kill -9`` too."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def create(self, path: Path) -> int:
        """Return a descriptor of a new empty file; it must not exist."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def open(self, path: Path) -> int:
        """Return a descriptor of a file, for reading and writing; it is made if it does not exist."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def size(self, descriptor: int) -> int:
        """Return the file's length in bytes."""
        return os.fstat(descriptor).st_size

    def read(self, descriptor: int, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset`` on; fewer only at the end of the file."""
        pieces: list[bytes] = []
        while length > 0 and (piece := os.pread(descriptor, length, offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write(self, descriptor: int, content: bytes, offset: int) -> int:
        """Write at ``offset`` and return how many bytes were taken, possibly not all."""
        return os.pwrite(descriptor, content, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to ``size`` bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Return once the file's content survives a loss of power; a file that somebody deleted survives nothing."""
        _sync_data(descriptor)
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the file was deleted while it was in use")

    def sync_folder(self, folder: Path) -> None:
        """Return once the names in the folder survive a loss of power."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Give ``source`` the name ``target`` in one step, over what bore it."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Remove the file."""
        path.unlink()

    def salt(self) -> int:
        """Return 32 random bits that no sender of events can know."""
        return int.from_bytes(os.urandom(4))

    def close(self, descriptor: int) -> None:
        """Close the descriptor."""
        os.close(descriptor)

    def write_all(self, descriptor: int, content: bytes, offset: int) -> None:
        """Write the whole content at ``offset``, however many calls it takes."""
        written = self.write(descriptor, content, offset)
        while written < len(content):
            written += self.write(descriptor, content[written:], offset + written)
