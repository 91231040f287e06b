"""The doors of channels over the whole engine: what providers bring changes the incident once, forged or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from llm_incident_manager.domain.notifications.message import Message
from tests.api.app import Api, opened
from tests.contract.fakes.rigs import TWILIO_ACCOUNT
from tests.contract.fakes.rigs import opened as a_channel
from tests.contract.fakes.twilio_fake import called, spoken
from tests.stories.test_answering import WAYS, a_night
from tests.stories.towns import NUMBERS

PUBLIC = "http://test"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    channels = {
        "sms": a_channel("sms", {"provider": "twilio", "twilio": TWILIO_ACCOUNT}),
        "phone": a_channel("phone", TWILIO_ACCOUNT),
        "webhook": a_channel("webhook", {}),
    }
    async with opened(tmp_path, a_night("sms", "phone"), channels=channels, ways=WAYS) as made:
        yield made


async def paged(api: Api, channel: str) -> Message:
    """Post a P0 and return the page that ana got on this channel."""
    await api.event(severity="critical", title="It is slow")
    page = api.story.expect_page(NUMBERS["ana"], channel=channel)
    api.story.pages.clear()
    return page.message


async def call(api: Api, path: str, token: str | None = None, **fields: str) -> httpx2.Response:
    """Send what Twilio would; ``token`` signs in the place of the account's own."""
    headers, body = called(PUBLIC + path, fields) if token is None else called(PUBLIC + path, fields, token)
    answer = await api.of(None).post(path, headers=headers, content=body)
    await api.story.settle()
    return answer


async def status_of(api: Api, message: Message) -> tuple[str, str | None]:
    incident = await api.story.incident(message.incident_id)
    return incident.status.value, incident.assigned_to


@pytest.mark.requirement("NTF-05")
async def test_a_text_takes_the_incident_and_is_answered_and_a_replay_does_nothing(api: Api) -> None:
    message = await paged(api, "sms")
    text = {"From": NUMBERS["ana"], "Body": f"t{message.reply_code}", "MessageSid": "SM1"}
    answer = await call(api, "/api/v1/channels/sms/reply", **text)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert "<Message>You have it. Also paged: Bo.</Message>" in answer.text
    assert await status_of(api, message) == ("ACKNOWLEDGED", "ana")
    before = await api.story.history(message.incident_id)
    replayed = await call(api, "/api/v1/channels/sms/reply", **text)
    assert replayed.text.endswith("<Response></Response>")
    assert await api.story.history(message.incident_id) == before


@pytest.mark.requirement("NTF-05")
async def test_a_key_takes_the_incident_once(api: Api) -> None:
    message = await paged(api, "phone")
    path = f"/api/v1/channels/phone/keypad?n={message.token}"
    first = await call(api, path, CallSid="CA1", Digits="1")
    assert spoken(first.text) == ["You have it. Also paged: Bo. Goodbye."]
    before = await api.story.history(message.incident_id)
    second = await call(api, path, CallSid="CA1", Digits="1")
    assert spoken(second.text) == ["Nothing was changed. You have it. Also paged: Bo. Goodbye."]
    assert await api.story.history(message.incident_id) == before
    assert await status_of(api, message) == ("ACKNOWLEDGED", "ana")


@pytest.mark.requirement("NTF-05")
@pytest.mark.requirement("SEC-02")
async def test_what_is_forged_does_nothing(api: Api) -> None:
    message = await paged(api, "phone")
    keypad = f"/api/v1/channels/phone/keypad?n={message.token}"
    unsigned = await api.of(None).post(keypad, data={"CallSid": "CA1", "Digits": "1"})
    assert unsigned.status_code == 401
    assert (await call(api, keypad, token="guessed", CallSid="CA1", Digits="1")).status_code == 401
    other = "/api/v1/channels/phone/keypad?n=" + ("A" if message.token[0] != "A" else "B") + message.token[1:]
    said = spoken((await call(api, other, CallSid="CA1", Digits="1")).text)
    assert said[0].startswith("This is no page of ours")
    stranger = await call(api, "/api/v1/channels/sms/reply", From="+15550001111", Body="1", MessageSid="SM9")
    assert stranger.text.endswith("<Response></Response>")
    assert await status_of(api, message) == ("NEW", None)


@pytest.mark.requirement("NTF-03")
async def test_a_busy_line_is_reported_and_an_arrival_stands_in_the_ledger(api: Api) -> None:
    message = await paged(api, "phone")
    rows = {(row.recipient, row.channel): row for row in await api.story.pages_of(message.incident_id)}
    call_row, text_row = rows["user:ana", "phone"], rows["user:ana", "sms"]
    path = f"/api/v1/channels/phone/status?n={message.token}"
    busy = await call(api, path, CallSid=str(call_row.receipt), CallStatus="busy")
    assert (busy.status_code, busy.text[-21:]) == (200, "<Response></Response>")
    text_token = api.story.tokens.of("default", text_row.id)
    path = f"/api/v1/channels/sms/status?n={text_token}"
    await call(api, path, MessageSid=str(text_row.receipt), MessageStatus="delivered")
    ledger = (await api.client.get(f"/api/v1/incidents/{message.incident_id}/notifications")).json()["notifications"]
    shown = {(each["recipient"], each["channel"]): each for each in ledger}
    assert shown["user:ana", "phone"]["state"] == "failed"
    assert shown["user:ana", "phone"]["reason"] == "the line was busy"
    assert shown["user:ana", "sms"]["reached_at"] is not None
    assert "it arrived at" in shown["user:ana", "sms"]["sentence"]


async def test_other_doors_do_not_exist(api: Api) -> None:
    for path in ("/api/v1/channels/webhook/reply", "/api/v1/channels/pigeon/reply"):
        answer = await api.of(None).post(path, content=b"x")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await api.of(None).get("/api/v1/channels/sms/reply")).status_code == 405
    large = await api.of(None).post("/api/v1/channels/sms/reply", content=b"x" * 600_000)
    assert large.status_code == 413
