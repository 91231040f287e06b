"""What a source is: a pure translation from what a tool sends to events and acts, describing itself.

One file with a ``SPEC``, and one line in ``registry.py``; CONTRIBUTING.md has the recipe. The door
(``api/rest/doors.py``) does the rest: key, limits, signature, durability, dead letters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.engine.receipts import Receipt
from llm_incident_manager.engine.source_acts import Act, ActReceipt
from llm_incident_manager.errors import IncidentManagerError
from llm_incident_manager.sources.signing import Signature, own_signature

Step = bytes | Mapping[str, Any] | Act
"""An event (its JSON text, or a document of specification §5.1), or an act on an incident that is open."""
Outcome = Receipt | ActReceipt


@dataclass(frozen=True, kw_only=True)
class SourceRequest:
    """One request, its sender known.

    ``source`` is the name under which its events go. ``params`` are the path's, ``query`` holds the first value of each
    name, ``headers`` are in lower case; what carried the key is in none of them. ``sender`` tells keys bound to no
    source apart, and stays the same when one is rotated; it is empty for a key that is bound.
    """

    source: str
    body: bytes
    received_at: datetime
    method: str = "POST"
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    sender: str = ""
    message_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What one request brought, in order.

    ``is_batch``: the sender expects an answer per event, even for one, so that a rejected event is no refusal of the
    whole. ``reply`` is what the answer needs of the request (a dedup key made here, an id to repeat).
    """

    steps: tuple[Step, ...] = ()
    batch_id: str | None = None
    is_batch: bool = False
    reply: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the sender gets back."""

    status: int = 202
    body: bytes = b""
    media_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Door:
    """A path of its own beside ``POST /api/v1/sources/{name}``, as the vendor's clients insist on it.

    A segment ``{key}`` carries the ingest key. ``public``: no key is asked for (a handshake); ``read`` is then called
    without settings, and what it brings is not taken in.
    """

    path: str
    methods: tuple[str, ...] = ("POST",)
    public: bool = False


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request as the tool really sends it: documentation, and what the contract suite is driven by.

    ``path`` is the door's, filled in (``{key}`` stays as it is); without one it goes to ``/api/v1/sources/{name}``. A
    member or query value ``{key}`` in ``body`` or ``path`` is replaced by an ingest key. ``opens`` says how many
    incidents are open after it alone. ``repeats_count``: it carries neither an id nor a time, so sending it again says
    that the trouble goes on.
    """

    body: str
    title: str = "a problem"
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str | None = None
    status: int = 202
    opens: int = 1
    repeats_count: bool = False


Read = Callable[[SourceRequest, SourceSettings | None], Sent]
"""Raises Invalid when the whole request is wrong, and nothing else whatever the bytes are."""
Answering = Callable[[SourceRequest, Sent, Sequence[Outcome]], Answer]
"""Called once everything is durable and done; one outcome per step, in order."""
Refusing = Callable[[IncidentManagerError, int], Answer]
"""Returns the sender's own shape of an error; the status is the one to use unless the sender wants another."""
RefusingIn = Callable[[IncidentManagerError, int, Mapping[str, str]], Answer]
"""The same, for senders whose errors must be of the content type of their request: it is given the headers."""


@dataclass(frozen=True, kw_only=True)
class Polled:
    """What an answer, or its absence, brought.

    ``told`` is the cursor once the events of ``sent`` are durable: the state of each thing that was told, by its key.
    ``is_bad``: the thing that is watched is unwell. ``note`` names what could not be read.
    """

    sent: Sent
    told: Mapping[str, str]
    is_bad: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PollMoment:
    """What was known before a poll: what was ``told``, and ``since`` when the news is bad (now, if it was good)."""

    told: Mapping[str, str]
    since: datetime


PollRead = Callable[[SourceRequest, SourceSettings, PollMoment], Polled]
"""Reads an answer; raises Invalid where nothing can be made of it, and then the poll has failed."""
PollFailing = Callable[[SourceRequest, PollMoment, str], Polled]
"""Says that nothing answers, for the reason given; the request has no body."""


@dataclass(frozen=True, kw_only=True)
class Polling:
    """How a source is asked (``mode: pull``), where its plugin knows more than "get it and read it as if it was sent".

    ``url`` makes the address out of the endpoint that people set. With ``failing``, bad news and failed polls count
    together, and none is told before there were as many in a row as the settings say.
    """

    read: PollRead
    url: Callable[[str], str] = str
    accept: str = "application/json"
    interval_seconds: int = 60
    failing: PollFailing | None = None


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """How a source describes itself.

    Args:
        name: last part of ``POST /api/v1/sources/{name}``, and the source of its events where nothing else is said.
        title: what people call the tool.
        description: one sentence: what it sends, and what becomes of it.
        setup: at most ten lines to copy that point the tool here; ``{url}`` and ``{key}`` are filled in.
        read: the translation.
        answer: the answer to what was taken in; None: 202 with the receipt, as ``POST /api/v1/events``.
        refuse: the answer to an error; None: a problem document.
        refuse_in: the same where it depends on the request's headers.
        doors: paths beside ``/api/v1/sources/{name}``.
        key_members: members of a JSON body, at its top, that carry the key (``routing_key``).
        key_headers: headers beside ``Authorization`` and ``X-API-Key`` that carry it, in lower case.
        signature: how the sender signs, where the source's settings hold a ``signing_secret``.
        overloaded: the status for "later" that makes this sender come back: 429, 503, or None for the one that fits.
        body_bytes: the vendor's own limit, if lower than ours.
        polling: how it is asked; None: its document is read as if it was sent.
        examples: requests of the tool; the first is shown in the docs.
    """

    name: str
    title: str
    description: str
    setup: str
    read: Read
    examples: tuple[Example, ...]
    answer: Answering | None = None
    refuse: Refusing | None = None
    refuse_in: RefusingIn | None = None
    doors: tuple[Door, ...] = ()
    key_members: tuple[str, ...] = ()
    key_headers: tuple[str, ...] = ()
    signature: Signature = field(default_factory=own_signature)
    overloaded: int | None = None
    body_bytes: int | None = None
    polling: Polling | None = None
