"""③ One problem, several tools: which incident an event belongs to by its cross-source key, and what its source says.

What a source reports stays where it is until it is over, whatever the rules say by then (interfaces, "Identity"): its
own fingerprint comes first, the key second.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.incidents.changes import Change, ReportChanged
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.reports import OTHERS, Folding, Report, ReportState, named
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.fingerprint_notes import FingerprintNote
from llm_incident_manager.engine.openings import ending
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.records import Record

OTHER_SOURCES = "other sources"


def places_of(
    tx: Transaction, arrived: Iterable[tuple[Event, Record]]
) -> tuple[dict[str, Incident], Mapping[tuple[str, str | None], str]]:
    """Return what is open, by fingerprint, and where events belong by (own fingerprint, that of the key).

    Where an event has no key, repeats what is open or opens what never was folded, nothing more is asked than without
    keys.
    """
    owns: set[str] = set()
    keys: set[str] = set()
    unsure: list[tuple[Event, Record]] = []
    for event, record in arrived:
        owns.add(event.fingerprint)
        if event.fold is not None:
            keys.add(event.fold.fingerprint)
        if event.fold is not None or event.recovers or not record.opens:
            unsure.append((event, record))
    standing = tx.incidents.open_by_fingerprint(owns | keys)
    unsure = [pair for pair in unsure if pair[0].fingerprint not in standing]
    if not unsure:
        return standing, {}
    reported = tx.reports.open_of(event.fingerprint for event, _ in unsure)
    further = set(reported.values()) - standing.keys()
    if further:
        standing |= tx.incidents.open_by_fingerprint(further)
    places: dict[tuple[str, str | None], str] = {}
    # A recovery seldom carries what the key is made of: it goes where its alarm of the same batch goes.
    together = {event.fingerprint: event.fold.fingerprint for event, _ in unsure if event.fold is not None}
    for event, _ in unsure:
        by_key = event.mark if event.fold is not None else together.get(event.fingerprint, event.fingerprint)
        place = reported.get(event.fingerprint, by_key)
        if place != event.fingerprint:
            places[event.fingerprint, _key(event)] = place
    return standing, places


def place_of(event: Event, places: Mapping[tuple[str, str | None], str]) -> str:
    """Return the fingerprint of the incident that ``event`` joins or opens."""
    return places.get((event.fingerprint, _key(event)), event.fingerprint) if places else event.fingerprint


def folding_of(event: Event, place: str, context: Context, *, over: bool = False) -> Folding | None:
    """Return what an incident that ``event`` opens at ``place`` knows of its key; None where no key placed it there."""
    if event.fold is None or event.fold.fingerprint != place:
        return None
    first = Report(
        source=event.source, fingerprint=event.fingerprint, title=event.title, since=event.received_at,
        changed_at=event.received_at, state=ReportState.OVER if over else ReportState.REPORTING,
        quiet_seconds=quiet_seconds(event.source, context),
    )  # fmt: skip
    return Folding(rule=event.fold.rule, key=event.fold.key, resolve=event.fold.resolve, reports=(first,))


def reports_of(
    fold: Folding | None, events: Sequence[Event], notes: Mapping[str, FingerprintNote], context: Context
) -> list[Change]:
    """Return what is new of who reports a folded incident when ``events`` join it.

    One whose recovery had overtaken it is over at once, so that nobody waits for a second one.
    """
    if fold is None:
        return []
    found: list[Change] = []
    for event in events:
        known = fold.of(event.fingerprint)
        source, fingerprint, title = event.source, event.fingerprint, event.title
        if known is None and fold.is_full:
            if fold.of(OTHERS) is not None:
                continue
            source, fingerprint, title = OTHER_SOURCES, OTHERS, "more is reported than is told apart"
        elif known is not None and known.state is ReportState.REPORTING:
            continue
        note = notes.get(event.fingerprint)
        over = fingerprint != OTHERS and note is not None and note.overtook(event)
        if known is not None and over:
            continue
        change = ReportChanged(
            source=source, fingerprint=fingerprint, title=title, event_id=event.event_id, at=event.received_at,
            state=ReportState.OVER if over else ReportState.REPORTING, first=known is None,
            quiet_seconds=quiet_seconds(event.source, context) if fingerprint != OTHERS else None,
        )  # fmt: skip
        found.append(change)
        fold = fold.with_report(
            Report(source=source, fingerprint=fingerprint, title=title, since=change.at, changed_at=change.at,
                   state=change.state)
        )  # fmt: skip
    return found


def said_over(incident: Incident, event: Event, context: Context) -> list[Change]:
    """Return what it does when the source of ``event`` says that its own problem is over.

    The incident ends with the last report, or where the key says so with any. What never was reported ends nothing.
    """
    fold = incident.fold
    report = fold.of(event.fingerprint) if fold is not None else None
    if fold is None or report is None or not incident.is_open:
        return []
    return over_for(incident, fold, [report], event.event_id, event.received_at, event.title, context)


def over_for(
    incident: Incident,
    fold: Folding,
    reports: Sequence[Report],
    event_id: str,
    at: datetime,
    said: str,
    context: Context,
) -> list[Change]:
    """Return the changes where ``reports``, all of one source, are over; ``said`` is what the source says."""
    changes: list[Change] = [
        ReportChanged(
            source=report.source, fingerprint=report.fingerprint, title=report.title, state=ReportState.OVER,
            event_id=event_id, at=at, quiet_seconds=report.quiet_seconds,
        )
        for report in reports
        if report.state is ReportState.REPORTING
    ]  # fmt: skip
    source, over = reports[0].source, {report.fingerprint for report in reports}
    still = [report for report in fold.reporting if report.fingerprint not in over]
    if still and fold.resolve != "any":
        return changes
    if len(fold.reports) == 1:
        text = f"{source} says that it is over: {said}"
    elif still:
        text = f'{source} says that it is over, and one is enough for the key "{fold.rule}": {said}'
    else:
        text = f"{named(fold.reports)} say that it is over, {source} last: {said}"
    return changes + ending(incident, _hesitant(fold, context) or source, text, context)


def quiet_seconds(source: str, context: Context) -> int | None:
    """Return after how much silence a source means that it is over."""
    settings = context.settings.sources.get(source)
    return settings.quiet_seconds if settings is not None else None


def _hesitant(fold: Folding, context: Context) -> str | None:
    """Return a source among those that report whose recoveries people decide on: it makes the end a proposal."""
    for report in fold.reports:
        settings = context.settings.sources.get(report.source)
        if settings is not None and settings.resolve == "propose":
            return report.source
    return None


def _key(event: Event) -> str | None:
    return event.fold.fingerprint if event.fold is not None else None
