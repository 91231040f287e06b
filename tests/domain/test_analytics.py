from datetime import UTC, datetime
from typing import Any

import pytest

from llm_incident_manager.domain.analytics.figures import figures, percentile
from llm_incident_manager.errors import Invalid


def row(**members: Any) -> dict[str, Any]:
    return {
        "severity": "P1", "category": "cost", "source": "a", "environment": None, "status": "NEW",
        "assigned_team": None, "assigned_to": None, "created_at": datetime(2027, 1, 31, 23, 30, tzinfo=UTC),
        "mttd": None, "mtta": None, "mttr": None, "breaches": [],
    } | members  # fmt: skip


@pytest.mark.requirement("ANA-01")
def test_times_are_taken_over_the_incidents_that_have_them() -> None:
    found = figures([row(mttd=10, mttr=60), row(mttd=20), row(mttd=60.0, breaches=["resolution"]), row()])
    assert found["total"] == 4
    (group,) = found["groups"]
    assert group["key"] == {}
    assert group["count"] == 4
    assert group["mttd_seconds"] == {"mean": 30.0, "p50": 20.0, "p90": 52.0, "p99": pytest.approx(59.2)}
    assert group["mttr_seconds"] == {"mean": 60.0, "p50": 60.0, "p90": 60.0, "p99": 60.0}
    assert group["mtta_seconds"] is None
    assert group["sla_compliance"] == 0.75


@pytest.mark.requirement("ANA-01")
def test_groups_are_ordered_and_unknown_comes_last() -> None:
    rows = [row(source="b", environment="qa"), row(source="a"), row(source="a", severity="P4"), row(source="b")]
    found = figures(rows, ["source", "environment"])
    assert [(group["key"], group["count"]) for group in found["groups"]] == [
        ({"source": "a", "environment": None}, 2),
        ({"source": "b", "environment": "qa"}, 1),
        ({"source": "b", "environment": None}, 1),
    ]
    assert figures(rows, ["day"])["groups"][0]["key"] == {"day": "2027-01-31"}


def test_without_deadlines_there_is_no_compliance() -> None:
    assert figures([row(severity="P4")])["groups"][0]["sla_compliance"] is None


def test_no_incidents_are_no_error() -> None:
    assert figures([], ["severity"]) == {"total": 0, "groups": []}
    assert figures([])["groups"][0]["count"] == 0


def test_an_unknown_grouping_is_refused() -> None:
    with pytest.raises(Invalid, match="'colour'; it must be one of severity"):
        figures([], ["severity", "colour"])


@pytest.mark.parametrize(("share", "value"), [(0, 1.0), (0.5, 2.5), (1, 4.0), (0.9, 3.7)])
def test_percentiles_are_interpolated(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == pytest.approx(value)
