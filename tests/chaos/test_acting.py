"""Acting from a page with the real server: by the link of a text, by a key, before and after kill -9; once."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.fakes import twilio_fake
from tests.contract.fakes.twilio_fake import TwilioFake, called, form_of, spoken
from tests.process import ServerProcess

NUMBER = "+34600123400"
EVENT: dict[str, Any] = {
    "event_id": "one",
    "source": "llm-sentinel",
    "timestamp": "2026-11-02T09:00:00Z",
    "event_type": "anomaly",
    "category": "performance",
    "title": "Answers are slow",
    "severity": "critical",
    "resource": {"type": "endpoint", "id": "ep", "name": "gpt-gateway"},
}


def config(api_url: str) -> str:
    """Return a night in which ana is texted and called."""
    account = f'{{account_sid: {twilio_fake.SID}, auth_token: {twilio_fake.TOKEN}, from: "{twilio_fake.SENDER}", '
    account += f'api_url: "{api_url}"}}'
    return f"""
outgoing: {{allow: ["127.0.0.0/8"]}}
sms: {{provider: twilio, twilio: {account}}}
phone: {account}
users: [{{id: ana, name: Ana, contacts: {{sms: "{NUMBER}", phone: "{NUMBER}"}}}}]
teams: [{{id: platform, name: Platform, members: [ana]}}]
routes: [{{name: everything, priority: 0, conditions: {{}}, assign: {{team: platform}}}}]
escalation_policies:
  - name: night
    conditions: {{}}
    levels: [{{level: 1, targets: [{{type: user, id: ana}}], channels: [sms, phone]}}]
"""


@pytest.mark.requirement("NTF-05")
@pytest.mark.requirement("REL-01")
async def test_a_link_and_a_key_act_once_also_after_kill_nine(tmp_path: Path) -> None:
    async with TwilioFake() as twilio, httpx2.AsyncClient() as browser:
        with ServerProcess(tmp_path, config(twilio.url)) as server:
            answer = await asyncio.to_thread(server.post, "/api/v1/events", EVENT)
            incident_id = answer.json["incident_id"]
            await twilio.wait_for(2, seconds=30)
            forms = {request.path.rpartition("/")[2]: dict(form_of(request)) for request in twilio.requests}
            link = re.search(r"http://\S+/a/(\S+)", forms["Messages.json"]["Body"])
            keypad = re.search(r'action="([^"]+)"', forms["Calls.json"]["Twiml"])
            assert link is not None
            assert keypad is not None
            looked = await browser.get(link[0])
            assert (looked.status_code, "Take it as Ana" in looked.text) == (200, True)
            done = await browser.post(link[0], data={"action": "take"})
            assert "You have it." in done.text
            await asyncio.to_thread(server.kill9)
            await asyncio.to_thread(server.start)
            path = f"/api/v1/incidents/{incident_id}"
            before = (await asyncio.to_thread(server.get, path)).json
            assert (before["status"], before["assigned_to"]) == ("ACKNOWLEDGED", "ana")
            again = await browser.post(f"{server.url}/a/{link[1]}", data={"action": "take"})
            assert "Nothing was changed. You have it" in again.text
            key = server.url + keypad[1].partition("/api/")[1] + keypad[1].partition("/api/")[2]
            headers, body = called(key, {"CallSid": "CA1", "Digits": "1"})
            said = await browser.post(key, headers=headers, content=body)
            assert spoken(said.text)[0].startswith("You have it."), (
                "each page works once; the change was made by the first"
            )
            headers, body = called(key, {"CallSid": "CA1", "Digits": "1"}, token="guessed")
            assert (await browser.post(key, headers=headers, content=body)).status_code == 401
            after = (await asyncio.to_thread(server.get, path)).json
            assert after["version"] == before["version"], "nothing changed since the first press"
            log = server.log_path.read_text()
            for secret in (link[1], twilio_fake.TOKEN, NUMBER):
                assert secret not in log
