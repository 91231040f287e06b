"""Every sample of what the sister projects really send becomes the incident that a person would expect (ING-11).

Title, category, severity with its reason, resource, tags, and what its sender is answered; the bytes are in
``sister_samples.py``, those that were only described are put together here.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.contract.sources import sister_samples as samples
from tests.contract.sources.rig import Sender, of, sending

pytestmark = pytest.mark.requirement("ING-11")
ANOMALY: dict[str, Any] = json.loads(samples.ANOMALY)
DECISION: dict[str, Any] = json.loads(samples.DECISION)
SIGNAL: dict[str, Any] = json.loads(samples.SIGNAL)
ACCEPTED = "Event received and queued for processing"
AS_THE_SOURCE_SAYS = "no rule and no threshold matched: the source says "


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent where, and what must come of it; ``answered`` are members of the sender's answer."""

    name: str
    source: str
    body: str | dict[str, Any]
    path: str | None = None
    status: int = 202
    answered: dict[str, Any] = {}
    incident: tuple[str, str, str, str, str] | None = None
    why: str = ""
    tags: dict[str, str] = {}
    labels: list[str] = []
    environment: str | None = None


CHAT = {"service": "chat-api", "model": "gpt-4", "region": "us-west-2", "user_id": "user-789"}
SPIKE = ("Latency spike in chat-api (gpt-4)", "performance", "P0", "service", "chat-api")
SPIKE_TAGS = CHAT | {"anomaly_type": "latency_spike", "detection_method": "z_score"}
SPIKE_ID = {"event_id": ANOMALY["alert_id"], "status": "accepted", "message": ACCEPTED}
SPIKE_LABELS = ["severity:critical", "type:latency_spike", "service:chat-api", "model:gpt-4", "method:z_score"]
ALERT = {
    "alert_id": ANOMALY["alert_id"], "timestamp": ANOMALY["timestamp"], "severity": "critical",
    "title": "latency_spike detected in chat-api (gpt-4)", "description": ANOMALY["root_cause"],
    "service_name": "chat-api", "model": "gpt-4", "tags": SPIKE_LABELS, "anomaly": ANOMALY,
}  # fmt: skip
EVALUATION = {
    "decision_id": "6a1d", "agent_id": "sentinel.alerting.evaluation", "decision_type": "alert_evaluation",
    "agent_version": {"major": 1, "minor": 0, "patch": 0}, "inputs_hash": "ab",
    "outputs": {
        "anomaly_detected": True, "anomaly_event": ALERT, "detectors_evaluated": [], "triggered_by": "z_score",
        "metadata": {"processing_ms": 3, "baselines_checked": 1, "baselines_valid": 1, "telemetry_emitted": True},
    },
    "confidence": 0.89, "timestamp": ANOMALY["timestamp"],
    "constraints_applied": [{"constraint_id": "c", "constraint_type": "rule", "value": 1, "passed": True}],
    "execution_ref": {"request_id": "r", "trace_id": "t", "span_id": "s", "source": "api"},
    "context": {"service_name": "chat-api", "model": "gpt-4", "region": "us-west-2", "environment": "production"},
}  # fmt: skip
CANDIDATE = {
    "incident_id": "9c1f", "title": "Latency and errors rise together in chat-api", "description": "Two signals",
    "signal_ids": ["a", "b"], "primary_service": "chat-api", "affected_services": ["chat-api", "rag-search"],
    "affected_models": ["gpt-4"], "severity": "high", "correlation_confidence": 0.8, "recommended_actions": ["Wait"],
    "correlation_reasoning": "same service", "signal_breakdown": {"latency": 1, "errors": 1},
    "time_window": {"start": "2026-02-21T10:25:00Z", "end": "2026-02-21T10:30:00Z"},
}  # fmt: skip
DRIFT = ANOMALY | {
    "anomaly_type": "input_drift", "severity": "medium", "detection_method": "psi",
    "details": {
        "metric": "psi", "value": 0.31, "baseline": 0.0, "threshold": 0.2, "deviation_sigma": None,
        "additional": {"psi_score": 0.31, "drift_direction": "up", "reference_samples": 1000, "current_samples": 500},
    },
}  # fmt: skip
INJECTION = "Prompt injection detected: instruction override, system prompt attack, jailbreak"
AGENT = {"agent": "prompt-injection-detection-agent", "agent_version": "1.0.0"}
FOUND = ["instruction_override", "system_prompt_attack", "jailbreak"]
HEALTH = {
    "status": "degraded", "timestamp": "2026-02-21T10:40:00+00:00", "version": "0.1.0",
    "cache": {"l1_healthy": True, "l2_healthy": False, "l2_configured": True},
    "providers": {
        "openai": {"configured": True, "healthy": False}, "anthropic": {"configured": False, "healthy": False},
    },
}  # fmt: skip
ENVELOPE = {
    "source": "security-core", "event_type": "scan_request", "execution_id": "exec-abc-123",
    "timestamp": "2026-02-18T00:00:00Z", "severity": "high", "payload": {"key": "value"},
}  # fmt: skip
VIOLATION = {
    "violation_id": "0f0c8f5e", "slo_id": "slo-7", "slo_name": "Chat latency p95", "breach_type": "slo_breach",
    "severity": "high", "indicator": "latency_p95", "is_sla": False, "detected_at": "2026-02-21T11:00:00Z",
    "metric_context": {
        "current_value": 4200, "threshold_value": 2000, "deviation_percentage": 110, "trend": "up",
        "samples_in_window": 500,
    },
    "window": "5m", "provider": "openai", "model": "gpt-4", "environment": "production", "recommendation": "Wait",
}  # fmt: skip

