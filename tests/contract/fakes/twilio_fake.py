"""Twilio's REST API as its public documentation describes it: what it takes and refuses, and what it calls."""

import base64
import hashlib
import hmac
import json
import re
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree

from tests.contract.fakes.receiver import Received, Reply, WebhookReceiver

SID = "AC" + "0a" * 16
TOKEN = "tw1l10-auth-token"
SENDER = "+15017122661"
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_AUTHORIZATION = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
_VERBS = {"Response": {"Say", "Gather"}, "Gather": {"Say"}, "Say": set()}


class TwilioFake(WebhookReceiver):
    """One account. ``url`` is the API's; every accepted message or call gets a SID of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.sids: list[str] = []
        self._current: Received

    def forms(self, resource: str) -> list[list[tuple[str, str]]]:
        """Return the fields of every request that made a ``Messages`` or ``Calls``."""
        return [form_of(each) for each in self.requests if each.path.endswith(f"/{resource}.json")]

    def refuse(self, status: int, code: int, *, retry_after: str | None = None) -> None:
        """Answer the next request with an error as Twilio words it, the number in it."""
        headers = {"Content-Type": "application/json"} | ({"Retry-After": retry_after} if retry_after else {})
        said = {"code": code, "message": "The 'To' number +34600123400 is not valid.", "status": status}
        self.answer(status, headers, json.dumps(said))

    def check(self, request: Received) -> Reply | None:
        """Return what Twilio has against a request."""
        self._current = request
        resource = request.path.removeprefix(f"/2010-04-01/Accounts/{SID}/")
        if request.method != "POST" or resource not in ("Messages.json", "Calls.json"):
            return _error(404, 20404)
        if request.headers.get("authorization") != _AUTHORIZATION:
            return _error(401, 20003)
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return _error(400, 21602)
        fields = dict(form_of(request))
        if NUMBER.fullmatch(fields.get("To", "")) is None:
            return _error(400, 21211)
        sender = fields.get("From", fields.get("MessagingServiceSid", ""))
        if sender != SENDER and not sender.startswith("MG"):
            return _error(400, 21212)
        callback = fields.get("StatusCallback")
        if callback is not None and not re.fullmatch(r"https?://[^\s_/]+/\S*", callback):
            return _error(400, 21609)
        fault = _message_fault(fields) if resource.startswith("Messages") else _call_fault(fields)
        return None if fault is None else _error(400, fault)

    async def _respond(self, http, writer, reply):  # type: ignore[no-untyped-def]
        if reply == Reply():
            resource = "SM" if self._current.path.endswith("Messages.json") else "CA"
            sid = resource + hashlib.sha256(str(len(self.sids)).encode()).hexdigest()[:32]
            self.sids.append(sid)
            body = json.dumps({"sid": sid, "status": "queued", "error_code": None}).encode()
            reply = Reply(status=201, headers={"Content-Type": "application/json"}, body=body)
        return await super()._respond(http, writer, reply)


def form_of(request: Received) -> list[tuple[str, str]]:
    """Return the form's fields."""
    return parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)


def called(url: str, fields: dict[str, str], token: str = TOKEN) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a request that Twilio makes to ``url``, signed as it signs."""
    complete = {"AccountSid": SID, "ApiVersion": "2010-04-01", **fields}
    text = url + "".join(name + complete[name] for name in sorted(complete))
    signed = base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Twilio-Signature": signed}
    return headers, urlencode(complete).encode()


def spoken(document: str) -> list[str]:
    """Return what a voice says; fails for anything that is no TwiML of ``Say`` and ``Gather``."""
    root = ElementTree.fromstring(document)
    assert root.tag == "Response"
    for parent in root.iter():
        assert {child.tag for child in parent} <= _VERBS[parent.tag], document
    return [each.text or "" for each in root.iter("Say")]


def _message_fault(fields: dict[str, str]) -> int | None:
    body = fields.get("Body", "")
    if not body:
        return 21602
    return 21617 if len(body) > 1600 else None


def _call_fault(fields: dict[str, str]) -> int | None:
    document = fields.get("Twiml", "")
    if not document or len(document) > 4000:
        return 21218
    try:
        spoken(document)
    except (ElementTree.ParseError, AssertionError, KeyError):
        return 12100
    return None


def _error(status: int, code: int) -> Reply:
    body = json.dumps({"code": code, "message": "no", "status": status}).encode()
    return Reply(status=status, headers={"Content-Type": "application/json"}, body=body)
