"""What dead letters need of the store."""

from collections.abc import Sequence
from typing import Protocol

from llm_incident_manager.engine.rows import DeadLetter


class DeadLetterStore(Protocol):
    """What could not be processed, kept for a person."""

    def add(self, letters: Sequence[DeadLetter]) -> None: ...

    def get(self, letter_id: str) -> DeadLetter: ...

    def page(self, *, limit: int, cursor: str | None) -> tuple[list[DeadLetter], str | None, int]: ...

    def remove(self, letter_id: str) -> None:
        """Raises NotFound."""
        ...

    def save(self, letter: DeadLetter) -> None: ...
