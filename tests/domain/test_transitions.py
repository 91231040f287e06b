"""Every cell of specification §4.2's matrix, written down here once more."""

import pytest

from llm_incident_manager.domain.incidents.transitions import (
    TRANSITIONS,
    WALK_TO_RESOLVED,
    InvalidTransition,
    allowed_actions,
    next_status,
    require_transition,
)
from llm_incident_manager.domain.vocabulary import Action, Status

STATUSES = ("NEW", "ACKNOWLEDGED", "IN_PROGRESS", "ESCALATED", "RESOLVED", "CLOSED")
MATRIX = {
    "acknowledge": ("ACKNOWLEDGED", None, None, None, None, None),
    "start_work": (None, "IN_PROGRESS", None, "IN_PROGRESS", None, None),
    "escalate": ("ESCALATED", "ESCALATED", "ESCALATED", None, None, None),
    "de-escalate": (None, None, None, "IN_PROGRESS", None, None),
    "resolve": (None, None, "RESOLVED", None, None, None),
    "reopen": (None, None, None, None, "IN_PROGRESS", "IN_PROGRESS"),
    "close": (None, None, None, None, "CLOSED", None),
}
CELLS = [
    (status, action, to) for action, row in MATRIX.items() for status, to in zip(STATUSES, row, strict=True)
]  # fmt: skip


@pytest.mark.requirement("RES-01")
@pytest.mark.parametrize(("status", "action", "to"), CELLS)
def test_each_cell_leads_where_the_matrix_says(status: str, action: str, to: str | None) -> None:
    assert next_status(Status(status), Action(action)) == to
    assert (Action(action) in allowed_actions(Status(status))) == (to is not None)
    if to is None:
        with pytest.raises(InvalidTransition) as refused:
            require_transition(Status(status), Action(action))
        assert refused.value.facts["allowed_actions"] == [str(each) for each in allowed_actions(Status(status))]
    else:
        assert require_transition(Status(status), Action(action)) == to


def test_there_are_42_cells_and_no_other_transition() -> None:
    assert len(CELLS) == 42
    assert len(TRANSITIONS) == sum(1 for _, _, to in CELLS if to is not None)


@pytest.mark.parametrize("status", ["NEW", "ACKNOWLEDGED", "IN_PROGRESS", "ESCALATED"])
def test_the_walk_from_every_open_status_ends_resolved(status: str) -> None:
    at = Status(status)
    for action in WALK_TO_RESOLVED[at]:
        at = require_transition(at, action)
    assert at is Status.RESOLVED
