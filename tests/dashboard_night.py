"""What happened that night: the incidents, people and answers behind the dashboard's test port."""

from datetime import UTC, datetime, timedelta
from typing import Any

from llm_incident_manager.api.dashboard.port import Document

USERS = [
    {"id": "ana", "name": "Ana Ruiz"},
    {"id": "bo", "name": "Bo Lindqvist"},
    {"id": "chidi", "name": "Chidi Okafor"},
    {"id": "mei", "name": "Mei Tanaka"},
]
TEAMS = [{"id": "platform", "name": "Platform"}, {"id": "safety", "name": "Safety"}]
PROMISES = {"P0": (5, 15), "P1": (15, 60), "P2": (60, 240), "P3": (240, 1440)}
HOSTILE = '"><img src=x onerror="document.title=1"><script>document.title=2</script> {{ 7*7 }}'

# id, severity, status, title, resource, source, category, minutes old, events, owner
TABLE = """
INC-20261124-00031 | P0 | NEW | Prompt-injection storm: 1,204 blocked, 3 passed | support-copilot-prod | llm-shield | security | 3.2 | 1207 |
INC-20261124-00017 | P1 | IN_PROGRESS | p95 latency 5.4 s on /v1/chat/completions | /v1/chat/completions | llm-sentinel | performance | 33 | 413 | ana
INC-20261124-00022 | P0 | ESCALATED | PII leak: card numbers in billing-bot answers | billing-bot | llm-shield | security | 21 | 37 |
INC-20261124-00015 | P1 | ACKNOWLEDGED | Upstream 5xx from the model provider: 31 % of chat calls fail | gateway-eu-1 | llm-edge-agent | availability | 36 | 8912 | bo
INC-20261124-00028 | P1 | NEW | Budget burn: acme-retail at 312 % of its daily budget | tenant acme-retail | litellm | cost | 5.8 | 58 |
INC-20261124-00004 | P2 | ESCALATED | Agent loop: refund-agent called tools 1,400 times in one session | refund-agent | llm-edge-agent | cost | 71 | 12 | chidi
INC-20261123-00902 | P2 | IN_PROGRESS | RAG answers cite deleted documents | kb-index-eu | langfuse | compliance | 131 | 22 | mei
INC-20261124-00020 | P2 | NEW | Hallucination rate 7.1 % on nightly regression, up 4.3 points | eval nightly-regression | langsmith | other | 24 | 3 |
INC-20261124-00003 | P1 | RESOLVED | Provider overloaded: failover held | claude-chat-prod | llm-edge-agent | availability | 94 | 641 | bo
INC-20261124-00009 | P2 | ACKNOWLEDGED | Embedding queue lags 18 min behind | text-embedding-3-large | alertmanager | performance | 52 | 64 | mei
INC-20261123-00871 | P3 | ACKNOWLEDGED | GPU memory 93 % on vllm-a100-2 | vllm-a100-2 | alertmanager | performance | 190 | 210 | ana
INC-20261124-00005 | P3 | NEW | Token count drifts 2.8 % between gateway and invoice | billing-export | litellm | cost | 68 | 7 |
INC-20261123-00610 | P4 | NEW | Model card missing for fraud-scorer-v9 | fraud-scorer-v9 | llm-governance | compliance | 700 | 1 |
INC-20261123-00214 | P3 | CLOSED | Stale prompt template served by one edge node | edge-us-east-1-a | llm-edge-agent | other | 1290 | 18 | chidi
"""  # noqa: E501  a table reads best with one incident a line
NIGHT: list[tuple[Any, ...]] = [
    (*words[:7], float(words[7]), int(words[8]), words[9] or None)
    for words in ([word.strip() for word in line.split("|")] for line in TABLE.strip().splitlines())
]


