"""What comes by Slack's webhook: LiteLLM's alerts as they leave it, and what other tools say (ING-12)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contract.sources.rig import Sender, of, sending

pytestmark = pytest.mark.requirement("ING-12")

HEAD = "Alert type: `{}`\nLevel: `{}`\nTimestamp: `09:05:06`\n\nMessage: {}"
PROXY = "\n\nProxy URL: `https://llm.example.com`"
SLOW = HEAD.format(
    "llm_too_slow",
    "Low",
    "`Responses are slow - 30.0s response time > Alerting threshold: 10s`\n\nKey Name: `chat`\nTeam: `rag`\n"
    "Request Model: `gpt-4o`\nAPI Base: `https://api.openai.com`\n"
    "Messages: `[{'role': 'user', 'content': 'my secret plan\n\nProxy URL: `mine`'}]`",
)
HANGING = HEAD.format(
    "llm_requests_hanging",
    "Medium",
    "`Requests are hanging - 300s+ request time`\nRequest Model: `gpt-4o`\nAPI Base: `None`",
)
OUTAGE = HEAD.format(
    "outage_alerts",
    "High",
    "\n\n\n*⚠️ Major Service Outage*\n\n\n*Model Name:* `gpt-4o`\n*Provider:* `openai`\n*API Base:* `https://x`\n\n\n"
    "*Errors:*\n\nAPI Errors: 2\n\n\n*Last Check:* `0.0s ago`\n\n\n",
)
BUDGET = HEAD.format(
    "budget_alerts",
    "High",
    "Key Budget: Budget Crossed\n Total Budget:`100.0`\n\n*spend:* `110.0`\n*user_id:* `u-1`\n*key_alias:* `chat`\n",
)


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(tmp_path, "slack") as sender:
        yield sender


def teams(text: str) -> dict[str, Any]:
    """Return LiteLLM's Teams message."""
    body = [{"type": "TextBlock", "text": text, "wrap": True}]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": body}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HANGING, ("Requests are hanging - 300s+ request time (gpt-4o)", "performance", "P2", "model", "gpt-4o")),
        (OUTAGE, ("Major Service Outage (gpt-4o)", "availability", "P1", "model", "gpt-4o")),
        (
            OUTAGE.replace("*Model Name:* `gpt-4o`", "*Region:* `eu-west-1`"),
            ("Major Service Outage (eu-west-1)", "availability", "P1", "service", "eu-west-1"),
        ),
        (BUDGET, ("Key Budget: Budget Crossed (chat)", "cost", "P1", "service", "chat")),
        (
            HEAD.format("llm_exceptions", "High", "LLM API call failed: boom"),
            ("LLM API call failed: boom", "availability", "P1", "service", "litellm"),
        ),
    ],
)
@pytest.mark.parametrize("form", ["slack", "teams"])
async def test_litellm_s_alert_is_the_incident_that_it_speaks_of(
    slack: Sender, text: str, expected: tuple[str, ...], form: str
) -> None:
    answer = await slack.send({"text": text + PROXY} if form == "slack" else teams(text + PROXY))
    assert (answer.status_code, answer.text) == (200, "ok")
    assert answer.headers["content-type"].startswith("text/plain")
    assert of(await slack.incident()) == expected


async def test_litellm_s_batch_is_counted_and_a_later_alert_of_the_model_joins(slack: Sender) -> None:
    await slack.send({"text": f"[Num Alerts: 7]\n\n{HANGING}{PROXY}"})
    await slack.api.story.fast_forward(seconds=30)
    await slack.send({"text": HANGING + PROXY})
    incident = await slack.incident()
    assert incident["event_count"] == 2
    assert '"alerts":7' in await slack.kept()
    assert incident["tags"] == {"alert_type": "llm_requests_hanging", "request_model": "gpt-4o"}


async def test_prompts_and_keys_never_stay_whatever_they_look_like(slack: Sender) -> None:
    text = SLOW.replace("Team: `rag`", "Team: `sk-abcdef0123456789`")
    for tail in ("", PROXY):
        await slack.send({"text": text + tail})
    kept = await slack.kept() + json.dumps(await slack.incidents())
    for secret in ("secret plan", "mine", "sk-abcdef"):
        assert secret not in kept
    assert "prompts are not kept" in kept
    assert of(await slack.incident())[0].startswith("Responses are slow")


