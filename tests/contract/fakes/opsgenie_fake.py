"""Opsgenie's Alert API and its successor's in Jira Service Management, as their public documentation describes them."""

import base64
import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.contract.fakes.receiver import Received, Reply, WebhookReceiver

KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
CLOUD_ID = "11223344-a1b2-3c4d-8e9f-001122334455"
EMAIL, TOKEN = "ana@example.com", "ATATT3xFfGF0-secret"
_LIMITS = {"message": 130, "alias": 512, "description": 15_000, "entity": 512, "source": 100, "note": 25_000}
_KINDS = ("team", "user", "escalation", "schedule")


class AlertsFake(WebhookReceiver):
    """``alerts`` are those that exist by alias: how often created, and their state."""

    details = "details"

    def __init__(self, *, per_minute: int | None = None) -> None:
        super().__init__()
        self._per_minute = per_minute
        self.alerts: dict[str, dict[str, Any]] = {}
        self.made: list[Any] = []

    def signed(self, request: Received) -> Reply | None:
        """Return the refusal of a wrong key."""
        raise NotImplementedError

    def fields(self, body: Any) -> dict[str, str]:
        """Return what is wrong with a new alert."""
        wrong = {}
        if not isinstance(body, dict) or not isinstance(body.get("message"), str) or not body["message"].strip():
            return {"message": "Message can not be empty."}
        for name, limit in _LIMITS.items():
            if len(body.get(name, "")) > limit:
                wrong[name] = f"{name} should not be longer than {limit} characters."
        if body.get("priority", "P3") not in ("P1", "P2", "P3", "P4", "P5"):
            wrong["priority"] = "Priority must be one of [P1, P2, P3, P4, P5]."
        if len(body.get("tags", [])) > 20 or any(len(tag) > 50 for tag in body.get("tags", [])):
            wrong["tags"] = "too many or too long"
        details = body.get(self.details, {})
        if not all(isinstance(value, str) for value in details.values()) or len(json.dumps(details)) > 8000:
            wrong[self.details] = "must be texts, 8000 characters in all"
        known = {*_LIMITS, "priority", "tags", "responders", self.details}
        if unknown := set(body) - known:
            wrong["unknown"] = f"{unknown}"
        return wrong

    def throttled(self) -> Reply | None:
        if self._per_minute is None or len(self.accepted) < self._per_minute:
            return None
        return self.said(429, "You are making too many requests!", self.wait)

    wait = {"X-RateLimit-State": "THROTTLED", "X-RateLimit-Period-In-Sec": "45"}

    def said(self, status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> Reply:
        body = {"message": message, "took": 0.001, "requestId": "513085b8-caf3-4f91-aa23-be5fdefc3570"} | more
        return Reply(status=status, headers=headers or {}, body=json.dumps(body).encode())

    def taken(self) -> Reply:
        number = len(self.accepted)
        body = {"result": "Request will be processed", "took": 0.302, "requestId": f"req-{number}"}
        return Reply(status=202, body=json.dumps(body).encode())

    def create(self, body: Any) -> Reply:
        if wrong := self.fields(body):
            return self.said(422, "Request body is not processable. Please check the errors.", errors=wrong)
        self.made.append(body)
        alert = self.alerts.get(body["alias"])
        if alert is None or alert["state"] == "closed":
            self.alerts[body["alias"]] = {"state": "open", "count": 1, "id": f"alert-{len(self.alerts) + 1}"}
        else:
            alert["count"] += 1
        return self.taken()

    def act(self, alert: dict[str, Any] | None, action: str, body: Any) -> Reply:
        if action not in ("acknowledge", "close") or not isinstance(body, dict) or len(body.get("note", "")) > 25_000:
            return self.said(422, "Request is not processable.")
        if alert is not None and alert["state"] != "closed":
            alert["state"] = {"acknowledge": "acknowledged", "close": "closed"}[action]
            alert.setdefault("acts", []).append(action)
        return self.taken()


class OpsgenieFake(AlertsFake):
    """Opsgenie: ``GenieKey``, alerts by alias."""

    def fields(self, body: Any) -> dict[str, str]:
        wrong = super().fields(body)
        for each in body.get("responders", []) if isinstance(body, dict) else []:
            if each.get("type") not in _KINDS or not ({"id", "name", "username"} & set(each)):
                wrong["responders"] = "type and one of id, name, username are needed"
        return wrong

    def check(self, request: Received) -> Reply | None:
        authorization = request.headers.get("authorization", "")
        if not authorization.startswith("GenieKey "):
            return self.said(422, "Key format is not valid!")
        if authorization != f"GenieKey {KEY}":
            return self.said(401, f"Could not authenticate with {authorization}")
        if (late := self.throttled()) is not None:
            return late
        url = urlsplit(request.path)
        parts = url.path.strip("/").split("/")
        if request.method == "POST" and parts == ["v2", "alerts"]:
            return self.create(request.json)
        if request.method == "POST" and len(parts) == 4 and parse_qs(url.query) == {"identifierType": ["alias"]}:
            return self.act(self.alerts.get(unquote(parts[2])), parts[3], request.json)
        return self.said(404, "No such endpoint")


class JsmFake(AlertsFake):
    """Jira Service Management: e-mail and token, alerts by id, looked up by alias while they are open.

    ``lookups_too_early`` is how often a lookup finds nothing, because the creation is not processed yet.
    """

    details = "extraProperties"
    wait = {"Retry-After": "45", "X-RateLimit-Reset": "2027-01-04T03:03Z"}
    lookups_too_early = 0

    def fields(self, body: Any) -> dict[str, str]:
        wrong = super().fields(body)
        for each in body.get("responders", []) if isinstance(body, dict) else []:
            if each.get("type") not in _KINDS or set(each) != {"type", "id"}:
                wrong["responders"] = "type and id are needed"
        return wrong

    def check(self, request: Received) -> Reply | None:
        signed = base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {signed}":
            return Reply(status=401, body=json.dumps({"code": 401, "message": f"Unauthorized {TOKEN}"}).encode())
        url = urlsplit(request.path)
        base = f"/jsm/ops/api/{CLOUD_ID}/v1/alerts"
        if not url.path.startswith(base):
            return Reply(status=404, body=b'{"code":404,"message":"not found"}')
        if (late := self.throttled()) is not None:
            return late
        rest = url.path.removeprefix(base).strip("/").split("/")
        if request.method == "GET" and rest == ["alias"]:
            return self._found(parse_qs(url.query)["alias"][0])
        if request.method == "POST" and rest == [""]:
            return self.create(request.json)
        if request.method == "POST" and len(rest) == 2:
            alert = next((each for each in self.alerts.values() if each["id"] == rest[0]), None)
            return self.act(alert, rest[1], request.json)
        return Reply(status=404, body=b'{"code":404,"message":"not found"}')

    def _found(self, alias: str) -> Reply:
        alert = self.alerts.get(alias)
        self.lookups_too_early -= 1
        if alert is None or alert["state"] == "closed" or self.lookups_too_early >= 0:
            return Reply(status=404, body=b'{"message":"Alert does not exist"}')
        return Reply(status=200, body=json.dumps({"id": alert["id"], "alias": alias, "status": "open"}).encode())
