"""⑧ How fast trouble was detected, acknowledged and ended, by group (ANA-01)."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from llm_incident_manager.errors import FieldFault, Invalid

GROUPINGS = ("severity", "category", "source", "environment", "status", "assigned_team", "assigned_to", "day")
"""What incidents can be grouped by; ``day`` is the UTC day of ``created_at``."""

Row = Mapping[str, Any]


def figures(rows: Sequence[Row], group_by: Sequence[str] = ()) -> dict[str, Any]:
    """Return ``{total, groups: [{key, count, mttd_seconds, mtta_seconds, mttr_seconds, sla_compliance}]}``.

    A row has the groupings' members, ``created_at``, ``mttd``, ``mtta``, ``mttr`` (seconds, or None where unknown) and
    ``breaches`` (the deadlines missed; empty if none). Each time figure is ``{mean, p50, p90, p99}`` over the incidents
    that have it, None where none has. ``sla_compliance`` is the share, 0 to 1, of incidents that missed no deadline
    among those that have any (P4 has none, specification §4.3), None where there are none. Groups are ordered by key;
    without ``group_by`` there is one, whose key is empty.

    Raises:
        Invalid: ``invalid_group_by``.
    """
    unknown = [name for name in group_by if name not in GROUPINGS]
    if unknown:
        message = f"is {unknown[0]!r}; it must be one of {', '.join(GROUPINGS)}"
        raise Invalid(f"group_by {message}", [FieldFault("group_by", message)], code="invalid_group_by")
    names = tuple(dict.fromkeys(group_by))
    groups: dict[tuple[str | None, ...], list[Row]] = {} if names else {(): []}
    for row in rows:
        groups.setdefault(tuple(_key(row, name) for name in names), []).append(row)
    ordered = sorted(groups.items(), key=lambda group: [(part is None, part or "") for part in group[0]])
    return {
        "total": len(rows),
        "groups": [
            {"key": dict(zip(names, key, strict=True)), "count": len(members), **_figures_of(members)}
            for key, members in ordered
        ],
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value at ``share`` (0 to 1) of ascending values, interpolated linearly between neighbours.

    This is SQL's ``percentile_cont``; ``ordered`` must not be empty.
    """
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _figures_of(rows: Sequence[Row]) -> dict[str, Any]:
    bound = [row for row in rows if row.get("severity") != "P4"]
    kept = sum(1 for row in bound if not row.get("breaches"))
    return {
        "mttd_seconds": _time(rows, "mttd"),
        "mtta_seconds": _time(rows, "mtta"),
        "mttr_seconds": _time(rows, "mttr"),
        "sla_compliance": kept / len(bound) if bound else None,
    }


def _time(rows: Sequence[Row], name: str) -> dict[str, float] | None:
    ordered = sorted(float(value) for row in rows if (value := row.get(name)) is not None)
    if not ordered:
        return None
    return {
        "mean": math.fsum(ordered) / len(ordered),
        "p50": percentile(ordered, 0.50),
        "p90": percentile(ordered, 0.90),
        "p99": percentile(ordered, 0.99),
    }


def _key(row: Row, name: str) -> str | None:
    if name == "day":
        created = row["created_at"]
        return created.astimezone(UTC).date().isoformat() if isinstance(created, datetime) else str(created)[:10]
    value = row.get(name)
    return None if value is None else str(value)
