"""Calendars of others as shifts: iCalendar expanded within a span, within bounds (RFC 5545; extra ``ical``)."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from llm_incident_manager.domain.oncall.rotation import local_instant
from llm_incident_manager.errors import Invalid

MOST_EVENTS = 5000
MOST_RULES = 500
MOST_SHIFTS = 10_000
_TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY)|BYSECOND=|BYMINUTE=[0-9]+(,[0-9]+){4,}|BYHOUR=[0-9]+(,[0-9]+){24,}")
Told = tuple[str, datetime, datetime]
"""The words that name somebody, from when until when (UTC)."""


def read_calendar(text: str, start: datetime, end: datetime, zone: str) -> list[Told]:
    """Return the events that overlap the span, in order; whole days and floating times are those of ``zone``.

    Somebody is named by the first attendee's address, else by the summary. Events that are cancelled are left out.

    Raises Invalid for what is no calendar, for more than it may hold, and where the extra is not installed.
    """
    try:
        import icalendar
        import recurring_ical_events
    except ImportError:
        raise Invalid("calendars need an extra: pip install 'llm-incident-manager[ical]'") from None
    flat = re.sub(r"\r?\n[ \t]", "", text)
    rules = [line for line in flat.splitlines() if line.upper().startswith(("RRULE", "RDATE", "EXRULE"))]
    if len(rules) > MOST_RULES or flat.count("BEGIN:VEVENT") > MOST_EVENTS:
        raise Invalid(f"the calendar holds more than {MOST_EVENTS} events or {MOST_RULES} that come again")
    if any(_TOO_OFTEN.search(rule.upper()) for rule in rules):
        raise Invalid("an event of the calendar comes again every minute or more often; no shift does")
    try:
        calendar = icalendar.Calendar.from_ical(text)
        events = recurring_ical_events.of(calendar, skip_bad_series=True).between(start, end)
        found = [
            (_who(event), _instant(event["DTSTART"].dt, zone), _instant(event["DTEND"].dt, zone))
            for event in events
            if str(event.get("STATUS", "")).upper() != "CANCELLED" and "DTSTART" in event and "DTEND" in event
        ]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, ArithmeticError) as wrong:
        raise Invalid(f"this is not an iCalendar file that can be read: {str(wrong)[:200]}") from None
    told = sorted((each for each in found if each[0] and each[1] < each[2]), key=lambda each: (each[1], each[0]))
    if len(told) > MOST_SHIFTS:
        raise Invalid(f"the calendar has more than {MOST_SHIFTS} shifts in the span")
    return told


def _who(event: "dict[str, object]") -> str:
    attendees = event.get("ATTENDEE")
    first = attendees[0] if isinstance(attendees, list) and attendees else attendees
    address = str(first or "")
    if address.lower().startswith("mailto:"):
        return address[7:].strip()[:200]
    return str(event.get("SUMMARY", "")).strip()[:200]


def _instant(value: "date | datetime", zone: str) -> datetime:
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            return value.astimezone(UTC)
        return local_instant(value.date(), value.time(), ZoneInfo(zone))
    return local_instant(value, time(), ZoneInfo(zone))
