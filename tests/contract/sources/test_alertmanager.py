"""What Alertmanager's webhook and Grafana's become."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sources.rig import of, sending

ZERO = "0001-01-01T00:00:00Z"
CIRCUIT = {
    "status": "firing",
    "labels": {
        "alertname": "CircuitBreakerOpen", "severity": "warning", "component": "resilience", "provider": "openai",
        "instance": "llm-edge-agent:9090", "job": "llm-edge-agent", "cluster": "edge-production",
        "environment": "production",
    },
    "annotations": {"summary": "Circuit breaker is open", "description": "The breaker for openai is open on edge"},
    "startsAt": "2026-10-21T10:40:00.123456789Z",
    "endsAt": ZERO,
    "generatorURL": "http://prometheus:9090/graph",
    "fingerprint": "c3f1a6a0b8e9d7f2",
}  # fmt: skip


def group(*alerts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A notification of Alertmanager."""
    return {
        "version": "4", "groupKey": '{}:{alertname="X"}', "truncatedAlerts": 0, "status": "firing",
        "receiver": "incident-manager", "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093", "alerts": list(alerts),
    } | more  # fmt: skip


@pytest.mark.requirement("ING-11", "ING-12")
async def test_a_rule_of_the_edge_agent_is_the_incident_a_person_expects(tmp_path: Path) -> None:
    async with sending(tmp_path, "alertmanager") as sender:
        answer = await sender.send(group(CIRCUIT))
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
        incident = await sender.incident()
        assert of(incident) == ("Circuit breaker is open", "availability", "P2", "service", "llm-edge-agent")
        assert incident["environment"] == "production"
        assert incident["tags"]["provider"] == "openai"
        assert incident["description"].startswith("The breaker for openai is open on edge")
        assert "http://prometheus:9090/graph" in incident["description"]
        resolved = CIRCUIT | {"status": "resolved", "endsAt": "2026-10-21T10:50:00Z", "generatorURL": ""}
        await sender.send(group(resolved, status="resolved"))
        assert (await sender.incident())["status"] == "RESOLVED"


@pytest.mark.requirement("ING-05", "ING-08")
async def test_each_alert_is_one_of_its_own_by_its_fingerprint_and_its_own_status(tmp_path: Path) -> None:
    async with sending(tmp_path, "alertmanager") as sender:
        other = CIRCUIT | {"fingerprint": "00000000000000aa", "labels": CIRCUIT["labels"] | {"provider": "other"}}  # type: ignore[operator]
        for _ in range(3):
            await sender.send(group(CIRCUIT, other))
        assert [each["event_count"] for each in await sender.incidents()] == [1, 1]
        await sender.send(group(CIRCUIT | {"status": "resolved"}, other))
        assert sorted(each["status"] for each in await sender.incidents()) == ["NEW", "RESOLVED"]


async def test_what_the_sender_left_out_is_told(tmp_path: Path) -> None:
    async with sending(tmp_path, "alertmanager") as sender:
        await sender.send(group(CIRCUIT, truncatedAlerts=7))
        assert "7 more alerts of this group were left out" in (await sender.incident())["description"]


async def test_an_alert_without_fingerprint_annotations_or_a_known_severity_is_taken_in(tmp_path: Path) -> None:
    async with sending(tmp_path, "alertmanager") as sender:
        await sender.send(group({"labels": {"alertname": "HostDown", "severity": "wobbly", "instance": "db-1"}}))
        assert of(await sender.incident()) == ("Host down", "availability", "P2", "host", "db-1")


async def test_what_is_no_notification_is_refused_for_good(tmp_path: Path) -> None:
    async with sending(tmp_path, "alertmanager") as sender:
        for document in ({}, {"alerts": 5}, group({"labels": {}})):
            assert (await sender.send(document)).status_code == 422
        assert (await sender.send(group())).status_code == 200
        assert await sender.incidents() == []


