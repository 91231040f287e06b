"""Commands decided against state: what they change, what they refuse, and that repeating them changes nothing."""

from datetime import timedelta
from itertools import pairwise

import pytest

from llm_incident_manager.domain.incidents import decide
from llm_incident_manager.domain.incidents.changes import Assigned, SlaBreached, StatusChanged
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.incident import SYSTEM, Link, Sla
from llm_incident_manager.domain.incidents.transitions import InvalidTransition
from llm_incident_manager.domain.vocabulary import Action, LinkKind, Severity, Status
from llm_incident_manager.errors import Conflict, Invalid
from tests.build import ANA, NOON, an_incident

OPEN = [Status.NEW, Status.ACKNOWLEDGED, Status.IN_PROGRESS, Status.ESCALATED]
ENDED = [Status.RESOLVED, Status.CLOSED]


@pytest.mark.requirement("RES-02")
def test_who_acknowledges_is_assigned_unless_somebody_was() -> None:
    assert any(isinstance(each, Assigned) for each in decide.act(an_incident(), Action.ACKNOWLEDGE, by=ANA))
    had = an_incident(assigned_to="bo")
    assert not any(isinstance(each, Assigned) for each in decide.act(had, Action.ACKNOWLEDGE, by=ANA))
    assert not any(isinstance(each, Assigned) for each in decide.act(an_incident(), Action.ACKNOWLEDGE, by=SYSTEM))


@pytest.mark.requirement("RES-02")
@pytest.mark.parametrize(
    ("status", "action"),
    [
        (Status.NEW, Action.ACKNOWLEDGE), (Status.ESCALATED, Action.START_WORK), (Status.ACKNOWLEDGED, None),
        (Status.IN_PROGRESS, None), (Status.RESOLVED, None), (Status.CLOSED, None),
    ],
)  # fmt: skip
def test_taking_moves_only_what_waits_for_somebody(status: Status, action: Action | None) -> None:
    changes = decide.take(an_incident(status=status), by=ANA)
    moves = [each.action for each in changes if isinstance(each, StatusChanged)]
    assert moves == ([action] if action else [])
    assert any(isinstance(each, Assigned) for each in changes) == status.is_open
    assert decide.take(an_incident(status=Status.ACKNOWLEDGED, assigned_to="ana"), by=ANA) == []


@pytest.mark.requirement("RES-01")
@pytest.mark.parametrize("status", OPEN)
def test_a_walk_to_resolved_takes_the_legal_steps(status: Status) -> None:
    changes = decide.resolve(an_incident(status=status), by=ANA, given=ResolutionGiven(), walk=True)
    moves = [each for each in changes if isinstance(each, StatusChanged)]
    assert moves[-1].after is Status.RESOLVED
    assert all(one.after is next_.before for one, next_ in pairwise(moves))
    if status is not Status.IN_PROGRESS:
        with pytest.raises(InvalidTransition):
            decide.resolve(an_incident(status=status), by=ANA, given=ResolutionGiven(), walk=False)


@pytest.mark.parametrize("status", ENDED)
def test_what_has_ended_cannot_be_resolved_snoozed_or_made_worse(status: Status) -> None:
    incident = an_incident(status=status)
    with pytest.raises(InvalidTransition):
        decide.resolve(incident, by=ANA, given=ResolutionGiven(), walk=True)
    with pytest.raises(InvalidTransition):
        decide.snooze(incident, until=NOON + timedelta(hours=1), at=NOON)
    with pytest.raises(Conflict):
        decide.set_severity(incident, Severity.P0, reason="by hand")


@pytest.mark.requirement("RES-02")
def test_what_is_so_already_changes_nothing() -> None:
    incident = an_incident(assigned_to="ana", assigned_team="platform", impact="many", severity=Severity.P1)
    assert decide.assign(incident, user="ana", team=None) == []
    assert decide.edit(incident, {"impact": "many"}) == []
    assert decide.set_severity(incident, Severity.P1, reason="by hand") == []
    assert decide.snooze(incident, until=None, at=NOON) == []
    linked = an_incident(links=(Link(incident_id="INC-1", kind=LinkKind.RELATED, reason="same"),))
    assert decide.link(linked, "INC-1", LinkKind.RELATED, reason="same") == []


def test_a_snooze_ends_in_the_future_and_no_incident_is_its_own_twin() -> None:
    with pytest.raises(Invalid) as past:
        decide.snooze(an_incident(), until=NOON, at=NOON)
    assert [fault.field for fault in past.value.faults] == ["until"]
    incident = an_incident()
    with pytest.raises(Invalid):
        decide.link(incident, incident.id, LinkKind.RELATED, reason="")


@pytest.mark.requirement("RTE-06")
@pytest.mark.parametrize(
    ("status", "minutes", "breached"),
    [
        (Status.NEW, 4, []), (Status.NEW, 5, ["acknowledgment"]), (Status.NEW, 15, ["acknowledgment", "resolution"]),
        (Status.ACKNOWLEDGED, 14, []), (Status.IN_PROGRESS, 15, ["resolution"]), (Status.ESCALATED, 15, ["resolution"]),
        (Status.RESOLVED, 60, []), (Status.CLOSED, 60, []),
    ],
)  # fmt: skip
def test_deadlines_are_missed_once(status: Status, minutes: int, breached: list[str]) -> None:
    sla = Sla(acknowledgment_deadline=NOON + timedelta(minutes=5), resolution_deadline=NOON + timedelta(minutes=15))
    at = NOON + timedelta(minutes=minutes)
    found = decide.breaches(an_incident(status=status, sla=sla), at=at)
    assert [each.which for each in found if isinstance(each, SlaBreached)] == breached
    known = Sla(
        acknowledgment_deadline=NOON, resolution_deadline=NOON, acknowledgment_breached=True, resolution_breached=True
    )
    assert decide.breaches(an_incident(status=status, sla=known), at=at) == []
