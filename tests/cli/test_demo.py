"""The demo tells its day to the end: every page that it announces really arrives."""

import pytest
import structlog

from llm_incident_manager.app.demo.company import NAMES
from llm_incident_manager.app.demo.day import DAY, minutes_of
from llm_incident_manager.app.demo.steps import Act, Expect, Send
from tests.cli.conftest import lim_of


@pytest.mark.requirement("UI-02")
def test_a_day_is_told_to_its_end() -> None:
    logging_before = structlog.get_config()
    result = lim_of("", None)("demo", "--fast", "--exit")
    assert structlog.get_config() == logging_before
    assert result.exit_code == 0, result.output
    told = result.stdout
    for words in (
        "Ana is paged: P1",
        "Ana gets a mail",
        "llm-shield sends 600 events",
        "P1 NEW, 600 events",
        "Bo is paged: escalated",
        "Dia is paged: escalated",
        "llm-edge-agent sends 1 event",
        "P0 RESOLVED",
        "640 events, 4 incidents",
        "The audit trail holds",
    ):
        assert words in told, told
    assert told.count("is paged: P1 Prompt injection") == 1
    assert "/sign-in/" in told


def test_the_story_only_speaks_of_what_it_introduced() -> None:
    for chapter in DAY:
        known: set[str] = set()
        for step in chapter.steps:
            match step:
                case Send(name=name):
                    known.add(name)
                case Expect(name=name, to=person) | Act(name=name, who=person):
                    assert name in known
                    assert person in NAMES


def test_a_day_is_shorter_than_a_day() -> None:
    assert 60 < minutes_of(DAY) < 24 * 60
