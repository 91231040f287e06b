"""What a channel is handed, and what it says back."""

from typing import Any

import msgspec

from llm_incident_manager.domain.people import Contact as Contact
from llm_incident_manager.domain.vocabulary import NotificationType, Severity


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One rendered notification, the same for every attempt.

    ``payload`` is the webhook's JSON body (interfaces, "A webhook page"); ``blocks`` are Slack's Block Kit;
    ``late_seconds`` says how long after its planned instant the first attempt is made.
    """

    notification_id: str
    tenant: str
    type: NotificationType
    incident_id: str
    severity: Severity
    subject: str
    text: str
    html: str | None = None
    blocks: list[dict[str, Any]] | None = None
    payload: dict[str, Any] = msgspec.field(default_factory=dict)
    dashboard_url: str = ""


class Delivered(msgspec.Struct, frozen=True, kw_only=True, tag="delivered"):
    """The provider accepted it; ``receipt`` is the provider's own id, where it gives one."""

    receipt: str | None = None


class RetryLater(msgspec.Struct, frozen=True, kw_only=True, tag="retry_later"):
    """It failed and may work later; ``after_seconds`` is the provider's own wish (``Retry-After``), if it said one."""

    reason: str
    after_seconds: float | None = None


class Rejected(msgspec.Struct, frozen=True, kw_only=True, tag="rejected"):
    """It will never work this way (bad address, bad credentials, refused content)."""

    reason: str


Outcome = Delivered | RetryLater | Rejected
