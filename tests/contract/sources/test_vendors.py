"""What vendors' webhooks send: the incident that a person expects, its end, and the sender's answers (ING-12)."""

import hmac
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.app import Api, opened
from tests.contract.sources.rig import Sender, of

pytestmark = pytest.mark.requirement("ING-12")

SECRET = "a-secret-of-the-vendor-0123"
MOMENT = "2026-10-31T10:30:00Z"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as api:
        yield api
        api.story.pages.clear()


async def sender(api: Api, name: str, **settings: Any) -> Sender:
    """Return what sends to the source ``name``, after it was set up if there are settings."""
    if settings:
        made = await api.client.post("/api/v1/sources", json={"name": name, **settings})
        assert made.status_code == 201, made.text
    return Sender(api, name, await api.key("ingest"))


def signature(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, sha256).hexdigest()


DATADOG: dict[str, Any] = {
    "id": "7001", "alert_id": "42", "cycle_key": "c-9", "aggreg_key": "a-9", "transition": "Triggered",
    "title": "[P1] [Triggered on {service:chat}] Latency is high", "body": "p99 is 9 s", "date": "1793442600000",
    "priority": "P1", "type": "error", "scope": "service:chat", "tags": "env:prod,service:chat,team:rag,urgent",
    "host": "$HOSTNAME", "link": "https://app.datadoghq.com/monitors/42", "org": "Acme",
}  # fmt: skip


async def test_a_datadog_cycle_is_one_incident_and_its_recovery_ends_it(api: Api) -> None:
    datadog = await sender(api, "datadog")
    assert (await datadog.send(DATADOG)).status_code == 202
    incident = await datadog.incident()
    assert of(incident) == ("Latency is high", "performance", "P0", "service", "chat")
    assert (incident["tags"]["team"], incident["tags"]["urgent"]) == ("rag", "urgent")
    assert incident["environment"] == "production"
    assert "$HOSTNAME" not in await datadog.kept()
    await datadog.send(DATADOG | {"id": "7002", "transition": "Re-Triggered", "date": "1793442660000"})
    assert (await datadog.incident())["event_count"] == 2
    await datadog.send(DATADOG | {"id": "7003", "cycle_key": "another", "transition": "Recovered"})
    assert (await datadog.incident())["status"] == "NEW"
    await datadog.send(DATADOG | {"id": "7003", "transition": "Recovered", "title": "[Recovered] Latency is high"})
    assert (await datadog.incident())["status"] == "RESOLVED"
    await datadog.send(DATADOG | {"id": "7005", "cycle_key": "c-10"})
    assert len(await datadog.incidents()) == 2


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, "P0"),
        ({"priority": "P2"}, "P1"),
        ({"priority": "P5"}, "P4"),
        ({"transition": "Warn"}, "P2"),
        ({"transition": "No Data"}, "P2"),
        ({"priority": "$ALERT_PRIORITY"}, "P1"),
        ({"priority": None, "type": "warning"}, "P2"),
    ],
)
async def test_datadog_s_priority_decides_and_a_warning_is_milder(api: Api, changes: Any, severity: str) -> None:
    datadog = await sender(api, "datadog")
    await datadog.send(DATADOG | changes)
    assert (await datadog.incident())["severity"] == severity


async def test_words_of_the_settings_come_before_ours(api: Api) -> None:
    datadog = await sender(api, "datadog", severity_words={"p1": "P3"})
    await datadog.send(DATADOG)
    assert (await datadog.incident())["severity"] == "P3"


async def test_datadog_s_default_body_and_forms_are_read(api: Api) -> None:
    datadog = await sender(api, "datadog")
    default = {
        "id": "1", "last_updated": "1793442600000", "event_type": "query_alert_monitor", "date": "1793442600000",
        "title": "[Triggered on {model:gpt-4o}] Errors of the gateway", "org": {"id": "1"}, "body": "5xx",
    }  # fmt: skip
    await datadog.send(default)
    assert of(await datadog.incident())[0] == "Errors of the gateway"
    over = default | {
        "id": "2",
        "title": "[Recovered on {model:gpt-4o}] Errors of the gateway",
        "date": "1793442900000",
    }
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    await datadog.send(urlencode({name: str(value) for name, value in over.items()}).encode(), headers=form)
    assert (await datadog.incident())["status"] == "RESOLVED"


