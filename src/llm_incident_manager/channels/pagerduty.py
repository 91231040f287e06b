"""PagerDuty, by its Events API v2: an alert per incident, triggered, acknowledged and resolved by its ``dedup_key``.

Source: PagerDuty's public pages "Send an Event to PagerDuty", "PD-CEF" and "Rate Limits" of the Events API v2.
"""

import json
import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from llm_incident_manager.channels.http_post import Answer, HttpPost, HttpSettings, api_address, json_bytes, meaning
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.plain_text import cut, one_line, printable
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Outcome, Rejected
from llm_incident_manager.domain.vocabulary import NotificationType, Severity

MAX_SUMMARY = 1024
MAX_DEDUP_KEY = 255
MAX_TEXT = 20_000
CLIENT = "LLM-Incident-Manager"
Level = Literal["critical", "error", "warning", "info"]
SEVERITIES: dict[Severity, Level] = {
    Severity.P0: "critical",
    Severity.P1: "error",
    Severity.P2: "warning",
    Severity.P3: "info",
    Severity.P4: "info",
}
_KEY = re.compile(r"[A-Za-z0-9]{32}")


class PagerDutyConfig(HttpSettings):
    """Settings of the PagerDuty channel; the integration key stands in the contact."""

    url: str = Field(
        "https://events.pagerduty.com",
        description="Where events go; https://events.eu.pagerduty.com for accounts in the EU.",
    )
    severities: dict[Severity, Level] = Field(
        default_factory=lambda: dict(SEVERITIES), description="PagerDuty's severity of ours, where it differs."
    )

    @field_validator("url")
    @classmethod
    def _is_host(cls, value: str) -> str:
        return api_address(value)


class PagerDutyChannel:
    """Sends events; a repeat with the same ``dedup_key`` and action changes nothing there."""

    def __init__(self, config: PagerDutyConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(config, guard=guard, clock=clock)
        self._base = config.url
        self._severities = SEVERITIES | config.severities

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        event = {
            "routing_key": contact.address,
            "event_action": _action(message),
            "dedup_key": cut(message.incident_key or message.incident_id, MAX_DEDUP_KEY),
        }
        if event["event_action"] == "trigger":
            event |= self._alert(message)
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.notification_id}
        answer = await self._http.post(f"{self._base}/v2/enqueue", headers=headers, body=json_bytes(event))
        if not isinstance(answer, Answer):
            return answer
        if 200 <= answer.status < 300:
            return Delivered(receipt=one_line(str(_read(answer).get("dedup_key", "")), 255) or None)
        return meaning(answer, self.destination(contact), detail=_why(answer, contact.address))

    def validate(self, contact: Contact) -> str | None:
        if _KEY.fullmatch(contact.address) is None:
            return "this is not an integration key of the Events API v2: 32 letters and digits"
        return self._http.guard.fault(self._base, secure=True)

    def destination(self, contact: Contact) -> str:
        return urlsplit(self._base).netloc

    async def aclose(self) -> None:
        await self._http.aclose()

    def _alert(self, message: Message) -> dict[str, Any]:
        alert: dict[str, Any] = {
            "summary": one_line(message.subject, MAX_SUMMARY) or message.incident_id,
            "source": one_line(message.resource, MAX_SUMMARY) or CLIENT,
            "severity": self._severities[message.severity],
            "custom_details": {
                "incident_id": message.incident_id,
                "severity": message.severity.value,
                "notification_id": message.notification_id,
                "text": printable(message.text, MAX_TEXT),
            },
        }
        if message.opened_at is not None:
            alert["timestamp"] = message.opened_at.isoformat()
        if message.category:
            alert["class"] = message.category
        event: dict[str, Any] = {"payload": alert, "client": CLIENT}
        if re.match(r"https?://\S+$", message.dashboard_url):
            event |= {
                "client_url": message.dashboard_url,
                "links": [{"href": message.dashboard_url, "text": "Open the incident"}],
            }
        return event


def _action(message: Message) -> str:
    if message.type is NotificationType.RESOLVED:
        return "resolve"
    return "acknowledge" if message.acknowledges else "trigger"


def _read(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _why(answer: Answer, key: str) -> str:
    """Return what PagerDuty has against the event, without the key that it may repeat."""
    said = _read(answer)
    errors = said.get("errors")
    words = "; ".join(map(str, errors)) if isinstance(errors, list) else str(said.get("message", ""))
    text = one_line(words.replace(key, "…"), 200)
    return f" ({text})" if text else ""


SPEC = ChannelSpec(
    name="pagerduty",
    title="PagerDuty",
    kind="webhook",
    config_type=PagerDutyConfig,
    factory=PagerDutyChannel,
    address_label="Integration key (Events API v2)",
    contact_example="0123456789abcdef0123456789abcdef",
    address_is_secret=True,
    keeps_alerts=True,
    description="An alert of the service that the integration key belongs to; it follows the incident to its end.",
)
