"""State is only built from changes: times, deadlines and counts follow from them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from llm_incident_manager.domain.incidents.changes import (
    Assigned,
    Change,
    ChangeSet,
    CommentAdded,
    EventsJoined,
    FieldsChanged,
    IncidentLinked,
    NotificationSettled,
    ResolutionRecorded,
    SlaBreached,
    StatusChanged,
)
from llm_incident_manager.domain.incidents.evolve import evolve, replay
from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor, Incident, Link
from llm_incident_manager.domain.vocabulary import Action, ActorType, Category, LinkKind, Status
from tests.build import ANA, NOON, an_incident, opened

SENTINEL = Actor(type=ActorType.INTEGRATION, id="llm-sentinel")


def after(*steps: tuple[float, Actor, Change]) -> Incident:
    """Open at noon; apply each change so many minutes later."""
    _, first = opened(an_incident())
    sets = [first]
    sets += [ChangeSet(at=NOON + timedelta(minutes=at), by=by, changes=(change,)) for at, by, change in steps]
    return replay(sets)


def moved(action: str, before: str, to: str) -> StatusChanged:
    return StatusChanged(action=Action(action), before=Status(before), after=Status(to))


ACKNOWLEDGED = moved("acknowledge", "NEW", "ACKNOWLEDGED")
STARTED = moved("start_work", "ACKNOWLEDGED", "IN_PROGRESS")
RESOLVED = moved("resolve", "IN_PROGRESS", "RESOLVED")
REOPENED = moved("reopen", "RESOLVED", "IN_PROGRESS")
CLOSED = moved("close", "RESOLVED", "CLOSED")


@pytest.mark.requirement("ANA-01")
def test_open_spans_are_summed_when_it_was_reopened() -> None:
    incident = after(
        (5, ANA, ACKNOWLEDGED), (6, ANA, STARTED), (20, ANA, RESOLVED), (60, ANA, REOPENED), (70, ANA, RESOLVED)
    )
    assert (incident.times.mtta, incident.times.mttr) == (300.0, 30 * 60.0)
    assert (incident.acknowledged_at, incident.resolved_at) == (at(5), at(70))


@pytest.mark.requirement("ANA-01")
def test_only_people_acknowledge_for_mtta() -> None:
    assert after((5, SENTINEL, ACKNOWLEDGED)).times.mtta is None
    assert after((5, SENTINEL, ACKNOWLEDGED), (9, ANA, STARTED)).times.mtta == 540.0


def test_reopening_forgets_the_end() -> None:
    incident = after((1, ANA, ACKNOWLEDGED), (2, ANA, STARTED), (3, ANA, RESOLVED), (4, ANA, CLOSED))
    assert (incident.closed_at, incident.is_open) == (at(4), False)
    again = evolve(incident, ChangeSet(at=at(9), by=ANA, changes=(moved("reopen", "CLOSED", "IN_PROGRESS"),)))
    assert (again.resolved_at, again.closed_at, again.times.mttr) == (None, None, None)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (EventsJoined(count=4, last_at=NOON + timedelta(minutes=3)), "event_count", 5),
        (Assigned(user="bo"), "assigned_to", "bo"),
        (Assigned(team="models"), "assigned_team", "models"),
        (FieldsChanged(before={"category": "other"}, after={"category": "cost"}), "category", Category.COST),
        (FieldsChanged(before={"labels": []}, after={"labels": ["a"]}), "labels", ("a",)),
        (
            IncidentLinked(link=Link(incident_id="INC-1", kind=LinkKind.RELATED)),
            "links",
            (Link(incident_id="INC-1", kind=LinkKind.RELATED),),
        ),
    ],
)
def test_each_change_sets_what_it_says(change: Change, field: str, value: Any) -> None:
    assert getattr(after((1, ANA, change)), field) == value


def test_breaches_and_resolutions_are_kept_side_by_side() -> None:
    incident = after(
        (1, SYSTEM, SlaBreached(which="acknowledgment", deadline=NOON)),
        (2, SYSTEM, SlaBreached(which="resolution", deadline=NOON)),
        (3, ANA, ResolutionRecorded(root_cause="disk")),
        (4, ANA, ResolutionRecorded(resolution_notes="emptied", resolved_by="ana")),
    )
    assert (incident.sla.acknowledgment_breached, incident.sla.resolution_breached) == (True, True)
    assert (incident.resolution.root_cause, incident.resolution.resolution_notes) == ("disk", "emptied")


@pytest.mark.requirement("AUD-01")
@pytest.mark.parametrize(
    ("change", "shows"),
    [
        (CommentAdded(comment_id="c", text="hm"), 1),
        (EventsJoined(count=1, last_at=NOON), 0),
        (NotificationSettled(notification_id="n", recipient="user:ana", channel="email", delivered=True), 0),
    ],
)
def test_storms_and_receipts_make_no_new_revision(change: Change, shows: int) -> None:
    incident = after((1, SYSTEM, change))
    assert (incident.version, incident.revision) == (2, 1 + shows)


def test_a_clock_that_jumps_back_never_unsays_the_newest_update() -> None:
    assert after((5, ANA, ACKNOWLEDGED), (-60, ANA, STARTED)).updated_at == at(5)


def test_an_incident_begins_with_its_opening() -> None:
    with pytest.raises(ValueError, match="begins with IncidentOpened"):
        evolve(None, ChangeSet(at=NOON, by=ANA, changes=(ACKNOWLEDGED,)))
    with pytest.raises(ValueError, match="no change sets"):
        replay([])


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)
