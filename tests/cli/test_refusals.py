"""Every error is a sentence with a remedy and an exit code; scripts get the problem document; never a traceback."""

import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Lim, lim_of
from tests.cli.fake_rest import FakeRest


@pytest.mark.requirement("UI-02")
def test_wrong_input_is_told_field_by_field(fake: FakeRest, lim: Lim) -> None:
    faults = [{"field": "severity", "message": "is 'hot'; use P0 to P4"}, {"field": "title", "message": "is missing"}]
    fake.problem(422, "invalid_event", "the event is wrong", errors=faults)
    result = lim("send", "-", stdin="{}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "the event is wrong",
        "  severity: is 'hot'; use P0 to P4",
        "  title: is missing",
    ]


@pytest.mark.requirement("RES-01")
def test_a_forbidden_transition_says_what_is_allowed_instead(fake: FakeRest, lim: Lim) -> None:
    fake.problem(409, "invalid_transition", "close is not allowed", allowed_actions=["acknowledge", "escalate"])
    result = lim("incidents", "close", "INC-20270104-00001")
    assert result.exit_code == 1
    assert "allowed now: acknowledge, escalate" in result.stderr


def test_scripts_get_the_problem_document(fake: FakeRest, lim: Lim) -> None:
    fake.problem(409, "invalid_transition", "close is not allowed", allowed_actions=[])
    result = lim("incidents", "close", "INC-20270104-00001", "--output", "json")
    assert result.exit_code == 1
    problem = json.loads(result.stderr)
    assert (problem["code"], problem["allowed_actions"]) == ("invalid_transition", [])


def test_an_unknown_incident_is_one_sentence(fake: FakeRest, lim: Lim) -> None:
    fake.problem(404, "not_found", "there is no incident INC-1")
    result = lim("incidents", "show", "INC-1")
    assert (result.exit_code, result.stderr) == (1, "there is no incident INC-1\n")


@pytest.mark.parametrize(("status", "remedy"), [(401, "set LIM_API_KEY"), (403, "lacks a scope")])
def test_a_key_that_does_not_do_is_told_with_its_remedy(fake: FakeRest, lim: Lim, status: int, remedy: str) -> None:
    fake.problem(status, "no", "not with this key")
    result = lim("incidents", "list")
    assert result.exit_code == 1
    assert remedy in result.stderr


def test_nothing_listening_says_how_to_start_the_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = lim_of(url, "k")("incidents", "list")
    assert result.exit_code == 1
    assert f"{url} does not answer" in result.stderr
    assert "llm-incident-manager serve" in result.stderr
    assert "Traceback" not in result.output


def test_an_answer_of_something_else_is_named(fake: FakeRest, lim: Lim) -> None:
    fake.answer(b"<html>hello</html>", 200, {"Content-Type": "text/html"})
    result = lim("incidents", "list")
    assert result.exit_code == 1
    assert "not one of an incident manager" in result.stderr


@pytest.mark.parametrize("url", ["nonsense", "ftp://example.com", "http://[::1", "http://"])
def test_a_wrong_address_is_no_traceback(url: str) -> None:
    result = lim_of(url, "k")("incidents", "list")
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert result.stderr


def test_when_the_server_says_try_again_it_is_tried_again_with_the_same_idempotency_key(
    fake: FakeRest, lim: Lim
) -> None:
    fake.problem(503, "unavailable", "wait", {"Retry-After": "0"})
    fake.answer({"status": "accepted", "event_id": "e", "incident_id": "INC-1", "message": "m"}, 202)
    result = lim("send", "-", stdin="{}")
    assert result.exit_code == 0
    first, second = (asked.headers["Idempotency-Key"] for asked in fake.asked)
    assert first == second


def test_what_stays_unavailable_is_told_with_the_time_to_wait(fake: FakeRest, lim: Lim) -> None:
    fake.problem(503, "unavailable", "the database is away", {"Retry-After": "0"})
    result = lim("incidents", "list")
    assert result.exit_code == 1
    assert "the database is away" in result.stderr
    assert "try again in 0 s" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("incidents", "assign", "INC-1"),
        ("incidents", "list", "--severity", "P9"),
        ("nonsense",),
        ("keys", "create", "x"),
    ],
)
def test_wrong_usage_ends_with_2(lim: Lim, arguments: tuple[str, ...]) -> None:
    assert lim(*arguments).exit_code == 2


def test_a_missing_file_is_named(lim: Lim) -> None:
    result = lim("send", "no-such-file.json")
    assert result.exit_code == 1
    assert "no-such-file.json cannot be read" in result.stderr


def test_rejected_events_of_a_batch_end_with_1(fake: FakeRest, lim: Lim, tmp_path: Path) -> None:
    file = tmp_path / "batch.json"
    file.write_text("[{}, {}]")
    wrong = {
        "event_id": "b",
        "status": "rejected",
        "incident_id": None,
        "errors": [{"field": "title", "message": "no"}],
    }
    right = {"event_id": "a", "status": "accepted", "incident_id": "INC-1", "errors": []}
    fake.answer({"batch_id": None, "accepted": 1, "duplicates": 0, "rejected": 1, "results": [right, wrong]}, 202)
    result = lim("send", str(file))
    assert result.exit_code == 1
    assert "accepted 1, duplicates 0, rejected 1" in result.stdout
    assert "title" in result.stdout
    assert fake.asked[0].body == b"[{}, {}]"
