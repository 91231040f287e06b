"""Webhook: a signed JSON POST to any URL (interfaces, "A webhook page")."""

import hashlib
import hmac

from llm_incident_manager.channels.http_post import Answer, HttpPost, HttpSettings, json_bytes, meaning
from llm_incident_manager.channels.outgoing import OutgoingGuard, OutgoingRefused
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome

SIGNATURE_HEADER = "X-Incident-Signature"


class WebhookConfig(HttpSettings):
    """Settings of the webhook channel."""


def signature(secret: str, body: bytes, at_unix: int) -> str:
    """Return the value of ``X-Incident-Signature``: ``t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">``.

    ``docs/channels.md`` shows how a receiver checks it, with a test vector.
    """
    digest = hmac.new(secret.encode(), b"%d." % at_unix + body, hashlib.sha256).hexdigest()
    return f"t={at_unix},v1={digest}"


class WebhookChannel:
    """Posts :attr:`Message.payload`; any 2xx means that the receiver has it."""

    def __init__(self, config: WebhookConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(config, guard=guard, clock=clock)
        self._clock = clock

    async def send(self, message: Message, contact: Contact) -> Outcome:
        body = json_bytes(message.payload)
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.notification_id}
        if contact.secret:
            headers[SIGNATURE_HEADER] = signature(contact.secret, body, int(self._clock.now().timestamp()))
        answer = await self._http.post(contact.address, headers=headers, body=body)
        return meaning(answer, self.destination(contact)) if isinstance(answer, Answer) else answer

    def validate(self, contact: Contact) -> str | None:
        return self._http.guard.fault(contact.address)

    def destination(self, contact: Contact) -> str:
        try:
            url = self._http.guard.parse(contact.address)
        except OutgoingRefused:
            return "invalid"
        return url.host if url.port is None else f"{url.host}:{url.port}"

    async def aclose(self) -> None:
        await self._http.aclose()


SPEC = ChannelSpec(
    name="webhook",
    title="Webhook",
    kind="webhook",
    config_type=WebhookConfig,
    factory=WebhookChannel,
    address_label="URL",
    contact_example="https://example.com/incidents",
    secret_label="Signing secret",
    description="A JSON document is posted to the URL, signed if there is a secret.",
)
