"""The kinds of configuration documents, their ids, and the members that the server adds to them."""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+-]{0,99}")
SERVER_MADE = frozenset({"created_at", "updated_at", "created_by", "version", "origin"})
"""Members of an answer that a document put back may carry; they are dropped."""


class Kind(StrEnum):
    """The same words as the sections of the config file and the paths of REST."""

    USERS = "users"
    TEAMS = "teams"
    CATCH_ALL = "catch_all"
    ROUTES = "routes"
    POLICIES = "escalation_policies"
    SCHEDULES = "schedules"
    TEMPLATES = "templates"
    SOURCES = "sources"
    CLASSIFICATION = "classification"
    CORRELATION = "correlation"
    PAUSES = "pauses"
    SILENCES = "silences"
    OVERRIDES = "overrides"
    SWAPS = "swaps"
    CALENDAR_LINKS = "calendar_links"
    CALENDAR_FEEDS = "calendar_feeds"


SINGLE = frozenset({Kind.CATCH_ALL, Kind.CLASSIFICATION, Kind.CORRELATION})
"""Kinds of which a tenant has one document; its id is the kind's name."""
NAMED = frozenset({Kind.ROUTES, Kind.SOURCES})
"""Kinds whose name is their id."""
NAMELESS = frozenset({Kind.OVERRIDES, Kind.SWAPS})
"""Kinds whose id the server makes where none is given."""
OF_A_SCHEDULE = frozenset({Kind.OVERRIDES, Kind.SWAPS})
"""Kinds that go with the schedule that their ``schedule`` names."""


class Written(Protocol):
    """A document with its kind and id; ``ConfigurationItem`` is one."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def document(self) -> dict[str, Any]: ...


class WrittenItem(msgspec.Struct, frozen=True, kw_only=True):
    """A document that is not stored yet."""

    kind: str
    id: str
    document: dict[str, Any]


def identify(kind: str, document: Mapping[str, Any]) -> str:
    """Return a document's id: the one written, else its name (routes, sources) or the name's slug; may be empty."""
    if kind in SINGLE:
        return str(kind)
    written = document.get("id")
    if isinstance(written, str | int) and not isinstance(written, bool) and str(written).strip():
        return str(written).strip()
    name = document.get("name")
    if not isinstance(name, str | int) or isinstance(name, bool):
        return ""
    return str(name).strip() if kind in NAMED else slug(str(name))


def slug(name: str) -> str:
    """Return lower-case ASCII words joined by hyphens: ``Critical Security!`` gives ``critical-security``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100]


def is_id(kind: str, value: str) -> bool:
    """Whether ``value`` can be an id: of routes and sources any printable name without a slash, else :data:`ID`."""
    if kind in NAMED:
        return 0 < len(value) <= 200 and value.isprintable() and "/" not in value
    return ID.fullmatch(value) is not None
