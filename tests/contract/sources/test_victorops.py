"""What VictorOps' REST endpoint is sent, by monitoring tools and by Alertmanager."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sources.rig import Sender, of, sending

pytestmark = pytest.mark.requirement("ING-12")
PATH = "/integrations/generic/20131114/alert"
FIRING = "Alerts Firing:\nLabels:\n - alertname = Slow\n - severity = warning\n - model = m\nAnnotations:\nSource: x\n"


@pytest.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(tmp_path, "victorops") as sender:
        yield sender


async def send(sender: Sender, key: str | None = None, **fields: Any) -> Any:
    return await sender.send(fields, path=f"{PATH}/{key or await sender.api.key('ingest', source='vo')}/platform")


async def test_the_life_of_an_incident_by_entity_id(sender: Sender) -> None:
    key = await sender.api.key("ingest")
    alert = {"message_type": "WARNING", "entity_id": "disk/db01", "entity_display_name": "Disk of db01 is nearly full",
             "state_message": "97 % used", "monitoring_tool": "nagios", "host_name": "db01"}  # fmt: skip
    answer = await send(sender, key, **alert)
    assert (answer.status_code, answer.json()) == (200, {"result": "success", "entity_id": "disk/db01"})
    incident = await sender.incident()
    assert of(incident) == ("Disk of db01 is nearly full", "other", "P2", "service", "db01")
    assert (incident["tags"]["routing_key"], incident["tags"]["monitoring_tool"]) == ("platform", "nagios")
    await send(sender, key, **alert | {"message_type": "CRITICAL"})
    assert ((await sender.incident())["severity"], (await sender.incident())["event_count"]) == ("P0", 2)
    acknowledged = {"message_type": "ACKNOWLEDGEMENT", "entity_id": "disk/db01", "ack_author": "ana", "ack_msg": "Mine"}
    await send(sender, key, **acknowledged)
    assert (await sender.incident())["status"] == "ACKNOWLEDGED"
    timeline = await sender.api.client.get(f"/api/v1/incidents/{incident['id']}/timeline?limit=100")
    assert "ana (victorops)" in timeline.text
    assert "Mine" in timeline.text
    await send(sender, key, message_type="RECOVERY", entity_id="disk/db01")
    assert (await sender.incident())["status"] == "RESOLVED"
    await send(sender, key, **alert)
    assert [each["status"] for each in await sender.incidents()] == ["RESOLVED", "NEW"]
    assert key not in json.dumps(await sender.incidents())


async def test_alertmanager_s_label_decides(sender: Sender) -> None:
    key = await sender.api.key("ingest")
    await send(
        sender, key, message_type="CRITICAL", entity_id="ab" * 32, entity_display_name="Slow", state_message=FIRING
    )
    assert of(await sender.incident()) == ("Slow", "performance", "P2", "model", "m")


async def test_information_opens_nothing_and_faults_are_named(sender: Sender) -> None:
    key = await sender.api.key("ingest")
    assert (await send(sender, key, message_type="INFO", entity_id="deploy")).status_code == 200
    assert (await send(sender, key, message_type="RECOVERY", entity_id="nobody")).status_code == 200
    wrong = await send(sender, key, message_type="SHOUT")
    assert (wrong.status_code, wrong.json()["result"]) == (400, "failure")
    assert "message_type" in wrong.json()["message"]
    assert (await send(sender, "nobody-s-key-0123", message_type="INFO")).status_code == 401
    assert await sender.incidents() == []
