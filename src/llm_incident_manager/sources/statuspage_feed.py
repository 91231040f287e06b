"""The feed of a status page's incidents, Atom (RFC 4287) or RSS 2.0, as the document that ``incidents.json`` would be.

Statuspage and incident.io write the state of an incident in bold at the top of an entry's text. A feed tells no impact:
what it says of components decides, else it is taken as minor.
"""

import html
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading

MOST_ENTRIES = 500
_LONGEST_TEXT = 20_000
_WORDS = ("investigating", "identified", "monitoring", "update", "resolved", "postmortem")
_PLANNED = ("scheduled", "in progress", "verifying", "completed")
_STATE = re.compile(rf"\b({'|'.join((*_WORDS, *_PLANNED))})\b")
_BOLD = re.compile(r"<(?:strong|b)>\s*(?:status:\s*)?([a-z ]{1,40}?)\s*</(?:strong|b)>", re.IGNORECASE)
_PARAGRAPH_END = re.compile(r"</p>|<br\s*/?>\s*<br\s*/?>", re.IGNORECASE)
_BREAKS = re.compile(r"^(?:\s|<br\s*/?>)+")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_NAME_TAIL = re.compile(r"\s*(?:status)?\s*(?:[-–|:]\s*)?(?:incident history|status feed|status)?\s*$", re.IGNORECASE)
_IMPACTS = (
    ("critical", re.compile(r"major outage|full outage", re.IGNORECASE)),
    ("major", re.compile(r"partial outage", re.IGNORECASE)),
)


def is_feed(body: bytes) -> bool:
    """Whether it is XML rather than JSON."""
    return body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def feed_document(body: bytes) -> dict[str, Any]:
    """Return the feed as a Statuspage document with a member ``feed``; an entry without id or time is left out.

    Raises:
        Invalid: ``invalid_statuspage``: it is no feed, or half of one; or it declares entities, which nobody needs.
    """
    root = _parsed(body)
    kind = _local(root.tag)
    if kind == "feed":
        entries, about = _children(root, "entry"), root
    elif kind in ("rss", "RDF"):
        about = next(iter(_children(root, "channel")), root)
        entries = [*_children(about, "item"), *_children(root, "item")]
    else:
        raise _invalid(f"is <{kind[:40]}>, neither an Atom feed nor RSS")
    title = _text(about, "title")
    home = _link(about) or _text(about, "id")
    host = urlsplit(home).hostname or reading.text(home, 100) or "feed"
    incidents = [incident for each in entries[:MOST_ENTRIES] if (incident := _incident(each)) is not None]
    return {
        "page": {"id": host, "name": _NAME_TAIL.sub("", title) or title or host},
        "incidents": incidents,
        "feed": kind,
    }


def _incident(entry: ElementTree.Element) -> dict[str, Any] | None:
    link = _link(entry)
    name = _text(entry, "id") or _text(entry, "guid") or link
    published = _instant(_text(entry, "published") or _text(entry, "pubDate") or _text(entry, "date"))
    updated = _instant(_text(entry, "updated")) or published
    started = published or updated
    if not name or started is None or updated is None:
        return None
    content = (
        _text(entry, "content") or _text(entry, "encoded") or _text(entry, "description") or _text(entry, "summary")
    )
    title = _plain(_text(entry, "title"))
    state, text = _newest(content[:_LONGEST_TEXT], title)
    incident = {
        "id": reading.key(name.rstrip("/").rpartition("/")[2] or name, limit=200),
        "name": title or "Incident",
        "status": state.replace(" ", "_"),
        "impact": "maintenance" if state in _PLANNED else _impact(content),
        "created_at": started.isoformat(),
        "started_at": started.isoformat(),
        "shortlink": link,
        "incident_updates": [{"status": state, "body": text, "created_at": max(started, updated).isoformat()}],
    }
    return incident | (
        {"resolved_at": max(started, updated).isoformat()} if state in ("resolved", "postmortem") else {}
    )


def _newest(content: str, title: str) -> tuple[str, str]:
    """Return the state that the entry's newest paragraph is in, and its words."""
    first = _PARAGRAPH_END.split(content, maxsplit=1)[0]
    for match in _BOLD.finditer(content):
        found = _STATE.fullmatch(match[1].strip().lower())
        if found is not None:
            said = _BREAKS.sub("", content[match.end() :])
            state = "investigating" if found[1] == "update" else found[1]
            return state, _plain(_PARAGRAPH_END.split(said, maxsplit=1)[0]).lstrip("-–: ")
    word = _STATE.match(title.lower().lstrip("[( "))
    return ("investigating" if word is None or word[1] == "update" else word[1]), _plain(first)


def _impact(content: str) -> str:
    return next((word for word, pattern in _IMPACTS if pattern.search(content[:_LONGEST_TEXT])), "minor")


def _parsed(body: bytes) -> ElementTree.Element:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid("is not UTF-8") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _invalid("declares a document type; a feed has none")
    try:  # Without a document type there are no entities to expand.
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as fault:
        raise _invalid(f"is no whole feed: {fault}") from None


def _children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [each for each in element if _local(each.tag) == name]


def _text(element: ElementTree.Element, name: str) -> str:
    found = next(iter(_children(element, name)), None)
    return reading.clean("".join(found.itertext())).strip() if found is not None else ""


def _link(element: ElementTree.Element) -> str:
    links = _children(element, "link")
    own = [each for each in links if each.get("rel", "alternate") == "alternate"] or links
    return reading.text((own[0].get("href") or own[0].text) if own else "", 2048)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _plain(markup: str) -> str:
    """Return the words of HTML."""
    return " ".join(html.unescape(_TAG.sub(" ", html.unescape(markup) if "&lt;" in markup else markup)).split())


def _instant(word: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(word.upper())
    except ValueError:
        try:
            found = parsedate_to_datetime(word)
        except (ValueError, TypeError, IndexError):
            return None
    try:
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _invalid(message: str) -> Invalid:
    return Invalid(f"the feed is wrong: it {message}", [FieldFault("body", message)], code="invalid_statuspage")
