"""The tenants of the simulation: people, teams, routes and policies, read once and shared by all seeds."""

from functools import cache
from typing import Any

from llm_incident_manager.domain.incidents.incident import Actor, Incident
from llm_incident_manager.domain.notifications.message import Message
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.settings import SettingsMemory, TenantSettings, build_settings
from tests.stories.app import START, items

TENANTS = ("default", "acme")
PEOPLE = ("ana", "bo", "lead", "boss")
CHANNELS = ("email", "slack", "webhook")


def _user(name: str, *channels: str) -> dict[str, Any]:
    addresses = {
        "email": f"{name}@example.com",
        "slack": f"https://hooks.slack.com/services/T0/B0/{name}",
        "webhook": f"https://pages.example.com/{name}",
    }
    return {"id": name, "name": name.title(), "contacts": {each: addresses[each] for each in channels}}


def _target(name: str, fallback: str | None = None) -> dict[str, Any]:
    target: dict[str, Any] = {"type": "user", "id": name}
    return target | ({"fallback": {"type": "user", "id": fallback}} if fallback else {})


DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "users": [_user("ana", "webhook", "email"), _user("bo", "webhook"), _user("lead", "email"), _user("boss", "slack")],
    "teams": [
        {
            "id": "platform", "name": "Platform", "members": ["ana"],
            "escalation": {"2": [_target("bo")], "3": [_target("lead")], "manager": [_target("boss")]},
        },
        {"id": "models", "name": "Models", "members": ["bo"]},
    ],
    "catch_all": [{"targets": [_target("boss")]}],
    "correlation": [{"keys": [{"name": "one model", "if": {"category": "performance"}, "key": "{resource.id}"}]}],
    "routes": [
        {
            "name": "costs", "priority": 5, "conditions": {"category": ["cost"]},
            "assign": {"strategy": "load_balanced", "users": ["ana", "bo"], "team": "models"},
        },
        {"name": "security", "priority": 9, "conditions": {"category": ["security"]}, "policy": "rounds"},
        {"name": "everything", "priority": 0, "conditions": {}, "assign": {"team": "platform"}},
    ],
    "policies": [
        {
            "id": "rounds", "name": "rounds", "conditions": {"category": ["security"]}, "repeat": {"times": 1},
            "levels": [
                {"level": 1, "targets": [_target("ana", "bo")], "escalate_after": 300, "channels": ["webhook"]},
                {"level": 2, "targets": [_target("bo"), _target("lead")], "escalate_after": 900},
                {"level": 3, "targets": [_target("boss")], "channels": ["slack", "webhook"]},
            ],
            "timers": {"acknowledgment_timeout": 240, "resolution_timeout": 3600},
        },
    ],
}  # fmt: skip


@cache
def settings_of(tenant: str) -> TenantSettings:
    """Return the tenant's settings."""
    documents = {("escalation_policies" if kind == "policies" else kind): docs for kind, docs in DOCUMENTS.items()}
    settings = build_settings(tenant, items(documents, START))
    assert not settings.faults, settings.faults
    return settings


def settings_memory() -> SettingsMemory:
    """Return a process's memory of all tenants' settings."""
    memory = SettingsMemory()
    for tenant in TENANTS:
        memory.put(settings_of(tenant))
    return memory


def caller(name: str, tenant: str, *, person: bool = True) -> Caller:
    """Return a person, or a sender, of the tenant."""
    kind = ActorType.USER if person else ActorType.INTEGRATION
    return Caller(
        tenant=tenant, actor=Actor(type=kind, id=name, name=name), scopes=frozenset({Scope.ADMIN}), key_id=f"key-{name}"
    )


def rendered(notification: Notification, incident: Incident, context: Context, at: Any) -> Message:
    """Return a page's message, short."""
    return Message(
        notification_id=notification.id,
        tenant=incident.tenant,
        type=notification.type,
        incident_id=incident.id,
        severity=incident.severity,
        subject=incident.title,
        text=notification.reason,
    )


def pages_wait(tx: Transaction) -> bool:
    """Whether a page is neither delivered nor given up."""
    incidents = tx.incidents.search(IncidentFilter(limit=500)).incidents
    return any(row.state.is_pending for each in incidents for row in tx.notifications.of_incident(each.id))
