"""What texts and calls by Twilio share: its REST API, its error codes, and the signature of what it sends here.

Sources: Twilio's public pages "Message resource", "Call resource", "Error and warning dictionary" and "Webhooks
security". Its API knows no idempotency key: a try whose answer was lost may come twice, with the same page's token.
"""

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import Field, SecretStr, field_validator

from llm_incident_manager.channels.http_post import Answer, HttpPost, HttpSettings, meaning
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.spec import ChannelRequest
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Delivered, Outcome
from llm_incident_manager.errors import Invalid, Unauthenticated

NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
TOKEN_FIELD = "n"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_MOST_FIELDS = 200
_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
_CODES: Mapping[int, str] = {
    20003: "the account or its token is wrong",
    20429: "too many requests",
    21211: "it is no number that can be reached",
    21212: "the sender's number is wrong",
    21214: "it is no number that can be called",
    21215: "calls to that country are switched off in the account",
    21408: "texts to that country are switched off in the account",
    21606: "the sender's number cannot text that number",
    21610: "its owner has answered STOP",
    21612: "there is no way to that number from the sender's",
    21614: "it cannot receive texts",
    30003: "the telephone is off or out of reach",
    30004: "the carrier blocked it",
    30005: "there is no such number",
    30006: "it is a landline, or its carrier is out of reach",
    30007: "the carrier filtered it",
    30008: "the carrier gives no reason",
}


class TwilioSettings(HttpSettings):
    """An account at Twilio."""

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="The account's SID, AC….")
    auth_token: SecretStr = Field(description="The account's auth token; what Twilio sends here is signed with it.")
    sender: str = Field(alias="from", description="One of your numbers at Twilio: +15017122661.")
    api_url: str = Field("https://api.twilio.com", description="Twilio's API; another for its regions.")

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        return without_slash(value)


def without_slash(url: str) -> str:
    """Return a base URL without a slash at its end; raises ValueError unless it is one."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("this is no address such as https://api.twilio.com")
    return url.rstrip("/")


class TwilioApi:
    """Posts forms to one account, and knows what Twilio itself sent."""

    def __init__(self, settings: TwilioSettings, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(settings, guard=guard, clock=clock)
        self._url = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}"
        self._account = settings.account_sid
        self._token = settings.auth_token.get_secret_value()
        basic = b64encode(f"{self._account}:{self._token}".encode()).decode("ascii")
        self._authorization = f"Basic {basic}"
        self._is_local = _is_local(settings.api_url)
        self.host = urlsplit(settings.api_url).netloc

    async def create(self, resource: str, fields: Sequence[tuple[str, str]], notification_id: str) -> Outcome:
        """Make a message or a call; its SID is the receipt. Numbers stay out of the outcome."""
        headers = {
            "Authorization": self._authorization,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Idempotency-Key": notification_id,
        }
        body = urlencode(fields, errors="replace").encode("ascii")
        answer = await self._http.post(f"{self._url}/{resource}.json", headers=headers, body=body)
        if not isinstance(answer, Answer):
            return answer
        said = _json(answer.body)
        outcome = meaning(answer, self.host, detail=code_words(said.get("code")))
        if isinstance(outcome, Delivered):
            sid = said.get("sid")
            return Delivered(receipt=sid if isinstance(sid, str) and _SID.fullmatch(sid) else None)
        return outcome

    def may_call_back(self, public_url: str) -> bool:
        """Whether Twilio can reach this server: it refuses addresses that only this machine knows."""
        return bool(public_url) and (self._is_local or not _is_local(public_url))

    def fields_of(self, request: ChannelRequest) -> dict[str, str]:
        """Return the form's fields, of the first value each, after checking that Twilio sent them for this account.

        Raises Unauthenticated for a wrong signature, and Invalid for what is no form.
        """
        try:
            pairs = parse_qsl(
                request.body.decode(), keep_blank_values=True, strict_parsing=False, max_num_fields=_MOST_FIELDS
            )
        except (UnicodeDecodeError, ValueError):
            raise Invalid("the body is no form of Twilio's", code="malformed_body") from None
        given = request.headers.get("x-twilio-signature", "")
        if not any(
            hmac.compare_digest(given.encode(), signature(self._token, url, pairs)) for url in _ways(request.url)
        ):
            raise Unauthenticated(
                "X-Twilio-Signature does not fit: PUBLIC_URL must be the address that Twilio calls, and auth_token the "
                "account's own"
            )
        fields: dict[str, str] = {}
        for name, value in pairs:
            fields.setdefault(name, value)
        if fields.get("AccountSid") != self._account:
            raise Unauthenticated("this comes from another account of Twilio's")
        return fields

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def signature(token: str, url: str, pairs: Sequence[tuple[str, str]]) -> bytes:
    """Return ``X-Twilio-Signature``: base64 of HMAC-SHA1 over the URL and the sorted fields."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(set(pairs)))
    return b64encode(hmac.new(token.encode(), text.encode(), sha1).digest())


def callback(public_url: str, channel: str, what: str, token: str) -> str:
    """Return the address at which Twilio tells about one page."""
    return f"{public_url}/api/v1/channels/{channel}/{what}?{TOKEN_FIELD}={token}"


def token_of(request: ChannelRequest) -> str:
    """Return the page's token in a callback's address."""
    return dict(parse_qsl(urlsplit(request.url).query)).get(TOKEN_FIELD, "")


def code_words(code: object) -> str:
    """Return Twilio's error code in words, for the end of a sentence; nothing for none."""
    if isinstance(code, str) and code.isdecimal():
        code = int(code[:6])
    if not isinstance(code, int) or isinstance(code, bool):
        return ""
    words = _CODES.get(code)
    return f" (error {code}: {words})" if words else f" (error {code})"


def plain_number(address: str) -> str:
    """Return a number in E.164; people write blanks and brackets."""
    return re.sub(r"[ ()-]", "", address)


def number_fault(address: str) -> str | None:
    """Return why this is no telephone number, or ``None``."""
    if NUMBER.fullmatch(plain_number(address)) is None:
        return "this is not a telephone number with its country's code; write it like +34600123456"
    return None


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in _LOCAL or host.endswith((".localhost", ".local", ".internal"))


def _ways(url: str) -> list[str]:
    """Return the address as it may have been signed: with its scheme's own port, and without."""
    parts = urlsplit(url)
    port = "443" if parts.scheme == "https" else "80"
    if parts.port is None:
        return [url, parts._replace(netloc=f"{parts.netloc}:{port}").geturl()]
    if str(parts.port) == port:
        return [url, parts._replace(netloc=parts.netloc.rpartition(":")[0]).geturl()]
    return [url]
