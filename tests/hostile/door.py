"""What a door is to whoever tries it out: something that takes mutants, one at a time, and says how each went."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from tests.process import ServerProcess


class Sender(Protocol):
    """One connection to one door. ``attempt`` returns what was wrong with the answer to a mutant, or nothing."""

    def draw(self) -> object:
        """Return the next mutant."""
        ...

    def attempt(self, mutant: object) -> str: ...

    def close(self) -> None: ...


class Opening(NamedTuple):
    """What a sender needs to know: the server, a key for ``ingest``, and the seed that its mutants come from."""

    server: ServerProcess
    key: str
    seed: int


class Door(NamedTuple):
    """A way in, by the name that the proof calls it."""

    name: str
    open: Callable[[Opening], Sender]
