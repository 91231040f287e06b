"""Channels in the config file: their sections are checked, and the set-up of each page can be copied as it stands."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from llm_incident_manager.app.config_channels import channel_checks
from llm_incident_manager.app.config_file import ConfigFileInvalid, parse_config
from llm_incident_manager.channels.registry import channel_specs
from llm_incident_manager.engine.settings import build_settings
from tests.architecture.source import ROOT

PAGES = sorted((ROOT / "docs" / "channels").glob("*.md"))
VALUES = {
    "TEAMS_WORKFLOW_URL": "https://prod-00.westeurope.logic.azure.com/workflows/0/triggers/manual/paths/invoke?sig=x",
    "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
    "PAGERDUTY_SECURITY_KEY": "0123456789abcdef0123456789abcdef",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_set_up_of_a_page_loads_and_reaches_somebody(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    environment = defaultdict(lambda: "value", VALUES)
    names = {name: environment[name] for name in re.findall(r"\$\{(\w+)\}", block)}
    config = parse_config(
        block, environment=names, channels=frozenset(channel_specs()), check_channels=channel_checks()
    )
    assert config.notes == ()
    built = build_settings("default", config.tenants["default"], server=config.server)
    assert built.faults == ()
    people = [*built.users.values(), *built.teams.values()]
    assert page.stem in {contact.channel for each in people for contact in each.contacts}


def test_every_channel_has_a_section_or_a_page() -> None:
    overview = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")
    for name in channel_specs():
        assert f"[`{name}`](" in overview


def test_people_and_the_channel_that_are_both_called_teams_have_sections_of_their_own() -> None:
    config = parse_config(
        "teams:\n- {id: platform, name: Platform}\nteams_channel: {timeout_seconds: 5}\n", environment={}
    )
    assert list(build_settings("default", config.tenants["default"]).teams) == ["platform"]
    assert config.server.channels == {"teams": {"timeout_seconds": 5}}
    with pytest.raises(ConfigFileInvalid, match="is set for the whole server"):
        parse_config("tenants:\n  acme:\n    teams_channel: {timeout_seconds: 5}\n", environment={})


def test_every_channels_section_is_checked_by_the_channel() -> None:
    text = "pagerduty: {url: events.pagerduty.com}\nopsgenie: {priorities: {P1: P9}}\njsm: {token: s3cret}\n"
    text += "teams_channel: {colour: red}\napprise: {services: []}\n"
    with pytest.raises(ConfigFileInvalid) as refused:
        parse_config(text, environment={}, check_channels=channel_checks())
    faults = str(refused.value).splitlines()
    assert [fault.split(": ")[1] for fault in faults] == [
        "pagerduty.url", "opsgenie.priorities.P1", "jsm.token", "teams_channel.colour", "apprise.services",
    ]  # fmt: skip
    assert "s3cret" not in str(faults)
