"""What reading a document finds: faults, which refuse it, and notes, which are only told."""

import difflib
import json
from collections.abc import Iterable

from llm_incident_manager.errors import FieldFault, Invalid


class Findings:
    """Gathers everything that is wrong or worth saying, so that one reading names it all."""

    def __init__(self, notes: list[FieldFault] | None = None) -> None:
        self.faults: list[FieldFault] = []
        self.notes: list[FieldFault] = notes if notes is not None else []

    def fault(self, path: str, message: str) -> None:
        """Record what refuses the document."""
        self.faults.append(FieldFault(path, message))

    def note(self, path: str, message: str) -> None:
        """Record what is kept but has no effect, or deserves a look."""
        self.notes.append(FieldFault(path, message))

    def refuse(self, what: str) -> None:
        """Raise Invalid with every fault, if there is any."""
        if self.faults:
            first = self.faults[0]
            place = f"{first.field}: " if first.field else ""
            more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
            raise Invalid(f"{what} is not valid: {place}{first.message}{more}", self.faults)


def quoted(value: object) -> str:
    """Return a value as a message shows it: JSON, at most 60 characters."""
    try:
        written = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        written = repr(value)
    return written if len(written) <= 60 else written[:57] + "…" + written[-2:]


def listed(names: Iterable[str], *, at_most: int = 20) -> str:
    """Return ``ana, bo``, or ``none``; long lists end with how many there are."""
    ordered = sorted(names)
    if not ordered:
        return "none"
    shown = ", ".join(ordered[:at_most])
    return shown if len(ordered) <= at_most else f"{shown}, … ({len(ordered)} in all)"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean "users"?``, or an empty text where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""
