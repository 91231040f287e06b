"""What is printed: tables for people, JSON for scripts, nothing that moves a terminal's cursor."""

import json
from typing import Any

import pytest

from llm_incident_manager.app.cli.text import duration, harmless, instant, json_text
from tests.cli.conftest import Lim
from tests.cli.fake_rest import FakeRest

HOSTILE = "\x1b]0;owned\x07\x1b[2Jall [bold]fine[/bold]\r\u202egnp.exe\x9b31m :smile:"


def an_incident(**given: Any) -> dict[str, Any]:
    return {
        "id": "INC-20270104-00001",
        "severity": "P1",
        "status": "NEW",
        "title": "Slow",
        "source": "llm-sentinel",
        "event_count": 3,
        "assigned_to": None,
        "assigned_team": "platform",
        "created_at": "2027-01-04T09:00:00Z",
        "allowed_actions": ["acknowledge", "escalate"],
        "ladder": {"level": 1, "state": "climbing", "reason": "", "next_at": None, "next_targets": [], "policy": "p"},
        **given,
    }


def unsafe(text: str) -> list[str]:
    return [sign for sign in text if sign in "\x1b\x07\r\x9b\u202e\x7f"]


def test_a_list_shows_what_matters(fake: FakeRest, lim: Lim) -> None:
    fake.answer({"incidents": [an_incident()], "next_cursor": "abc", "total": 7})
    result = lim("incidents", "list", "--status", "new", "--tag", "region:eu", "--severity", "P0", "--severity", "p1")
    assert result.exit_code == 0
    for word in (
        "INC-20270104-00001",
        "P1",
        "NEW",
        "Slow",
        "platform",
        "2027-01-04 09:00:00Z",
        "1 of 7",
        "--cursor abc",
    ):
        assert word in result.stdout
    for pair in ("status=NEW", "tag=region%3Aeu", "severity=P0", "severity=P1"):
        assert pair in fake.asked[0].path


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("form", ["table", "json"])
def test_text_from_outside_cannot_reach_the_terminal(fake: FakeRest, lim: Lim, form: str) -> None:
    incident = an_incident(title=HOSTILE, description=HOSTILE, source=HOSTILE)
    entry = {"timestamp": "2027-01-04T09:00:00Z", "event_type": "comment_added", "event_data": {"text": HOSTILE},
             "actor": {"name": HOSTILE}, "changes": [], "notes": HOSTILE}  # fmt: skip
    fake.answer({"incidents": [incident], "next_cursor": None, "total": 1})
    listed = lim("incidents", "list", "--output", form)
    fake.answer(incident)
    fake.answer({"entries": [entry], "next_cursor": None, "total": 1})
    fake.next_answer()
    shown = lim("incidents", "show", "INC-20270104-00001", "--output", form)
    for result in (listed, shown):
        assert result.exit_code == 0, result.output
        assert unsafe(result.output) == []
        assert "[bold]fine[/bold]" in result.stdout
        assert ":smile:" in result.stdout
    if form == "json":
        assert json.loads(shown.stdout)["title"] == HOSTILE


@pytest.mark.requirement("SEC-05")
def test_the_servers_words_of_refusal_are_harmless_too(fake: FakeRest, lim: Lim) -> None:
    fake.problem(422, "invalid", f"wrong: {HOSTILE}", errors=[{"field": HOSTILE, "message": HOSTILE}])
    result = lim("send", "-", stdin="{}")
    assert unsafe(result.output) == []


def test_control_characters_become_visible_signs() -> None:
    assert harmless("a\x1b[31mb\x00\x7f\x9b") == "a␛[31mb␀␡<U+009B>"
    assert harmless("two\nlines", one_line=True) == "two lines"
    assert harmless(None) == "–"
    assert harmless("\ud800") == "?"


def test_json_stays_the_same_document() -> None:
    document = {"a": "é\x85\u2028\x1b", "b": [1, None, True]}
    assert json.loads(json_text(document)) == document
    assert unsafe(json_text(document)) == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_durations_read_like_speech(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_instants_are_shown_in_utc() -> None:
    assert instant("2027-01-04T10:00:00+01:00") == "2027-01-04 09:00:00Z"
    assert (instant(None), instant("soon")) == ("–", "soon")


def test_every_page_of_a_list_is_read(fake: FakeRest, lim: Lim) -> None:
    fake.answer({"api_keys": [{"id": "key-1", "name": "one", "scopes": ["read"]}], "next_cursor": "c", "total": 2})
    fake.answer({"api_keys": [{"id": "key-2", "name": "two", "scopes": ["admin"]}], "next_cursor": None, "total": 2})
    result = lim("keys", "list", "--output", "json")
    assert [each["id"] for each in json.loads(result.stdout)["api_keys"]] == ["key-1", "key-2"]


def test_what_one_pipes_is_only_the_result(fake: FakeRest, lim: Lim) -> None:
    fake.answer({"id": "key-1", "name": "ci", "scopes": ["ingest"], "key": "s3cret"}, 201)
    result = lim("keys", "create", "ci", "--scope", "ingest")
    assert result.stdout == "s3cret\n"
    assert "shown only now" in result.stderr
    assert json.loads(fake.asked[0].body) == {"name": "ci", "scopes": ["ingest"]}
