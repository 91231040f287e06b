"""The company of the demo: who works there, who is paged by what, and how trouble climbs."""

from typing import Any

NAMES = {"ana": "Ana (platform)", "bo": "Bo (platform)", "chen": "Chen (security)", "dia": "Dia (incident manager)"}


def configuration(pages_url: str, smtp_url: str) -> dict[str, Any]:
    """Return the config file's content; every person is paged at ``pages_url`` and by mail."""
    users = [
        {
            "id": user,
            "name": name.partition(" ")[0],
            "contacts": {"email": f"{user}@example.com", "webhook": f"{pages_url}/{user}"},
        }
        for user, name in NAMES.items()
    ]
    return {
        "outgoing": {"allow": ["127.0.0.0/8"]},
        "email": {"smtp_url": f"{smtp_url}?starttls=off", "from": "incidents@example.com"},
        "users": users,
        "teams": [
            {"id": "platform", "name": "Platform", "members": ["ana", "bo"]},
            {"id": "security", "name": "Security", "members": ["chen"]},
        ],
        "catch_all": {"targets": [_user("dia")], "channels": ["email"]},
        "routes": [
            {
                "name": "security",
                "priority": 10,
                "conditions": {"category": ["security"]},
                "assign": {"team": "security"},
                "policy": "security",
            },
            {"name": "everything", "priority": 0, "conditions": {}, "assign": {"team": "platform"}, "policy": "ladder"},
        ],
        "escalation_policies": [
            {
                "name": "ladder",
                "conditions": {},
                "levels": [
                    _level(1, "ana", 300, "webhook", "email"),
                    _level(2, "bo", 900, "webhook"),
                    _level(3, "dia", 1800, "webhook", "email"),
                ],
                "repeat": {"times": 0},
            },
            {
                "name": "security",
                "conditions": {"category": ["security"]},
                "levels": [_level(1, "chen", 600, "webhook"), _level(2, "dia", 1800, "webhook", "email")],
                "repeat": {"times": 0},
            },
        ],
        "classification": {
            "thresholds": [{"metric": "p95_latency_ms", "above": 10000, "severity": "P0"}],
        },
    }


def _user(user: str) -> dict[str, str]:
    return {"type": "user", "id": user}


def _level(level: int, user: str, seconds: int, *channels: str) -> dict[str, Any]:
    return {"level": level, "targets": [_user(user)], "escalate_after": seconds, "channels": list(channels)}
