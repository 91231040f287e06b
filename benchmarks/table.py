"""Figures, goals and verdicts, and the table of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

COLUMNS = ("what", "figure", "goal", "ratio", "verdict")


class Verdict(StrEnum):
    """How a figure stands to its goal."""

    REACHED = "reached"
    ACCEPTABLE = "acceptable"
    MISSED = "missed"
    REPORTED = "reported"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a figure should be: at least (``rate``) or at most (``limit``) ``value``; ``accept`` is still acceptable."""

    value: float
    unit: str
    at_most: bool = False
    accept: float | None = None

    def ratio(self, figure: float) -> float:
        """Return how many times as good as the goal a figure is."""
        return self.value / max(figure, 1e-9) if self.at_most else figure / self.value

    def verdict(self, figure: float) -> Verdict:
        """Return how a figure stands to the goal."""

        def good(bound: float) -> bool:
            return figure <= bound if self.at_most else figure >= bound

        if good(self.value):
            return Verdict.REACHED
        return Verdict.ACCEPTABLE if self.accept is not None and good(self.accept) else Verdict.MISSED

    def __str__(self) -> str:
        text = f"{'≤' if self.at_most else '≥'} {shown(self.value)} {self.unit}".rstrip()
        return text if self.accept is None else f"{text} (acceptable {shown(self.accept)})"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table. ``note`` says what else was seen."""

    what: str
    figure: str
    goal: str = ""
    ratio: str = ""
    verdict: Verdict = Verdict.REPORTED
    note: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells in the order of :data:`COLUMNS`."""
        return (self.what, self.figure, self.goal, self.ratio, self.verdict)


def against(goal: Goal, what: str, figure: float, *, unit: str | None = None, note: str = "") -> Figure:
    """Return the line of a figure that has a goal."""
    return Figure(
        what=what,
        figure=f"{shown(figure)} {goal.unit if unit is None else unit}".rstrip(),
        goal=str(goal),
        ratio=f"{goal.ratio(figure):.2f}",
        verdict=goal.verdict(figure),
        note=note,
    )


def shown(value: float) -> str:
    """Return a number as people read it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")


def plain(figures: Sequence[Figure]) -> str:
    """Return the table for a terminal, notes below their line."""
    rows = [COLUMNS, *(figure.cells for figure in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            lines.append("  ".join("-" * width for width in widths))
        elif figures[number - 1].note:
            lines.append(f"    {figures[number - 1].note}")
    return "\n".join(lines)


def markdown(figures: Sequence[Figure]) -> str:
    """Return the table for a document, with a column of notes."""
    lines = [f"| {' | '.join(COLUMNS)} | seen besides |", f"|{'---|' * (len(COLUMNS) + 1)}"]
    lines += [f"| {' | '.join(figure.cells)} | {figure.note} |" for figure in figures]
    return "\n".join(lines)
