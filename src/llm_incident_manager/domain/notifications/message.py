"""What a channel is handed, and what it says back."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.people import Contact as Contact
from llm_incident_manager.domain.vocabulary import NotificationType, Severity


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One rendered notification, the same for every attempt.

    ``payload`` is the webhook's JSON body (interfaces, "A webhook page"); ``blocks`` are Slack's Block Kit.
    ``short`` is one line for what has little room: a text message, a voice.

    The following is for channels that keep an alert of their own (PagerDuty, Opsgenie): ``incident_key`` is the same
    for all messages about one incident and differs from every other incident's, also of other installations;
    ``acknowledges`` says that this is no page: somebody has it, and the alert is to be acknowledged. ``resource`` is
    what it hits, ``opened_at`` since when, ``attempt`` how often this message was tried before.

    ``token`` is the page's secret word (buttons, keypads and the provider's reports carry it) and ``act_url`` its
    one-tap link; ``act_url`` is empty where nothing is to be done any more. ``reply_code`` names the incident in a text
    that comes back, and ``public_url`` is where providers reach this server, without a slash at the end.
    ``first_receipt`` is that of the first page of this incident to the same contact: what follows belongs beneath it.
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
    incident_key: str = ""
    acknowledges: bool = False
    resource: str = ""
    category: str = ""
    opened_at: datetime | None = None
    attempt: int = 0
    short: str = ""
    token: str = ""
    act_url: str = ""
    reply_code: str = ""
    public_url: str = ""
    first_receipt: str | None = None


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
