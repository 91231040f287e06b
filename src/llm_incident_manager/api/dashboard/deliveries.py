"""Who was told, and how each notification stands, as a sentence that says what it waits for."""

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.api.dashboard.words import People, instant, shorten

_CHANNEL_ICONS = {"email": "mail", "slack": "hash", "webhook": "hook", "sms": "sms", "phone": "phone", "teams": "users"}
_GOOD = {"delivered", "accepted", "sent", "acknowledged"}
_FAILED = {"failed", "rejected", "dead", "dead_letter", "expired"}
_DROPPED = {"cancelled", "canceled", "obsolete", "skipped", "suppressed", "superseded"}
_RETRYING = {"retry", "retrying", "retry_later"}


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notification. ``tone`` is ``ok``, ``warn``, ``bad`` or ``dim``; ``at`` follows ``text`` where it ends so."""

    who: str
    channel: str
    icon: str
    tone: str
    text: str
    note: str
    at: datetime | None
    ends_with_time: bool = False
    counts_down: bool = False


def deliveries_of(notifications: list[dict[str, Any]], people: People) -> list[Delivery]:
    """Return one sentence per notification, in the order given."""
    return [_delivery(notification, people) for notification in notifications]


def tally(deliveries: list[Delivery]) -> str:
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
        if str(notification.get("state", "")).lower() in _GOOD | _RETRYING | {"sending"}
        and (notification.get("recipient") or _identifier(notification.get("target"))) != people.reader
    ]
    return list(dict.fromkeys(told))


def _identifier(target: Any) -> str:
    return str(target.get("id")) if isinstance(target, dict) else str(target).rpartition(":")[2]


def _reached(notification: dict[str, Any], people: People) -> str:
    recipient = notification.get("recipient_name") or people.name(notification.get("recipient"))
    return str(recipient or people.target(notification.get("target")))


def _delivery(notification: dict[str, Any], people: People) -> Delivery:
    channel = str(notification.get("channel") or "")
    tone, text, at, ends, counts = _state(notification)
    level = notification.get("level")
    kind = str(notification.get("type") or "").replace("_", " ")
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
    state = str(notification.get("state") or "").lower()
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
        return "warn", f"tried {attempts or 1}×{because} again in", following, following is not None, True
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
