"""What is set for the whole server: limits, retention, outgoing networks, and each channel's own settings."""

from ipaddress import ip_network
from typing import Any

import msgspec

from llm_incident_manager.engine.documents.findings import Findings, quoted
from llm_incident_manager.engine.documents.part import Part

_GIBIBYTE = 1024**3


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what comes in.

    ``events_per_minute_per_source`` is per tenant, key and source; ``events_per_minute_per_tenant``, where it is set,
    bounds all of a tenant's sources together.
    """

    events_per_minute_per_source: int = 1000
    events_per_minute_per_tenant: int | None = None
    buffer_bytes: int = _GIBIBYTE
    body_bytes: int = 1024**2


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Days that things are kept: event payloads, incidents that are over, the audit trail."""

    events_days: int = 30
    incidents_days: int = 730
    audit_days: int = 2555


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """Private networks (CIDR) that pages and webhooks may reach; none by default."""

    allow: tuple[str, ...] = ()


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """Proxies (CIDR) whose ``X-Forwarded-For`` is believed; none by default."""

    trusted_proxies: tuple[str, ...] = ()


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The server's own sections.

    ``channels`` maps a channel's name to its settings as written; they may hold credentials, so ``repr`` hides them.
    """

    limits: Limits = Limits()
    retention: Retention = Retention()
    outgoing: Outgoing = Outgoing()
    incoming: Incoming = Incoming()
    channels: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"ServerSettings({self.limits!r}, {self.retention!r}, {self.outgoing!r}, {self.incoming!r}, "
            f"channels={sorted(self.channels)})"
        )


def parse_limits(document: object, findings: Findings) -> Limits:
    """Return the limits; missing ones are the defaults."""
    part = Part(document, "", findings)
    defaults = Limits()
    limits = Limits(
        events_per_minute_per_source=part.whole(
            "events_per_minute_per_source", low=1, high=1_000_000_000, unit="events"
        )
        or defaults.events_per_minute_per_source,
        events_per_minute_per_tenant=part.whole(
            "events_per_minute_per_tenant", low=1, high=1_000_000_000, unit="events"
        ),
        buffer_bytes=part.whole("buffer_bytes", low=1024**2, high=2**50, unit="bytes") or defaults.buffer_bytes,
        body_bytes=part.whole("body_bytes", low=1024, high=256 * 1024**2, unit="bytes") or defaults.body_bytes,
    )
    part.done()
    return limits


def parse_retention(document: object, findings: Findings) -> Retention:
    """Return the retention; missing times are the defaults."""
    part = Part(document, "", findings)
    defaults = Retention()
    retention = Retention(
        events_days=_days(part, "events_days") or defaults.events_days,
        incidents_days=_days(part, "incidents_days") or defaults.incidents_days,
        audit_days=_days(part, "audit_days") or defaults.audit_days,
    )
    part.done()
    return retention


def parse_outgoing(document: object, findings: Findings) -> Outgoing:
    """Return the networks allowed."""
    part = Part(document, "", findings)
    outgoing = Outgoing(allow=_networks(part, "allow"))
    part.done()
    return outgoing


def parse_incoming(document: object, findings: Findings) -> Incoming:
    """Return the proxies believed."""
    part = Part(document, "", findings)
    incoming = Incoming(trusted_proxies=_networks(part, "trusted_proxies"))
    part.done()
    return incoming


def _networks(part: Part, name: str) -> tuple[str, ...]:
    found: list[str] = []
    for path, word in part.words(name):
        try:
            found.append(str(ip_network(word, strict=False)))
        except ValueError:
            part.findings.fault(path, f"{quoted(word)} is not a network such as 10.0.0.0/8")
    return tuple(found)


def _days(part: Part, name: str) -> int | None:
    return part.whole(name, low=1, high=36_500, unit="days")
