"""Timers are rows that name their cause; firing one is only another command."""

from datetime import datetime
from enum import StrEnum

import msgspec


class TimerKind(StrEnum):
    """Why a timer is due. The first five are :class:`~llm_incident_manager.domain.incidents.ladder.StepKind`'s."""

    LEVEL = "next_level"
    ACKNOWLEDGMENT = "acknowledgment_deadline"
    RESOLUTION = "resolution_deadline"
    MANAGER = "manager_page"
    CATCH_ALL = "catch_all"
    SLA_ACKNOWLEDGMENT = "sla_acknowledgment"
    SLA_RESOLUTION = "sla_resolution"
    SNOOZE = "snooze"
    QUIET = "quiet"
    """Nothing more came from a source that never says when it is over."""
    SILENCE = "silence"


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline of one incident: it acts only while its cause (kind, level, cycle) still holds."""

    tenant: str
    incident_id: str
    kind: TimerKind
    level: int
    cycle: int
    due_at: datetime
