"""Text messages: what one says, in one part of 160 characters, and who sends it: Twilio or AWS SNS."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.sms_sns import SnsSettings, SnsTexts
from llm_incident_manager.channels.sms_text import fitted, harmless, is_gsm, plainer, units
from llm_incident_manager.channels.sms_twilio import SmsTwilioSettings, TwilioTexts
from llm_incident_manager.channels.spec import ChannelAnswer, ChannelRequest, ChannelSpec
from llm_incident_manager.channels.twilio import number_fault
from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.notifications.answers import Heard, Said
from llm_incident_manager.domain.notifications.message import Contact, Message, Outcome, Rejected
from llm_incident_manager.errors import NotFound

LONGEST_TEXT = 600
LEAST_TEXT = 40
"""Septets that must be left for the page's own words before a link may stand beside them."""


class SmsConfig(BaseModel):
    """Settings of the channel for text messages: who sends them, and with what account."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    provider: Literal["twilio", "sns"] = Field(description="Who sends: twilio or sns.")
    twilio: SmsTwilioSettings | None = Field(None, description="An account at Twilio.")
    sns: SnsSettings | None = Field(None, description="An access key of AWS.")
    most_parts: int = Field(
        3, ge=1, le=6, description="Of how many parts a text may consist that needs letters beyond GSM's; others: one."
    )

    @model_validator(mode="after")
    def _is_set(self) -> Self:
        if getattr(self, self.provider) is None:
            raise ValueError(f"{self.provider} is the provider, so its settings must stand under {self.provider}")
        return self


def page_text(message: Message, most_parts: int, *, replies: bool) -> str:
    """Return the text of a page: its own words, then how to act, which is never cut."""
    words = plainer(harmless(message.short or message.subject or message.text, LONGEST_TEXT)) or message.incident_id
    code = message.reply_code if replies else ""
    how = f" Reply T{code} take, R{code} resolve." if code else ""
    link = message.act_url or message.dashboard_url
    if link.startswith(("https://", "http://")) and is_gsm(link) and (not how or message.act_url):
        linked = f"{how} {link}"
        if not how or units(linked) + LEAST_TEXT <= 160:
            how = linked if units(linked) + LEAST_TEXT <= 160 or not how else how
    return fitted(words, how if units(how) <= 160 else "", most_parts) or message.incident_id


class SmsChannel:
    """Sends texts; people answer them where the provider brings answers."""

    def __init__(self, config: SmsConfig, *, guard: OutgoingGuard, clock: Clock) -> None:
        self._most_parts = config.most_parts
        self._texts: TwilioTexts | SnsTexts
        if config.provider == "twilio":
            assert config.twilio is not None
            self._texts = TwilioTexts(config.twilio, guard=guard, clock=clock)
        else:
            assert config.sns is not None
            self._texts = SnsTexts(config.sns, guard=guard, clock=clock)

    async def send(self, message: Message, contact: Contact) -> Outcome:
        if (fault := self.validate(contact)) is not None:
            return Rejected(reason=fault)
        body = page_text(message, self._most_parts, replies=self._texts.replies)
        return await self._texts.text(message, contact, body)

    def validate(self, contact: Contact) -> str | None:
        return number_fault(contact.address)

    def destination(self, contact: Contact) -> str:
        return self._texts.host

    def hear(self, request: ChannelRequest) -> list[Heard]:
        return self._twilio().hear(request)

    async def say(self, request: ChannelRequest, said: Sequence[Said]) -> ChannelAnswer:
        return await self._twilio().say(request, said)

    async def aclose(self) -> None:
        await self._texts.aclose()

    def _twilio(self) -> TwilioTexts:
        if not isinstance(self._texts, TwilioTexts):
            raise NotFound("texts are sent by AWS SNS here, which brings no answers")
        return self._texts


SPEC = ChannelSpec(
    name="sms",
    title="Text message",
    kind="sms",
    config_type=SmsConfig,
    factory=SmsChannel,
    address_label="Telephone number",
    contact_example="+34600123456",
    description="A text message of 160 characters, by Twilio or AWS SNS; by Twilio it can be answered.",
)
