"""docs/benchmarks.md: the measured part is replaced, what people wrote around it stays."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from benchmarks.table import Figure, markdown

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


def write(figures: Sequence[Figure], machine: Sequence[str], at: datetime) -> None:
    """Put the table, the machine's facts and the date into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    facts = "\n".join(f"- {fact}" for fact in machine)
    measured = f"Measured on {at:%Y-%m-%d}:\n\n{facts}\n\n{markdown(figures)}"
    DOCUMENT.write_text(f"{before}{_BEGIN}\n{measured}\n{_END}{after}", encoding="utf-8")
