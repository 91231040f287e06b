"""Incidents through the command line, against a real server."""

import json
from itertools import count
from typing import Any

import pytest

from llm_incident_manager.domain.incidents.transitions import TRANSITIONS, allowed_actions
from llm_incident_manager.domain.vocabulary import Action, Status
from tests.cli.conftest import Lim

WAYS: dict[Status, tuple[str, ...]] = {
    Status.NEW: (),
    Status.ACKNOWLEDGED: ("acknowledge",),
    Status.IN_PROGRESS: ("acknowledge", "start_work"),
    Status.ESCALATED: ("escalate",),
    Status.RESOLVED: ("acknowledge", "start_work", "resolve"),
    Status.CLOSED: ("acknowledge", "start_work", "resolve", "close"),
}
NUMBERS = count(1)


def an_event(**given: Any) -> dict[str, Any]:
    number = next(NUMBERS)
    return {
        "event_id": f"cli-{number}",
        "source": "llm-sentinel",
        "timestamp": "2026-11-02T09:00:00Z",
        "event_type": "anomaly",
        "category": "performance",
        "title": f"Trouble number {number}",
        "severity": "P4",
        "resource": {"type": "endpoint", "id": f"ep-{number}"},
        **given,
    }


def opened(real: Lim, *actions: str) -> str:
    """Return the id of a new incident after these actions."""
    sent = real("send", "-", "--output", "json", stdin=json.dumps(an_event()))
    assert sent.exit_code == 0, sent.output
    incident_id = str(json.loads(sent.stdout)["incident_id"])
    for action in actions:
        assert real("incidents", action, incident_id).exit_code == 0
    return incident_id


def shown(real: Lim, incident_id: str) -> dict[str, Any]:
    result = real("incidents", "show", incident_id, "-o", "json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.requirement("RES-01")
@pytest.mark.requirement("UI-02")
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("action", Action)
def test_every_cell_of_the_state_table(real: Lim, status: Status, action: Action) -> None:
    incident_id = opened(real, *WAYS[status])
    assert shown(real, incident_id)["status"] == status
    result = real("incidents", action.value, incident_id, "-o", "json")
    to = TRANSITIONS.get((status, action))
    if to is not None:
        assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, to)
    else:
        problem = json.loads(result.stderr)
        assert (result.exit_code, problem["status"], problem["code"]) == (1, 409, "invalid_transition")
        assert problem["allowed_actions"] == [each.value for each in allowed_actions(status)]
    assert shown(real, incident_id)["status"] == (to or status)


def test_a_refused_action_names_the_allowed_ones_for_people(real: Lim) -> None:
    result = real("incidents", "close", opened(real))
    assert result.exit_code == 1
    assert "allowed now: acknowledge, escalate" in result.stderr


def test_an_event_seen_again_is_a_duplicate_with_the_same_incident(real: Lim) -> None:
    event = json.dumps(an_event())
    first, second = (json.loads(real("send", "-", "-o", "json", stdin=event).stdout) for _ in range(2))
    assert (first["status"], second["status"]) == ("accepted", "duplicate")
    assert first["incident_id"] == second["incident_id"]


def test_a_batch_is_taken_event_by_event(real: Lim) -> None:
    result = real("send", "-", stdin=json.dumps([an_event(), an_event(severity="purple"), an_event()]))
    assert result.exit_code == 1
    assert "accepted 2, duplicates 0, rejected 1" in result.stdout
    assert "severity" in result.stdout


def test_taking_twice_is_harmless(real: Lim) -> None:
    incident_id = opened(real)
    assert real("incidents", "take", incident_id).exit_code == 0
    result = real("incidents", "take", incident_id)
    assert result.exit_code == 0
    assert "ACKNOWLEDGED" in result.stdout


def test_resolving_can_walk_the_missing_steps_and_says_how_it_ended(real: Lim) -> None:
    incident_id = opened(real)
    result = real("incidents", "resolve", incident_id, "--walk", "--root-cause", "a typo", "--notes", "rolled back")
    assert result.exit_code == 0, result.output
    found = shown(real, incident_id)
    assert (found["status"], found["resolution"]["root_cause"]) == ("RESOLVED", "a typo")
    assert found["resolution"]["resolution_notes"] == "rolled back"


def test_it_is_handed_over_and_commented(real: Lim) -> None:
    incident_id = opened(real)
    assert real("incidents", "assign", incident_id, "--user", "bo").exit_code == 0
    assert real("incidents", "comment", incident_id, "looks like the cache").exit_code == 0
    result = real("incidents", "show", incident_id)
    assert result.exit_code == 0
    for words in (incident_id, "bo", "looks like the cache", "Ladder", "Timeline", "opened", "assigned"):
        assert words in result.stdout


def test_an_unknown_person_is_refused_with_those_who_are_known(real: Lim) -> None:
    result = real("incidents", "assign", opened(real), "--user", "nobody")
    assert result.exit_code == 1
    assert "ana, bo" in result.stderr


def test_the_list_is_filtered(real: Lim) -> None:
    sent = json.dumps(an_event(tags={"team": "search"}, category="cost"))
    incident_id = json.loads(real("send", "-", "-o", "json", stdin=sent).stdout)["incident_id"]
    shown(real, incident_id)
    result = real("incidents", "list", "--open", "--category", "cost", "--tag", "team:search", "-o", "json")
    assert [each["id"] for each in json.loads(result.stdout)["incidents"]] == [incident_id]
    nothing = real("incidents", "list", "--tag", "team:nobody")
    assert nothing.stdout.strip() == "no incident matches"


@pytest.mark.parametrize("arguments", [("show", "INC-20200101-99999"), ("take", "../tenants"), ("close", "%2e%2e")])
def test_an_unknown_incident_is_not_found(real: Lim, arguments: tuple[str, str]) -> None:
    result = real("incidents", *arguments)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_a_revoked_or_wrong_key_is_refused(real: Lim) -> None:
    result = real("incidents", "list", LIM_API_KEY="no-such-key-0123456789")
    assert result.exit_code == 1
    assert "LIM_API_KEY" in result.stderr