@pytest.mark.parametrize(
    "text",
    [
        "Alert type: `daily_reports`\n\nTime: `1.5`s\nHere are today's key metrics 📈: ",
        HEAD.format("new_virtual_key_created", "Low", "`New Virtual Key Created`\nkey_alias: `chat`"),
        HEAD.format("spend_reports", "Low", "*💸 Spend Report*"),
    ],
)
async def test_litellm_s_reports_open_nothing(slack: Sender, text: str) -> None:
    assert (await slack.send({"text": text})).text == "ok"
    assert await slack.incidents() == []


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        ({"text": "[FIRING:1] Latency (chat)"}, {"text": "[RESOLVED] Latency (chat)"}),
        (
            {"attachments": [{"color": "danger", "title": "[FIRING:2] Latency", "text": "p99 <https://g/1|9 s>"}]},
            {"attachments": [{"color": "good", "title": "[RESOLVED] Latency"}]},
        ),
        (
            {
                "blocks": [
                    {"type": "header", "text": {"type": "plain_text", "text": "ALERT: p99 is 9.25 s, errors 40%"}}
                ]
            },
            {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "OK: p99 is 0.31 s, errors 0.1%"}}]},
        ),
        (
            {"attachments": [{"color": "danger", "text": "Latency"}]},
            {"attachments": [{"color": "good", "text": "Latency"}]},
        ),
        (
            {
                "@type": "MessageCard",
                "title": "[Alerting] Latency",
                "sections": [{"facts": [{"name": "p99", "value": "9"}]}],
            },
            {"@type": "MessageCard", "title": "[OK] Latency"},
        ),
    ],
)
async def test_what_says_that_it_is_over_ends_what_it_began(slack: Sender, begins: Any, ends: Any) -> None:
    await slack.send(begins)
    assert (await slack.incident())["status"] == "NEW"
    await slack.send(ends)
    assert (await slack.incident())["status"] == "RESOLVED"
    await slack.send({"text": "[RESOLVED] Nobody ever heard of it"})
    assert len(await slack.incidents()) == 1


async def test_the_same_words_the_next_day_are_new_trouble(slack: Sender) -> None:
    await slack.send({"text": "[FIRING] Disk is full"})
    await slack.send({"text": "[RESOLVED] Disk is full"})
    await slack.api.story.fast_forward(minutes=60 * 24)
    await slack.send({"text": "[FIRING] Disk is full"})
    assert [each["status"] for each in await slack.incidents()] == ["RESOLVED", "NEW"]


async def test_another_host_is_another_problem(slack: Sender) -> None:
    for host in ("db-1", "db-2", "db 3", "db 4", "10.0.0.1", "10.0.0.2"):
        await slack.send({"text": f"[FIRING] Disk of {host} is full: 97.5%"})
    assert len(await slack.incidents()) == 6
    await slack.send({"text": "[FIRING] Disk of db-1 is full: 98%"})
    await slack.send({"text": "[RESOLVED] Disk of db-1 is full: 40%"})
    assert [each["status"] for each in await slack.incidents()] == ["RESOLVED", *["NEW"] * 5]


async def test_a_form_and_slack_s_markup_are_read(slack: Sender) -> None:
    said = {"username": "watch", "text": "CRITICAL: <https://g/1|Latency> &gt; 9 s", "channel": "#ops"}
    body = urlencode({"payload": json.dumps(said)}).encode()
    await slack.send(body, path="/services/T0/B0/" + await slack.api.key("ingest"),
                     headers={"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
    incident = await slack.incident()
    assert of(incident) == ("Latency > 9 s", "performance", "P0", "service", "watch")
    assert incident["tags"] == {"channel": "#ops", "sent_by": "watch"}


async def test_slack_s_own_words_say_what_is_wrong(slack: Sender) -> None:
    empty = await slack.send({"text": "  "})
    assert (empty.status_code, empty.text) == (400, "no_text")
    broken = await slack.send(b"{")
    assert broken.status_code == 400
    assert broken.text.startswith("invalid_payload: ")
    wrong = await slack.api.of(None).post("/services/T0/B0/not-a-key-of-anybody-0123456789", json={"text": "x"})
    assert wrong.status_code == 403
    assert wrong.text.startswith("invalid_token")
    assert await slack.incidents() == []
