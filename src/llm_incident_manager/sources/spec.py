"""What a source is: a pure translation from what a tool sends to events (specification §5.1), describing itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_incident_manager.domain.events.event import SourceSettings


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What one request brought: each item is the JSON text of one event, to be accepted on its own.

    ``batch_id`` is the sender's. ``is_batch`` says that the sender expects an answer per event, even for one.
    """

    items: tuple[bytes, ...]
    batch_id: str | None = None
    is_batch: bool = False


Read = Callable[[bytes, Mapping[str, str], SourceSettings | None], Sent]
"""``read(body, headers, settings)``: header names in lower case. Raises Invalid when the whole request is wrong."""


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """How a source describes itself. ``path`` is the last part of ``POST /api/v1/sources/{path}``."""

    name: str
    title: str
    path: str
    read: Read
    description: str
    example: str
