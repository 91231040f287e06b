"""Text messages by AWS SNS (its API reference, "Publish"): sent, and taken or not; what becomes of them SNS keeps."""

import re
from urllib.parse import quote, urlencode, urlsplit

from pydantic import Field, SecretStr, field_validator

from llm_incident_manager.channels.http_post import Answer, HttpPost, HttpSettings, meaning
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.sigv4 import Credentials, signed_headers
from llm_incident_manager.channels.twilio import plain_number, without_slash
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Message, Outcome, RetryLater

_ATTRIBUTE = "MessageAttributes.entry.{}.{}"
_MESSAGE_ID = re.compile(rb"<MessageId>([0-9A-Za-z-]{1,100})</MessageId>")
_ERROR_CODE = re.compile(rb"<Code>([A-Za-z.]{1,60})</Code>")
_FOR_NOW = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "Throttled", "RequestLimitExceeded", "KMSThrottling",
     "InternalError", "InternalFailure", "ServiceUnavailable", "RequestTimeout"}
)  # fmt: skip
"""Codes that come with a 400 and mean later all the same (API reference, "Common errors")."""


class SnsSettings(HttpSettings):
    """How texts are sent by AWS SNS."""

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="The region whose SNS sends: eu-west-1.")
    access_key_id: str = Field(pattern=r"^[A-Z0-9]{16,128}$", description="An access key that may sns:Publish.")
    secret_access_key: SecretStr = Field(description="Its secret.")
    session_token: SecretStr | None = Field(None, description="Of temporary credentials only.")
    sender_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9]{0,10}[A-Za-z][A-Za-z0-9]{0,10}$",
        max_length=11,
        description="The name shown as sender.",
    )
    origination_number: str | None = Field(
        None, pattern=r"^\+[1-9][0-9]{4,14}$", description="The number shown as sender."
    )
    api_url: str | None = Field(None, description="Another address than the region's own.")

    @field_validator("api_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        return None if value is None else without_slash(value)


class SnsTexts:
    """Texts published by one access key."""

    replies = False

    def __init__(self, settings: SnsSettings, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._http = HttpPost(settings, guard=guard, clock=clock)
        self._clock = clock
        self._settings = settings
        self._url = (settings.api_url or f"https://sns.{settings.region}.amazonaws.com") + "/"
        token = settings.session_token
        self._credentials = Credentials(
            settings.access_key_id,
            settings.secret_access_key.get_secret_value(),
            token.get_secret_value() if token is not None else None,
        )
        self.host = urlsplit(self._url).netloc

    async def text(self, message: Message, contact: Contact, body: str) -> Outcome:
        """Publish one text."""
        fields = [
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("PhoneNumber", plain_number(contact.address)),
            ("Message", body),
            *self._attributes(),
        ]
        form = urlencode(fields, quote_via=quote, errors="replace").encode("ascii")
        parts = urlsplit(self._url)
        headers = signed_headers(
            self._credentials,
            method="POST",
            path=parts.path,
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": self.host},
            body=form,
            region=self._settings.region,
            service="sns",
            at=self._clock.now(),
        )
        headers["Idempotency-Key"] = message.notification_id
        answer = await self._http.post(self._url, headers=headers, body=form)
        return answer if not isinstance(answer, Answer) else _outcome(answer, self.host)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _attributes(self) -> list[tuple[str, str]]:
        wanted = {
            "AWS.SNS.SMS.SMSType": "Transactional",
            "AWS.SNS.SMS.SenderID": self._settings.sender_id,
            "AWS.MM.SMS.OriginationNumber": self._settings.origination_number,
        }
        fields: list[tuple[str, str]] = []
        for number, (name, value) in enumerate(((n, v) for n, v in wanted.items() if v), start=1):
            fields.append((_ATTRIBUTE.format(number, "Name"), name))
            fields.append((_ATTRIBUTE.format(number, "Value.DataType"), "String"))
            fields.append((_ATTRIBUTE.format(number, "Value.StringValue"), value))
        return fields


def _outcome(answer: Answer, host: str) -> Outcome:
    code = _ERROR_CODE.search(answer.body)
    word = code[1].decode("ascii") if code is not None and answer.status >= 400 else ""
    if word in _FOR_NOW:
        return RetryLater(reason=f"{host} answered {answer.status} {word}", after_seconds=answer.retry_after_seconds)
    outcome = meaning(answer, host, detail=f" {word}" if word else "")
    if isinstance(outcome, Delivered):
        found = _MESSAGE_ID.search(answer.body)
        return Delivered(receipt=found[1].decode("ascii") if found is not None else None)
    return outcome
