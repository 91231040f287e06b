"""Text messages by Twilio: sent, reported, answered."""

from collections.abc import Sequence

from pydantic import Field, field_validator

from llm_incident_manager.channels import twiml
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.sms_text import fitted, plainer
from llm_incident_manager.channels.spec import ChannelAnswer, ChannelRequest
from llm_incident_manager.channels.twilio import (
    NUMBER,
    TwilioApi,
    TwilioSettings,
    callback,
    code_words,
    plain_number,
    token_of,
)
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.answers import Heard, Replied, Reported, Said
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome
from llm_incident_manager.errors import NotFound

CHANNEL = "sms"
LONGEST_ANSWER_PARTS = 3
_SERVICE = r"MG[0-9a-fA-F]{32}"


class SmsTwilioSettings(TwilioSettings):
    """How texts are sent by Twilio."""

    sender: str = Field(alias="from", description="One of your numbers at Twilio, or a messaging service, MG….")

    @field_validator("sender")
    @classmethod
    def _is_sender(cls, value: str) -> str:
        if NUMBER.fullmatch(value) is None and not _is_service(value):
            raise ValueError("this is neither a number such as +15017122661 nor a messaging service's SID, MG…")
        return value


class TwilioTexts:
    """One account's texts."""

    replies = True
    """Whether a text that comes back reaches us."""

    def __init__(self, settings: SmsTwilioSettings, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._api = TwilioApi(settings, guard=guard, clock=clock)
        self._sender = settings.sender
        self.host = self._api.host

    async def text(self, message: Message, contact: Contact, body: str) -> Outcome:
        """Hand one text to Twilio."""
        sender = "MessagingServiceSid" if _is_service(self._sender) else "From"
        fields = [("To", plain_number(contact.address)), (sender, self._sender), ("Body", body)]
        if message.token and self._api.may_call_back(message.public_url):
            fields.append(("StatusCallback", callback(message.public_url, CHANNEL, "status", message.token)))
        return await self._api.create("Messages", fields, message.notification_id)

    def hear(self, request: ChannelRequest) -> list[Heard]:
        """Return what a text that came back, or a report, says."""
        fields = self._api.fields_of(request)
        if request.what == "reply":
            return [
                Replied(
                    channel=CHANNEL,
                    address=fields.get("From", ""),
                    text=fields.get("Body", ""),
                    once=fields.get("MessageSid", ""),
                )
            ]
        if request.what != "status":
            raise NotFound("Twilio tells about texts at …/sms/status and brings answers to …/sms/reply")
        status = fields.get("MessageStatus", "")
        if status not in ("delivered", "read", "undelivered", "failed"):
            return []
        arrived = status in ("delivered", "read")
        return [
            Reported(
                token=token_of(request),
                channel=CHANNEL,
                receipt=fields.get("MessageSid", ""),
                arrived=arrived,
                reason="" if arrived else f"the text was not delivered{code_words(fields.get('ErrorCode'))}",
            )
        ]

    async def say(self, request: ChannelRequest, said: Sequence[Said]) -> ChannelAnswer:
        """Answer a text with a text, a report with nothing."""
        texts = [fitted(plainer(each.text), "", LONGEST_ANSWER_PARTS) for each in said if each.text]
        return twiml.answer("".join(map(twiml.message, texts)) if request.what == "reply" else "")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _is_service(sender: str) -> bool:
    return len(sender) == len("MG") + 32 and sender.startswith("MG")
