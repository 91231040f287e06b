"""What a document may refer to: the users, teams, policies and schedules that exist, and whom nobody can reach."""

from collections.abc import Iterable

import msgspec

from llm_incident_manager.domain.people import Contact
from llm_incident_manager.engine.documents.contacts import read_contacts
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.kinds import Kind, Written
from llm_incident_manager.engine.documents.part import Part

AVAILABLE = frozenset({"email", "slack", "teams", "pagerduty", "opsgenie", "jsm", "webhook", "apprise"})
"""The channels that this version sends on."""


ANYBODY = "*"
"""Somebody whom a calendar elsewhere names."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What exists. ``policies`` maps id to name; ``unreachable`` maps ``user:bo`` to the reason."""

    users: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    schedules: frozenset[str] = frozenset()
    policies: dict[str, str] = msgspec.field(default_factory=dict)
    unreachable: dict[str, str] = msgspec.field(default_factory=dict)
    channels: frozenset[str] = AVAILABLE

    def policy_id(self, word: str) -> str | None:
        """Return the id of the policy with this id or name."""
        if word in self.policies:
            return word
        return next((policy for policy, name in self.policies.items() if name == word), None)


def survey(items: Iterable[Written], *, channels: frozenset[str] = AVAILABLE) -> Known:
    """Return what ``items`` offer to each other; documents may still be faulty, ids are enough."""
    ids: dict[str, set[str]] = {kind: set() for kind in Kind}
    policies: dict[str, str] = {}
    unreachable: dict[str, str] = {}
    groups: list[tuple[str, Written, set[str]]] = []
    for item in items:
        ids.setdefault(item.kind, set()).add(item.id)
        if item.kind == Kind.POLICIES:
            policies[item.id] = str(item.document.get("name", item.id)).strip()
        elif item.kind == Kind.USERS:
            if item.document.get("enabled") is False:
                unreachable[f"user:{item.id}"] = f"user {item.id} is disabled"
            elif not _contacts(item):
                unreachable[f"user:{item.id}"] = f"user {item.id} has no contacts"
        elif item.kind == Kind.TEAMS:
            groups.append(("team", item, set(_names(item.document.get("members")))))
        elif item.kind == Kind.SCHEDULES:
            groups.append(("on_call", item, _scheduled(item)))
    reachable = {user for user in ids[Kind.USERS] if f"user:{user}" not in unreachable}
    for label, item, members in groups:
        if not _contacts(item) and not members & (reachable | {ANYBODY}):
            what = (
                f"team {item.id} has no contacts and no member who has"
                if label == "team"
                else (f"nobody on schedule {item.id} has contacts")
            )
            unreachable[f"{label}:{item.id}"] = what
    return Known(
        users=frozenset(ids[Kind.USERS]),
        teams=frozenset(ids[Kind.TEAMS]),
        schedules=frozenset(ids[Kind.SCHEDULES]),
        policies=policies,
        unreachable=unreachable,
        channels=channels,
    )


def _contacts(item: Written) -> tuple[Contact, ...]:
    return read_contacts(Part(item.document, "", Findings()))


def _scheduled(item: Written) -> set[str]:
    """Return everybody whom the layers and overrides name."""
    found: set[str] = set()
    for key in ("layers", "overrides"):
        entries = item.document.get(key)
        for entry in entries if isinstance(entries, list) else [entries]:
            if isinstance(entry, dict):
                if entry.get("calendar"):
                    found.add(ANYBODY)
                rotation = entry.get("rotation")
                found.update(_names(entry.get("user")), _names(entry.get("users")))
                found.update(_names(rotation.get("users")) if isinstance(rotation, dict) else ())
                shifts = entry.get("shifts")
                for shift in shifts if isinstance(shifts, list) else [shifts]:
                    found.update(_names(shift.get("user")) if isinstance(shift, dict) else ())
    return found


def _names(value: object) -> list[str]:
    members = value if isinstance(value, list | tuple) else [value]
    return [str(member) for member in members if isinstance(member, str | int)]
