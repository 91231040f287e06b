"""The numbers that events carried, as small plots drawn into the page."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.words import GAP, instant

MOST_PLOTS = 6


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over time; ``path`` is an SVG path in a box of 100 by 100, the newest value at the right."""

    name: str
    now: str
    peak: str
    path: str
    dot: tuple[float, float]
    limit: float | None
    limit_text: str
    starts_at: datetime
    ends_at: datetime
    summary: str


def plots_of(events: list[dict[str, Any]]) -> list[Plot]:
    """Return up to six plots, the metrics that most events carry first. ``events`` come newest first."""
    series: dict[str, list[tuple[datetime, float]]] = {}
    limits: dict[str, float] = {}
    for event in reversed(events):
        at = instant(event.get("timestamp"))
        metrics = event.get("metrics") or {}
        if at is None or not isinstance(metrics, dict):
            continue
        for name, value in metrics.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if name.startswith("threshold"):
                limits[name.removeprefix("threshold").strip("_")] = float(value)
            else:
                series.setdefault(str(name), []).append((at, float(value)))
    longest = sorted(series, key=lambda name: -len(series[name]))[:MOST_PLOTS]
    return [_plot(name, sorted(series[name]), _limit_for(name, limits)) for name in longest]


def _limit_for(name: str, limits: dict[str, float]) -> float | None:
    exact = limits.get(name)
    unit = limits.get(name.rpartition("_")[2])
    return exact if exact is not None else unit


def _plot(name: str, points: list[tuple[datetime, float]], limit: float | None) -> Plot:
    values = [value for _, value in points]
    low = min(0.0, *values) if len(values) > 1 else min(0.0, values[0])
    high = max(*values, limit or values[0]) * 1.08 if len(values) > 1 else max(values[0], limit or 0.0) * 1.08
    span = (high - low) or 1.0
    first, last = points[0][0], points[-1][0]
    seconds = (last - first).total_seconds() or 1.0
    drawn = [
        (round((at - first).total_seconds() / seconds * 100, 1), round(100 - (value - low) / span * 100, 1))
        for at, value in points
    ]
    label = name.replace("_", " ")
    now, peak = measured(name, values[-1]), measured(name, max(values))
    return Plot(
        name=label,
        now=now,
        peak="" if max(values) == values[-1] else f"peak {peak}",
        path="M" + "L".join(f"{x},{y}" for x, y in drawn) if len(drawn) > 1 else "",
        dot=drawn[-1] if len(drawn) > 1 else (50.0, drawn[-1][1]),
        limit=round(100 - (limit - low) / span * 100, 1) if limit is not None else None,
        limit_text=f"limit {measured(name, limit)}" if limit is not None else "",
        starts_at=first,
        ends_at=last,
        summary=f"{label}: now {now}, highest {peak}, over {len(points)} events",
    )


def measured(name: str, value: float) -> str:
    """Return a number with the unit that its metric's name ends in."""
    if name.endswith("_ms"):
        return f"{_figure(value / 1000)}{GAP}s" if value >= 10_000 else f"{_figure(value)}{GAP}ms"
    for ending, unit in (("_percent", "%"), ("_pct", "%"), ("_usd", "USD"), ("_seconds", "s"), ("_gb", "GB")):
        if name.endswith(ending):
            return f"{_figure(value)}{GAP}{unit}"
    if name.endswith(("_rate", "_ratio")) and 0 <= value <= 1:
        return f"{_figure(value * 100)}{GAP}%"
    return _figure(value)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
