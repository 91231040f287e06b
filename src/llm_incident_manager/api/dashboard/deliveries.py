"""Who was told, and how each notification stands, as a sentence that says what it waits for."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.words import CAUSES, People, cause, instant, shorten

SHOWN = 8
"""So many notifications stand open on the page; what is older or was not sent is folded."""
_CHANNEL_ICONS = dict.fromkeys(("pagerduty", "opsgenie", "jsm", "apprise"), "plug") | {
    "email": "mail",
    "slack": "hash",
    "webhook": "hook",
    "sms": "sms",
    "phone": "phone",
    "teams": "users",
}
_GOOD = {"delivered", "accepted", "sent", "acknowledged"}
_FAILED = {"failed", "rejected", "dead", "dead_letter", "expired"}
_DROPPED = {"cancelled", "canceled", "obsolete", "skipped", "suppressed", "superseded"}
_RETRYING = {"retry", "retrying", "retry_later"}


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notification. ``tone`` is ``ok``, ``warn``, ``bad`` or ``dim``; ``at`` follows ``text`` where it ends so.

    ``times`` is how many notifications said the very same; ``at`` is then the newest one's.
    """

    who: str
    channel: str
    icon: str
    tone: str
    text: str
    note: str
    at: datetime | None
    ends_with_time: bool = False
    counts_down: bool = False
    times: int = 1

    @property
    def is_idle(self) -> bool:
        """Whether nothing was sent and nothing will be."""
        return self.tone == "dim" and not self.ends_with_time


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The deliveries as the page shows them: what matters now, what is older, and what was never sent."""

    tally: str
    now: list[Delivery]
    older: list[Delivery]
    unsent: list[Delivery]


def ledger_of(notifications: list[dict[str, Any]], people: People) -> Ledger:
    """Return the ledger, newest first, what still waits at the top."""
    deliveries = deliveries_of(notifications, people)
    newest = deliveries[::-1]
    sent = sorted((one for one in newest if not one.is_idle), key=lambda one: one.tone != "warn")
    idle = _folded([one for one in newest if one.is_idle])
    return Ledger(tally=tally(deliveries), now=sent[:SHOWN], older=sent[SHOWN:60], unsent=idle[:60])


def deliveries_of(notifications: list[dict[str, Any]], people: People) -> list[Delivery]:
    """Return one sentence per notification, in the order given."""
    return [_delivery(notification, people) for notification in notifications]


def tally(deliveries: Sequence[Delivery]) -> str:
    """Return ``4 delivered, 2 waiting, 1 failed``."""
    words = {"ok": "delivered", "warn": "waiting", "bad": "failed"}
    sizes = Counter(
        words.get(delivery.tone, "planned" if delivery.ends_with_time else "not sent") for delivery in deliveries
    )
    order = (*words.values(), "planned", "not sent")
    return ", ".join(f"{sizes[word]} {word}" for word in order if sizes[word])


def paged_names(notifications: list[dict[str, Any]], people: People) -> list[str]:
    """Return everybody but the reader whom a page has been sent to, each once."""
    told = [
        _reached(notification, people)
        for notification in notifications
        if _state_word(notification) in _GOOD | _RETRYING | {"sending"}
        and people.reader not in (_identifier(notification.get(key)) for key in ("recipient", "target"))
    ]
    return list(dict.fromkeys(told))


def catch_all_told(notifications: list[dict[str, Any]]) -> bool:
    """Whether the page that says that every level was told has arrived."""
    return any(each.get("cause") == "exhausted" and _state_word(each) in _GOOD for each in notifications)


def why_not(notifications: list[dict[str, Any]], people: People) -> list[str]:
    """Return why nobody was reached: each person and reason once, the newest first."""
    found = [
        f"{_reached(each, people)}: {each.get('reason')}"
        for each in reversed(notifications)
        if _state_word(each) in _FAILED | _RETRYING | {"skipped"} and each.get("reason")
    ]
    return list(dict.fromkeys(shorten(text, 160) for text in found))


def _folded(deliveries: list[Delivery]) -> list[Delivery]:
    """Return what says the same once, with how often."""
    alike = Counter((one.who, one.icon, one.text) for one in deliveries)
    first = {(one.who, one.icon, one.text): one for one in reversed(deliveries)}
    kept = [(key, first[key]) for key in alike]
    return [msgspec.structs.replace(one, times=alike[key]) for key, one in kept]


def _state_word(notification: dict[str, Any]) -> str:
    return str(notification.get("state") or "").lower()


def _identifier(target: Any) -> str:
    return str(target.get("id")) if isinstance(target, dict) else str(target or "").rpartition(":")[2]


def _reached(notification: dict[str, Any], people: People) -> str:
    recipient = notification.get("recipient_name") or people.target(notification.get("recipient") or "")
    return str(recipient or people.target(notification.get("target")))


def _delivery(notification: dict[str, Any], people: People) -> Delivery:
    channel = str(notification.get("channel") or "")
    tone, text, at, ends, counts = _state(notification)
    level = notification.get("level")
    reason = str(notification.get("cause") or "")
    kind = cause(reason) if reason in CAUSES else str(notification.get("type") or "").replace("_", " ")
    return Delivery(
        who=shorten(_reached(notification, people), 60),
        channel=", ".join(part for part in (channel, f"level {level}" if level else "") if part),
        icon=_CHANNEL_ICONS.get(channel, "bell"),
        tone=tone,
        text=text,
        note=kind,
        at=at,
        ends_with_time=ends,
        counts_down=counts,
    )


def _state(notification: dict[str, Any]) -> tuple[str, str, datetime | None, bool, bool]:
    state = _state_word(notification)
    reason = shorten(notification.get("reason"), 160)
    attempts = int(notification.get("attempts") or 0)
    following = instant(notification.get("next_attempt_at"))
    planned = instant(notification.get("planned_at"))
    if state in _GOOD:
        tries = f" at try {attempts}" if attempts > 1 else ""
        return "ok", f"delivered{tries}", instant(notification.get("delivered_at")) or planned, False, False
    if state in _FAILED:
        tries = f" after {attempts} tries" if attempts > 1 else ""
        return "bad", f"failed{tries}: {reason or 'the channel refused it'}", planned, False, False
    if state in _DROPPED:
        return "dim", f"not sent: {reason or 'no longer needed'}", planned, False, False
    if state in _RETRYING or (state != "waiting" and attempts and following):
        because = f": {reason}," if reason else ""
        if not attempts:
            return "warn", f"waiting{because or ','} tried again in", following, following is not None, True
        return "warn", f"tried {attempts}×{because} again in", following, following is not None, True
    if state == "planned" and not reason:
        return "dim", "planned for", planned or following, True, False
    if following:
        return "warn", f"waiting: {reason or 'its turn comes'} until", following, True, False
    return (
        "warn",
        f"{state.replace('_', ' ') or 'waiting'}: {reason or 'on its way to the channel'}",
        planned,
        False,
        False,
    )
