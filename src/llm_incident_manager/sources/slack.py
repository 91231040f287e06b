"""Slack's incoming webhook, as every tool speaks it (``POST /services/T…/B…/<key>``); Teams' cards, too.

Shapes: docs.slack.dev "Sending messages using incoming webhooks"; Microsoft's "Adaptive Cards" and "MessageCard".
LiteLLM's alerts come this way and are read as such; of other tools the title says what it is, and that it is over.
"""

import html
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.errors import FieldFault, Forbidden, IncidentManagerError, Invalid, NotFound, Unauthenticated
from llm_incident_manager.sources import litellm_alerts, reading, vendors
from llm_incident_manager.sources.answers import text_answer
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

_LINK = re.compile(r"<([^<>|\s]{1,2000})(?:\|([^<>]{0,1000}))?>")
_STATE = re.compile(
    r"[\s*_:]{0,8}[\[(]?\s{0,4}(firing|alerting|triggered|alert|problem|down|critical|warning|error|resolved|recovered|recovery|"
    r"ok|closed|up)(?::\s?\d{1,6})?\s{0,4}(?:[\])]|:|\s-\s)[\s*_-]{0,8}",
    re.IGNORECASE,
)
_OVER = frozenset({"resolved", "recovered", "recovery", "ok", "closed", "up"})
_COLOURS = {
    "danger": "high", "attention": "high", "warning": "medium", "good": "low",
    "#ff0000": "high", "#d63232": "high", "#a30200": "high", "#ecb22e": "medium", "#daa038": "medium",
}  # fmt: skip
_WORD = re.compile(r"\b(critical|fatal|emergency|error|warning|warn|high|medium|low)\b", re.IGNORECASE)
_SEVERITIES = {
    **dict.fromkeys(("critical", "fatal", "emergency"), "critical"), **dict.fromkeys(("error", "high"), "high"),
    **dict.fromkeys(("warning", "warn", "medium"), "medium"), "low": "low",
}  # fmt: skip
_MEASUREMENT = re.compile(r"\W?(\d+\.\d+[a-z%]{0,3}|\d+(%|ms|s|m|h|[kmgt]i?b))\W?")
_DEPTH = 8
_MOST_LOOKS = 4000
"""So many places of a message are looked at for text."""


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return one event: LiteLLM's alert, or what another tool says. A title of ``[RESOLVED] …`` ends ``[FIRING] …``.

    Raises:
        Invalid: ``no_text`` where nothing is said.
    """
    document = reading.form_or_json(request.body, request.headers)
    said = list(_said(document))
    alert = litellm_alerts.read_alert("\n".join(said))
    if alert is not None:
        return Sent(steps=(litellm_alerts.alert_event(request, settings, alert),))
    lines = [line for text in said for line in _plain(text).splitlines() if line.strip()]
    if not lines:
        raise Invalid(
            "the message says nothing",
            [FieldFault("text", "is missing; send text, blocks or attachments")],
            code="no_text",
        )
    return Sent(steps=(_event(request, settings, document, lines),))


def _event(
    request: SourceRequest, settings: SourceSettings | None, document: dict[str, Any], lines: list[str]
) -> dict[str, Any]:
    state = _STATE.match(lines[0])
    word = state[1].lower() if state is not None else ""
    name = " ".join((lines[0][state.end() :] if state is not None else lines[0]).split()) or lines[0]
    sender = reading.text(document.get("username"), 100)
    colours = [reading.text(each.get("color"), 20).lower() for each in reading.objects(document.get("attachments"))]
    dedup_key = reading.key("slack", sender, _without_measurements(name))
    event_id = vendors.moment_id(request, dedup_key, word, *colours, *lines)
    at = request.received_at.isoformat()
    if word in _OVER or (not word and colours and all(colour == "good" for colour in colours)):
        return reading.recovery(request.source, dedup_key, event_id=event_id, at=at, said=lines[0])
    found = _WORD.search(lines[0])
    return {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": reading.category_of(*lines[:5]),
        "title": reading.title(name, default="Message"),
        "description": reading.description("\n".join(lines[1:])),
        "severity": vendors.severity(
            settings, word, found[1] if found else "", *colours, known=_SEVERITIES | _COLOURS, default="medium"
        ),
        "resource": reading.resource("service", sender, default=request.source),
        "tags": reading.tags(sent_by=sender, channel=document.get("channel")),
        "dedup_key": dedup_key,
        "payload": reading.payload(document, "icon_url", "icon_emoji"),
    }


def _without_measurements(title: str) -> str:
    """Return a title without decimals, percentages, times and sizes; a whole number may name a host or a disk.

    A title that is the same but for them is the same trouble, and its recovery has other ones.
    """
    words = title.lower().split()
    return " ".join("#" if _MEASUREMENT.fullmatch(word) else word for word in words)


def _said(document: dict[str, Any]) -> Iterator[str]:
    """Yield every text of a message, in the order in which people read it."""
    last = ""
    for text in islice(_texts(document), _MOST_LOOKS):
        if text and text != last:
            yield text
            last = text


def _texts(document: dict[str, Any]) -> Iterator[str]:
    """Yield what stands at each place where there may be text, blank or not, so that looks can be counted."""
    for name in ("title", "summary", "text"):
        yield from _one(document.get(name))
    yield from _blocks(document.get("blocks"))
    for each in reading.objects(document.get("attachments")):
        card = each.get("content")
        if isinstance(card, dict):
            yield from _blocks(card.get("body"))
            continue
        for name in ("pretext", "title", "text"):
            yield from _one(each.get(name))
        yield from _pairs(each.get("fields"))
        yield from _blocks(each.get("blocks"))
        if not any(reading.text(each.get(name)) for name in ("pretext", "title", "text", "blocks")):
            yield from _one(each.get("fallback"))
    for section in reading.objects(document.get("sections")):
        for name in ("activityTitle", "activitySubtitle", "text"):
            yield from _one(section.get(name))
        yield from _pairs(section.get("facts"))


def _blocks(value: object, levels: int = _DEPTH) -> Iterator[str]:
    """Yield the texts of Block Kit's blocks, and of an Adaptive Card's elements."""
    if levels == 0:
        return
    for each in reading.objects(value):
        text = each.get("text")
        yield from _one(text.get("text") if isinstance(text, dict) else text)
        yield from _pairs(each.get("facts"))
        for name in ("fields", "elements", "items", "columns", "body"):
            yield from _blocks(each.get(name), levels - 1)


def _pairs(value: object) -> Iterator[str]:
    for each in reading.objects(value):
        name, text = reading.text(each.get("title") or each.get("name")), reading.text(each.get("value"))
        yield f"{name}: {text}" if name and text else name or text


def _one(value: object) -> Iterator[str]:
    yield reading.text(value, 32_000)


def _plain(text: str) -> str:
    """Return Slack's markup as text: a link is its label, or its address."""
    return html.unescape(_LINK.sub(lambda link: link[2] or link[1], text)).replace("`", "").replace("*", "")


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return exactly what Slack answers: LiteLLM takes nothing but 200 for delivered."""
    return text_answer("ok")


def refuse(error: IncidentManagerError, status: int) -> Answer:
    """Return Slack's own words for what is wrong."""
    if isinstance(error, Unauthenticated | Forbidden):
        return text_answer(f"invalid_token: {error.message}", 403)
    if isinstance(error, NotFound):
        return text_answer("no_service", 404)
    if isinstance(error, Invalid):
        return text_answer("no_text" if error.code == "no_text" else f"invalid_payload: {error.message}", 400)
    return text_answer(f"rate_limited: {error.message}" if status == 429 else error.message, status)