SENTRY_EVENT: dict[str, Any] = {
    "event_id": "e1", "title": "RateLimitError: too many", "level": "fatal", "issue_id": "1117",
    "culprit": "chat.answer", "datetime": MOMENT, "project": 1, "project_name": "chat", "environment": "production",
    "web_url": "https://sentry.io/organizations/acme/issues/1117/events/e1/", "request": {"data": "a secret prompt"},
    "user": {"email": "ana@example.com"}, "extra": {"prompt": "a secret prompt"},
}  # fmt: skip
SENTRY_ALERT: dict[str, Any] = {
    "action": "triggered", "actor": {"type": "application", "name": "Sentry"}, "installation": {"uuid": "i"},
    "data": {"event": SENTRY_EVENT, "triggered_rule": "Many errors"},
}  # fmt: skip


def sentry_headers(resource: str, body: bytes, moment: str = "1793442600") -> dict[str, str]:
    return {
        "Sentry-Hook-Resource": resource, "Sentry-Hook-Timestamp": moment, "Sentry-Hook-Signature": signature(body),
        "Content-Type": "application/json", "Request-ID": "r",
    }  # fmt: skip


async def sentry_sends(sentry: Sender, resource: str, document: Any, moment: str = "1793442600") -> int:
    body = json.dumps(document).encode()
    return (await sentry.send(body, headers=sentry_headers(resource, body, moment))).status_code


def sentry_issue(action: str) -> dict[str, Any]:
    issue = {
        "id": "1117",
        "shortId": "CHAT-1",
        "title": "RateLimitError: too many",
        "level": "error",
        "lastSeen": MOMENT,
    }
    return {"action": action, "actor": {"type": "user", "name": "ana"}, "data": {"issue": issue}}


@pytest.mark.requirement("SEC-04")
async def test_sentry_s_issue_is_opened_by_an_alert_and_closed_by_its_resolution(api: Api) -> None:
    sentry = await sender(api, "sentry", signing_secret=SECRET)
    body = json.dumps(SENTRY_ALERT).encode()
    forged = sentry_headers("event_alert", body + b" ")
    assert (await sentry.send(body, headers=forged)).status_code == 401
    assert await sentry_sends(sentry, "event_alert", SENTRY_ALERT) == 200
    incident = await sentry.incident()
    assert of(incident) == ("RateLimitError: too many", "other", "P0", "service", "chat")
    assert incident["environment"] == "production"
    kept = await sentry.kept()
    assert "secret prompt" not in kept
    assert "ana@example.com" not in kept
    assert await sentry_sends(sentry, "issue", sentry_issue("created")) == 200
    assert await sentry_sends(sentry, "issue", sentry_issue("assigned")) == 200
    assert await sentry_sends(sentry, "installation", {"action": "created", "data": {"installation": {}}}) == 200
    incident = await sentry.incident()
    assert (incident["event_count"], incident["status"]) == (2, "NEW"), "assigned over there is not yet taken"
    assert await sentry_sends(sentry, "issue", sentry_issue("resolved")) == 200
    assert (await sentry.incident())["status"] == "RESOLVED"
    assert await sentry_sends(sentry, "issue", sentry_issue("unresolved"), "1793446200") == 200
    assert await sentry_sends(sentry, "issue", sentry_issue("resolved"), "1793449800") == 200
    assert [each["status"] for each in await sentry.incidents()] == ["RESOLVED", "RESOLVED"]


