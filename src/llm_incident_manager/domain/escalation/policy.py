"""Escalation policies (specification §5.3) and §4.3's table of timers."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.routing.conditions import Conditions
from llm_incident_manager.domain.routing.periods import ActivePeriods
from llm_incident_manager.domain.vocabulary import Severity


class Timers(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; ``None`` where the severity has no such deadline."""

    acknowledgment: float | None = None
    resolution: float | None = None
    manager: float | None = None


TABLE: Mapping[Severity, Timers] = MappingProxyType(
    {
        Severity.P0: Timers(acknowledgment=300, resolution=900, manager=1800),
        Severity.P1: Timers(acknowledgment=900, resolution=3600, manager=7200),
        Severity.P2: Timers(acknowledgment=3600, resolution=14400),
        Severity.P3: Timers(acknowledgment=14400, resolution=86400),
        Severity.P4: Timers(),
    }
)
"""Specification §4.3, "Escalation Timers by Severity"."""


class PolicyTimers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Seconds (specification §5.3 ``timers``): the SLA deadlines, and the default of ``escalate_after``."""

    acknowledgment_timeout: float | None = None
    resolution_timeout: float | None = None
    escalation_interval: float | None = None


class Level(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One level; ``escalate_after`` in seconds from the moment this level was told, ``None`` takes the default."""

    level: int
    name: str = ""
    targets: tuple[Target, ...] = ()
    escalate_after: float | None = None
    notification_channels: tuple[str, ...] = ()
    notification_template: str | None = None


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """How many more rounds of all levels follow the first."""

    times: int = 0


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """An escalation policy; a higher ``priority`` is looked at first, then the name decides."""

    id: str
    name: str
    description: str = ""
    conditions: Conditions = Conditions()
    levels: tuple[Level, ...] = ()
    timers: PolicyTimers = PolicyTimers()
    schedule: ActivePeriods | None = None
    repeat: Repeat = Repeat()
    enabled: bool = True
    priority: int = 0
