"""What LLM-Sentinel sends, by its documents and by its code: the incident that a person would expect (ING-11)."""

import hmac
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sources.rig import Sender, of, sending

pytestmark = pytest.mark.requirement("ING-11")

ANOMALY: dict[str, Any] = {
    "alert_id": "3d1c7c52-90a1-4c77-8a77-1d2b5a1f0c11",
    "timestamp": "2026-10-21T10:30:00.123456Z",
    "severity": "critical",
    "anomaly_type": "latency_spike",
    "service_name": "chat-api",
    "model": "gpt-4",
    "detection_method": "z_score",
    "confidence": 0.8947,
    "details": {
        "metric": "latency_ms", "value": 5400.0, "baseline": 800.0, "threshold": 2000.0, "deviation_sigma": 11.5,
        "additional": {},
    },
    "context": {
        "trace_id": "4bf92f35", "user_id": "user-789", "region": "us-west-2", "time_window": "rolling_window",
        "sample_count": 1000, "additional": {},
    },
    "root_cause": "Latency 5400.00ms is 11.50 standard deviations above baseline 800.00ms",
    "remediation": ["Check service health", "Review recent deployments"],
    "related_alerts": [],
    "runbook_url": None,
}  # fmt: skip
COST: dict[str, Any] = ANOMALY | {
    "alert_id": "0b0f7a52", "severity": "medium", "anomaly_type": "cost_anomaly", "service_name": "rag-search",
    "model": "claude-3-opus", "detection_method": "cusum", "confidence": 0.95,
    "details": {
        "metric": "cost_usd", "value": 1.24, "baseline": 0.031, "threshold": 0.531, "deviation_sigma": None,
        "additional": {"cusum_pos": 5.609, "cusum_neg": 0.0, "samples": 118},
    },
    "context": {"trace_id": None, "user_id": None, "region": None, "sample_count": 1000, "additional": {}},
    "root_cause": "Sustained cost increase detected",
}  # fmt: skip


