"""The example of a night by telephone, text and Slack: it loads as shipped, and everybody in it can be reached."""

from pathlib import Path

import pytest

from llm_incident_manager.app.config_channels import channel_checks
from llm_incident_manager.app.config_file import ConfigFile, ConfigFileInvalid, read_config_file
from llm_incident_manager.channels.outgoing import OutgoingGuard
from llm_incident_manager.channels.registry import channel_specs, open_channels
from llm_incident_manager.clock import SystemClock
from llm_incident_manager.engine.settings import build_settings

EXAMPLE = Path(__file__).parents[2] / "examples" / "phone-sms-slack.yaml"
SECRETS = {
    "TWILIO_SID": "AC" + "0a" * 16,
    "TWILIO_TOKEN": "a-token",
    "SLACK_BOT_TOKEN": "xoxb-0123456789-AbCdEfGh",
    "SLACK_SIGNING_SECRET": "a-secret",
}


def read(**environment: str) -> ConfigFile:
    specs = channel_specs()
    return read_config_file(
        EXAMPLE, environment=environment, channels=frozenset(specs), check_channels=channel_checks(specs)
    )


@pytest.mark.requirement("NTF-01")
async def test_every_contact_of_the_example_can_be_written_to() -> None:
    config = read(**SECRETS)
    channels = open_channels(config.server.channels, guard=OutgoingGuard(), clock=SystemClock())
    built = build_settings("default", config.tenants["default"], server=config.server)
    assert built.faults == ()
    contacts = [each for user in built.users.values() for each in user.contacts]
    contacts += [each for team in built.teams.values() for each in team.contacts]
    assert {each.channel for each in contacts} == {"slack", "sms", "phone"}
    assert [channels[each.channel].validate(each) for each in contacts] == [None] * len(contacts)
    for channel in channels.values():
        await channel.aclose()


def test_a_wrong_account_is_named_and_no_secret_shown() -> None:
    with pytest.raises(ConfigFileInvalid) as caught:
        read(**SECRETS | {"TWILIO_SID": "mine", "SLACK_BOT_TOKEN": "hunter2"})
    said = f"{caught.value}"
    assert "phone.account_sid" in said
    assert "slack.bot_token" in said
    assert "hunter2" not in said
