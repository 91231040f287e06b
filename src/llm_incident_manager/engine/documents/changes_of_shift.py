"""Overrides and swaps as documents of their own: what people change about a schedule without editing it."""

from typing import Any

import msgspec

from llm_incident_manager.domain.oncall.schedule import Override, Swap
from llm_incident_manager.engine.documents.findings import Findings, listed, quoted
from llm_incident_manager.engine.documents.kinds import Kind
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import read_id
from llm_incident_manager.engine.documents.schedules import read_user
from llm_incident_manager.engine.documents.spans import read_span


class OverrideOf(msgspec.Struct, frozen=True, kw_only=True):
    """An override of a schedule; ``None`` where its document is faulty."""

    schedule: str
    override: Override | None


class SwapOf(msgspec.Struct, frozen=True, kw_only=True):
    """A swap on a schedule; ``None`` while nobody has taken it, or where its document is faulty."""

    schedule: str
    swap: Swap | None


def parse_override(document: dict[str, Any], known: Known, findings: Findings) -> OverrideOf:
    """Return an override (``{schedule, user, start, end, reason}``)."""
    part = Part(document, "", findings)
    override_id = read_id(part, Kind.OVERRIDES, document)
    schedule = _schedule(part, known)
    user, span = read_user(part, "user", known), read_span(part)
    part.text("reason")
    part.done()
    if not user or span is None:
        return OverrideOf(schedule=schedule, override=None)
    return OverrideOf(schedule=schedule, override=Override(user=user, start=span[0], end=span[1], id=override_id))


def parse_swap(document: dict[str, Any], known: Known, findings: Findings) -> SwapOf:
    """Return a swap (``{schedule, user, start, end, by, return_start, return_end, reason}``).

    Without ``by`` it is an offer that changes nothing yet.
    """
    part = Part(document, "", findings)
    swap_id = read_id(part, Kind.SWAPS, document)
    schedule = _schedule(part, known)
    user, span = read_user(part, "user", known), read_span(part)
    by = read_user(part, "by", known) if part.has("by") else ""
    back = read_span(part, "return_start", "return_end") if _wants_return(part) else None
    if by and by == user:
        part.fault("by", f"{quoted(by)} cannot stand in for themselves; name another person")
    part.allow("by", "return_start", "return_end")
    part.text("reason")
    part.done()
    if not user or not by or by == user or span is None:
        return SwapOf(schedule=schedule, swap=None)
    swap = Swap(user=user, by=by, start=span[0], end=span[1], id=swap_id)
    if back is not None:
        swap = msgspec.structs.replace(swap, return_start=back[0], return_end=back[1])
    return SwapOf(schedule=schedule, swap=swap)


def _wants_return(part: Part) -> bool:
    return part.has("return_start") or part.has("return_end")


def _schedule(part: Part, known: Known) -> str:
    schedule = part.text("schedule", required=True)
    if schedule and schedule not in known.schedules:
        part.fault("schedule", f"{quoted(schedule)} does not exist; known schedules: {listed(known.schedules)}")
    return schedule
