"""Slack, by an incoming webhook: the message in Block Kit, with a plain text for notifications.

Source of the limits and error codes: Slack's public pages "Sending messages using incoming webhooks", "Block Kit
reference" and "Formatting text for app surfaces".
"""

import re
from typing import Any

from llm_incident_manager.channels.http_post import Answer, HttpPost, HttpSettings, json_bytes, meaning
from llm_incident_manager.channels.outgoing import OutgoingGuard, OutgoingRefused
from llm_incident_manager.channels.plain_text import cut, one_line, printable
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome, Rejected
from llm_incident_manager.domain.vocabulary import Severity

MAX_BLOCKS = 50
MAX_SECTION = 3000
MAX_HEADER = 150
MAX_FALLBACK = 3000
MAX_BUTTON_URL = 3000
_MARKS = {
    Severity.P0: ":red_circle:",
    Severity.P1: ":large_orange_circle:",
    Severity.P2: ":large_yellow_circle:",
    Severity.P3: ":large_blue_circle:",
    Severity.P4: ":white_circle:",
}
_CALL = re.compile(r"@(?=here|channel|everyone|group)", re.IGNORECASE)
_MENTION = re.compile(r"<(?=[!@])")
_CUT_ENTITY = re.compile(r"&[a-z]{0,4}$")


class SlackConfig(HttpSettings):
    """Settings of the Slack channel; the webhook's URL stands in the contact."""


def escape(text: str, limit: int) -> str:
    """Return ``text`` as mrkdwn that calls nobody and links nothing, in at most ``limit`` characters after escaping."""
    plain = printable(text, limit)
    safe = _CALL.sub("@\u200b", plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    if len(safe) <= limit:
        return safe
    return _CUT_ENTITY.sub("", safe[: limit - 1]) + "…"


def _plain(text: str) -> dict[str, Any]:
    """Return a text in which Slack itself looks for neither addresses nor names (``verbatim``)."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _own_blocks(message: Message) -> list[dict[str, Any]]:
    title = one_line(message.subject, MAX_HEADER) or message.incident_id
    blocks: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}]
    if message.text.strip():
        blocks.append({"type": "section", "text": _plain(escape(message.text, MAX_SECTION))})
    facts = f"{_MARKS[message.severity]} *{message.severity}* · {escape(message.incident_id, 100)}"
    told = {"type": "context", "block_id": message.notification_id, "elements": [_plain(facts)]}
    blocks.append(told)
    if re.match(r"https?://", message.dashboard_url) and len(message.dashboard_url) <= MAX_BUTTON_URL:
        button = {
            "type": "button",
            "text": {"type": "plain_text", "text": "Open the incident"},
            "url": message.dashboard_url,
            "action_id": "open_incident",
        }
        blocks.append({"type": "actions", "elements": [button]})
    return blocks


def _bounded(value: Any, limit: int = MAX_SECTION) -> Any:
    """Return blocks from a template with every text inside Slack's limits and no call to a whole channel."""
    if isinstance(value, list):
        return [_bounded(member, limit) for member in value]
    if not isinstance(value, dict):
        return value
    inner = MAX_HEADER if value.get("type") == "header" else limit
    bounded = {name: _bounded(member, inner) for name, member in value.items()}
    text = value.get("text")
    if isinstance(text, str):
        plain = cut(_CALL.sub("@\u200b", printable(text, inner)), inner)
        bounded["text"] = plain if value.get("type") == "plain_text" else cut(_MENTION.sub("&lt;", plain), inner)
    return bounded


def message_blocks(message: Message) -> list[dict[str, Any]]:
    """Return the message in Block Kit, within Slack's limits: a template's blocks, else its text."""
    if message.blocks is None:
        return _own_blocks(message)
    blocks: list[dict[str, Any]] = _bounded(message.blocks[:MAX_BLOCKS])
    return blocks


class SlackChannel:
    """Posts to an incoming webhook. Its URL is the secret: it appears in no outcome and no log line."""

    def __init__(self, config: SlackConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(config, guard=guard, clock=clock)

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        fallback = one_line(message.subject, 1000) or one_line(message.text, 1000) or message.incident_id
        body = json_bytes(
            {
                "text": escape(fallback, MAX_FALLBACK),
                "blocks": message_blocks(message),
                # A link in an event's text must not make Slack fetch it and show its page under our name.
                "unfurl_links": False,
                "unfurl_media": False,
            }
        )
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": message.notification_id}
        answer = await self._http.post(contact.address, headers=headers, body=body)
        if not isinstance(answer, Answer):
            return answer
        code = re.fullmatch(rb"[a-z_]{2,40}", answer.body.strip())
        detail = f" {code[0].decode('ascii')}" if code is not None and answer.status >= 400 else ""
        return meaning(answer, self.destination(contact), detail=detail)

    def validate(self, contact: Contact) -> str | None:
        return self._http.guard.fault(contact.address, secure=True)

    def destination(self, contact: Contact) -> str:
        try:
            url = self._http.guard.parse(contact.address)
        except OutgoingRefused:
            return "invalid"
        return url.host if url.port is None else f"{url.host}:{url.port}"

    async def aclose(self) -> None:
        await self._http.aclose()