@pytest.fixture
async def sentinel(tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(tmp_path, "sentinel") as sender:
        yield sender


async def test_sentinel_s_anomaly_gets_a_title_a_category_and_a_resource(sentinel: Sender) -> None:
    answer = await sentinel.send(ANOMALY)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    incident = await sentinel.incident()
    assert of(incident) == ("Latency spike in chat-api (gpt-4)", "performance", "P0", "service", "chat-api")
    assert incident["source"] == "sentinel"
    assert "11.50 standard deviations" in incident["description"]
    assert "- Check service health" in incident["description"]
    assert incident["tags"] == {
        "anomaly_type": "latency_spike", "detection_method": "z_score", "model": "gpt-4", "region": "us-west-2",
        "service": "chat-api", "user_id": "user-789",
    }  # fmt: skip
    assert "the source says critical, which is P0" in await sentinel.why()


async def test_sentinel_s_repeat_with_other_numbers_is_the_same_incident(sentinel: Sender) -> None:
    await sentinel.send(ANOMALY | {"severity": "high"})
    worse = ANOMALY | {"alert_id": "another", "timestamp": "2026-10-21T10:34:00Z", "confidence": 0.99}
    await sentinel.send(worse)
    incident = await sentinel.incident()
    assert (incident["event_count"], incident["severity"]) == (2, "P0")
    await sentinel.send(ANOMALY | {"alert_id": "third", "model": "gpt-3.5"})
    assert len(await sentinel.incidents()) == 2


async def test_sentinel_s_cost_anomaly_is_about_money(sentinel: Sender) -> None:
    await sentinel.send(COST)
    assert of(await sentinel.incident()) == (
        "Cost anomaly in rag-search (claude-3-opus)", "cost", "P2", "service", "rag-search",
    )  # fmt: skip
    kept = await sentinel.kept()
    assert '"cost_usd":1.24' in kept
    assert '"cusum_pos":5.609' in kept


@pytest.mark.parametrize(
    ("kind", "title", "category"),
    [
        ("error_rate_increase", "Error rate increase in chat-api (gpt-4)", "availability"),
        ("security_threat", "Security threat in chat-api (gpt-4)", "security"),
        ("token_usage_spike", "Token usage spike in chat-api (gpt-4)", "cost"),
        ("hallucination", "Hallucination in chat-api (gpt-4)", "performance"),
        ({"custom": "gpu_outage"}, "Gpu outage in chat-api (gpt-4)", "availability"),
        ({"custom": "odd"}, "Odd in chat-api (gpt-4)", "other"),
    ],
)
async def test_every_kind_of_anomaly_has_its_category(sentinel: Sender, kind: Any, title: str, category: str) -> None:
    await sentinel.send(ANOMALY | {"anomaly_type": kind})
    incident = await sentinel.incident()
    assert (incident["title"], incident["category"]) == (title, category)


def signed(document: dict[str, Any], secret: str) -> tuple[bytes, str]:
    """Return Sentinel's webhook: the signature over the compact body, which then is appended to it."""
    body = json.dumps(document, separators=(",", ":")).encode()
    signature = hmac.new(secret.encode(), body, sha256).hexdigest()
    return body[:-1] + f',"signature":"{signature}"}}'.encode(), signature


@pytest.mark.requirement("SEC-04")
async def test_sentinel_s_webhook_is_believed_if_its_signature_is_right(sentinel: Sender) -> None:
    secret = "sentinel-test-secret"
    made = await sentinel.api.client.post("/api/v1/sources", json={"name": "sentinel", "signing_secret": secret})
    assert made.status_code == 201
    envelope = {"event_type": "anomaly.detected", "timestamp": "2026-10-21T10:30:00.2Z", "data": ANOMALY}
    body, signature = signed(envelope, secret)
    for content, headers in (
        (body, {}),
        (body, {"X-Sentinel-Signature": signature[::-1]}),
        (body.replace(b"gpt-4", b"gpt-5"), {"X-Sentinel-Signature": signature}),
        (signed(envelope, "another-secret")[0], {"X-Sentinel-Signature": signed(envelope, "another-secret")[1]}),
    ):
        assert (await sentinel.send(content, headers=headers)).status_code == 401
    assert await sentinel.incidents() == []
    answer = await sentinel.send(body, headers={"X-Sentinel-Signature": signature})
    assert answer.status_code == 202, answer.text
    assert (await sentinel.incident())["title"] == "Latency spike in chat-api (gpt-4)"


async def test_sentinel_s_decisions_bring_the_anomaly_in_them_or_nothing(sentinel: Sender) -> None:
    alert = {
        "alert_id": "a-9", "severity": "critical", "title": "latency_spike detected in chat-api (gpt-4)",
        "tags": ["severity:critical", "type:latency_spike"], "anomaly": ANOMALY,
    }  # fmt: skip
    decision = {
        "decision_id": "d", "agent_id": "sentinel.alerting.evaluation", "decision_type": "alert_evaluation",
        "outputs": {"anomaly_detected": True, "anomaly_event": alert}, "timestamp": "2026-10-21T10:30:00Z",
        "context": {"service_name": "chat-api", "model": "gpt-4", "environment": "production"},
    }  # fmt: skip
    nothing = await sentinel.send(decision | {"outputs": {"anomaly_detected": False, "anomaly_event": alert}})
    assert (nothing.status_code, nothing.json()["status"]) == (202, "ignored")
    assert await sentinel.incidents() == []
    await sentinel.send(decision)
    incident = await sentinel.incident()
    assert of(incident)[:3] == ("Latency spike in chat-api (gpt-4)", "performance", "P0")
    assert incident["environment"] == "production"
    assert "type:latency_spike" in incident["labels"]


async def test_sentinel_s_candidate_and_documented_event(sentinel: Sender) -> None:
    await sentinel.send(
        {
            "incident_id": "c-1", "title": "Latency and errors rise together", "description": "Two signals",
            "signal_ids": ["a", "b"], "primary_service": "chat-api", "affected_services": ["chat-api", "rag"],
            "affected_models": ["gpt-4"], "severity": "high", "correlation_confidence": 0.8,
            "recommended_actions": ["Roll back"],
        }
    )  # fmt: skip
    assert of(await sentinel.incident()) == (
        "Latency and errors rise together", "performance", "P1", "service", "chat-api",
    )  # fmt: skip
    event = {
        "event_id": "sent-1", "source": "llm-sentinel", "source_version": "1.2.3", "timestamp": "2026-10-21T10:30:00Z",
        "event_type": "anomaly", "category": "performance", "title": "Latency Spike Detected", "severity": "high",
        "resource": {"type": "endpoint", "id": "ep-chat-completion", "metadata": {"model": "gpt-4"}},
        "metrics": {"p95_latency_ms": 5400}, "tags": {"environment": "production", "tenant_id": "t"},
    }  # fmt: skip
    answer = await sentinel.send(event)
    assert answer.json()["event_id"] == "sent-1"
    assert [each["source"] for each in await sentinel.incidents()] == ["sentinel", "llm-sentinel"]
    assert (await sentinel.send({"what": "else"})).status_code == 422
