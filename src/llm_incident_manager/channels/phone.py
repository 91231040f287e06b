"""Telephone calls by Twilio: the page is read aloud, and key 1 takes the incident."""

from collections.abc import Sequence

from pydantic import Field, field_validator

from llm_incident_manager.channels import twiml
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.spec import ChannelAnswer, ChannelRequest, ChannelSpec
from llm_incident_manager.channels.twilio import (
    NUMBER,
    TwilioApi,
    TwilioSettings,
    callback,
    number_fault,
    plain_number,
    token_of,
)
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.answers import Heard, PageAction, Pressed, Reported, Said
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome, Rejected
from llm_incident_manager.errors import NotFound

CHANNEL = "phone"
LONGEST_TWIML = 4000
SPOKEN = (900, 400, 150)
"""Characters of a page that are read: the first of these that fits."""
TAKE_KEY = "1"
_NOT_REACHED = {
    "busy": "the line was busy",
    "no-answer": "nobody picked up",
    "failed": "the call could not be connected",
    "canceled": "the call was cancelled",
}
_HOW = "Press 1 to take it."
_UNTAKEN = "No key was pressed, so the next person will be told. Goodbye."


class PhoneConfig(TwilioSettings):
    """Settings of the telephone: an account at Twilio."""

    ring_seconds: int = Field(30, ge=5, le=120, description="How long it rings; a mailbox picks up after some 25 s.")
    language: str = Field("en-US", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="The voice's language.")

    @field_validator("sender")
    @classmethod
    def _is_number(cls, value: str) -> str:
        if NUMBER.fullmatch(value) is None:
            raise ValueError("this is not a number such as +15017122661")
        return value


class PhoneChannel:
    """Calls people. That Twilio took the call is "delivered"; that nobody answered it, Twilio tells later."""

    def __init__(self, config: PhoneConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._api = TwilioApi(config, guard=guard, clock=clock)
        self._sender = config.sender
        self._ring_seconds = config.ring_seconds
        self._language = config.language

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        told = bool(message.token) and self._api.may_call_back(message.public_url)
        fields = [
            ("To", plain_number(contact.address)),
            ("From", self._sender),
            ("Timeout", str(self._ring_seconds)),
            ("Twiml", self._spoken(message, told=told)),
        ]
        if told:
            fields.append(("StatusCallback", callback(message.public_url, CHANNEL, "status", message.token)))
            fields += [("StatusCallbackEvent", event) for event in ("answered", "completed")]
        return await self._api.create("Calls", fields, message.notification_id)

    def validate(self, contact: Contact) -> str | None:
        return number_fault(contact.address)

    def destination(self, contact: Contact) -> str:
        return self._api.host

    def hear(self, request: ChannelRequest) -> list[Heard]:
        fields = self._api.fields_of(request)
        token = token_of(request)
        if request.what == "keypad":
            pressed = fields.get("Digits", "") == TAKE_KEY
            return [Pressed(token=token, action=PageAction.TAKE, channel=CHANNEL)] if pressed else []
        if request.what != "status":
            raise NotFound("Twilio tells about calls at …/phone/status and about keys at …/phone/keypad")
        status = fields.get("CallStatus", "")
        if status not in _NOT_REACHED and status not in ("in-progress", "completed"):
            return []
        reason = _NOT_REACHED.get(status, "")
        receipt = fields.get("CallSid", "")
        return [Reported(token=token, channel=CHANNEL, receipt=receipt, arrived=not reason, reason=reason)]

    async def say(self, request: ChannelRequest, said: Sequence[Said]) -> ChannelAnswer:
        if request.what != "keypad":
            return twiml.answer("")
        if not said:
            again = twiml.gather(self._say(_HOW), request.url)
            return twiml.answer(again + self._say(_UNTAKEN))
        spoken = " ".join(each.text for each in said)
        return twiml.answer(self._say(f"{spoken} Goodbye."))

    async def aclose(self) -> None:
        await self._api.aclose()

    def _spoken(self, message: Message, *, told: bool) -> str:
        words = (message.short or message.subject or message.text).removesuffix(message.incident_id).strip()
        written = [self._written(message, twiml.speakable(words, limit), told=told) for limit in SPOKEN]
        # What must be escaped grows: then less is read.
        return next((document for document in written if len(document) <= LONGEST_TWIML), written[-1])

    def _written(self, message: Message, words: str, *, told: bool) -> str:
        page = f"This is the incident manager. {words or message.incident_id}"
        if not message.act_url:
            return twiml.response(self._say(page))
        if not told:
            return twiml.response(self._say(f"{page} Open your messages to take it.") * 2)
        keypad = callback(message.public_url, CHANNEL, "keypad", message.token)
        once = twiml.gather(self._say(f"{page} {_HOW}"), keypad)
        return twiml.response(once + once + self._say(_UNTAKEN))

    def _say(self, text: str) -> str:
        return twiml.say(text, self._language)


SPEC = ChannelSpec(
    name=CHANNEL,
    title="Telephone",
    kind="voice",
    config_type=PhoneConfig,
    factory=PhoneChannel,
    address_label="Telephone number",
    contact_example="+34600123456",
    description="A call that reads the page aloud, by Twilio; key 1 takes the incident.",
)
