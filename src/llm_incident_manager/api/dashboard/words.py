"""The words of the pages: durations, instants and names, the same in every template and in ``dashboard.js``."""

from datetime import UTC, datetime
from typing import Any

from llm_incident_manager.domain.vocabulary import Severity, Status

GAP = "\u00a0"
"""A space that does not break, between a number and its unit."""

STATUS_NAMES = {
    Status.NEW: ("new", "New"),
    Status.ACKNOWLEDGED: ("ack", "Acknowledged"),
    Status.IN_PROGRESS: ("prog", "In progress"),
    Status.ESCALATED: ("esc", "Escalated"),
    Status.RESOLVED: ("res", "Resolved"),
    Status.CLOSED: ("closed", "Closed"),
}
"""Per status its mark (the end of a class and of an icon's name) and what people read."""

CAUSES = {
    "opened": "it opened",
    "severity_raised": "it got worse",
    "silence_ended": "its silence ended",
    "next_level": "nobody acted in time",
    "acknowledgment_deadline": "nobody took it in time",
    "resolution_deadline": "it was not resolved in time",
    "manager_page": "the incident manager is to know",
    "exhausted": "every level was told",
    "fallback": "the other ways failed",
    "escalated_by_hand": "somebody escalated it",
    "paged_by_hand": "somebody asked for it",
    "resolved": "it is over",
    "acknowledged": "somebody has it",
    "acknowledgment_deadline_missed": "the deadline to take it passed",
    "resolution_deadline_missed": "the deadline to resolve it passed",
}
"""Why somebody is told: the engine's reasons, as people say them."""


def cause(reason: Any) -> str:
    """Return why somebody is told, in words; an unknown reason without its underscores."""
    return CAUSES.get(str(reason or ""), str(reason or "").replace("_", " "))


def linked_because(reason: Any) -> str:
    """Return why two incidents are linked, or nothing where the reason only names who did it."""
    text = str(reason or "")
    return "" if text.startswith("linked by ") else text


def sentence(text: Any) -> str:
    """Return the text with a capital at its start and a full stop at its end."""
    plain = str(text or "").strip()
    return plain[:1].upper() + plain[1:] + ("" if not plain or plain[-1] in ".!?…" else ".")


def instant(value: Any) -> datetime | None:
    """Return an ISO 8601 text or datetime as an aware UTC datetime, or None where there is none."""
    if value is None or value == "":
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def iso(moment: datetime) -> str:
    """Return the instant for a ``datetime`` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def exact(moment: datetime) -> str:
    """Return the instant in full, in UTC: what a hover shows before the script turns it into the viewer's zone."""
    return f"{moment.astimezone(UTC):%a} {moment.day} {moment:%b %Y, %H:%M:%S} UTC"


def spell(seconds: float) -> str:
    """Return a length of time with at most two units: ``40 s``, ``33 min``, ``2 h 11``, ``3 d 4 h``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}{GAP}s"
    if whole < 3600:
        return f"{whole // 60}{GAP}min"
    if whole < 86400:
        hours, minutes = divmod(whole // 60, 60)
        return f"{hours}{GAP}h{GAP}{minutes:02}" if minutes else f"{hours}{GAP}h"
    days, hours = divmod(whole // 3600, 24)
    return f"{days}{GAP}d{GAP}{hours}{GAP}h" if hours and days < 7 else f"{days}{GAP}d"


def count_down(seconds: float) -> str:
    """Return time left as a clock (``27:00``, ``2 h 49``), time past with a plus (``+6:12``)."""
    left = int(abs(seconds))
    text = f"{left // 60}:{left % 60:02}" if left < 3600 else spell(left)
    return f"+{text}" if seconds < 0 else text


def grouped(number: int) -> str:
    """Return 8912 as ``8,912``."""
    return f"{number:,}"


def shorten(text: Any, most: int) -> str:
    """Return the text, cut with an ellipsis where it is longer than ``most`` characters."""
    plain = str(text or "")
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"


def listed(names: list[str], most: int = 3) -> str:
    """Return ``Ana, Bo and 2 more``."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def initials(name: str) -> str:
    """Return up to two capitals that stand for a person."""
    parts = [part for part in name.split() if part]
    return (parts[0][0] + parts[-1][0] if len(parts) > 1 else name[:2]).upper()


def severity_of(document: dict[str, Any]) -> Severity:
    """Return the incident's severity."""
    return Severity(document["severity"])


def status_of(document: dict[str, Any]) -> Status:
    """Return the incident's status."""
    return Status(document["status"])


class People:
    """Names for ids of users and teams, and which of them is the reader."""

    def __init__(self, document: dict[str, Any], reader: str) -> None:
        self.users: list[dict[str, str]] = list(document.get("users") or [])
        self.teams: list[dict[str, str]] = list(document.get("teams") or [])
        self.reader = reader
        self._names = {entry["id"]: entry.get("name") or entry["id"] for entry in [*self.teams, *self.users]}

    def name(self, identifier: str | None) -> str:
        """Return the person's or team's name; the id where it is unknown."""
        return self._names.get(identifier, identifier) if identifier else ""

    def target(self, target: Any) -> str:
        """Return the name of an escalation target, given as an id or as ``{type, id, name?}``."""
        if isinstance(target, dict):
            return str(target.get("name") or self.name(target.get("id")) or target.get("type") or "somebody")
        kind, _, rest = str(target).partition(":")
        return self.name(rest if rest and kind in ("user", "team", "on_call", "external") else str(target))
