"""Who reports an incident that a cross-source key folded, and what each says now (CLS-08)."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec

MOST_REPORTS = 100
"""So many are told apart. What comes beyond is one more that never is over: then a person ends the incident."""
OTHERS = ""
"""The fingerprint of what is beyond."""


class ReportState(StrEnum):
    """What a source says of its own problem."""

    REPORTING = "reporting"
    OVER = "over"


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One problem of one source, by its own ``fingerprint``. ``since`` is when it joined, ``changed_at`` its last news.

    ``quiet_seconds``: its source never says that it is over, and means so by silence.
    """

    source: str
    fingerprint: str
    title: str
    since: datetime
    changed_at: datetime
    state: ReportState = ReportState.REPORTING
    quiet_seconds: int | None = None


class Folding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """By which rule and key the incident is one, when it ends (``all`` or ``any``), and who reports it."""

    rule: str
    key: str
    resolve: str = "all"
    reports: tuple[Report, ...] = ()

    def of(self, fingerprint: str) -> Report | None:
        """Return the report of this fingerprint."""
        return next((report for report in self.reports if report.fingerprint == fingerprint), None)

    def of_source(self, source: str) -> tuple[Report, ...]:
        """Return what a source reports."""
        return tuple(report for report in self.reports if report.source == source)

    @property
    def reporting(self) -> tuple[Report, ...]:
        """The reports that are not over."""
        return tuple(report for report in self.reports if report.state is ReportState.REPORTING)

    @property
    def is_full(self) -> bool:
        """Whether no more reports are told apart."""
        return len(self.reports) >= MOST_REPORTS

    def with_report(self, report: Report) -> "Folding":
        """Return it with ``report`` in the place of what was known under its fingerprint."""
        if self.of(report.fingerprint) is None:
            return msgspec.structs.replace(self, reports=(*self.reports, report))
        kept = tuple(report if each.fingerprint == report.fingerprint else each for each in self.reports)
        return msgspec.structs.replace(self, reports=kept)

    @property
    def quiet_seconds(self) -> int | None:
        """After how long without an event it is over, where all who still report it never say so; None: others do."""
        quiet = [report.quiet_seconds for report in self.reporting]
        return max((each for each in quiet if each is not None), default=None) if None not in quiet else None


def named(reports: Iterable[Report]) -> str:
    """Return the sources of ``reports``, each once, as a list of words."""
    sources = list(dict.fromkeys(report.source for report in reports))
    if len(sources) > 5:
        sources = [*sources[:4], f"{len(sources) - 4} more"]
    return sources[0] if len(sources) == 1 else f"{', '.join(sources[:-1])} and {sources[-1]}"
