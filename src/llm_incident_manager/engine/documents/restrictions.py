"""The hours of a week in which a layer counts: ``{days: [mon, tue], start: '09:00', end: '17:00', until: fri}``."""

import re
from datetime import time

from llm_incident_manager.domain.oncall.restriction import EVERY_DAY, WEEK, Restriction
from llm_incident_manager.engine.documents.findings import quoted
from llm_incident_manager.engine.documents.part import Part

MOST = 100
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


def read_clock(part: Part, name: str, *, default: str) -> time | None:
    """Return a time of day, written ``HH:MM`` or ``HH:MM:SS``; ``None`` where it is faulty."""
    written = part.text(name, default=default)
    if not _CLOCK.fullmatch(written):
        part.fault(name, f"{quoted(written)} is not a time of day such as '09:00'")
        return None
    return time.fromisoformat(written)


def read_restrictions(owner: Part) -> tuple[Restriction, ...]:
    """Return a layer's restrictions; none means always."""
    parts = owner.parts("restrictions")
    if len(parts) > MOST:
        owner.fault("restrictions", f"are {len(parts)}; at most {MOST} are allowed")
    return tuple(found for part in parts[:MOST] if (found := _restriction(part)) is not None)


def _restriction(part: Part) -> Restriction | None:
    days = _days(part, "days")
    start = read_clock(part, "start", default="00:00")
    at_midnight = not part.has("end") or part.text("end") == "24:00"
    end = time() if at_midnight else read_clock(part, "end", default="00:00")
    until = _days(part, "until")
    part.allow("end")
    part.done()
    if start is None or end is None:
        return None
    if not part.has("until"):
        return Restriction(days=days or EVERY_DAY, start=start, end=end, over_days=int(end <= start))
    if len(days) != 1 or len(until) != 1:
        part.fault("until", "names the one day on which a window of several days ends; it needs one day under days")
        return None
    over_days = (until[0] - days[0] + at_midnight) % WEEK
    if over_days == 0 and end <= start:
        over_days = WEEK
    return Restriction(days=days, start=start, end=end, over_days=over_days)


def _days(part: Part, name: str) -> tuple[int, ...]:
    found: set[int] = set()
    for path, word in part.words(name):
        short = word.lower()[:3]
        if short in DAYS and "monday tuesday wednesday thursday friday saturday sunday".find(word.lower()) >= 0:
            found.add(DAYS.index(short))
        else:
            part.findings.fault(path, f"{quoted(word)} is not a day; days are {', '.join(DAYS)}")
    return tuple(sorted(found))
