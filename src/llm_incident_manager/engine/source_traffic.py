"""What each source sent, and what of it was refused and why: shown to whoever runs it (ING-06, ANA-02)."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.telemetry import Telemetry
from llm_incident_manager.engine.views.instants import iso, iso_or_none

OTHER = "other"
"""Where a source is counted whose name is nobody's setting, once a tenant has too many of them."""
MOST_STRANGERS = 100


class Traffic(msgspec.Struct, kw_only=True):
    """One source's, on this node since it started. ``limited_until`` is when its rate lets it in again."""

    accepted: int = 0
    without_payload: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    last_at: datetime | None = None
    last_refused_at: datetime | None = None
    last_reason: str | None = None
    limited_until: datetime | None = None


class SourceTraffic:
    """Counts by tenant and source. A name is the sender's text: strangers are few, or a storm of names fills memory."""

    def __init__(self, clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._since = clock.now()
        self._of: dict[str, dict[str, Traffic]] = {}

    def accepted(self, tenant: str, source: str, known: bool, number: int) -> None:
        """Count events that are durable now."""
        traffic = self._find(tenant, source, known)
        traffic.accepted += number
        traffic.last_at = self._clock.now()
        self._telemetry.count("integration_requests_total", (("source", source),), number)

    def kept_no_payload(self, tenant: str, source: str, known: bool) -> None:
        """Count one that is taken in over the rate, without its payload."""
        self._find(tenant, source, known).without_payload += 1
        self._telemetry.count("events_without_payload_total", {"source": source if known else OTHER})

    def refused(self, tenant: str, source: str | None, known: bool, reason: str, until_seconds: float) -> None:
        """Count one that is refused."""
        traffic = self._find(tenant, source or OTHER, known)
        traffic.refused[reason] = traffic.refused.get(reason, 0) + 1
        traffic.last_refused_at = self._clock.now()
        traffic.last_reason = reason
        if until_seconds:
            traffic.limited_until = traffic.last_refused_at + timedelta(seconds=until_seconds)
        name = source if known and source else OTHER
        self._telemetry.count("integration_errors_total", {"source": name, "reason": reason})

    def document(self, caller: Caller) -> dict[str, Any]:
        """Return ``{since, sources: [...]}`` of the caller's tenant, those refused most recently first.

        Needs the scope ``read`` (else Forbidden).
        """
        caller.require(Scope.READ)
        now = self._clock.now()
        found = sorted(
            self._of.get(caller.tenant, {}).items(),
            key=lambda item: (-(item[1].last_refused_at or self._since).timestamp(), item[0]),
        )
        return {"since": iso(self._since), "sources": [_shown(name, traffic, now) for name, traffic in found]}

    def _find(self, tenant: str, source: str, known: bool) -> Traffic:
        names = self._of.setdefault(tenant, {})
        traffic = names.get(source)
        if traffic is None:
            name = source if known or len(names) < MOST_STRANGERS else OTHER
            traffic = names.setdefault(name, Traffic())
        return traffic


def _shown(name: str, traffic: Traffic, now: datetime) -> dict[str, Any]:
    until = traffic.limited_until
    return {
        "source": name,
        "accepted": traffic.accepted,
        "without_payload": traffic.without_payload,
        "refused": dict(sorted(traffic.refused.items())),
        "last_at": iso_or_none(traffic.last_at),
        "last_refused_at": iso_or_none(traffic.last_refused_at),
        "last_reason": traffic.last_reason,
        "limited_until": iso(until) if until is not None and until > now else None,
    }
