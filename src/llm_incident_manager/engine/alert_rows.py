"""Alerts as senders that repeat themselves tell them: what is firing, since when, and until when that is believed."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from llm_incident_manager.domain.events.stable import stable_event_id

KEPT = timedelta(days=7)
"""How long an alert that has ended is remembered, so that the same one, firing on, is a new episode."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alert. ``ends_at`` lies ahead while it fires: unless it is sent again before, it is over then.

    ``episode_at`` names this stretch of firing: the start that was told, or when it began anew after it had ended.
    """

    source: str
    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    generator_url: str = ""
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    episode_at: datetime
    is_firing: bool = True

    @property
    def firing_id(self) -> str:
        """The event id of its beginning; every repeat has the same."""
        return stable_event_id(self.fingerprint, self.episode_at.isoformat(), "firing")

    @property
    def resolved_id(self) -> str:
        """The event id of its end."""
        return stable_event_id(self.fingerprint, self.episode_at.isoformat(), "resolved")


class AlertStore(Protocol):
    """The alerts of one tenant, by source and fingerprint."""

    def of(self, source: str, fingerprints: Iterable[str]) -> dict[str, Alert]:
        """Return those that are known, by fingerprint."""

    def firing(self, at: datetime) -> list[Alert]:
        """Return those that are believed to fire at ``at``, in order of their start."""

    def put(self, alerts: Sequence[Alert]) -> None:
        """Write them in the place of what was known."""


def folded(known: Alert | None, told: Alert) -> Alert:
    """Return what is true after ``told``: the earliest start and the latest annotations of one episode."""
    fresh = told.updated_at - told.starts_at <= KEPT
    if known is None:
        return told if fresh or not told.is_firing else replace(told, episode_at=told.updated_at)
    if known.is_firing or (not told.is_firing and told.starts_at <= known.ends_at):
        starts_at = min(known.starts_at, told.starts_at)
        return replace(told, starts_at=starts_at, episode_at=known.episode_at)
    if told.is_firing and told.starts_at <= known.ends_at:
        # It had ended, by itself perhaps, and goes on: that is news.
        return replace(told, episode_at=told.updated_at)
    return told


replace = msgspec.structs.replace