SPEC = SourceSpec(
    name="slack",
    title="Slack incoming webhook (LiteLLM and others), Teams",
    description=(
        "Whatever a tool tells Slack or Teams by webhook; LiteLLM's alerts with their type, level, model and key, "
        "without the prompts. LiteLLM never says that it is over: set `quiet_seconds` for its source."
    ),
    setup="""# In place of https://hooks.slack.com/services/…; any T and B will do
export SLACK_WEBHOOK_URL={url}/services/T0/B0/{key}       # LiteLLM: with alerting: ["slack"]
export MS_TEAMS_WEBHOOK_URL={url}/services/T0/B0/{key}    # or alerting: ["ms_teams"]
curl {url}/services/T0/B0/{key} -H "Content-Type: application/json" -d '{"text": "[FIRING] Answers are slow"}'""",
    read=read,
    answer=answer,
    refuse=refuse,
    overloaded=429,
    doors=(Door(path="/services/{team}/{bot}/{key}"),),
    examples=(
        Example(
            title="LiteLLM",
            path="/services/T0/B0/{key}",
            headers={"Content-Type": "application/json"},
            body='{"text": "[Num Alerts: 2]\\n\\nAlert type: `llm_requests_hanging`\\nLevel: `Medium`\\n'
            "Timestamp: `09:05:06`\\n\\nMessage: `Requests are hanging - 300s+ request time`\\nRequest Model: `gpt-4o`"
            '\\nAPI Base: `https://api.openai.com`\\n\\nProxy URL: `https://llm.example.com`"}',
            status=200,
        ),
        Example(
            title="blocks",
            path="/services/T0/B0/{key}",
            body='{"username": "watch", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": '
            '"[FIRING:1] Answers are slow"}}, {"type": "section", "fields": [{"type": "mrkdwn", "text": "p99"}]}]}',
            status=200,
        ),
        Example(
            title="Teams",
            body='{"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", '
            '"content": {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock", "text": '
            '"Alert type: `outage_alerts`\\nLevel: `High`\\nTimestamp: `09:05:06`\\n\\nMessage: Major Outage"}]}}]}',
            status=200,
        ),
        Example(
            title="it is over", body='{"username": "watch", "text": "[RESOLVED] Answers are slow"}', status=200, opens=0
        ),
    ),
)
