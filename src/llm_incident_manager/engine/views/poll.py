"""How a source does that is asked, as APIs show it."""

from datetime import datetime
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.engine.poll_rows import PollState
from llm_incident_manager.engine.views.instants import iso_or_none


def poll_document(
    source: SourceSettings,
    state: PollState | None,
    next_at: datetime | None,
    *,
    plugin: str | None,
    default: int | None,
) -> dict[str, Any]:
    """Return the document of a source whose plugin asks every ``default`` seconds; no address, no key."""
    known = state or PollState(source=source.name)
    asked = known.polled_at is not None
    word = "disabled" if not source.enabled else "waiting" if not asked else "failing" if known.failures else "ok"
    interval = source.pull.interval_seconds if source.pull is not None else None
    return {
        "source": source.name,
        "plugin": plugin,
        "state": word,
        "interval_seconds": interval or default,
        "last_poll_at": iso_or_none(known.polled_at),
        "last_success_at": iso_or_none(known.succeeded_at),
        "last_news_at": iso_or_none(known.news_at),
        "next_poll_at": iso_or_none(next_at) if source.enabled else None,
        "failures": known.failures,
        "error": known.error,
        "note": known.note,
    }
