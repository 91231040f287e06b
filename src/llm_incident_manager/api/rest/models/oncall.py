"""Schedules, overrides and swaps, and the answers to who is on call when."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from llm_incident_manager.api.rest.models.shapes import Answer, Instant, Name, Request, ShortText

Zone = Annotated[str, Field(max_length=64, examples=["Europe/Madrid"])]
Clock = Annotated[str, Field(pattern=r"^\d{2}:\d{2}(:\d{2})?$", examples=["09:00"])]
Day = Annotated[str, Field(max_length=9, examples=["mon"])]
Person = Annotated[str, Field(min_length=1, max_length=100, examples=["ana"])]


class RotationDocument(Request):
    """People in turn, from `starts` at `hand_off` on; `length` counts days, weeks, or hours for `custom`."""

    type: Literal["daily", "weekly", "custom"] = "weekly"
    length: Annotated[int, Field(ge=1, le=10_000)] = 1
    hand_off: Clock = "09:00"
    starts: Annotated[str, Field(max_length=40, examples=["2027-01-04"])]
    users: list[Person | None] = Field(description="In order; null is a turn that nobody has.", max_length=500)


class RestrictionDocument(Request):
    """Hours in which the layer counts; an end at or before the start is on the next day, or on the day `until`."""

    days: list[Day] | Day | None = None
    start: Clock = "00:00"
    end: Annotated[str, Field(pattern=r"^\d{2}:\d{2}(:\d{2})?$")] = "24:00"
    until: Day | None = None


class ShiftDocument(Request):
    """One turn."""

    user: Person
    start: Instant
    end: Instant


class LayerDocument(Request):
    """A sheet over those before it: a rotation, or single shifts."""

    name: ShortText | None = None
    rotation: RotationDocument | None = None
    shifts: list[ShiftDocument] | None = Field(default=None, max_length=10_000)
    calendar: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="The address of an iCalendar file, asked every quarter of an hour."
    )
    restrictions: list[RestrictionDocument] | None = Field(default=None, max_length=100)
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    beside: bool = Field(default=False, description="On call together with the layer before, not over it.")


class OverrideInSchedule(Request):
    """`user` takes over."""

    id: Annotated[str, Field(max_length=100)] | None = None
    user: Person
    start: Instant
    end: Instant
    reason: ShortText | None = None


class ScheduleDocument(Request):
    """Who is on call when: layers, and overrides over them."""

    id: Name
    name: ShortText | None = None
    description: ShortText | None = None
    time_zone: Zone = "UTC"
    layers: list[LayerDocument] = Field(default_factory=list, max_length=50)
    overrides: list[OverrideInSchedule] = Field(default_factory=list, max_length=1000)


class OverrideDocument(Request):
    """`user` takes over on a schedule, whoever would be on call."""

    id: Name | None = None
    schedule: Name
    user: Person
    start: Instant
    end: Instant
    reason: ShortText | None = None


class SwapDocument(Request):
    """`by` stands in wherever `user` would be on call; `user` in return for `by`. Without `by` it is an offer."""

    id: Name | None = None
    schedule: Name
    user: Person
    start: Instant
    end: Instant
    by: Person | None = None
    return_start: Instant | None = None
    return_end: Instant | None = None
    reason: ShortText | None = None


class OnCallAnswer(Answer):
    """Who is on call at an instant, until when, and who is next; `gap` where nobody is."""

    at: Instant
    on_call: list[str]
    until: Instant | None
    next: list[str]
    gap: bool


class ShiftAnswer(Answer):
    """The same people for the same reason; `via` is the layer, override or swap."""

    users: list[str]
    start: Instant
    end: Instant
    why: Literal["layer", "swap", "override", "nobody"]
    via: str


class ShiftsAnswer(Answer):
    """What follows each other; stretches with nobody are there too."""

    schedule: str
    start: Instant
    end: Instant
    shifts: list[ShiftAnswer]


class GapAnswer(Answer):
    """Nobody is on call."""

    start: Instant
    end: Instant
    reason: Literal["no_layers", "not_started", "ended", "restricted", "empty_turn"]


class OverlapAnswer(Answer):
    """Several are on call, or overrides cover each other: then the last of `users` counts."""

    start: Instant
    end: Instant
    users: list[str]
    reason: Literal["together", "overrides"]


class CoverageAnswer(Answer):
    """The gaps and overlaps of a span."""

    schedule: str
    start: Instant
    end: Instant
    gaps: list[GapAnswer]
    overlaps: list[OverlapAnswer]


class CalendarState(Answer):
    """A layer that is a calendar elsewhere; while it is `failing`, the last good one counts."""

    layer: str
    state: Literal["good", "failing", "never"]
    shifts: int
    fetched_at: Instant | None
    failing_since: Instant | None
    error: str | None
    unknown: list[str] = Field(description="Whom it names although no user fits.")


class CalendarStates(Answer):
    """The calendars that a schedule reads."""

    calendars: list[CalendarState]


class ImportedSchedule(Answer):
    """One schedule; `parity` compares shift by shift with what the other tool worked out, if the file has that."""

    id: str
    name: str
    imported: bool
    notes: list[str]
    faults: list[dict[str, str]]
    parity: dict[str, Any] | None


class ImportedSchedules(Answer):
    """What became of each schedule."""

    schedules: list[ImportedSchedule]


class CalendarLink(Answer):
    """A secret address that calendar programs subscribe to; whoever knows it may read it."""

    model_config = ConfigDict(extra="forbid")

    url: str
