"""What LLM-Shield sends, by its documents and by its code: the incident that a person would expect (ING-11)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sources.rig import Sender, of, sending

pytestmark = pytest.mark.requirement("ING-11")

JAILBREAK: dict[str, Any] = {
    "agent_id": "prompt-injection-detection-agent",
    "agent_version": "1.0.0",
    "decision_type": "prompt_injection_detection",
    "inputs_hash": "d86fea128bec",
    "outputs": {
        "threats_detected": True, "risk_score": 0.575, "severity": "medium", "confidence": 0.91,
        "pattern_match_count": 3, "entity_count": 3,
        "detected_categories": ["instruction_override", "system_prompt_attack", "jailbreak"],
    },
    "confidence": 0.91,
    "constraints_applied": [],
    "execution_ref": "0f9d5f6e-5a57",
    "timestamp": "2026-10-21T10:35:00.000Z",
    "duration_ms": 1.84,
    "telemetry": {"content_length": 80, "content_source": "user_input", "session_id": "s-1", "caller_id": "user-789"},
}  # fmt: skip
RESPONSE: dict[str, Any] = {
    "result": {
        "agent": {
            "agent_id": "prompt-injection-detection-agent", "agent_version": "1.0.0",
            "classification": "DETECTION_ONLY", "decision_type": "prompt_injection_detection",
        },
        "result": {
            "threats_detected": True, "risk_score": 0.575, "severity": "medium", "confidence": 0.91,
            "entities": [
                {"entity_type": "prompt_injection", "category": "instruction_override", "start": 0, "end": 32,
                 "confidence": 0.85, "pattern_id": "IO-001", "severity": "critical", "text": "ignore all previous"},
                {"entity_type": "prompt_injection", "category": "jailbreak", "severity": "high"},
            ],
            "risk_factors": [{"factor_id": "rf", "category": "jailbreak", "severity": "critical"}],
            "detected_categories": ["instruction_override", "jailbreak"],
        },
        "duration_ms": 1.84, "cached": False,
    },
    "execution_metadata": {"trace_id": "1c1b2a50", "timestamp": "2026-10-21T10:35:00.010Z", "service": "agents"},
    "layers_executed": ["input_validation", "agent_dispatch"],
}  # fmt: skip
SCAN: dict[str, Any] = {
    "result": {
        "isValid": False, "riskScore": 0.95, "sanitizedText": "PromptInjection",
        "scannerResults": [
            {
                "scanner": "PromptInjection", "isValid": False, "riskScore": 0.95,
                "riskFactors": [{"description": "Detected 2 indicators", "severity": "Critical", "score": 0.95}],
                "entities": [
                    {"entityType": "prompt_injection", "text": "[instruction_override]", "start": 0, "end": 80},
                    {"entityType": "secret", "text": "sk-live-abcdef0123456789", "start": 81, "end": 99},
                ],
                "executionTimeMs": 1,
            },
            {"scanner": "Toxicity", "isValid": True, "riskScore": 0.0, "riskFactors": [], "entities": []},
        ],
        "scanTimeMs": 1, "cacheHit": False,
    },
    "execution": {
        "executionId": "9b2f6a0e",
        "repoSpan": {"spanId": "a1", "name": "llm-shield", "endTime": "2026-10-21T10:35:00+00:00"},
    },
}  # fmt: skip


@pytest.fixture
async def shield(tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(tmp_path, "shield") as sender:
        yield sender


async def test_shield_s_jailbreak_is_p1_or_worse_and_says_why(shield: Sender) -> None:
    answer = await shield.send(JAILBREAK, path="/api/v1/events/decision")
    assert answer.status_code == 202
    incident = await shield.incident()
    assert of(incident) == (
        "Prompt injection detected: instruction override, system prompt attack, jailbreak", "security", "P1", "service",
        "prompt-injection-detection-agent",
    )  # fmt: skip
    assert incident["tags"]["caller_id"] == "user-789"
    assert incident["labels"] == ["instruction_override", "system_prompt_attack", "jailbreak"]
    why = await shield.why()
    assert "which is P1" in why
    assert "is at least high, although Shield says medium" in why


async def test_the_worst_finding_of_shield_decides(shield: Sender) -> None:
    await shield.send(RESPONSE)
    incident = await shield.incident()
    assert of(incident)[:3] == ("Prompt injection detected: instruction override, jailbreak", "security", "P0")
    assert "the worst finding decides" in await shield.why()
    assert "ignore all previous" not in await shield.kept()


async def test_a_scan_of_shield_is_an_incident_without_the_text_that_matched(shield: Sender) -> None:
    await shield.send(SCAN)
    incident = await shield.incident()
    assert of(incident) == (
        "Prompt injection detected: instruction override, prompt injection, secret", "security", "P0", "service",
        "llm-shield",
    )  # fmt: skip
    kept = await shield.kept()
    assert "sk-live" not in kept
    assert "sk-live" not in json.dumps(incident)


@pytest.mark.parametrize(
    "document",
    [
        JAILBREAK | {"outputs": {"threats_detected": False, "severity": "none", "risk_score": 0.0}},
        JAILBREAK | {"outputs": {"pii_detected": False, "severity": "high", "entities": [{"severity": "high"}]}},
        JAILBREAK | {"outputs": {"severity": "none"}},
        {"result": {"agent": {}, "result": {"toxicity_detected": False}}, "execution_metadata": {}},
        {"result": {"isValid": True, "riskScore": 0.0, "scannerResults": []}, "execution": {}},
    ],
)
async def test_what_shield_found_harmless_opens_nothing(shield: Sender, document: dict[str, Any]) -> None:
    answer = await shield.send(document)
    assert (answer.status_code, answer.json()["status"], answer.json()["incident_id"]) == (202, "ignored", None)
    assert await shield.incidents() == []


@pytest.mark.parametrize(
    ("kind", "outputs", "title", "severity"),
    [
        ("pii_detection", {"pii_detected": True, "severity": "high", "detected_types": []}, "PII detected", "P1"),
        ("toxicity_detection", {"toxicity_detected": True, "severity": "low"}, "Toxicity detected", "P3"),
        ("model_abuse_detection", {"abuse_detected": True, "severity": "critical"}, "Model abuse detected", "P0"),
        (
            "credential_exposure_detection",
            {"credentials_detected": True, "severity": "low", "detected_types": ["api_key"]},
            "Credential exposure detected: api key",
            "P1",
        ),
    ],
)  # fmt: skip
async def test_each_agent_of_shield_says_what_it_found(
    shield: Sender, kind: str, outputs: dict[str, Any], title: str, severity: str
) -> None:
    await shield.send(JAILBREAK | {"decision_type": kind, "outputs": outputs})
    incident = await shield.incident()
    assert (incident["title"], incident["severity"], incident["category"]) == (title, severity, "security")