async def test_sentry_s_metric_alert_follows_its_state(api: Api) -> None:
    sentry = await sender(api, "sentry")
    alert = {
        "id": "7", "identifier": "1", "title": "Latency", "date_started": MOMENT, "projects": ["chat"],
        "alert_rule": {"id": "3", "name": "Latency", "environment": "staging"},
    }  # fmt: skip
    said = {
        "metric_alert": alert,
        "description_title": "Warning: Latency",
        "description_text": "p95",
        "web_url": "https://s",
    }
    headers = {"Sentry-Hook-Resource": "metric_alert"}
    await sentry.send({"action": "warning", "data": said}, headers=headers)
    assert of(await sentry.incident()) == ("Warning: Latency", "performance", "P2", "service", "chat")
    await sentry.send({"action": "critical", "data": said}, headers=headers)
    assert (await sentry.incident())["severity"] == "P0"
    await sentry.send({"action": "resolved", "data": said}, headers=headers)
    assert (await sentry.incident())["status"] == "RESOLVED"


MONITOR: dict[str, Any] = {
    "id": "l-1", "type": "monitor-alert", "apiVersion": "v1", "timestamp": MOMENT,
    "payload": {
        "monitorId": "m-1", "projectId": "chat", "permalink": "https://cloud.langfuse.com/m/m-1", "severity": "ALERT",
        "message": {"title": "Latency of traces", "body": "p95 is 9 s"}, "timestamp": MOMENT, "view": "traces",
    },
}  # fmt: skip


@pytest.mark.requirement("SEC-04")
async def test_langfuse_s_monitor_opens_and_its_ok_ends_it(api: Api) -> None:
    langfuse = await sender(api, "langfuse", signing_secret=SECRET)
    at = str(int(api.story.clock.now().timestamp()))

    async def signed(document: Any, stamp: str = at) -> int:
        body = json.dumps(document).encode()
        digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, sha256).hexdigest()
        return (await langfuse.send(body, headers={"x-langfuse-signature": f"t={stamp},s={digest}"})).status_code

    assert await signed(MONITOR, str(int(at) - 3600)) == 401, "it may have been recorded"
    assert await signed(MONITOR) == 202
    assert of(await langfuse.incident()) == ("Latency of traces", "performance", "P1", "project", "chat")
    assert await signed(MONITOR | {"id": "l-2", "payload": MONITOR["payload"] | {"severity": "OK"}}) == 202
    assert (await langfuse.incident())["status"] == "RESOLVED"


async def test_langfuse_s_prompt_is_a_change_without_its_text(api: Api) -> None:
    langfuse = await sender(api, "langfuse")
    prompt = {"id": "p", "name": "greeting", "version": 3, "labels": ["production"], "prompt": "You are a secret"}
    changed = {"id": "l-3", "type": "prompt-version", "timestamp": MOMENT, "action": "updated", "prompt": prompt}
    answer = await langfuse.send(changed)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert await langfuse.incidents() == []
    rows = await api.client.get("/api/v1/dead_letters")
    assert rows.json()["total"] == 0


LANGSMITH: dict[str, Any] = {
    "project_name": "chat", "alert_rule_id": "r-1", "alert_rule_name": "Errors", "alert_rule_type": "threshold",
    "alert_rule_attribute": "error_count", "triggered_metric_value": 12, "triggered_threshold": 5, "timestamp": MOMENT,
}  # fmt: skip


async def test_langsmith_s_alert_ends_by_itself_when_the_rule_was_quiet(api: Api) -> None:
    short = await api.client.post("/api/v1/sources", json={"name": "langsmith", "quiet_seconds": 59})
    assert short.status_code == 422
    langsmith = await sender(api, "langsmith", quiet_seconds=3600)
    await langsmith.send(LANGSMITH)
    assert of(await langsmith.incident()) == ("Errors (chat)", "availability", "P1", "project", "chat")
    await api.story.fast_forward(minutes=50)
    await langsmith.send(LANGSMITH | {"timestamp": "2026-10-31T11:20:00Z"})
    await api.story.fast_forward(minutes=50)
    incident = await langsmith.incident()
    assert (incident["event_count"], incident["resolved_at"]) == (2, None)
    await api.story.fast_forward(minutes=15)
    incident = await langsmith.incident()
    assert incident["status"] == "RESOLVED"
    assert "Nothing more came from langsmith for 60 minutes" in json.dumps(incident)


