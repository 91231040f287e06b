"""Opsgenie, by its Alert API: an alert per incident, created, acknowledged and closed by its alias.

Atlassian ends Opsgenie on 2027-04-05; its successor is the channel ``jsm``.
"""

import re
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field, field_validator

from llm_incident_manager.channels.http_post import Answer, HttpPost, HttpSettings, api_address, json_bytes
from llm_incident_manager.channels.opsgenie_alert import (
    PRIORITIES,
    Priority,
    Responder,
    action_of,
    alert_fields,
    alias_of,
    details_of,
    note_of,
    outcome_of,
    read_responders,
)
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome, Rejected
from llm_incident_manager.domain.vocabulary import Severity

_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class OpsgenieConfig(HttpSettings):
    """Settings of the Opsgenie channel; the key of the API integration stands in the contact."""

    url: str = Field(
        "https://api.opsgenie.com",
        description="Where alerts go; https://api.eu.opsgenie.com for accounts in the EU.",
    )
    priorities: dict[Severity, Priority] = Field(
        default_factory=lambda: dict(PRIORITIES), description="Opsgenie's priority of our severity, where it differs."
    )

    @field_validator("url")
    @classmethod
    def _is_host(cls, value: str) -> str:
        return api_address(value)


class OpsgenieChannel:
    """Sends requests that Opsgenie processes later; an alias of an open alert is that alert, however often it comes."""

    def __init__(self, config: OpsgenieConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(config, guard=guard, clock=clock)
        self._base = config.url
        self._priorities = PRIORITIES | config.priorities

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        key, responders = _key_and_responders(contact)
        action = action_of(message)
        if action == "create":
            path, body = "/v2/alerts", self._alert(message, read_responders(responders))
        else:
            path = f"/v2/alerts/{quote(alias_of(message), safe='')}/{action}?identifierType=alias"
            body = note_of(message)
        headers = {
            "Authorization": f"GenieKey {key}",
            "Content-Type": "application/json",
            "Idempotency-Key": message.notification_id,
        }
        answer = await self._http.post(f"{self._base}{path}", headers=headers, body=json_bytes(body))
        return outcome_of(answer, self.destination(contact), (key,)) if isinstance(answer, Answer) else answer

    def validate(self, contact: Contact) -> str | None:
        key, responders = _key_and_responders(contact)
        if _KEY.fullmatch(key) is None:
            return "this is not the key of an API integration: letters, digits and hyphens"
        try:
            read_responders(responders)
        except ValueError as fault:
            return str(fault)
        return self._http.guard.fault(self._base, secure=True)

    def destination(self, contact: Contact) -> str:
        return urlsplit(self._base).netloc

    async def aclose(self) -> None:
        await self._http.aclose()

    def _alert(self, message: Message, responders: list[Responder]) -> dict[str, Any]:
        alert = alert_fields(message, self._priorities[message.severity]) | {"details": details_of(message)}
        return alert | ({"responders": [_responder(each) for each in responders]} if responders else {})


def _key_and_responders(contact: Contact) -> tuple[str, str]:
    """Return the key and the responders: with a secret, that is the key; else the address is, for whom it is set up."""
    return (contact.secret, contact.address) if contact.secret else (contact.address, "")


def _responder(responder: Responder) -> dict[str, str]:
    if _UUID.fullmatch(responder.name):
        return {"type": responder.kind, "id": responder.name}
    return {"type": responder.kind, "username" if responder.kind == "user" else "name": responder.name}


SPEC = ChannelSpec(
    name="opsgenie",
    title="Opsgenie",
    kind="webhook",
    config_type=OpsgenieConfig,
    factory=OpsgenieChannel,
    address_label="Responders, or the API key alone",
    contact_example="eb243592-faa2-4ba2-a551-1afdf565c889",
    secret_label="Key of the API integration",
    address_is_secret=True,
    keeps_alerts=True,
    description="An alert for the responders of the API integration; it follows the incident to its end.",
)
