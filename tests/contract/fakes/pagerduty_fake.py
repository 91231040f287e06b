"""PagerDuty's Events API v2 as its public documentation describes it: what it takes, its limits, its words."""

import json
import re
from datetime import datetime
from typing import Any

from tests.contract.fakes.receiver import Received, Reply, WebhookReceiver

KEY = "a1B2c3D4e5F6a7B8c9D0e1F2a3B4c5D6"
MAX_BYTES = 512 * 1024


class PagerDutyFake(WebhookReceiver):
    """``alerts`` are those of the service by ``dedup_key``: triggered, acknowledged or resolved."""

    def __init__(self, *, per_minute: int | None = None) -> None:
        super().__init__()
        self._per_minute = per_minute

    @property
    def events(self) -> list[Any]:
        """The accepted events in order."""
        return [request.json for request in self.accepted]

    @property
    def alerts(self) -> dict[str, list[str]]:
        """By key, the states that its alerts went through; a trigger after the end opens a new one."""
        found: dict[str, list[str]] = {}
        for event in self.events:
            key, action = event["dedup_key"], event["event_action"]
            states = found.setdefault(key, [])
            now = states[-1] if states else "resolved"
            if action == "trigger" and now == "resolved":
                states.append("triggered")
            elif action == "acknowledge" and now == "triggered":
                states.append("acknowledged")
            elif action == "resolve" and now != "resolved":
                states.append("resolved")
        return found

    def check(self, request: Received) -> Reply | None:
        if request.method != "POST" or request.path != "/v2/enqueue":
            return Reply(status=404, body=b"Not Found")
        if len(request.body) > MAX_BYTES:
            return Reply(status=413, body=b"Request Entity Too Large")
        if not request.headers.get("content-type", "").startswith("application/json"):
            return _invalid("Content-Type must be application/json")
        try:
            event = request.json
        except ValueError:
            return _invalid("JSON parse error")
        if errors := list(_errors(event)):
            return _invalid(*errors)
        if event["routing_key"] != KEY:
            return _invalid(f"routing_key {event['routing_key']} is invalid")
        if self._per_minute is not None and len(self.accepted) >= self._per_minute:
            return Reply(
                status=429,
                headers={"Retry-After": "40"},
                body=b'{"status":"throttle exceeded","message":"Event throttled"}',
            )
        body = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return Reply(status=202, body=json.dumps(body).encode())


def _invalid(*errors: str) -> Reply:
    body = {"status": "invalid event", "message": "Event object is invalid", "errors": list(errors)}
    return Reply(status=400, body=json.dumps(body).encode())


def _errors(event: Any) -> Any:
    if not isinstance(event, dict):
        yield "event is not an object"
        return
    known = {"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
    if unknown := set(event) - known:
        yield f"unknown members {unknown}"
    if not isinstance(event.get("routing_key"), str) or len(event["routing_key"]) != 32:
        yield "Length of 'routing_key' is incorrect (should be 32 characters)"
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        yield "'event_action' is invalid"
    if not isinstance(event.get("dedup_key"), str) or not 0 < len(event["dedup_key"]) <= 255:
        yield "'dedup_key' is missing or longer than 255"
    if event.get("event_action") != "trigger":
        return
    payload = event.get("payload")
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank"
        return
    if not _is_text(payload.get("summary"), 1024):
        yield "'payload.summary' is missing or blank or longer than 1024"
    if not _is_text(payload.get("source"), 1024):
        yield "'payload.source' is missing or blank"
    if payload.get("severity") not in ("critical", "error", "warning", "info"):
        yield "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
    if "timestamp" in payload and datetime.fromisoformat(payload["timestamp"]).tzinfo is None:
        yield "'payload.timestamp' has no zone"
    if not isinstance(payload.get("custom_details", {}), dict):
        yield "'payload.custom_details' is not an object"
    for link in event.get("links", []):
        if not re.match(r"https?://\S+$", link.get("href", "")):
            yield "'links.href' is no address"


def _is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= limit and "\x00" not in value
