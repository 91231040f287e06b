"""② Thresholds on metrics (CLS-02): above or below a value, this is the severity."""

from collections.abc import Iterable, Mapping

import msgspec

from llm_incident_manager.domain.classification.rules import read_severity
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.tree import member, number_fault, shown
from llm_incident_manager.domain.vocabulary import Category, Severity
from llm_incident_manager.errors import FieldFault, Invalid

_UNITS = {
    "ms": "ms", "sec": "s", "secs": "s", "seconds": "s", "percent": "%", "pct": "%", "usd": "USD", "bytes": "bytes",
    "tokens": "tokens", "rpm": "requests/min",
}  # fmt: skip


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """Either ``above`` or ``below`` is set, in the metric's own unit; category and source narrow it."""

    metric: str
    above: float | None = None
    below: float | None = None
    severity: Severity
    category: Category | None = None
    source: str | None = None

    @property
    def text(self) -> str:
        """``above 10000 ms p95_latency_ms``."""
        side, limit = ("above", self.above) if self.above is not None else ("below", self.below)
        unit = _UNITS.get(self.metric.rpartition("_")[2].lower(), "")
        return " ".join(part for part in (side, plain(limit or 0), unit, self.metric) if part)

    def concerns(self, event: Event) -> bool:
        """Whether the event carries the metric, and is of the category and source."""
        return (
            self.metric in event.metrics
            and self.category in (None, event.category)
            and self.source in (None, event.source)
        )

    def crossed_by(self, value: float) -> bool:
        """Whether ``value`` is beyond the limit."""
        return value > self.above if self.above is not None else value < (self.below or 0)

    def distance(self, value: float) -> float:
        """Return how far ``value`` is from the limit."""
        return abs((self.above if self.above is not None else self.below or 0) - value)


def parse_threshold(document: object, path: str = "threshold") -> Threshold:
    """Return the threshold in ``{metric, above | below, severity, category?, source?}``.

    Raises:
        Invalid: ``invalid_threshold`` naming every bad member.
    """
    if not isinstance(document, Mapping):
        wrong = FieldFault(
            path, f"is {shown(document)}; it must be an object with metric, above or below, and severity"
        )
        raise Invalid("the threshold is wrong", [wrong], code="invalid_threshold")
    faults: list[FieldFault] = []
    for key in document:
        if key not in ("metric", "above", "below", "severity", "category", "source"):
            remedy = "a threshold has metric, above or below, severity, category, source"
            faults.append(FieldFault(member(path, key), f"is not known; {remedy}"))
    metric, category, source = document.get("metric"), document.get("category"), document.get("source")
    if not isinstance(metric, str) or not metric.strip():
        faults.append(FieldFault(f"{path}.metric", f"is {shown(metric)}; it must be a metric's name"))
    sides = [side for side in ("above", "below") if document.get(side) is not None]
    if len(sides) != 1:
        faults.append(
            FieldFault(path, f"has {' and '.join(sides) or 'neither above nor below'}; it must have one of them")
        )
    for side in sides:
        limit = document[side]
        if isinstance(limit, bool) or not isinstance(limit, int | float) or number_fault(limit) is not None:
            faults.append(FieldFault(f"{path}.{side}", f"is {shown(limit)}; it must be a number"))
    if category is not None and category not in Category.__members__.values():
        faults.append(FieldFault(f"{path}.category", f"is {shown(category)}; it must be one of {', '.join(Category)}"))
    if source is not None and not isinstance(source, str):
        faults.append(FieldFault(f"{path}.source", f"is {shown(source)}; it must be text"))
    severity = read_severity(document, path, faults)
    if faults:
        message = f"the threshold is wrong: {faults[0].field} {faults[0].message}"
        raise Invalid(message, faults, code="invalid_threshold")
    return Threshold(
        metric=str(metric),
        above=document.get("above"),
        below=document.get("below"),
        severity=severity,
        category=None if category is None else Category(category),
        source=source,
    )


def next_threshold(thresholds: Iterable[Threshold], event: Event, severity: Severity) -> str | None:
    """Return what would make it worse ("above 10000 ms p95_latency_ms it becomes P0"): the least and nearest step."""
    worse = [
        threshold
        for threshold in thresholds
        if threshold.severity.worse_than(severity)
        and threshold.concerns(event)
        and not threshold.crossed_by(event.metrics[threshold.metric])
    ]
    if not worse:
        return None
    nearest = min(worse, key=lambda each: (-each.severity.rank, each.distance(event.metrics[each.metric])))
    return f"{nearest.text} it becomes {nearest.severity}"


def plain(value: float) -> str:
    """Return a number as people write it: no ``.0``, no exponent below a quadrillion."""
    return str(int(value)) if value == int(value) and abs(value) < 10**15 else f"{value:.6g}"