async def test_a_budget_of_litellm_is_one_incident_whichever_limit_is_crossed(api: Api) -> None:
    litellm = await sender(api, "litellm")
    crossed = {
        "spend": 96.0, "max_budget": 100.0, "token": "88dc28d0", "user_id": "u-1", "user_email": "ana@example.com",
        "key_alias": "chat", "event": "threshold_crossed", "event_group": "key",
        "event_message": "Key Budget: 5% or less of budget remaining",
    }  # fmt: skip
    answer = await litellm.send(crossed)
    assert answer.status_code == 200
    assert of(await litellm.incident()) == (
        "Key Budget: 5% or less of budget remaining (chat)", "cost", "P2", "key", "88dc28d0",
    )  # fmt: skip
    await litellm.send(
        crossed | {"spend": 101, "event": "budget_crossed", "event_message": "Key Budget: Budget Crossed"}
    )
    incident = await litellm.incident()
    assert (incident["severity"], incident["event_count"]) == ("P1", 2)
    assert "ana@example.com" not in await litellm.kept()
    for quiet in ("spend_tracked", "key_created"):
        assert (await litellm.send(crossed | {"event": quiet})).status_code == 200
    assert (await litellm.incident())["event_count"] == 2
    team = crossed | {"event_group": "team", "team_id": "t-1", "team_alias": "rag", "event_message": "Team Budget: 5%"}
    await litellm.send(team)
    await litellm.send(team | {"token": "another-key-of-the-team", "spend": 97})
    assert of((await litellm.incidents())[1]) == ("Team Budget: 5% (rag)", "cost", "P2", "team", "t-1")
    assert [each["event_count"] for each in await litellm.incidents()] == [2, 2]
    wrong = await litellm.send({"spend": 1})
    assert (wrong.status_code, wrong.json()["status"]) == (422, "error")


async def test_incident_io_s_alert_fires_and_resolves_by_its_key(api: Api) -> None:
    vendor = await sender(api, "incidentio")
    path = "/v2/alert_events/http/01H"
    firing = {
        "title": "Answers are slow", "status": "firing", "deduplication_key": "slow", "description": "p99 is 9 s",
        "metadata": {"severity": "critical", "service": "chat", "team": "rag"},
    }  # fmt: skip
    answer = await vendor.send(firing, path=path)
    assert (answer.status_code, answer.json()) == (
        202, {"deduplication_key": "slow", "message": "Event accepted for processing", "status": "success"},
    )  # fmt: skip
    assert of(await vendor.incident()) == ("Answers are slow", "performance", "P0", "service", "chat")
    await vendor.send({"title": "Answers are slow", "status": "resolved", "deduplication_key": "slow"}, path=path)
    assert (await vendor.incident())["status"] == "RESOLVED"
    made = (await vendor.send({"title": "No key", "status": "firing"}, path=path)).json()
    assert made["deduplication_key"] == "No key"
    wrong = await vendor.send({"title": "x", "status": "odd"}, path=path)
    assert (wrong.status_code, wrong.json()["type"], wrong.json()["errors"][0]["message"]) == (
        422, "validation_error", "status is odd; send firing or resolved",
    )  # fmt: skip


async def test_a_status_page_s_component_is_left_to_its_incident(api: Api) -> None:
    page = await sender(api, "statuspage")
    component = {"component_update": {"new_status": "major_outage"}, "component": {"id": "c-1", "name": "API"}}
    answer = await page.send({"page": {"id": "acme"}} | component)
    assert (answer.status_code, answer.json()["status"]) == (202, "ignored")
    incident = {
        "id": "i-1", "name": "Elevated errors", "impact": "critical", "status": "investigating", "created_at": MOMENT,
        "incident_updates": [],
    }  # fmt: skip
    await page.send({"page": {"id": "acme"}, "incident": incident})
    found = await page.incident()
    assert (*of(found), found["source"]) == (
        "Elevated errors", "availability", "P1", "llm_provider", "acme", "statuspage:acme",
    )  # fmt: skip
    await page.send({"page": {"id": "acme"}, "incident": incident | {"status": "resolved", "resolved_at": MOMENT}})
    assert (await page.incident())["status"] == "RESOLVED"
