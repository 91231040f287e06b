"""Silences: which incidents page nobody for a while (interfaces, "silences"; design, "Guarantees").

A silence names labels of an incident. While it is active, an incident that matches all of its matchers is opened,
counted and shown, but its ladder waits; "silenced until" is an instant, never a state.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

import msgspec

from llm_incident_manager.domain.classification.pattern import MAX_TEXT, compile_pattern
from llm_incident_manager.domain.incidents.incident import Incident, Silencing

Labels = Mapping[str, tuple[str, ...]]
"""What an incident is called: a name may have several values (a severity is ``critical`` over there, ``P0`` here)."""
_ABSENT = ("",)
_SHOWN = 120


class SilenceState(StrEnum):
    """Where a silence stands at an instant."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class Matcher(msgspec.Struct, frozen=True, kw_only=True):
    """``name = value``, ``!=``, ``=~`` or ``!~``; patterns hold for the whole value, a missing label is empty."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def matches(self, labels: Labels) -> bool:
        """Whether one of the label's values is as said; with ``!``: whether none is."""
        values = labels.get(self.name) or _ABSENT
        return any(map(self._is, values)) is self.is_equal

    def _is(self, value: str) -> bool:
        if self.is_regex:
            return _compiled(self.value).fullmatch(value[:MAX_TEXT]) is not None
        return value == self.value

    def __str__(self) -> str:
        """Return it as people write it."""
        sign = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
        return f"{self.name}{sign[self.is_regex, self.is_equal]}{self.value}"


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Who muted what, from when until when, and why; ``created_by`` is what was said, the audit trail knows who."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: datetime
    ends_at: datetime
    created_by: str = ""
    comment: str = ""

    def state(self, at: datetime) -> SilenceState:
        """Return where it stands at ``at``."""
        if at >= self.ends_at:
            return SilenceState.EXPIRED
        return SilenceState.ACTIVE if at >= self.starts_at else SilenceState.PENDING

    def matches(self, labels: Labels) -> bool:
        """Whether every matcher does."""
        return all(matcher.matches(labels) for matcher in self.matchers)


def compile_matcher(value: str) -> None:
    """Raise ValueError, saying what is wrong, where ``value`` is no pattern that may be used."""
    _compiled(value)


def labels_of(incident: Incident) -> Labels:
    """Return the labels of an incident: its tags, and what every incident has."""
    found: dict[str, tuple[str, ...]] = {name: (value,) for name, value in incident.tags.items()}
    known: dict[str, tuple[str, ...]] = {
        "severity": (incident.severity.value, incident.source_severity),
        "source": (incident.source,),
        "category": (incident.category.value,),
        "resource_type": (incident.resource.type,),
        "resource_id": (incident.resource.id,),
        "title": (incident.title,),
        "alertname": (incident.title,),
        "environment": (incident.environment.value,) if incident.environment is not None else (),
    }
    for name, values in known.items():
        named = tuple(dict.fromkeys(value for value in (*found.get(name, ()), *values) if value))
        if named:
            found[name] = named
    return found


def silencing(silences: Iterable[Silence], incident: Incident, at: datetime) -> Silencing | None:
    """Return what mutes the incident at ``at``, until the last of it ends; ``None`` where its pages may leave."""
    active = [silence for silence in silences if silence.state(at) is SilenceState.ACTIVE]
    if not active:
        return None
    labels = labels_of(incident)
    muting = sorted((each for each in active if each.matches(labels)), key=lambda each: (each.ends_at, each.id))
    if not muting:
        return None
    return Silencing(until=muting[-1].ends_at, silences=tuple(each.id for each in muting), reason=_sentence(muting[-1]))


def _sentence(silence: Silence) -> str:
    who = f" by {silence.created_by[:_SHOWN]}" if silence.created_by else ""
    why = f": {silence.comment[:_SHOWN]}" if silence.comment else ""
    return f"silenced until {silence.ends_at:%Y-%m-%d %H:%M} UTC{who}{why}"


@lru_cache(maxsize=1024)
def _compiled(value: str) -> re.Pattern[str]:
    return compile_pattern(value)
