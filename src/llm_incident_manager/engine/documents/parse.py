"""From a document to its value, whatever its kind; and the form in which a document is stored."""

from collections.abc import Callable
from typing import Any

from llm_incident_manager.engine.documents.changes_of_shift import parse_override, parse_swap
from llm_incident_manager.engine.documents.classification import parse_classification
from llm_incident_manager.engine.documents.correlation import parse_correlation
from llm_incident_manager.engine.documents.findings import Findings, quoted
from llm_incident_manager.engine.documents.kinds import SERVER_MADE, Kind, Written, WrittenItem, identify
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.documents.people import parse_catch_all, parse_team, parse_user
from llm_incident_manager.engine.documents.policies import parse_policy
from llm_incident_manager.engine.documents.routes import parse_route
from llm_incident_manager.engine.documents.schedules import parse_schedule
from llm_incident_manager.engine.documents.silences import parse_silence
from llm_incident_manager.engine.documents.sources import parse_source, without_key
from llm_incident_manager.engine.documents.templates import parse_template
from llm_incident_manager.errors import FieldFault

CheckTemplate = Callable[[dict[str, Any]], list[FieldFault]]
"""Says what a template's texts may not do."""


def parse_pause(document: dict[str, Any], known: Known, findings: Findings) -> bool:
    """Return whether the thing that the document's id names is paused."""
    part = Part(document, "", findings)
    part.allow("id", "reason", *SERVER_MADE)
    paused = part.flag("paused", default=False)
    part.done()
    return paused


def parse_calendar_link(document: dict[str, Any], known: Known, findings: Findings) -> tuple[str, tuple[str, str]]:
    """Return the digest of a secret link's token, and the kind and id of what it shows."""
    part = Part(document, "", findings)
    part.allow("id", *SERVER_MADE)
    found = part.text("digest"), (part.text("kind"), part.text("item"))
    part.done()
    return found


def parse_calendar_feed(document: dict[str, Any], known: Known, findings: Findings) -> dict[str, Any]:
    """Return what a calendar elsewhere last said: ``{shifts: [[who, start, end]], fetched_at, …}``."""
    return document


PARSERS: dict[str, Callable[[dict[str, Any], Known, Findings], Any]] = {
    Kind.USERS: parse_user,
    Kind.TEAMS: parse_team,
    Kind.CATCH_ALL: parse_catch_all,
    Kind.ROUTES: parse_route,
    Kind.POLICIES: parse_policy,
    Kind.SCHEDULES: parse_schedule,
    Kind.TEMPLATES: parse_template,
    Kind.SOURCES: parse_source,
    Kind.CLASSIFICATION: parse_classification,
    Kind.CORRELATION: parse_correlation,
    Kind.PAUSES: parse_pause,
    Kind.SILENCES: parse_silence,
    Kind.OVERRIDES: parse_override,
    Kind.SWAPS: parse_swap,
    Kind.CALENDAR_LINKS: parse_calendar_link,
    Kind.CALENDAR_FEEDS: parse_calendar_feed,
}


def read(
    kind: str,
    document: dict[str, Any],
    known: Known,
    findings: Findings,
    *,
    check_template: CheckTemplate | None = None,
) -> Any:
    """Return the value of a document and record what is wrong; with faults the value must not be used."""
    before = len(findings.faults)
    value = PARSERS[kind](document, known, findings)
    if kind == Kind.TEMPLATES and check_template is not None and len(findings.faults) == before:
        findings.faults.extend(check_template(document))
    return value


def parse(
    kind: str,
    document: dict[str, Any],
    known: Known,
    *,
    notes: list[FieldFault] | None = None,
    check_template: CheckTemplate | None = None,
) -> Any:
    """Return the value of a document; ``notes`` receives what is kept without effect.

    Raises Invalid with every fault, each with its path in the document.
    """
    findings = Findings(notes)
    value = read(kind, document, known, findings, check_template=check_template)
    findings.refuse(f"{str(kind).removesuffix('s').replace('_', ' ')} {quoted(identify(kind, document))}")
    return value


def stored(kind: str, document: dict[str, Any]) -> WrittenItem:
    """Return the document under its id, as it is stored: without what the server adds, and without ingest keys."""
    kept = {name: value for name, value in document.items() if name not in SERVER_MADE}
    return WrittenItem(
        kind=str(kind), id=identify(kind, kept), document=without_key(kept) if kind == Kind.SOURCES else kept
    )


def answer(
    item: Written, *, created_at: str, updated_at: str, created_by: str = "", origin: str = "api"
) -> dict[str, Any]:
    """Return what a GET answers: what was put, with ``id`` and the members that the server adds."""
    made = {
        "id": item.id,
        "created_at": created_at,
        "updated_at": updated_at,
        "created_by": created_by,
        "origin": origin,
    }
    return item.document | made
