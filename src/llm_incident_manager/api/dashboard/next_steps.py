"""What happens next, if nobody does anything: the ladder's coming step, and who has the incident."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.asking import is_takeable
from llm_incident_manager.api.dashboard.words import People, count_down, instant, listed, status_of

_STATES = {
    "exhausted": "Every level was told; nobody else is paged by itself.",
    "silenced": "Quiet for now: a silence holds the ladder back.",
    "snoozed": "Snoozed: the ladder waits.",
    "quiet": "It pages nobody by itself.",
    "none": "No ladder: this severity pages nobody by itself.",
}
_SILENCED = "A silence holds the pages back; if it is still open then, somebody is told."


class NextStep(msgspec.Struct, frozen=True, kw_only=True):
    """The coming page. ``at`` is None where none is due; ``text`` then says why."""

    at: datetime | None
    left: str
    towards: str
    text: str


def next_step_of(incident: dict[str, Any], people: People, now: datetime, *, catch_all_knows: bool = False) -> NextStep:
    """Return whom the ladder tells next and when, or why nobody."""
    ladder = incident.get("ladder") or {}
    at = instant(ladder.get("next_at"))
    status, snoozed = status_of(incident), instant(incident.get("snoozed_until"))
    if snoozed is not None and snoozed > now and status.is_open:
        left = count_down((snoozed - now).total_seconds())
        text = "The ladder waits until then, and goes on from where it stood."
        return NextStep(at=snoozed, left=left, towards="of snooze left", text=text)
    silenced = instant(incident.get("silenced_until"))
    if silenced is not None and status.is_open:
        left = count_down((silenced - now).total_seconds())
        return NextStep(at=silenced, left=left, towards="of silence left", text=_SILENCED)
    if at is not None and status.is_open:
        names = [people.target(target) for target in ladder.get("next_targets") or ()]
        unless = "somebody takes it" if is_takeable(incident) else "it is resolved"
        told = f"{listed(names)} {'is' if len(names) == 1 else 'are'} told" if names else "The next level is told"
        return NextStep(
            at=at,
            left=count_down((at - now).total_seconds()),
            towards=_towards(ladder),
            text=f"{told} then, unless {unless}.",
        )
    state = str(ladder.get("state") or "none").lower()
    if not status.is_open:
        text = "Nothing. It is over; reopening starts the clock again."
    elif incident.get("untold"):
        text = "Every step was tried. Nobody could be told."
    elif state == "exhausted" and catch_all_knows:
        text = "Every level was told, and the catch-all knows; nobody else is paged by itself."
    elif incident.get("assigned_to") and state not in _STATES:
        text = "Stopped: somebody has it."
    else:
        reason = str(ladder.get("reason") or state.replace("_", " "))
        text = _STATES.get(state, f"Nobody is paged next: {reason}.")
    return NextStep(at=None, left="", towards="", text=text)


def _towards(ladder: dict[str, Any]) -> str:
    step = ladder.get("next_step")
    if step in ("manager_page", "catch_all"):
        return "to the incident manager" if step == "manager_page" else "to the catch-all"
    return f"to level {ladder.get('next_level') or int(ladder.get('level') or 0) + 1}"


def who_has_it(incident: dict[str, Any], paged: list[str], people: People) -> str:
    """Return one sentence for the bar under the thumb: who else was paged, and who has it."""
    owner, is_open = incident.get("assigned_to"), status_of(incident).is_open
    paged = [name for name in paged if name != people.name(owner)]
    told = f"{listed(paged)} {'was' if len(paged) == 1 else 'were'} paged too. " if paged else ""
    if owner and owner == people.reader:
        return f"{told}You {'have' if is_open else 'had'} it."
    if owner:
        return f"{told}{people.name(owner)} {'has' if is_open else 'had'} it."
    return f"{told}Nobody has it yet." if is_open else told.strip()
