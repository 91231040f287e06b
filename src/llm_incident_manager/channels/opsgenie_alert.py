"""An alert as Opsgenie and its successor take it: fields within their limits, responders, priorities, answers.

Source: Opsgenie's public page "Alert API"; Atlassian's "Jira Service Management ops REST API, Alerts".
"""

import json
import re
from typing import Any, Literal, NamedTuple

from llm_incident_manager.channels.http_post import Answer, meaning
from llm_incident_manager.channels.plain_text import one_line, printable
from llm_incident_manager.domain.notifications.message import Delivered, Message, Outcome
from llm_incident_manager.domain.vocabulary import NotificationType, Severity

MAX_MESSAGE = 130
MAX_ALIAS = 512
MAX_DESCRIPTION = 15_000
MAX_ENTITY = 512
MAX_NOTE = 25_000
SOURCE = "LLM-Incident-Manager"
Priority = Literal["P1", "P2", "P3", "P4", "P5"]
PRIORITIES: dict[Severity, Priority] = {
    Severity.P0: "P1",
    Severity.P1: "P2",
    Severity.P2: "P3",
    Severity.P3: "P4",
    Severity.P4: "P5",
}
MAX_RESPONDERS = 50
_RESPONDER = re.compile(r"(team|user|escalation|schedule): *([^\s,:/][^,:/]{0,254})")


class Responder(NamedTuple):
    """Who is paged there: ``kind`` is team, user, escalation or schedule; ``name`` its name or id."""

    kind: str
    name: str


def read_responders(written: str) -> list[Responder]:
    """Return the responders of ``team:Platform, user:ana@example.com``; none for an empty text.

    Raises:
        ValueError: it is not written so; the message is for people.
    """
    parts = [part.strip() for part in written.split(",") if part.strip()]
    found = [_RESPONDER.fullmatch(part) for part in parts]
    if not all(found) or len(found) > MAX_RESPONDERS:
        raise ValueError(
            "responders are written like team:Platform, user:ana@example.com, schedule:Primary or escalation:Night, "
            f"at most {MAX_RESPONDERS} of them"
        )
    return [Responder(each[1], each[2].strip()) for each in found if each is not None]


def action_of(message: Message) -> Literal["create", "acknowledge", "close"]:
    """Return what the message asks for there."""
    if message.type is NotificationType.RESOLVED:
        return "close"
    return "acknowledge" if message.acknowledges else "create"


def alias_of(message: Message) -> str:
    """Return the alias under which the alert is kept."""
    return (message.incident_key or message.incident_id)[:MAX_ALIAS]


def alert_fields(message: Message, priority: Priority) -> dict[str, Any]:
    """Return the fields of a new alert, without responders and details."""
    return {
        "message": one_line(message.subject, MAX_MESSAGE) or message.incident_id,
        "alias": alias_of(message),
        "description": printable(message.text, MAX_DESCRIPTION),
        "entity": one_line(message.resource, MAX_ENTITY),
        "source": SOURCE,
        "priority": priority,
        "tags": [message.severity.value, *([message.category] if message.category else [])],
    }


def details_of(message: Message) -> dict[str, str]:
    """Return what leads from the alert back to the incident."""
    link = message.dashboard_url if re.match(r"https?://\S{1,2000}$", message.dashboard_url) else ""
    details = {"incident_id": message.incident_id, "notification_id": message.notification_id}
    return details | ({"incident_url": link} if link else {})


def note_of(message: Message) -> dict[str, str]:
    """Return the body of an acknowledgment or an end."""
    return {"source": SOURCE, "note": printable(message.text or message.subject, MAX_NOTE)}


def outcome_of(answer: Answer, host: str, secrets: tuple[str, ...]) -> Outcome:
    """Return what an answer means; both process later, so the receipt is the id of the request."""
    said = read_json(answer)
    if 200 <= answer.status < 300:
        return Delivered(receipt=one_line(str(said.get("requestId", "")), 100) or None)
    words = str(said.get("message") or "")
    if isinstance(errors := said.get("errors"), dict | list) and errors:
        listed = [f"{name}: {each}" for name, each in errors.items()] if isinstance(errors, dict) else errors
        words += f": {'; '.join(_words(each) for each in listed)}"
    for secret in secrets:
        words = words.replace(secret, "…") if secret else words
    text = one_line(words, 200)
    return meaning(answer, host, detail=f" ({text})" if text else "")


def read_json(answer: Answer) -> dict[str, Any]:
    """Return the answer's JSON object; an empty one if it is none."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _words(error: Any) -> str:
    return str(error.get("title") or error.get("detail") or "") if isinstance(error, dict) else str(error)
