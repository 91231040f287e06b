"""Contacts as people write them: what can never work is told with its place, and secrets are never shown again."""

from typing import Any

import pytest

from llm_incident_manager.domain.people import Contact
from llm_incident_manager.engine.documents.contacts import read_contacts
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.hidden import MASK, masked, restored
from llm_incident_manager.engine.documents.part import Part

KEY = "0123456789abcdef0123456789ABCDEF"
CLOUD_ID = "11223344-a1b2-3c4d-8e9f-001122334455"
TOKEN = "ATATT3xFf-secret"
WRITTEN: dict[str, Any] = {
    "teams": "https://prod-00.westeurope.logic.azure.com/workflows/0/triggers/manual/paths/invoke?sig=s1g",
    "pagerduty": [KEY, {"address": KEY.lower()}],
    "opsgenie": [{"address": "team:Platform", "secret": "genie-key-1"}, "genie-key-2"],
    "jsm": {"address": f"{CLOUD_ID}/team:4513", "secret": f"ana@example.com:{TOKEN}"},
    "apprise": "tgram://123:t0ken/456",
}


def read(contacts: dict[str, Any]) -> tuple[tuple[Contact, ...], list[tuple[str, str]]]:
    findings = Findings()
    found = read_contacts(Part({"contacts": contacts}, "", findings))
    return found, [(fault.field, fault.message) for fault in findings.faults]


@pytest.mark.requirement("NTF-01")
def test_every_channel_takes_its_address() -> None:
    found, faults = read(WRITTEN)
    assert faults == []
    assert [(each.channel, each.address) for each in found] == [
        ("teams", WRITTEN["teams"]),
        ("pagerduty", KEY),
        ("pagerduty", KEY.lower()),
        ("opsgenie", "team:Platform"),
        ("opsgenie", "genie-key-2"),
        ("jsm", f"{CLOUD_ID}/team:4513"),
        ("apprise", "tgram://123:t0ken/456"),
    ]


@pytest.mark.parametrize(
    ("contacts", "path", "says"),
    [
        ({"pagerduty": "s3cret-key"}, "contacts.pagerduty", "32 letters and digits"),
        ({"teams": "s3cret"}, "contacts.teams", "URL"),
        ({"jsm": {"address": "example.atlassian.net", "secret": "a@b:s3cret"}}, "contacts.jsm", "tenant_info"),
        ({"jsm": CLOUD_ID}, "contacts.jsm", "ana@example.com:TOKEN"),
        ({"jsm": {"address": CLOUD_ID, "secret": "s3cret"}}, "contacts.jsm", "ana@example.com:TOKEN"),
        ({"pagerdute": KEY}, "contacts.pagerdute", "pagerduty"),
    ],
)
def test_what_can_never_work_is_told_without_its_secret(contacts: dict[str, Any], path: str, says: str) -> None:
    found, ((field, message),) = read(contacts)
    assert found == ()
    assert field == path
    assert says in message
    assert "s3cret" not in message


@pytest.mark.requirement("SEC-05")
def test_secrets_are_masked_and_kept_when_the_mask_comes_back() -> None:
    document = {"id": "ana", "contacts": WRITTEN}
    shown = masked(document)
    for secret in ("sig=", KEY, KEY.lower(), "genie-key", TOKEN, "t0ken"):
        assert secret not in str(shown)
    assert shown["contacts"]["opsgenie"] == [{"address": "team:Platform", "secret": MASK}, MASK]
    assert shown["contacts"]["jsm"]["address"] == f"{CLOUD_ID}/team:4513"
    assert restored(shown, document) == document
