"""What the other sister projects send: the incident that a person would expect (ING-11)."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.sources.rig import of, sending

pytestmark = pytest.mark.requirement("ING-11")


async def test_the_edge_agent_s_messages_and_batches(tmp_path: Path) -> None:
    message = {
        "type": "alert", "event_id": "edge-1", "source": "llm-edge-agent", "timestamp": "2026-10-21T10:40:00Z",
        "event_type": "alert", "category": "availability", "title": "Rate Limit Exceeded", "severity": "medium",
        "resource": {"type": "tenant", "id": "tenant-456", "name": "Acme Corp"},
        "metrics": {"current_rpm": 12500}, "tags": {"environment": "production"},
    }  # fmt: skip
    async with sending(tmp_path, "edge-agent") as edge:
        batch = {"batch_id": "b-1", "timestamp": "2026-10-21T10:40:01Z", "events": [message, message], "count": 2}
        answer = (await edge.send(batch)).json()
        assert (answer["batch_id"], answer["accepted"], answer["duplicates"]) == ("b-1", 1, 1)
        incident = await edge.incident()
        assert of(incident) == ("Rate Limit Exceeded", "availability", "P2", "tenant", "tenant-456")
        assert incident["source"] == "llm-edge-agent"
        assert (await edge.send({"type": "heartbeat"})).json()["status"] == "ignored"


async def test_the_edge_agent_s_health_opens_worsens_and_ends_one_incident(tmp_path: Path) -> None:
    def health(minute: int, openai: bool, l2: bool, status: str = "degraded") -> dict[str, Any]:
        return {
            "status": status, "timestamp": f"2026-10-21T10:{minute}:00+00:00", "version": "0.1.0",
            "cache": {"l1_healthy": True, "l2_healthy": l2, "l2_configured": True},
            "providers": {
                "openai": {"configured": True, "healthy": openai}, "anthropic": {"configured": False, "healthy": False},
            },
        }  # fmt: skip

    async with sending(tmp_path, "edge-agent") as edge:
        path = "/api/v1/sources/edge-agent?instance=edge-1"
        await edge.send(health(40, True, False), path=path)
        assert of(await edge.incident()) == (
            "edge-1 is degraded: cache L2", "availability", "P2", "service", "edge-1",
        )  # fmt: skip
        await edge.send(health(41, False, False), path=path)
        assert (await edge.incident())["severity"] == "P0"
        await edge.send(health(42, True, True, "healthy"), path=path)
        incident = await edge.incident()
        assert (incident["status"], incident["event_count"]) == ("RESOLVED", 2)


async def test_governance_s_signals_are_changes_and_denials_are_looked_at(tmp_path: Path) -> None:
    signal = {
        "timestamp": "2026-10-21T10:45:00Z", "action": "incident.resolve", "principal": "user:john.doe",
        "resource": "incident:INC-20260221-00042", "outcome": "allowed", "metadata": {"old_status": "IN_PROGRESS"},
    }  # fmt: skip
    async with sending(tmp_path, "governance") as governance:
        assert (await governance.send(signal)).json()["incident_id"] is None
        row = {"action": "incident_resolved", "resource_type": "incident", "resource_id": "INC-1", "details": {"a": 1}}
        answer = await governance.send(row, path="/api/v1/audit/logs")
        assert answer.status_code == 201
        assert answer.json()["success"] is True
        assert answer.json()["data"]["action"] == "incident_resolved"
        assert await governance.incidents() == []
        denied = {"eventType": "audit.signal", "severity": "warning", "details": signal | {"outcome": "denied"}}
        await governance.send(denied)
        assert of(await governance.incident()) == (
            "incident.resolve was denied to user:john.doe", "compliance", "P3", "incident", "INC-20260221-00042",
        )  # fmt: skip
        alert = {"alert_type": "cost", "severity": "critical", "title": "Budget exceeded", "resource_id": "team-1"}
        await governance.send(alert)
        assert of((await governance.incidents())[-1])[:3] == ("Budget exceeded", "cost", "P0")


async def test_observatory_s_violations_name_objective_model_and_numbers(tmp_path: Path) -> None:
    violation = {
        "violation_id": "v-1", "slo_id": "slo-7", "slo_name": "Chat latency p95", "breach_type": "sla_breach",
        "severity": "high", "indicator": "latency_p95",
        "metric_context": {"current_value": 4200, "threshold_value": 2000, "deviation_percentage": 110, "trend": "up"},
        "is_sla": True, "detected_at": "2026-10-21T11:00:00Z", "window": "5m", "provider": "openai", "model": "gpt-4",
        "environment": "production", "recommendation": "Move traffic",
    }  # fmt: skip
    decision = {"decision_type": "slo_violation_detection", "outputs": violation, "timestamp": "2026-10-21T11:00:00Z"}
    async with sending(tmp_path, "observatory") as observatory:
        await observatory.send(decision, path="/api/v1/decisions")
        incident = await observatory.incident()
        assert of(incident) == (
            "SLA breached: Chat latency p95 (openai gpt-4)", "performance", "P1", "model", "gpt-4",
        )  # fmt: skip
        assert incident["description"].startswith("latency_p95 is 4200, the objective is 2000, over 5m.")
        assert (incident["environment"], incident["tags"]["is_sla"]) == ("production", "true")
        again = await observatory.send(violation | {"violation_id": "v-2"})
        assert again.json()["incident_id"] == incident["id"]
        other = await observatory.send({"decision_type": "latency_analysis", "outputs": {"p95": 1}})
        assert other.json()["status"] == "ignored"


async def test_the_core_bundle_gets_its_own_answer(tmp_path: Path) -> None:
    envelope = {
        "source": "security-core", "event_type": "scan_request", "execution_id": "exec-abc-123",
        "timestamp": "2026-10-18T00:00:00Z", "severity": "high", "payload": {"key": "value"},
    }  # fmt: skip
    async with sending(tmp_path, "core-bundle") as bundle:
        answer = await bundle.send(envelope, path="/core-bundle/api/v1/events")
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "execution_id": "exec-abc-123"})
        assert of(await bundle.incident()) == (
            "Scan request from security-core", "security", "P1", "service", "security-core",
        )  # fmt: skip
        assert (await bundle.send({"payload": {}})).status_code == 422