GRAFANA = {
    "status": "firing",
    "labels": {"alertname": "Token spend too high", "grafana_folder": "LLM", "model": "gpt-4o", "severity": "critical"},
    "annotations": {"summary": "Token spend is above 500 USD an hour"},
    "startsAt": "2026-10-21T10:40:00+02:00",
    "endsAt": ZERO,
    "generatorURL": "https://grafana.example.com/alerting/grafana/abc/view",
    "fingerprint": "57c6d9296de2ad39",
    "panelURL": "https://grafana.example.com/d/x?viewPanel=1",
    "values": {"A": 612.5, "B": None},
    "valueString": "[ var='A' value=612.5 ]",
}


@pytest.mark.requirement("ING-12")
async def test_an_alert_of_grafana_brings_its_values_and_links(tmp_path: Path) -> None:
    async with sending(tmp_path, "grafana") as sender:
        await sender.send(group(GRAFANA, version="1", orgId=1, state="alerting", title="[FIRING:1]"))
        incident = await sender.incident()
        assert of(incident) == ("Token spend is above 500 USD an hour", "cost", "P0", "model", "gpt-4o")
        assert incident["event_metrics"] == {"A": 612.5}
        assert "https://grafana.example.com/d/x?viewPanel=1" in incident["description"]
        await sender.send(group(GRAFANA | {"status": "resolved", "endsAt": "2026-10-21T11:00:00+02:00"}, version="1"))
        assert (await sender.incident())["status"] == "RESOLVED"


@pytest.mark.requirement("SEC-04")
async def test_grafana_signs_the_body_or_the_time_and_the_body(tmp_path: Path) -> None:
    async with sending(tmp_path, "grafana") as sender:
        settings = {"name": "grafana", "signing_secret": "s3cret"}
        assert (await sender.api.client.post("/api/v1/sources", json=settings)).status_code == 201
        body = json.dumps(group(GRAFANA)).encode()
        now = str(int(sender.api.story.clock.now().timestamp()))

        def signed(message: bytes, **headers: str) -> dict[str, str]:
            digest = hmac.new(b"s3cret", message, hashlib.sha256).hexdigest()
            return {"X-Grafana-Alerting-Signature": digest} | headers

        async def status(headers: dict[str, str]) -> int:
            return (await sender.send(body, headers=headers)).status_code

        timed = {"X-Grafana-Alerting-Timestamp": now}
        old = {"X-Grafana-Alerting-Timestamp": str(int(now) - 600)}
        assert await status({}) == 401
        assert await status(signed(b"other")) == 401
        assert await status(signed(body)) == 200
        assert await status(signed(f"{now}:".encode() + body, **timed)) == 200
        assert await status(signed(body, **timed)) == 401
        assert await status(signed(f"{old['X-Grafana-Alerting-Timestamp']}:".encode() + body, **old)) == 401


@pytest.mark.requirement("ING-12")
async def test_a_rule_of_grafana_8_opens_and_ends(tmp_path: Path) -> None:
    rule = {
        "title": "[Alerting] Answers are slow", "ruleId": 7, "ruleName": "Answers are slow", "orgId": 1,
        "evalMatches": [{"value": 12.5, "metric": "p99", "tags": None}], "tags": {"team": "llm"},
        "ruleUrl": "https://grafana.example.com/d/x", "message": "p99 is above 10 s",
    }  # fmt: skip
    async with sending(tmp_path, "grafana") as sender:
        await sender.send(rule | {"state": "pending"})
        assert await sender.incidents() == []
        await sender.send(rule | {"state": "alerting"})
        incident = await sender.incident()
        assert of(incident)[:3] == ("Answers are slow", "performance", "P2")
        assert (incident["tags"]["team"], incident["event_metrics"]) == ("llm", {"p99": 12.5})
        await sender.send(rule | {"state": "ok", "evalMatches": []})
        assert (await sender.incident())["status"] == "RESOLVED"
