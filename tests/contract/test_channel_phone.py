"""Calls by Twilio: what the voice says, which key takes, and what it means that nobody picked up."""

from typing import Any

import pytest

from llm_incident_manager.channels.spec import ChannelRequest, Hearing
from llm_incident_manager.domain.notifications.answers import PageAction, Pressed, Reported, Result, Said
from llm_incident_manager.domain.notifications.message import Contact, Delivered
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.errors import Unauthenticated
from tests.contract.fakes import twilio_fake
from tests.contract.fakes.rigs import TWILIO_ACCOUNT, a_message, opened
from tests.contract.fakes.twilio_fake import TwilioFake, called, spoken

ANA = Contact(channel="phone", address="+34600123400")
PUBLIC = "https://incidents.example.com"
PAGE: dict[str, Any] = {
    "short": "P0: slow. Hits gpt-gateway. Since 12 min, seen 37 times. INC-20270104-00001",
    "token": "t0ken",
    "act_url": f"{PUBLIC}/a/t0ken",
    "public_url": PUBLIC,
}
KEYPAD = f"{PUBLIC}/api/v1/channels/phone/keypad?n=t0ken"
STATUS = f"{PUBLIC}/api/v1/channels/phone/status?n=t0ken"


def telephone() -> Hearing:
    channel = opened("phone", TWILIO_ACCOUNT)
    assert isinstance(channel, Hearing)
    return channel


def request(what: str, url: str, **fields: str) -> ChannelRequest:
    headers, body = called(url, {"CallSid": "CA1", **fields})
    return ChannelRequest(what, url, {name.lower(): value for name, value in headers.items()}, body)


async def call(**page: Any) -> dict[str, str]:
    """Return the fields of the call that this page makes; fails unless Twilio takes it."""
    async with TwilioFake() as twilio:
        channel = opened("phone", {**TWILIO_ACCOUNT, "api_url": twilio.url})
        assert await channel.send(a_message(**page), ANA) == Delivered(receipt=twilio.sids[0])
        await channel.aclose()
        (form,) = twilio.forms("Calls")
        events = [value for name, value in form if name == "StatusCallbackEvent"]
        return dict(form) | {"events": " ".join(events)}


@pytest.mark.requirement("NTF-01")
async def test_a_call_reads_the_page_and_says_which_key_takes_it() -> None:
    made = await call(**PAGE)
    assert (made["To"], made["From"], made["Timeout"]) == ("+34600123400", twilio_fake.SENDER, "30")
    first, again, last = spoken(made["Twiml"])
    assert first == again
    assert first == (
        "This is the incident manager. P0: slow. Hits gpt-gateway. Since 12 min, seen 37 times. Press 1 to take it."
    )
    assert last == "No key was pressed, so the next person will be told. Goodbye."
    assert KEYPAD in made["Twiml"].replace("&amp;", "&")
    assert (made["StatusCallback"], made["events"]) == (STATUS, "answered completed")


async def test_what_needs_no_act_asks_for_no_key() -> None:
    made = await call(**PAGE | {"act_url": "", "type": NotificationType.RESOLVED, "short": "P0: Resolved: slow"})
    assert spoken(made["Twiml"]) == ["This is the incident manager. P0: Resolved: slow"]


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    "text",
    [
        '</Say><Dial>+1900555</Dial><Say>', "]]><Hangup/>", "&amp;<Play>https://evil.example/a.mp3</Play>",
        "a\x00b\x0b\ufffe\ud800c", 'x" action="https://evil.example', "<" * 5000, "𝔘" * 5000,
    ],
)  # fmt: skip
async def test_text_of_an_event_becomes_no_verb_of_twiml(text: str) -> None:
    made = await call(**PAGE | {"short": text})
    assert len(spoken(made["Twiml"])) == 3
    assert "evil.example/a.mp3" not in made["Twiml"], "addresses are not read aloud"


@pytest.mark.requirement("NTF-05")
async def test_key_1_takes_and_the_voice_says_who_has_it() -> None:
    channel = telephone()
    came = request("keypad", KEYPAD, Digits="1")
    assert channel.hear(came) == [Pressed(token="t0ken", action=PageAction.TAKE, channel="phone")]
    answer = await channel.say(came, [Said(result=Result.DONE, text="You have it. Also paged: <Bo>.")])
    assert spoken(answer.body.decode()) == ["You have it. Also paged: <Bo>. Goodbye."]


@pytest.mark.parametrize("digits", ["", "2", "11", "*"])
async def test_another_key_takes_nothing_and_asks_again(digits: str) -> None:
    channel = telephone()
    came = request("keypad", KEYPAD, Digits=digits)
    assert channel.hear(came) == []
    answer = await channel.say(came, [])
    assert spoken(answer.body.decode())[0] == "Press 1 to take it."
    assert KEYPAD in answer.body.decode()


@pytest.mark.requirement("NTF-03")
@pytest.mark.parametrize(
    ("status", "arrived", "reason"),
    [
        ("in-progress", True, ""), ("completed", True, ""), ("busy", False, "the line was busy"),
        ("no-answer", False, "nobody picked up"), ("failed", False, "the call could not be connected"),
        ("ringing", None, ""),
    ],
)  # fmt: skip
def test_what_became_of_a_call_is_reported(status: str, arrived: bool | None, reason: str) -> None:
    heard = telephone().hear(request("status", STATUS, CallStatus=status))
    report = Reported(token="t0ken", channel="phone", receipt="CA1", arrived=bool(arrived), reason=reason)
    assert heard == ([] if arrived is None else [report])


@pytest.mark.requirement("NTF-05")
@pytest.mark.requirement("SEC-02")
def test_a_key_that_twilio_did_not_sign_is_refused() -> None:
    good = request("keypad", KEYPAD, Digits="1")
    for forged in (
        good._replace(url=KEYPAD.replace("t0ken", "another")),
        good._replace(body=good.body + b"&Digits=2"),
        good._replace(headers={}),
    ):
        with pytest.raises(Unauthenticated):
            telephone().hear(forged)
