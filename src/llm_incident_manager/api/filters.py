"""Filters of lists as people write them: spans of time and tags, read with every fault named."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from llm_incident_manager.domain.events.tree import shown
from llm_incident_manager.errors import FieldFault, Invalid

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_LOST_PLUS = re.compile(r"(T.*) (\d{2}:?\d{2})$")


def span(start: str | None, end: str | None) -> tuple[datetime | None, datetime | None]:
    """Return the instants that bound a span, the end excluded; raises Invalid naming the wrong one."""
    faults: list[FieldFault] = []
    since, until = _bound("start", start, faults), _bound("end", end, faults)
    if faults:
        raise Invalid("the span of time is wrong", faults, code="invalid_span")
    return since, until


def pairs(tags: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Return ``tag=k:v`` as pairs; raises Invalid for one without a colon."""
    wrong = [tag for tag in tags or () if ":" not in tag.strip(":")]
    if wrong:
        raise Invalid(
            "a tag filter is wrong",
            [FieldFault("tag", f"is {shown(tag)}; write it key:value, as in tag=region:eu") for tag in wrong],
            code="invalid_tag",
        )
    split = [tag.partition(":") for tag in tags or ()]
    return tuple((key, value) for key, _, value in split)


def _bound(name: str, written: str | None, faults: list[FieldFault]) -> datetime | None:
    if written is None:
        return None
    text = _LOST_PLUS.sub(r"\1+\2", written.strip())
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return midnight + timedelta(days=1) if name == "end" and day < date.max else midnight
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            faults.append(FieldFault(name, f"is {shown(written)}; name its zone, as in 2027-01-04T09:00:00Z"))
            return None
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        faults.append(
            FieldFault(name, f"is {shown(written)}; write a date like 2027-01-04 or an instant with its zone")
        )
        return None
