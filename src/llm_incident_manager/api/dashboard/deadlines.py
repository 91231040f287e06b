"""Time left to an incident's next promise (specification §5.2 ``sla``), as a row and the incident's page draw it."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.asking import awaits_acknowledgment
from llm_incident_manager.api.dashboard.words import count_down, instant, spell, status_of

_UNPROMISED = "This severity promises no time."
_SILENCED = "It counts from the end of the silence."


class Deadline(msgspec.Struct, frozen=True, kw_only=True):
    """``tone`` is ``ok``, past half ``warn``, past the end ``bad``, ``met`` or ``missed`` when it is over, or ``none``.

    ``percent`` is how much of the time is used, 0 to 100.
    """

    tone: str
    label: str = ""
    text: str = ""
    percent: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    why: str = ""
    """Why there is none, where there is none."""

    @property
    def running(self) -> bool:
        """Whether it counts down now."""
        return self.tone in ("ok", "warn", "bad")


def deadline_of(incident: dict[str, Any], now: datetime) -> Deadline:
    """Return the deadline that counts now: acknowledgment while NEW, else resolution; how it ended once resolved."""
    sla = incident.get("sla") or {}
    opened = instant(incident["created_at"]) or now
    if not status_of(incident).is_open:
        return _ended(opened, instant(incident.get("resolved_at")), instant(sla.get("resolution_deadline")))
    label, key = (
        ("Take", "acknowledgment_deadline") if awaits_acknowledgment(incident) else ("Resolve", "resolution_deadline")
    )
    ends = instant(sla.get(key))
    if ends is None:
        waits = incident.get("silenced_until") is not None and incident["severity"] != "P4"
        return Deadline(tone="none", text="no deadline", why=_SILENCED if waits else _UNPROMISED)
    used = (now - opened).total_seconds() / max(1.0, (ends - opened).total_seconds())
    tone = "bad" if now >= ends else "warn" if used >= 0.5 else "ok"
    return Deadline(
        tone=tone,
        label=label,
        text=count_down((ends - now).total_seconds()),
        percent=max(0, min(100, int(used * 100))),
        starts_at=opened,
        ends_at=ends,
    )


def _ended(opened: datetime, resolved: datetime | None, promised: datetime | None) -> Deadline:
    if resolved is None:
        return Deadline(tone="none", text="")
    took = spell((resolved - opened).total_seconds())
    if promised is None:
        return Deadline(tone="met", label="Took", text=took)
    if resolved <= promised:
        return Deadline(tone="met", label="Met", text=took)
    return Deadline(tone="missed", label="Late by", text=spell((resolved - promised).total_seconds()))
