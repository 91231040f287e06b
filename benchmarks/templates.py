"""The events that are sent: specification §6.1's, and the same trouble said in the peer's words."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

IDENTITY, KIND = "@ID@", "@FP@"
"""The client puts a distinct event id, and the number of a fingerprint, in their place."""


def sentinel_event(**other: Any) -> dict[str, Any]:
    """Return §6.1's event of now, with other members where given."""
    event: dict[str, Any] = {
        "event_id": IDENTITY,
        "source": "llm-sentinel",
        "source_version": "1.2.3",
        "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "event_type": "anomaly",
        "category": "performance",
        "title": "Latency Spike Detected",
        "description": "95th percentile latency exceeded threshold",
        "severity": "high",
        "resource": {
            "type": "endpoint",
            "id": f"ep-chat-{KIND}",
            "name": "/v1/chat/completions",
            "metadata": {"model": "gpt-4", "region": "us-west-2"},
        },
        "metrics": {"p95_latency_ms": 5400, "threshold_ms": 2000, "duration_sec": 300, "affected_requests": 1234},
        "tags": {"environment": "production", "tenant_id": "tenant-123"},
        "payload": {"anomaly_score": 0.89, "baseline_p95": 800, "detection_algorithm": "isolation_forest"},
    }
    return event | other


def peer_alert() -> dict[str, Any]:
    """Return the same trouble as an alert of Alertmanager: labels are what ours makes a fingerprint of."""
    event = sentinel_event()
    resource = event["resource"]
    return {
        "labels": {
            "alertname": event["title"],
            "source": event["source"],
            "category": event["category"],
            "severity": event["severity"],
            "resource_type": resource["type"],
            "resource_id": resource["id"],
            "environment": "production",
        },
        "annotations": {
            "event_id": IDENTITY,
            "description": event["description"],
            "resource_name": resource["name"],
            **resource["metadata"],
            **{name: str(value) for name, value in event["metrics"].items()},
            **{name: str(value) for name, value in event["payload"].items()},
        },
        "startsAt": event["timestamp"],
    }


def written(folder: Path, name: str, document: Any) -> Path:
    """Write a template and return its path."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
    return path


def filled(document: dict[str, Any], event_id: str, kind: str = "000000") -> bytes:
    """Return the body of one event."""
    return json.dumps(document).replace(IDENTITY, event_id).replace(KIND, kind).encode()
