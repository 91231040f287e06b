"""Notification templates as documents (specification §5.5)."""

from typing import Any

import msgspec

from llm_incident_manager.domain.routing.conditions import Conditions
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_id
from llm_incident_manager.engine.documents.routes import read_priority
from llm_incident_manager.engine.documents.targets import read_channels, read_conditions

_TEXTS = ("subject", "body_html", "body_text", "message")
_LONGEST = 100_000


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template; ``channels`` maps a channel's name to what §5.5 calls its ``ChannelTemplate``."""

    id: str
    name: str
    type: NotificationType
    description: str = ""
    channels: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    variables: tuple[str, ...] = ()
    conditions: Conditions = Conditions()
    enabled: bool = True
    priority: int = 0


def parse_template(document: dict[str, Any], known: Known, findings: Findings) -> Template:
    """Return a template; what its texts may do is checked where they are rendered, not here."""
    part = Part(document, "", findings)
    template = Template(
        id=read_id(part, Kind.TEMPLATES, document),
        name=part.text("name", required=True, limit=200),
        type=part.choice("type", NotificationType, required=True) or NotificationType.CUSTOM,
        description=part.text("description", limit=5000),
        channels=_channels(part, known),
        variables=tuple(word for _, word in part.words("variables")),
        conditions=read_conditions(part),
        enabled=part.flag("enabled", default=True),
        priority=read_priority(part),
    )
    part.done()
    return template


def _channels(owner: Part, known: Known) -> dict[str, dict[str, Any]]:
    part = owner.part("channels")
    if part is None:
        owner.fault("channels", "is required: what is said on at least one channel")
        return {}
    found: dict[str, dict[str, Any]] = {}
    for name, value in part.members():
        named = Part({"channel": name}, part.path, part.findings)
        inner = Part(value, part.at(name), part.findings)
        for text in _TEXTS:
            inner.text(text, limit=_LONGEST)
        for other in ("blocks", "attachments"):
            inner.values(other)
        inner.part("payload")
        inner.done()
        if read_channels(named, "channel", known=known) and isinstance(value, dict):
            found[name.lower()] = value
    return found
