"""Configurations for stories: who is reached how."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.stories.app import ROUTE, TEAM

NUMBERS = {name: f"+346001234{index:02d}" for index, name in enumerate(("ana", "bo", "lead", "boss", "last"))}
Documents = dict[str, list[dict[str, Any]]]


def contact(name: str, channel: str) -> str:
    """Return an address of ``name`` on ``channel``."""
    return {
        "email": f"{name}@example.com",
        "slack": f"https://hooks.slack.com/services/T0/B0/{name}",
        "webhook": f"https://pages.example.com/{name}",
        "sms": NUMBERS.get(name, ""),
        "phone": NUMBERS.get(name, ""),
    }[channel]


def user(name: str, *channels: str) -> dict[str, Any]:
    """Return a user with one contact on each channel."""
    return {"id": name, "name": name.title(), "contacts": {each: contact(name, each) for each in channels}}


def to(kind: str, name: str, fallback: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a target."""
    return {"type": kind, "id": name} | ({"fallback": fallback} if fallback else {})


def by_mail() -> Documents:
    """Return §4.3's table over people who are reached by e-mail, so that P3 reaches them too."""
    users = [user(name, "email") for name in ("ana", "bo", "lead", "boss", "last")]
    return {"users": users, "teams": [TEAM], "routes": [ROUTE], "catch_all": [{"targets": [to("user", "last")]}]}


def policy(*levels: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return an escalation policy named ``pages`` of these levels, counted from 1."""
    numbered = [{"level": number, **level} for number, level in enumerate(levels, start=1)]
    return {"id": "pages", "name": "pages", "conditions": {}, "levels": numbered} | more


def level(*targets: Mapping[str, Any], after: float | None = None, channels: Sequence[str] = ()) -> dict[str, Any]:
    """Return one level."""
    found: dict[str, Any] = {"targets": list(targets)}
    if after is not None:
        found["escalate_after"] = after
    return found | ({"channels": list(channels)} if channels else {})


def with_policy(*policies: Mapping[str, Any], **more: Any) -> Documents:
    """Return a tenant whose incidents follow these policies; the last resort is ``last``."""
    users = [user(name, "webhook") for name in ("ana", "bo", "lead", "boss", "last")]
    documents: Documents = {
        "users": users,
        "teams": [TEAM],
        "routes": [ROUTE],
        "escalation_policies": [dict(each) for each in policies],
        "catch_all": [{"targets": [to("user", "last")]}],
    }
    return documents | more
