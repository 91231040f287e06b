"""The red banner: an incident asks for somebody, and no page has reached anyone."""

from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.deliveries import why_not
from llm_incident_manager.api.dashboard.rows import Row
from llm_incident_manager.api.dashboard.words import People, instant, listed, sentence

_REASONS = 3


class Untold(msgspec.Struct, frozen=True, kw_only=True):
    """``title`` says that nobody knows, ``text`` what follows by itself, ``reasons`` why nobody was reached."""

    title: str
    text: str
    reasons: list[str]


def untold_of(incident: dict[str, Any], notifications: list[dict[str, Any]], people: People) -> Untold | None:
    """Return the banner of one incident's page, or None where somebody was told or need not be.

    ``incident["untold"]`` says it (engine, ⑥ Told).
    """
    if not incident.get("untold"):
        return None
    ladder = incident.get("ladder") or {}
    names = [people.target(target) for target in ladder.get("next_targets") or ()]
    tried = any(str(each.get("state")) == "retrying" for each in notifications)
    again = " What failed is being tried again." if tried else ""
    if instant(ladder.get("next_at")) is not None and names:
        text = f"Next is {listed(names)}.{again}"
    else:
        text = f"No further step follows by itself.{again}"
    reasons = why_not(notifications, people)
    shown = [sentence(reason) for reason in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        shown.append(f"And {len(reasons) - _REASONS} more, under “Who was told”.")
    return Untold(
        title="Nobody has been told of this incident.",
        text=text,
        reasons=shown or ["No step of the ladder names anybody who can be reached."],
    )


def untold_rows(rows: list[Row]) -> list[Row]:
    """Return the rows of one page that reached nobody."""
    return [row for row in rows if row.untold]
