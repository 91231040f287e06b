"""Microsoft Teams, by a Workflows URL: an Adaptive Card in which what came with an event is plain text.

A ``TextBlock`` reads Markdown, so texts stand in ``RichTextBlock``: there is neither link, markup nor mention in a
``TextRun``. Source: Microsoft's public pages "Create incoming webhooks with Workflows for Microsoft Teams", "Adaptive
Cards schema" 1.4 and "Format cards in Microsoft Teams".
"""

import json
import re
from typing import Any

from llm_incident_manager.channels.http_post import Answer, HttpPost, HttpSettings, json_bytes, meaning
from llm_incident_manager.channels.outgoing import OutgoingGuard, OutgoingRefused
from llm_incident_manager.channels.plain_text import one_line, printable
from llm_incident_manager.channels.spec import ChannelSpec
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome, Rejected
from llm_incident_manager.domain.vocabulary import Severity

VERSION = "1.4"
MAX_BYTES = 28 * 1024
"""Teams refuses larger messages (Microsoft, "Limits and specifications for Microsoft Teams")."""

MAX_TITLE = 300
MAX_LINE = 1000
MAX_LINES = 60
_CONTENT_TYPE = "application/vnd.microsoft.card.adaptive"
_COLOURS = {
    Severity.P0: "attention",
    Severity.P1: "attention",
    Severity.P2: "warning",
    Severity.P3: "accent",
    Severity.P4: "default",
}
_RETIRED = re.compile(r"(.+\.)?webhook\.office\.com|outlook\.office(365)?\.com", re.IGNORECASE)
_TURNS_INTO_LINK = re.compile(r"(?i)(://|www\.|mailto:)")
_ERROR_CODE = re.compile(r"[A-Za-z]{3,60}")


class TeamsConfig(HttpSettings):
    """Settings of the Teams channel; the workflow's URL stands in the contact."""


class TeamsChannel:
    """Posts to a workflow. Its URL is the secret: it appears in no outcome and no log line."""

    def __init__(self, config: TeamsConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(config, guard=guard, clock=clock)

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.notification_id}
        answer = await self._http.post(contact.address, headers=headers, body=teams_message(message))
        if not isinstance(answer, Answer):
            return answer
        return meaning(answer, self.destination(contact), detail=_why(answer))

    def validate(self, contact: Contact) -> str | None:
        try:
            host = self._http.guard.parse(contact.address).host
        except OutgoingRefused as refused:
            return refused.message
        if _RETIRED.fullmatch(host):
            return (
                "connectors of Microsoft 365 are retired; make a workflow of the template "
                "“Send webhook alerts to a channel” and give its URL"
            )
        return self._http.guard.fault(contact.address, secure=True)

    def destination(self, contact: Contact) -> str:
        try:
            url = self._http.guard.parse(contact.address)
        except OutgoingRefused:
            return "invalid"
        return url.host if url.port is None else f"{url.host}:{url.port}"

    async def aclose(self) -> None:
        await self._http.aclose()


def teams_message(message: Message) -> bytes:
    """Return the body that the workflow takes, within Teams' limit; lines at the end are left out if they must be."""
    if message.blocks is not None:
        body = _posted(message, message.blocks)
        if len(body) <= MAX_BYTES:
            return body
    lines = [inert(line) for line in printable(message.text, MAX_LINE * MAX_LINES).split("\n")]
    left = len(lines) > MAX_LINES
    lines = lines[:MAX_LINES]
    while True:
        shown = [*lines, "…"] if left else lines
        body = _posted(message, [_run(line[:MAX_LINE]) for line in shown if line.strip()])
        if len(body) <= MAX_BYTES or not lines:
            return body
        left, lines = True, lines[: len(lines) * 3 // 4]


def inert(text: str) -> str:
    """Return ``text`` in which nothing is made a link: an invisible space stands inside what Teams would look for."""
    return _TURNS_INTO_LINK.sub(lambda found: found[0][:-1] + "\u200b" + found[0][-1], text)


def _posted(message: Message, middle: list[dict[str, Any]]) -> bytes:
    title = inert(one_line(message.subject, MAX_TITLE)) or message.incident_id
    facts = f"{message.severity} · {message.incident_id} · {message.notification_id}"
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "msteams": {"width": "Full"},
        "body": [
            _run(title, size="large", weight="bolder", color=_COLOURS[message.severity]),
            *middle,
            _run(inert(one_line(facts, MAX_TITLE)), size="small", isSubtle=True),
        ],
    }
    if re.match(r"https?://\S{1,2000}$", message.dashboard_url):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the incident", "url": message.dashboard_url}]
    attachment = {"contentType": _CONTENT_TYPE, "contentUrl": None, "content": card}
    return json_bytes({"type": "message", "attachments": [attachment]})


def _run(text: str, **style: Any) -> dict[str, Any]:
    run = {"type": "TextRun", "text": text, **style}
    return {"type": "RichTextBlock", "inlines": [run], "spacing": "small"}


def _why(answer: Answer) -> str:
    """Return the code of Power Automate's error; its message may repeat the URL."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return f" {code}" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""


SPEC = ChannelSpec(
    name="teams",
    title="Microsoft Teams",
    kind="chat",
    config_type=TeamsConfig,
    factory=TeamsChannel,
    address_label="Workflow URL",
    contact_example="https://prod-00.westeurope.logic.azure.com/workflows/0/triggers/manual/paths/invoke?sig=XXXX",
    address_is_secret=True,
    description="A card in the Teams channel or chat that the workflow posts to.",
)
