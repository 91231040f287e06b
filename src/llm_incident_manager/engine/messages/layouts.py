"""The default texts: plain text, HTML, Slack's blocks and the webhook's JSON, all from one telling.

Whatever came with an event is hostile: it is escaped for the layout that shows it, and cannot start a line of its own.
"""

import re
from html import escape
from typing import Any

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.engine.messages.telling import Fact, Telling
from llm_incident_manager.engine.messages.words import plain
from llm_incident_manager.engine.views.incident import incident_document

TAKE_LINK = "take_link"
_HEADER, _FIELD, _SECTION, _FIELDS = 150, 2000, 2900, 10
"""Slack's own limits (Block Kit reference), the section's with room for escaping."""
_COLOURS = {"P0": "#b3261e", "P1": "#c4501b", "P2": "#8a6d00", "P3": "#1f5fa8", "P4": "#5b6470"}
_MARKDOWN = re.compile(r"([\\`*_\[\]()#~|<>])")
_LINK = re.compile(r"(:/|www|mailto)(/|\.|:)", re.IGNORECASE)
_CUT_ENTITY = re.compile(r"&[a-z]{0,4}$")


def text_page(told: Telling) -> str:
    """Return the plain text: what matters first, the link above the fold, the source's words quoted at the end."""
    lines = [told.heading]
    if told.late:
        lines.append(told.late)
    lines += [f"{fact.label}: {fact.value}" for fact in told.facts]
    if told.act_link:
        lines.append(f"Take it: {told.act_link}")
    lines += [told.link, "", told.ending]
    if told.description:
        lines += ["", "The source says:", *(f"> {line}".rstrip() for line in told.description.splitlines())]
    return "\n".join(lines) + "\n"


def html_page(told: Telling, severity: str) -> str:
    """Return the HTML part of a mail: no script, no picture, no address but the link to the incident."""
    late = f'<p style="color:#b3261e"><strong>{escape(told.late)}</strong></p>' if told.late else ""
    rows = "".join(
        f'<tr><th align="left" valign="top" style="padding:2px 16px 2px 0;color:#5b6470;font-weight:normal">'
        f'{escape(fact.label)}</th><td style="padding:2px 0">{escape(fact.value)}</td></tr>'
        for fact in told.facts
    )
    taken = f'<a href="{escape(told.act_link)}" style="font-weight:bold">Take it</a> or ' if told.act_link else ""
    opened = "open the incident" if taken else "Open the incident"
    described = ""
    if told.description:
        quoted = escape(told.description).replace("\n", "<br>\n")
        described = f'<blockquote style="margin:16px 0;padding-left:12px;border-left:3px solid">{quoted}</blockquote>'
    return (
        '<!doctype html>\n<html lang="en"><body style="font-family:sans-serif;color:#1b1f24;max-width:640px">\n'
        f'<h2 style="border-left:6px solid {_COLOURS.get(severity, "#5b6470")};padding-left:10px">'
        f"{escape(told.heading)}</h2>\n{late}\n<table>{rows}</table>\n"
        f'<p>{taken}<a href="{escape(told.link)}" style="font-weight:bold">{opened}</a>. {escape(told.ending)}</p>\n'
        f"{described}\n</body></html>\n"
    )


def slack_blocks(told: Telling, notification_id: str, incident_id: str) -> list[dict[str, Any]]:
    """Return Block Kit: header, fields, what the source says, the button, and the ids for whoever searches."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(told.heading, _HEADER), "emoji": False}}
    ]
    if told.late:
        blocks.append(_section(f":hourglass: *{mrkdwn(told.late, 500)}*"))
    blocks.append({"type": "section", "fields": [_field(fact) for fact in told.facts[:_FIELDS]]})
    if told.description:
        quoted = "\n".join(f"> {line}" for line in mrkdwn(plain(told.description, 2000), 2500).splitlines())
        blocks.append(_section(_cut(quoted, _SECTION)))
    if re.match(r"https?://", told.link):
        button = {
            "type": "button",
            "text": {"type": "plain_text", "text": "Open the incident"},
            "url": told.link,
            "action_id": "open_incident",
        }
        buttons = [button]
        if told.act_link:
            # Slack's incoming webhook can only link: the page behind it asks once more, so that nothing acts unseen.
            take = {"type": "plain_text", "text": "Take it"}
            buttons.insert(0, {"type": "button", "text": take, "url": told.act_link, "action_id": TAKE_LINK})
        blocks.append({"type": "actions", "elements": buttons})
    facts = f"{mrkdwn(incident_id, 100)} · {mrkdwn(told.ending, 200)}"
    blocks.append({"type": "context", "block_id": notification_id, "elements": [_plain(facts)]})
    return blocks


def short_page(told: Telling, incident: Incident) -> str:
    """Return one line for what has little room: severity and title, lateness, what it hits, since when, how often."""
    title = told.heading.replace("[", "", 1).replace("]", ":", 1)
    facts = {fact.label: fact.value for fact in told.facts}
    since = facts.get("Since", "").partition(", ")[2].partition(" ago; ")
    parts = [title, told.late, f"Hits {facts['Hits']}" if "Hits" in facts else ""]
    parts.append(f"Since {since[0]}, {since[2].partition(',')[0]}" if since[2] else "")
    parts.append(f"Lasted {facts['Lasted'].partition(',')[0]}" if "Lasted" in facts else "")
    return ". ".join(part.rstrip(".") for part in parts if part) + f". {incident.id}"


def mrkdwn(text: str, limit: int) -> str:
    """Return ``text`` escaped for Slack's mrkdwn, in at most ``limit`` characters: no link, no mention."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return safe if len(safe) <= limit else _CUT_ENTITY.sub("", safe[: limit - 1]) + "…"


def markdown(text: str) -> str:
    """Return ``text`` escaped for the Markdown of an Adaptive Card: no link, no mark-up, no line of its own."""
    return _MARKDOWN.sub(r"\\\1", _LINK.sub("\\1\u200b\\2", " ".join(text.split())))


def webhook_payload(told: Telling, notification: Notification, incident: Incident) -> dict[str, Any]:
    """Return the body of a webhook page (interfaces, "A webhook page"); ``reason`` is the ledger's own word.

    A page by hand that came with a note has it as ``note``; no other page has that member.
    """
    document = {
        "type": notification.type.value,
        "notification_id": notification.id,
        "incident": incident_document(incident),
        "level": notification.level,
        "target": notification.target,
        "reason": notification.reason,
        "late_seconds": told.late_seconds,
        "dashboard_url": told.link,
    }
    return document | {"note": notification.note} if notification.note else document


def _field(fact: Fact) -> dict[str, Any]:
    return _plain(f"*{fact.label}*\n{mrkdwn(fact.value, _FIELD - 40)}")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _plain(text)}


def _plain(text: str) -> dict[str, Any]:
    """Return a text in which Slack itself looks for neither addresses nor names (``verbatim``)."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