def iso(moment: datetime) -> str:
    """Return the instant as the REST answers write it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def incident_at(
    now: datetime,
    identifier: str,
    severity: str,
    status: str,
    title: str,
    resource: str = "ep",
    source: str = "curl",
    category: str = "performance",
    age: float = 1,
    events: int = 1,
    owner: str | None = None,
) -> Document:
    opened = now - timedelta(minutes=age)
    ack, resolve = PROMISES.get(severity, (None, None))
    over = status in ("RESOLVED", "CLOSED")
    return {
        "id": identifier,
        "fingerprint": "9f3c41d07ae1b2c4",
        "severity": severity,
        "status": status,
        "category": category,
        "title": title,
        "description": "The 95th percentile of chat latency crossed 5 s and has stayed above the 2 s limit. "
        "The gateway queue is flat; time to first token tripled at the provider.",
        "impact": "Chat is slow or fails for 38 tenants, 3 of them enterprise.",
        "source": source,
        "source_event_id": "sent-2026-884120",
        "assigned_to": owner,
        "assigned_team": "platform",
        "escalation_level": 3 if status == "ESCALATED" else 1,
        "created_at": iso(opened),
        "updated_at": iso(now - timedelta(minutes=age / 5)),
        "acknowledged_at": iso(opened + timedelta(minutes=2)) if owner else None,
        "resolved_at": iso(opened + timedelta(minutes=age / 2)) if over else None,
        "sla": {
            "acknowledgment_deadline": iso(opened + timedelta(minutes=ack)) if ack else None,
            "resolution_deadline": iso(opened + timedelta(minutes=resolve)) if resolve else None,
            "acknowledgment_breached": False,
            "resolution_breached": False,
        },
        "related_incidents": [],
        "metrics": {"mttd": 186, "mtta": 429 if owner else None, "mttr": None},
        "resource": {
            "type": "endpoint",
            "id": resource,
            "name": resource,
            "metadata": {"model": "gpt-4.1", "region": "us-east"},
        },
        "environment": "production",
        "tags": {"tier": "1", "model": "gpt-4.1"},
        "labels": ["night"],
        "resolution": {
            "actions_taken": [],
            **({"root_cause": "Provider overload", "resolved_by": owner} if over else {}),
        },
        "metadata": {},
        "event_count": events,
        "last_event_at": iso(now - timedelta(seconds=19)),
        "version": 7,
        "needs_me": status == "NEW" and severity in ("P0", "P1"),
        "ladder": {
            "level": 1,
            "next_at": iso(now + timedelta(minutes=1, seconds=48)) if not owner and not over else None,
            "next_targets": [{"type": "user", "id": "chidi"}],
            "state": "waiting" if not owner else "stopped",
        },
    }


def story(incident: Document, comments: list[str]) -> Document:
    opened = datetime.fromisoformat(incident["created_at"])
    person, system = (
        {"type": "user", "id": "ana", "name": "Ana Ruiz"},
        {"type": "system", "id": "ladder", "name": "The ladder"},
    )
    source = {"type": "integration", "id": incident["source"], "name": incident["source"]}
    log: list[tuple[str, Any, float, dict[str, Any]]] = [
        ("incident_updated", source, 30, {"event_data": {"count": 38}}),
        *[("comment_added", person, 29, {"notes": text}) for text in comments],
        (
            "comment_added",
            person,
            28,
            {
                "notes": "Not us: the gateway queue is flat, time to first token tripled."
                "\nPreparing failover; watch the quality score after the shift."
            },
        ),
        ("action_executed", system, 24, {"event_data": {"description": "Latency triage: probed each provider"}}),
        (
            "state_changed",
            person,
            18,
            {"changes": [{"field": "status", "old_value": "ACKNOWLEDGED", "new_value": "IN_PROGRESS"}]},
        ),
        (
            "acknowledged",
            person,
            7,
            {"changes": [{"field": "status", "old_value": "NEW", "new_value": "ACKNOWLEDGED"}]},
        ),
        (
            "notification_sent",
            system,
            3,
            {
                "event_data": {
                    "target": {"type": "user", "id": "ana"},
                    "channel": "email",
                    "level": 1,
                    "state": "delivered",
                }
            },
        ),
        ("incident_updated", system, 2, {"changes": [{"field": "severity", "old_value": "P2", "new_value": "P1"}]}),
        ("incident_created", source, 0, {"changes": [{"field": "status", "old_value": None, "new_value": "NEW"}]}),
    ]
    entries = [
        {
            "id": str(number),
            "incident_id": incident["id"],
            "event_type": kind,
            "actor": actor,
            "timestamp": iso(opened + timedelta(minutes=minute)),
            "event_data": {},
            **rest,
        }
        for number, (kind, actor, minute, rest) in enumerate(log)
    ]
    return {"entries": entries, "next_cursor": None}


def reasons(incident: Document) -> Document:
    severity = incident["severity"]
    return {
        "severity": {
            "text": "p95 was 5,400 ms, above 5,000. Above 10,000 ms it becomes P0.",
            "evidence": [
                {
                    "judge": "threshold",
                    "finding": "p95_latency_ms above 5,000",
                    "severity": severity,
                    "weight": 0.4,
                },
                {"judge": "source", "finding": "llm-sentinel said high", "severity": severity, "weight": 0.2},
            ],
        },
        "grouping": {
            "text": f"{incident['event_count']} events share one fingerprint: source, type, endpoint.",
            "fingerprint": incident["fingerprint"],
            "evidence": [],
        },
        "route": {
            "text": "The route “tier-1 endpoints” matched first.",
            "route": "tier-1 endpoints",
            "team": "Platform",
            "policy": "by-severity",
            "evidence": ["category performance, tag tier:1"],
        },
    }


def deliveries(now: datetime) -> list[Document]:
    def told(target: str, channel: str, state: str, **rest: Any) -> Document:
        blank = {
            "reason": None,
            "attempts": 1,
            "next_attempt_at": None,
            "delivered_at": None,
            "planned_at": iso(now),
        }
        return {
            "id": f"{target}-{channel}",
            "type": "incident_created",
            "level": 1,
            "target": {"type": "user", "id": target},
            "channel": channel,
            "state": state,
            **blank,
            **rest,
        }

    return [
        told("ana", "email", "delivered", delivered_at=iso(now - timedelta(minutes=26))),
        told("bo", "webhook", "delivered", delivered_at=iso(now - timedelta(minutes=25)), attempts=2),
        told("bo", "slack", "waiting", reason="throttled", next_attempt_at=iso(now + timedelta(minutes=5))),
        told(
            "mei",
            "webhook",
            "retry",
            reason="503 from their side",
            attempts=2,
            next_attempt_at=iso(now + timedelta(seconds=24)),
        ),
        told("chidi", "slack", "failed", reason="breaker open, went by e-mail instead", attempts=3),
        told("chidi", "email", "planned", level=2, planned_at=iso(now + timedelta(minutes=4)), attempts=0),
    ]


def measurements(incident: Document, now: datetime) -> list[Document]:
    return [
        {
            "event_id": f"sent-{number}",
            "source": incident["source"],
            "title": incident["title"],
            "timestamp": iso(now - timedelta(seconds=30 * number)),
            "metrics": {
                "p95_latency_ms": 5400 - 55 * number + 300 * (number % 4),
                "threshold_ms": 2000,
                "timeout_rate": 0.12 + 0.006 * ((number * 7) % 11),
                "affected_requests": 1234 - 11 * number,
            },
        }
        for number in range(40)
    ]
