"""Text messages by Twilio and AWS SNS: what leaves, what the provider's words mean, what comes back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from llm_incident_manager.channels.registry import checked_settings
from llm_incident_manager.channels.sms import SPEC
from llm_incident_manager.channels.spec import Channel, ChannelRequest, Hearing
from llm_incident_manager.channels.twilio import signature
from llm_incident_manager.domain.notifications.answers import Replied, Reported, Result, Said
from llm_incident_manager.domain.notifications.message import Contact, Delivered, Rejected, RetryLater
from llm_incident_manager.errors import Invalid, NotFound, Unauthenticated
from tests.contract.fakes import twilio_fake
from tests.contract.fakes.rigs import NOW, TWILIO_ACCOUNT, a_message, opened, sns_settings
from tests.contract.fakes.sns_fake import SnsFake
from tests.contract.fakes.twilio_fake import TwilioFake, called

ANA = Contact(channel="sms", address="+34600123400")
PUBLIC = "https://incidents.example.com"
PAGE: dict[str, Any] = {
    "short": "P0: p95 latency of gpt-gateway is 12 s. Hits gpt-gateway. Since 12 min, seen 37 times",
    "token": "t0ken",
    "act_url": f"{PUBLIC}/a/t0ken",
    "reply_code": "0401",
    "public_url": PUBLIC,
}


@pytest.fixture
async def twilio() -> AsyncIterator[TwilioFake]:
    async with TwilioFake() as fake:
        yield fake


def by_twilio(fake: TwilioFake, **more: Any) -> Channel:
    return opened("sms", {"provider": "twilio", "twilio": {**TWILIO_ACCOUNT, "api_url": fake.url, **more}})


def by_twilio_itself() -> Hearing:
    channel = opened("sms", {"provider": "twilio", "twilio": TWILIO_ACCOUNT})
    assert isinstance(channel, Hearing)
    return channel


@pytest.mark.requirement("NTF-01")
async def test_a_page_is_one_text_that_says_how_to_act_and_where_to_report(twilio: TwilioFake) -> None:
    channel = by_twilio(twilio)
    outcome = await channel.send(a_message(**PAGE), ANA)
    assert outcome == Delivered(receipt=twilio.sids[0])
    (form,) = twilio.forms("Messages")
    fields = dict(form)
    assert (fields["To"], fields["From"]) == ("+34600123400", twilio_fake.SENDER)
    assert fields["Body"].startswith("P0: p95 latency of gpt-gateway is 12 s. Hits gpt-gateway")
    assert fields["Body"].endswith(f"Reply T0401 take, R0401 resolve. {PUBLIC}/a/t0ken")
    assert len(fields["Body"]) <= 160
    assert fields["StatusCallback"] == f"{PUBLIC}/api/v1/channels/sms/status?n=t0ken"
    await channel.aclose()


async def test_a_messaging_service_sends_and_a_number_with_blanks_is_one(twilio: TwilioFake) -> None:
    channel = by_twilio(twilio, **{"from": "MG" + "0a" * 16})
    await channel.send(a_message(), Contact(channel="sms", address="+34 (600) 123-400"))
    fields = dict(twilio.forms("Messages")[0])
    assert (fields["To"], fields["MessagingServiceSid"], "From" in fields) == ("+34600123400", "MG" + "0a" * 16, False)
    await channel.aclose()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (400, 21211, Rejected, "(error 21211: it is no number that can be reached)"),
        (400, 21610, Rejected, "(error 21610: its owner has answered STOP)"),
        (401, 20003, Rejected, "(error 20003: the account or its token is wrong)"),
        (429, 20429, RetryLater, "(error 20429: too many requests)"),
        (503, 99999, RetryLater, "(error 99999)"),
    ],
)
async def test_twilios_errors_mean_what_they_say_and_name_no_number(
    twilio: TwilioFake, status: int, code: int, kind: type, words: str
) -> None:
    channel = by_twilio(twilio)
    twilio.refuse(status, code, retry_after="7" if status == 429 else None)
    outcome = await channel.send(a_message(), ANA)
    assert isinstance(outcome, kind)
    assert outcome.reason.endswith(words)
    assert "600123400" not in outcome.reason
    if isinstance(outcome, RetryLater) and status == 429:
        assert outcome.after_seconds == 7.0
    await channel.aclose()


async def test_reports_are_asked_for_only_where_twilio_can_bring_them(twilio: TwilioFake) -> None:
    account = {**TWILIO_ACCOUNT, "api_url": twilio.url}
    channel = opened("sms", {"provider": "twilio", "twilio": account})
    await channel.send(a_message(**PAGE | {"token": ""}), ANA)
    assert "StatusCallback" not in dict(twilio.forms("Messages")[0])
    await channel.aclose()


def request(what: str, url: str, fields: dict[str, str], token: str = twilio_fake.TOKEN) -> ChannelRequest:
    headers, body = called(url, fields, token)
    return ChannelRequest(what, url, {name.lower(): value for name, value in headers.items()}, body)


REPLY = f"{PUBLIC}/api/v1/channels/sms/reply"
STATUS = f"{PUBLIC}/api/v1/channels/sms/status?n=t0ken"
TEXT = {"From": "+34600123400", "To": twilio_fake.SENDER, "Body": "T0401 & more", "MessageSid": "SM1"}


def test_the_example_of_twilios_documentation_is_signed_as_it_says() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
        "To": "+18005551212",
    }  # fmt: skip
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, list(fields.items())) == b"RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.requirement("NTF-05")
async def test_a_text_that_comes_back_is_heard_and_answered() -> None:
    channel = by_twilio_itself()
    came = request("reply", REPLY, TEXT)
    assert channel.hear(came) == [Replied(channel="sms", address="+34600123400", text="T0401 & more", once="SM1")]
    answer = await channel.say(came, [Said(result=Result.DONE, text="You have it. <Hangup/> & “so on”")])
    assert answer.media_type.startswith("text/xml")
    assert b'<Response><Message>You have it. &lt;Hangup/&gt; &amp; "so on"</Message></Response>' in answer.body
    silent = await channel.say(came, [Said(result=Result.UNKNOWN)])
    assert silent.body.endswith(b"<Response></Response>")


@pytest.mark.requirement("NTF-03")
@pytest.mark.parametrize(
    ("status", "code", "arrived", "reason"),
    [
        ("delivered", "", True, ""),
        ("undelivered", "30003", False, "(error 30003: the telephone is off or out of reach)"),
        ("failed", "30007", False, "(error 30007: the carrier filtered it)"),
        ("sent", "", None, ""),
        ("queued", "", None, ""),
    ],
)
def test_a_report_says_whether_it_arrived(status: str, code: str, arrived: bool | None, reason: str) -> None:
    heard = by_twilio_itself().hear(
        request("status", STATUS, {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code})
    )
    if arrived is None:
        assert heard == []
        return
    (report,) = heard
    assert isinstance(report, Reported)
    assert (report.token, report.receipt, report.arrived) == ("t0ken", "SM1", arrived)
    assert report.reason.endswith(reason)


@pytest.mark.requirement("NTF-05")
@pytest.mark.requirement("SEC-02")
def test_a_request_that_twilio_did_not_sign_is_refused() -> None:
    channel = by_twilio_itself()
    good = request("reply", REPLY, TEXT)
    assert channel.hear(good)
    without = {name: value for name, value in good.headers.items() if name != "x-twilio-signature"}
    other_account = TEXT | {"AccountSid": "AC" + "ff" * 16}
    forged = [
        good._replace(body=good.body.replace(b"T0401", b"R0401")),
        good._replace(url="https://elsewhere.example/api/v1/channels/sms/reply"),
        good._replace(url=good.url + "?n=x"),
        good._replace(headers=without),
        good._replace(headers={**good.headers, "x-twilio-signature": "\u00e9"}),
        request("reply", REPLY, TEXT, token="guessed"),
        request("reply", REPLY, other_account),
        good._replace(body=b""),
    ]
    for each in forged:
        with pytest.raises(Unauthenticated):
            channel.hear(each)
    with pytest.raises(Invalid):
        channel.hear(good._replace(body=b"\xff\xfe"))


@pytest.mark.parametrize("public", ["https://incidents.example.com:443", "http://incidents.example.com:80"])
def test_the_address_may_be_signed_with_or_without_its_schemes_port(public: str) -> None:
    url = f"{public}/api/v1/channels/sms/reply"
    came = request("reply", url, TEXT)
    assert by_twilio_itself().hear(came._replace(url=url.replace(":443", "").replace(":80", "")))
    bare = request("reply", url.replace(":443", "").replace(":80", ""), TEXT)
    assert by_twilio_itself().hear(bare._replace(url=url))


def test_an_unknown_door_says_which_there_are() -> None:
    with pytest.raises(NotFound, match="sms/reply"):
        by_twilio_itself().hear(request("other", f"{PUBLIC}/api/v1/channels/sms/other", TEXT))


@pytest.mark.requirement("NTF-01")
async def test_sns_publishes_a_signed_transactional_text_with_the_link() -> None:
    async with SnsFake(NOW) as sns:
        more = {"sender_id": "Incidents", "origination_number": "+15017122661"}
        channel = opened("sms", {"provider": "sns", "sns": sns_settings(sns, **more)})
        outcome = await channel.send(a_message(**PAGE), ANA)
        assert outcome == Delivered(receipt="567910cd-659e-55d4-8ccb-000000000001")
        (text,) = sns.texts()
        assert (text["PhoneNumber"], text["MessageAttributes.entry.2.Value.StringValue"]) == (
            "+34600123400",
            "Incidents",
        )
        assert text["MessageAttributes.entry.3.Name"] == "AWS.MM.SMS.OriginationNumber"
        assert text["Message"].endswith(f" {PUBLIC}/a/t0ken")
        assert "Reply" not in text["Message"], "SNS brings no answers"
        await channel.aclose()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidParameter", Rejected), (403, "AuthorizationError", Rejected), (400, "Throttling", RetryLater),
        (500, "InternalError", RetryLater), (400, "ThrottledException", RetryLater), (403, "OptedOut", Rejected),
    ],
)  # fmt: skip
async def test_the_errors_of_sns_mean_what_they_say_and_name_no_number(status: int, code: str, kind: type) -> None:
    async with SnsFake(NOW) as sns:
        channel = opened("sms", {"provider": "sns", "sns": sns_settings(sns)})
        sns.refuse(status, code)
        outcome = await channel.send(a_message(), ANA)
        assert isinstance(outcome, kind)
        assert outcome.reason == f"{sns.url.removeprefix('http://')} answered {status} {code}"
        await channel.aclose()


async def test_a_wrong_secret_of_aws_is_refused_for_good() -> None:
    async with SnsFake(NOW) as sns:
        wrong = sns_settings(sns) | {"secret_access_key": "wrong"}
        channel = opened("sms", {"provider": "sns", "sns": wrong})
        outcome = await channel.send(a_message(), ANA)
        assert isinstance(outcome, Rejected)
        assert outcome.reason.endswith("answered 403 SignatureDoesNotMatch")
        assert isinstance(channel, Hearing)
        with pytest.raises(NotFound, match="SNS"):
            channel.hear(request("reply", REPLY, TEXT))
        await channel.aclose()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({}, "sms.provider"),
        ({"provider": "carrier"}, "sms.provider"),
        ({"provider": "sns"}, "sms"),
        ({"provider": "twilio", "twilio": {**TWILIO_ACCOUNT, "from": "me"}}, "sms.twilio.from"),
        ({"provider": "twilio", "twilio": {**TWILIO_ACCOUNT, "account_sid": "me"}}, "sms.twilio.account_sid"),
        ({"provider": "twilio", "twilio": {**TWILIO_ACCOUNT, "api_url": "twilio"}}, "sms.twilio.api_url"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked_settings(SPEC, settings)
    assert [fault.field for fault in caught.value.faults] == [field]
    assert twilio_fake.TOKEN not in f"{caught.value.faults}"