SAMPLES = [
    Sample(
        name="S1: Sentinel's anomaly, as its queue carries it", source="sentinel", body=samples.ANOMALY,
        answered=SPIKE_ID, incident=SPIKE, why=f"{AS_THE_SOURCE_SAYS}critical, which is P0", tags=SPIKE_TAGS,
    ),
    Sample(
        name="S3: the CUSUM detector of cost", source="sentinel", body=samples.COST,
        answered={"event_id": "0b0f7a52-7a0e-4a44-8f0a-3f3f4b0b8b11", "status": "accepted"},
        incident=("Cost anomaly in rag-search (claude-3-opus)", "cost", "P2", "service", "rag-search"),
        why=f"{AS_THE_SOURCE_SAYS}medium, which is P2",
        tags={
            "service": "rag-search", "model": "claude-3-opus", "anomaly_type": "cost_anomaly",
            "detection_method": "cusum",
        },
    ),
    Sample(
        name="the PSI detector of drift", source="sentinel", body=DRIFT, answered=SPIKE_ID,
        incident=("Input drift in chat-api (gpt-4)", "performance", "P2", "service", "chat-api"),
        why=f"{AS_THE_SOURCE_SAYS}medium, which is P2",
        tags=CHAT | {"anomaly_type": "input_drift", "detection_method": "psi"},
    ),
    Sample(
        name="S4: Sentinel's alert", source="sentinel", body=ALERT, answered=SPIKE_ID, incident=SPIKE,
        why=f"{AS_THE_SOURCE_SAYS}critical, which is P0", tags=SPIKE_TAGS, labels=SPIKE_LABELS,
    ),
    Sample(
        name="S5: Sentinel's decision", source="sentinel", body=EVALUATION, answered=SPIKE_ID, incident=SPIKE,
        why=f"{AS_THE_SOURCE_SAYS}critical, which is P0", tags=SPIKE_TAGS | {"environment": "production"},
        labels=SPIKE_LABELS, environment="production",
    ),
    Sample(
        name="Sentinel's incident candidate", source="sentinel", body=CANDIDATE, answered={"event_id": "9c1f"},
        incident=("Latency and errors rise together in chat-api", "performance", "P1", "service", "chat-api"),
        why=f"{AS_THE_SOURCE_SAYS}high, which is P1", tags={"service": "chat-api", "model": "gpt-4"}, labels=["gpt-4"],
    ),
    Sample(
        name="H1: a blatant jailbreak that its agent calls medium", source="shield", body=samples.DECISION,
        path="/api/v1/events/decision", answered={"status": "accepted", "message": ACCEPTED},
        incident=(INJECTION, "security", "P1", "service", "prompt-injection-detection-agent"),
        why="which is P1: instruction override, system prompt attack, jailbreak is at least high, although Shield says "
        "medium", labels=FOUND,
        tags=AGENT | {
            "decision_type": "prompt_injection_detection", "session_id": "sess-abc123", "caller_id": "user-789",
            "content_source": "user_input",
        },
    ),
    Sample(
        name="H2: the same by the agent's answer, whose entities are critical", source="shield", body=samples.RESPONSE,
        answered={"status": "accepted"}, labels=FOUND,
        incident=(INJECTION, "security", "P0", "service", "prompt-injection-detection-agent"),
        why="which is P0: the worst finding decides: instruction_override is critical, although the whole is medium",
        tags=AGENT | {"decision_type": "prompt_injection_detection"},
    ),
    Sample(
        name="H3: Shield's scan", source="shield", body=samples.SCAN, answered={"status": "accepted"},
        incident=(
            "Prompt injection detected: instruction override, prompt injection", "security", "P0", "service",
            "llm-shield",
        ),
        why="which is P0: Shield says critical (its score of 0.95)",
        tags={"decision_type": "PromptInjection_detection", "scanner": "PromptInjection"},
        labels=["instruction_override", "prompt_injection"],
    ),
    Sample(
        name="a decision that found nothing", source="shield", path="/api/v1/events/decision",
        body=DECISION | {"outputs": {"threats_detected": False, "risk_score": 0.0, "severity": "none"}},
        answered={"status": "ignored", "incident_id": None},
    ),
    Sample(
        name="E1: the edge agent's rule by Alertmanager", source="alertmanager", body=samples.CIRCUIT, status=200,
        answered={"status": "ok", "accepted": 1},
        incident=("Circuit breaker is open", "availability", "P2", "service", "llm-edge-agent"),
        why=f"{AS_THE_SOURCE_SAYS}warning, which is P2", environment="production",
        tags={
            "alertname": "CircuitBreakerOpen", "severity": "warning", "component": "resilience", "provider": "openai",
            "instance": "llm-edge-agent:9090", "job": "llm-edge-agent", "cluster": "llm-edge-agent-production",
            "environment": "production",
        },
    ),
    Sample(
        name="E2: the edge agent's health", source="edge-agent", body=HEALTH, answered={"status": "accepted"},
        path="/api/v1/sources/edge-agent?instance=edge-1",
        incident=("edge-1 is degraded: provider openai, cache L2", "availability", "P0", "service", "edge-1"),
        why="which is P0: no configured provider is healthy", tags={"provider": "openai"}, labels=["openai"],
    ),
    Sample(
        name="E3: the edge agent's own error answer is nothing that is sent", source="edge-agent", status=422,
        body={"error": {"message": "Provider error: Rate limit exceeded", "type": "proxy_error"}},
        answered={"code": "invalid_edge_agent"},
    ),
    Sample(
        name="G1: an audit signal is a change", source="governance", body=samples.SIGNAL,
        answered={"status": "accepted", "incident_id": None},
    ),
    Sample(
        name="a denied audit signal is looked at", source="governance", body=SIGNAL | {"outcome": "denied"},
        incident=(
            "incident.resolve was denied to user:john.doe", "compliance", "P3", "incident", "INC-20260221-00042",
        ),
        why="which is P3: what was denied is looked at, and wakes nobody",
        tags={"principal": "user:john.doe", "action": "incident.resolve", "outcome": "denied"},
    ),
    Sample(
        name="G2: a row of the audit log", source="governance", body=samples.AUDIT_ROW, path="/api/v1/audit/logs",
        status=201, answered={"success": True, "message": None},
    ),
    Sample(
        name="F1: the core bundle's envelope", source="core-bundle", body=ENVELOPE, path="/core-bundle/api/v1/events",
        answered={"status": "accepted", "execution_id": "exec-abc-123"},
        incident=("Scan request from security-core", "security", "P1", "service", "security-core"),
        why=f"{AS_THE_SOURCE_SAYS}high, which is P1", tags={"bundle": "security-core", "event_type": "scan_request"},
    ),
    Sample(
        name="the same without a severity, as its fixture has it, is no trouble", source="core-bundle",
        body={name: value for name, value in ENVELOPE.items() if name != "severity"},
        path="/core-bundle/api/v1/events", answered={"status": "accepted", "execution_id": "exec-abc-123"},
    ),
    Sample(
        name="F2: Observatory's violation", source="observatory", path="/api/v1/decisions",
        body={"decision_type": "slo_violation_detection", "outputs": VIOLATION, "timestamp": "2026-02-21T11:00:00Z"},
        answered={"event_id": "0f0c8f5e", "status": "accepted"},
        incident=("SLO breached: Chat latency p95 (openai gpt-4)", "performance", "P1", "model", "gpt-4"),
        why=f"{AS_THE_SOURCE_SAYS}high, which is P1", environment="production",
        tags={
            "environment": "production", "provider": "openai", "model": "gpt-4", "slo": "Chat latency p95",
            "breach_type": "slo_breach", "indicator": "latency_p95", "is_sla": "false",
        },
    ),
]  # fmt: skip


