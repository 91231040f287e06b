"""The state table equals the matrix of specification §4.2, cell by cell."""

import pytest

from llm_incident_manager.domain.incidents.transitions import allowed_actions, next_status
from llm_incident_manager.domain.vocabulary import Action, Status

MATRIX = """
    action       NEW   ACK   PROG  ESC   RES   CLOSED
    acknowledge  ACK   -     -     -     -     -
    start_work   -     PROG  -     PROG  -     -
    escalate     ESC   ESC   ESC   -     -     -
    de-escalate  -     -     -     PROG  -     -
    resolve      -     -     RES   -     -     -
    reopen       -     -     -     -     PROG  PROG
    close        -     -     -     -     CLOSED -
"""
SHORT = {
    "NEW": Status.NEW,
    "ACK": Status.ACKNOWLEDGED,
    "PROG": Status.IN_PROGRESS,
    "ESC": Status.ESCALATED,
    "RES": Status.RESOLVED,
    "CLOSED": Status.CLOSED,
    "-": None,
}


def cells() -> list[tuple[Status, Action, Status | None]]:
    header, *rows = (line.split() for line in MATRIX.strip().splitlines())
    found = []
    for action, *targets in rows:
        for column, target in zip(header[1:], targets, strict=True):
            status = SHORT[column]
            assert status is not None
            found.append((status, Action(action), SHORT[target]))
    return found


def test_the_matrix_has_a_cell_for_every_status_and_action() -> None:
    assert len(cells()) == 42 == len(Status) * len(Action)


@pytest.mark.requirement("RES-01")
@pytest.mark.parametrize(("status", "action", "target"), cells())
def test_a_cell_leads_where_the_specification_says(status: Status, action: Action, target: Status | None) -> None:
    assert next_status(status, action) == target


@pytest.mark.requirement("RES-01")
@pytest.mark.parametrize("status", Status)
def test_exactly_the_filled_cells_of_a_column_are_allowed(status: Status) -> None:
    filled = [action for column, action, target in cells() if column == status and target is not None]
    assert list(allowed_actions(status)) == filled
