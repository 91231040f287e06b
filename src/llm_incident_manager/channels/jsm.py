"""Jira Service Management, by its Operations API: Opsgenie's successor, an alert per incident.

It knows alerts by their id alone (Atlassian's JSDCLOUD-14179), so that the id is looked up by the alias before an alert
is acknowledged or closed. Source: Atlassian's "Jira Service Management ops REST API, Alerts".
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
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
    read_json,
    read_responders,
)
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import (
    Contact,
    Delivered,
    Message,
    Outcome,
    Rejected,
    RetryLater,
)
from llm_incident_manager.domain.vocabulary import Severity

NOT_YET_TRIES = 2
"""So often an alert that is not found is looked for again: its creation may not be processed yet."""
_CLOUD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ALERT_ID = re.compile(r"[A-Za-z0-9-]{1,100}")


class JsmConfig(HttpSettings):
    """Settings of the channel; cloud id, e-mail and token stand in the contact."""

    url: str = Field("https://api.atlassian.com", description="Atlassian's API.")
    priorities: dict[Severity, Priority] = Field(
        default_factory=lambda: dict(PRIORITIES), description="The priority there of our severity, where it differs."
    )

    @field_validator("url")
    @classmethod
    def _is_host(cls, value: str) -> str:
        return api_address(value)


class _Account(NamedTuple):
    cloud_id: str
    responders: list[Responder]
    email: str
    token: str


class JsmChannel:
    """Sends requests that are processed later; an alias of an open alert is that alert, however often it comes."""

    def __init__(self, config: JsmConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(config, guard=guard, clock=clock)
        self._base = config.url
        self._priorities = PRIORITIES | config.priorities
        self._timeout_seconds = config.timeout_seconds

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        try:
            # Two requests have the time of one.
            async with asyncio.timeout(self._timeout_seconds):
                return await self._sent(message, _account(contact))
        except TimeoutError:
            return RetryLater(
                reason=f"{urlsplit(self._base).hostname} did not answer within {self._timeout_seconds:g} s"
            )

    def validate(self, contact: Contact) -> str | None:
        try:
            _account(contact)
        except ValueError as fault:
            return str(fault)
        return self._http.guard.fault(self._base, secure=True)

    def destination(self, contact: Contact) -> str:
        return urlsplit(self._base).netloc

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _sent(self, message: Message, account: _Account) -> Outcome:
        alerts = f"{self._base}/jsm/ops/api/{account.cloud_id}/v1/alerts"
        signed = b64encode(f"{account.email}:{account.token}".encode()).decode("ascii")
        headers = {
            "Authorization": f"Basic {signed}",
            "Content-Type": "application/json",
            "Idempotency-Key": message.notification_id,
        }
        action = action_of(message)
        if action == "create":
            return await self._posted(alerts, headers, self._alert(message, account.responders), account)
        found = await self._http.get(f"{alerts}/alias?alias={quote(alias_of(message), safe='')}", headers=headers)
        if not isinstance(found, Answer):
            return found
        if found.status == 404:
            if message.attempt < NOT_YET_TRIES:
                return RetryLater(reason="there is no open alert of this incident yet")
            return Delivered(receipt="no alert of this incident is open there")
        alert_id = str(read_json(found).get("id", ""))
        if not 200 <= found.status < 300:
            return outcome_of(found, urlsplit(self._base).netloc, (account.token, signed))
        if _ALERT_ID.fullmatch(alert_id) is None:
            return RetryLater(reason=f"{urlsplit(self._base).netloc} names no alert in its answer")
        return await self._posted(f"{alerts}/{alert_id}/{action}", headers, note_of(message), account)

    async def _posted(
        self, url: str, headers: Mapping[str, str], body: Mapping[str, Any], account: _Account
    ) -> Outcome:
        answer = await self._http.post(url, headers=headers, body=json_bytes(body))
        if not isinstance(answer, Answer):
            return answer
        return outcome_of(answer, urlsplit(self._base).netloc, (account.token, account.email))

    def _alert(self, message: Message, responders: list[Responder]) -> dict[str, Any]:
        alert = alert_fields(message, self._priorities[message.severity])
        alert["extraProperties"] = details_of(message)
        named = [{"type": each.kind, "id": each.name} for each in responders]
        return alert | ({"responders": named} if named else {})


def _account(contact: Contact) -> _Account:
    """Return what the contact says; raises ValueError, whose message repeats no secret."""
    cloud_id, _, responders = contact.address.partition("/")
    if _CLOUD_ID.fullmatch(cloud_id) is None:
        raise ValueError(
            "the address begins with the cloud id of the site, which https://SITE.atlassian.net/_edge/tenant_info names"
        )
    email, _, token = (contact.secret or "").partition(":")
    if "@" not in email or not token or not (contact.secret or "").isprintable():
        raise ValueError("the secret is an e-mail address and an API token: ana@example.com:TOKEN")
    return _Account(cloud_id, read_responders(responders), email, token)


SPEC = ChannelSpec(
    name="jsm",
    title="Jira Service Management",
    kind="webhook",
    config_type=JsmConfig,
    factory=JsmChannel,
    address_label="Cloud id / responders",
    contact_example="11223344-a1b2-3c4d-8e9f-001122334455/team:4513b7ea-3b91-438f-b7e4-e3e54af9147c",
    secret_label="E-mail address:API token",
    secret_example="ana@example.com:ATATT3xFfGF0",
    keeps_alerts=True,
    description="An alert of Operations for the responders; it follows the incident to its end.",
)