def body(sample: Sample) -> bytes:
    return (sample.body if isinstance(sample.body, str) else json.dumps(sample.body)).encode()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
async def test_the_sample_gives_the_incident_that_a_person_expects(tmp_path: Path, sample: Sample) -> None:
    async with sending(tmp_path, sample.source) as sender:
        answer = await sender.send(body(sample), path=sample.path)
        assert answer.status_code == sample.status, answer.text
        assert answer.json() | sample.answered == answer.json()
        if sample.incident is None:
            assert await sender.incidents() == []
            return
        await expect(sender, sample)
        again = await sender.send(body(sample), path=sample.path)
        assert again.status_code == sample.status
        assert (await sender.incident())["event_count"] == 1


async def expect(sender: Sender, sample: Sample) -> None:
    incident = await sender.incident()
    assert of(incident) == sample.incident
    assert incident["tags"] == sample.tags
    assert incident["labels"] == sample.labels
    assert incident["environment"] == sample.environment
    explained = await sender.api.client.get(f"/api/v1/incidents/{incident['id']}/explanation")
    assert sample.why
    assert sample.why in explained.json()["severity"]["text"]


@pytest.mark.requirement("SEC-04")
async def test_s2_the_webhook_s_own_test_vector_is_believed_and_another_secret_is_not(tmp_path: Path) -> None:
    signature = "b6a6d8ef0da5320441c973b233066ce854185e74f7862ba0f956d5e360cb038f"
    envelope = f'{{"event_type":"anomaly.detected","timestamp":"2026-02-21T10:30:00.200000Z","data":{samples.ANOMALY}'
    signed = f'{envelope},"signature":"{signature}"}}'.encode()
    headers = {"X-Sentinel-Signature": signature}
    async with sending(tmp_path, "sentinel") as sender:
        for secret, status in (("another-secret-of-theirs", 401), ("sentinel-test-secret", 202)):
            await sender.api.story.configure({"sources": [{"name": "sentinel", "signing_secret": secret}]})
            assert (await sender.send(signed, headers=headers)).status_code == status
        await expect(sender, SAMPLES[0])
