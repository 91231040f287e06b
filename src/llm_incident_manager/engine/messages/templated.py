"""A page in the words of a template (NTF-02); what the template leaves out stays as it is by default."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.message import Message
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.messages.layouts import markdown, mrkdwn
from llm_incident_manager.engine.messages.telling import Telling, person_name
from llm_incident_manager.engine.messages.words import duration, instant, one_line, reason_words
from llm_incident_manager.engine.template_sandbox import TemplateFailed, fill, fill_html
from llm_incident_manager.engine.templates import MAX_DEPTH, MAX_LEAVES
from llm_incident_manager.engine.views.incident import incident_document

_URL = re.compile(r"https?://[^\s<>\"']{1,2000}")
_LONGEST_BLOCK_TEXT = 3000
Escape = Callable[[str], str]
Escapes = Callable[[Mapping[str, Any], str], Escape | None]
"""Gives what makes values harmless in that member of a block, or None where they stand as they are."""


def variables_of(
    notification: Notification, incident: Incident, context: Context, told: Telling, at: datetime, public_url: str
) -> dict[str, Any]:
    """Return what a template may read: plain values only."""
    document = incident_document(incident)
    mttr = incident.times.mttr
    lasted = timedelta(seconds=mttr) if mttr is not None else at - incident.created_at
    assigned = incident.assigned_to
    page = {
        "incident": document,
        "incident_id": incident.id,
        "dashboard_url": public_url.rstrip("/"),
        "incident_url": told.link,
        "notification_id": notification.id,
        "notification_type": notification.type.value,
        "level": notification.level,
        "target": notification.target,
        "recipient": notification.recipient_name or notification.recipient,
        "reason": reason_words(notification.reason),
        "note": one_line(notification.note, 500),
        "late_seconds": told.late_seconds,
        "since": instant(incident.created_at),
        "lasted": duration(lasted),
        "assigned_to_name": person_name(assigned, context) if assigned is not None else None,
    }
    return document | page


def templated(message: Message, given: Mapping[str, Any], variables: Mapping[str, Any], *, channel: str) -> Message:
    """Return ``message`` as the channel's part of a template says it; raises TemplateFailed."""
    of_teams = channel == "teams"
    changes: dict[str, Any] = {}
    links = _attachments(given.get("attachments"), variables)
    subject, html, text = given.get("subject"), given.get("body_html"), given.get("body_text") or given.get("message")
    if isinstance(subject, str):
        changes["subject"] = one_line(fill(subject, variables), 500)
    if isinstance(text, str):
        listed = "".join(f"\n{name}: {url}" for name, url in links)
        # Without blocks or HTML of its own, the text is the page.
        filled = fill(text, variables)
        changes |= {"text": filled + listed, "html": None, "blocks": None, "short": one_line(filled, 500)}
    if isinstance(html, str):
        listed = "".join(f'\n<p><a href="{escape(url)}">{escape(name)}</a></p>' for name, url in links)
        changes["html"] = fill_html(html, variables) + listed
    if isinstance(given.get("blocks"), list):
        context = [_link_actions(links) if of_teams else _link_block(links)] if links else []
        escapes = _escape_of_teams if of_teams else _escape_of_slack
        changes["blocks"] = [*_filled(given["blocks"], variables, [MAX_LEAVES], escapes), *context]
    if isinstance(given.get("payload"), Mapping):
        changes["payload"] = _filled(given["payload"], variables, [MAX_LEAVES], _no_escape)
    return msgspec.structs.replace(message, **changes)


def _filled(value: Any, variables: Mapping[str, Any], left: list[int], escapes: Escapes, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise TemplateFailed(f"is nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        left[0] -= 1
        if left[0] < 0:
            raise TemplateFailed(f"holds more than {MAX_LEAVES} texts")
        return fill(value, variables)
    if isinstance(value, Mapping):
        return {
            name: fill(member, variables, escape=escape)
            if isinstance(member, str) and (escape := escapes(value, name)) is not None
            else _filled(member, variables, left, escapes, depth + 1)
            for name, member in value.items()
        }
    if isinstance(value, list | tuple):
        return [_filled(member, variables, left, escapes, depth + 1) for member in value]
    return value


def _attachments(given: object, variables: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (name, address) of each; an address that is none once filled in is left out."""
    links: list[tuple[str, str]] = []
    for each in given if isinstance(given, list | tuple) else ():
        url = one_line(fill(str(each.get("url", "")), variables), 2000) if isinstance(each, Mapping) else ""
        if _URL.fullmatch(url):
            links.append((one_line(fill(str(each.get("name") or url), variables), 200), url))
    return links


def _link_block(links: list[tuple[str, str]]) -> dict[str, Any]:
    listed = " · ".join(f"<{url.replace('|', '%7C')}|{mrkdwn(name, 200).replace('|', '/')}>" for name, url in links)
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": listed[:_LONGEST_BLOCK_TEXT]}]}


def _link_actions(links: list[tuple[str, str]]) -> dict[str, Any]:
    actions = [{"type": "Action.OpenUrl", "title": name, "url": url} for name, url in links]
    return {"type": "ActionSet", "actions": actions}


def _escape_of_slack(holder: Mapping[str, Any], name: str) -> Escape | None:
    return _escape_mrkdwn if name == "text" and holder.get("type") == "mrkdwn" else None


def _escape_of_teams(holder: Mapping[str, Any], name: str) -> Escape | None:
    """A text run reads no Markdown; every other text of a card may."""
    return markdown if name in ("text", "title", "value") and holder.get("type") != "TextRun" else None


def _no_escape(holder: Mapping[str, Any], name: str) -> Escape | None:
    return None


def _escape_mrkdwn(text: str) -> str:
    return mrkdwn(text, _LONGEST_BLOCK_TEXT)
