"""Active hours and days as documents (specification §5.3 ``schedule``)."""

import re

from llm_incident_manager.domain.routing.periods import ActiveHours, ActivePeriods
from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_zone

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


def read_periods(owner: Part, name: str = "schedule") -> ActivePeriods | None:
    """Return ``{timezone, active_hours: {start, end}, active_days}``; ``None`` where nothing is said: always."""
    part = owner.part(name)
    if part is None:
        return None
    periods = ActivePeriods(
        timezone=read_zone(part, "timezone", "time_zone"), active_hours=_hours(part), active_days=_days(part)
    )
    part.done()
    return periods


def _days(part: Part) -> tuple[int, ...]:
    days: dict[int, None] = {}
    for path, word in part.words("active_days"):
        if word in "0123456" and len(word) == 1:
            days[int(word)] = None
        else:
            part.findings.fault(path, f"{quoted(word)} is not a day from 0 (Sunday) to 6 (Saturday)")
    return tuple(days)


def _hours(owner: Part) -> ActiveHours | None:
    part = owner.part("active_hours")
    if part is None:
        return None
    start, end = part.text("start", required=True), part.text("end", required=True)
    for name, value in (("start", start), ("end", end)):
        if value and not _TIME.fullmatch(value):
            part.fault(name, f"{quoted(value)} is not a time of day such as '09:00'")
    if start and start == end:
        part.fault("end", "is the same as the start; leave active_hours out for the whole day")
    part.done()
    return ActiveHours(start=start, end=end)
