"""Slack's Web API as its public documentation describes it: chat.postMessage, chat.update, response URLs."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tests.contract.fakes.receiver import Received, Reply, WebhookReceiver
from tests.contract.fakes.slack_fake import is_block

TOKEN = "xoxb-0123456789-AbCdEfGhIjKlMnOp"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
CONVERSATION = "C024BE91L"
RESPONSE_PATH = "/actions/T0/1/abc"


class SlackApiFake(WebhookReceiver):
    """One workspace with one app. ``messages`` are what stands in its channels, by channel and timestamp."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[tuple[str, str], dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []
        self._refusals: list[str] = []
        self._current: Received

    def refuse(self, error: str) -> None:
        """Answer the next call with ``ok: false`` and this word."""
        self._refusals.append(error)

    def posted(self) -> list[dict[str, Any]]:
        """Return the bodies of every chat.postMessage, accepted or not."""
        return [each.json for each in self.requests if each.path.endswith("/chat.postMessage")]

    def delete(self, receipt: str) -> None:
        """Remove a message, as people can."""
        channel, _, ts = receipt.partition(":")
        del self.messages[channel, ts]

    def pressed(
        self, action: str, value: str, *, user: str = "U012AB3CD", at: float, secret: str = SIGNING_SECRET
    ) -> tuple[dict[str, str], bytes]:
        """Return headers and body of what Slack sends when somebody presses a button."""
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": "ana", "team_id": "T9TK3CUKW"},
            "api_app_id": "A0KRD7HC3",
            "container": {"type": "message", "message_ts": "1548261231.000200", "channel_id": CONVERSATION},
            "response_url": self.url + RESPONSE_PATH,
            "actions": [{"type": "button", "block_id": "x", "action_id": action, "value": value, "action_ts": "1.2"}],
        }
        return signed(payload, at=at, secret=secret)

    def check(self, request: Received) -> Reply | None:
        """Return what Slack has against a call."""
        self._current = request
        if request.path == RESPONSE_PATH:
            self.answers.append(request.json)
            return None
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no("invalid_auth")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _no("invalid_post_type")
        return _no(self._refusals.pop(0)) if self._refusals else None

    async def _respond(self, http, writer, reply):  # type: ignore[no-untyped-def]
        if reply == Reply() and self._current.path != RESPONSE_PATH:
            reply = self._call(self._current.path, self._current.json)
        return await super()._respond(http, writer, reply)

    def _call(self, path: str, body: Mapping[str, Any]) -> Reply:
        channel = body.get("channel", "")
        if channel[:1] == "U":
            channel = "D" + channel[1:]
        if channel[:1] not in ("C", "D", "G"):
            return _no("channel_not_found")
        if not body.get("text") or not all(map(is_block, body.get("blocks", []))) or len(body.get("blocks", [])) > 50:
            return _no("invalid_blocks" if body.get("text") else "no_text")
        if path == "/api/chat.postMessage":
            if "thread_ts" in body and (channel, body["thread_ts"]) not in self.messages:
                return _no("thread_not_found")
            ts = f"1503435956.{len(self.messages) + 1:06d}"
        elif path == "/api/chat.update":
            ts = body.get("ts", "")
            if (channel, ts) not in self.messages:
                return _no("message_not_found")
        else:
            return _no("unknown_method")
        self.messages[channel, ts] = self.messages.get((channel, ts), {}) | dict(body)
        return Reply(body=json.dumps({"ok": True, "channel": channel, "ts": ts, "message": {}}).encode())


def signed(payload: Mapping[str, Any], *, at: float, secret: str = SIGNING_SECRET) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a request that Slack makes."""
    body = urlencode({"payload": json.dumps(payload)}).encode()
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }
    return headers, body


def _no(error: str) -> Reply:
    return Reply(body=json.dumps({"ok": False, "error": error}).encode())
