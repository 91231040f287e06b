"""Where an incident stands on its escalation ladder, and the plan it climbs by.

The plan's structure is fixed when the incident opens or its severity rises; who the targets are is looked up when a
level is told.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from llm_incident_manager.domain.people import Target


class StepKind(StrEnum):
    """What a step is due for: ``LEVEL`` is a policy's, the next three are §4.3's table's, ``CATCH_ALL`` ends both."""

    LEVEL = "next_level"
    ACKNOWLEDGMENT = "acknowledgment_deadline"
    RESOLUTION = "resolution_deadline"
    MANAGER = "manager_page"
    CATCH_ALL = "catch_all"


class LadderState(StrEnum):
    """Why the ladder moves or stands still."""

    CLIMBING = "climbing"
    TAKEN = "taken"
    EXHAUSTED = "exhausted"
    SNOOZED = "snoozed"
    SILENCED = "silenced"
    ENDED = "ended"
    QUIET = "quiet"


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: due ``after_seconds`` after the step before it; no channels means all contacts of the target."""

    kind: StepKind
    level: int
    after_seconds: float = 0.0
    targets: tuple[Target, ...] = ()
    channels: tuple[str, ...] = ()
    template: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The steps in order; ``repeat`` more rounds follow the first. ``policy`` is ``None`` for §4.3's table.

    Policy steps count from the moment the step before was told (§6.2); the table's from the opening.
    """

    policy: str | None = None
    steps: tuple[Step, ...] = ()
    repeat: int = 0
    acknowledgment_seconds: float | None = None
    resolution_seconds: float | None = None


class Ladder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The position on a plan: ``index`` is the step told last (-1: none), ``pending`` the one due at ``next_at``.

    ``cycle`` rises whenever the ladder starts anew (severity raised, reopened); ``round`` counts repeats.
    ``opened_at`` is when the cycle began, ``late_seconds`` how much later than planned the steps were taken so far.
    """

    state: LadderState
    cycle: int = 1
    round: int = 0
    index: int = -1
    level: int = 1
    opened_at: datetime
    told_at: datetime | None = None
    late_seconds: float = 0.0
    pending: int | None = None
    next_at: datetime | None = None
    reason: str = ""
