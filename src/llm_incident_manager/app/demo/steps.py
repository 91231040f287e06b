"""What a day can consist of; ``day.py`` is written in these words, ``story.py`` carries them out."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the reader something."""

    text: str


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """A tool sends ``count`` events; what it opens or joins is called ``name`` from then on.

    ``event`` lacks ``event_id`` and ``timestamp``: they are made when it is sent. ``varies`` lists values for
    ``payload.sample``, taken in turn. ``opens`` is false for the news that it is over.
    """

    name: str
    event: Mapping[str, Any]
    count: int = 1
    varies: tuple[str, ...] = ()
    opens: bool = True


class Expect(msgspec.Struct, frozen=True, kw_only=True):
    """Wait until ``to`` has been told about ``name`` by ``channel``; the story fails if that does not happen."""

    name: str
    to: str
    type: str
    channel: str = "webhook"


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """Time passes."""

    minutes: float


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """A person does something about ``name``."""

    who: str
    name: str
    action: str
    fields: Mapping[str, str] = {}


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """Show where ``name`` stands."""

    name: str


Step = Say | Send | Expect | Pass | Act | Show


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble of the day."""

    title: str
    steps: tuple[Step, ...]
