"""Sentry's integration platform: issue alerts, metric alerts, issues. ``issue.resolved`` ends what an alert opened.

Shapes: docs.sentry.io, "Integration Platform / Webhooks". Of an event only what names the trouble is kept: requests,
users, variables and breadcrumbs may hold prompts and secrets.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.source_acts import Act, ActKind
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading, vendors
from llm_incident_manager.sources.answers import json_answer, receipts_of, refusing
from llm_incident_manager.sources.signing import over_body
from llm_incident_manager.sources.spec import Answer, Example, Outcome, Sent, SourceRequest, SourceSpec, Step

_LEVELS = {
    "fatal": "critical", "critical": "critical", "error": "high", "warning": "medium", "info": "low", "debug": "info",
    "sample": "info",
}  # fmt: skip
_ISSUE = re.compile(r"/issues/(\d{1,30})")
_KEPT = (
    *(
        "event_id",
        "issue_id",
        "id",
        "shortId",
        "short_id",
        "title",
        "culprit",
        "level",
        "platform",
        "project",
        "release",
    ),
    *("environment", "web_url", "issue_url", "permalink", "status", "substatus", "location", "logger", "transaction"),
    *("count", "userCount", "firstSeen", "lastSeen", "identifier", "alert_rule"),
)
_NOTED = {"assigned": "was assigned", "archived": "was archived", "ignored": "was archived"}


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event, the recovery or the note that a webhook means; installations and comments bring nothing.

    Raises:
        Invalid: it names no issue, or no metric alert.
    """
    document = reading.json_object(request.body)
    resource = request.headers.get("sentry-hook-resource", "").lower() or _resource(document)
    action, said = reading.text(document.get("action"), 64).lower(), reading.mapping(document.get("data"))
    if resource in ("event_alert", "error"):
        found = reading.mapping(said.get("event") or said.get("error"))
        return Sent(steps=(_of_event(request, settings, found, said),))
    if resource == "issue":
        step = _of_issue(request, settings, action, reading.mapping(said.get("issue")), document)
        return Sent(steps=() if step is None else (step,))
    if resource == "metric_alert":
        return Sent(steps=(_of_metric(request, settings, action, said),))
    if resource in ("installation", "comment", "activity_alert", "seer"):
        return Sent()
    raise Invalid(
        "it is no webhook of Sentry's integration platform",
        [FieldFault("Sentry-Hook-Resource", "is missing; event_alert, metric_alert and issue are read")],
    )


def _of_event(
    request: SourceRequest, settings: SourceSettings | None, event: Mapping[str, Any], said: Mapping[str, Any]
) -> dict[str, Any]:
    address = _ISSUE.search(reading.text(event.get("issue_url"), 2000) or reading.text(event.get("web_url"), 2000))
    issue = reading.text(event.get("issue_id")) or reading.text(event.get("groupID")) or (address[1] if address else "")
    if not issue:
        raise Invalid(
            "it names no issue", [FieldFault("data.event.issue_id", "is missing; the incident is the issue's")]
        )
    at = reading.when(event.get("datetime"), event.get("timestamp"), event.get("received"), now=request.received_at)
    sent = reading.text(event.get("event_id"))
    rule = reading.text(said.get("triggered_rule"), 300)
    made_id = stable_event_id("event", issue, sent, rule) if sent else vendors.moment_id(request, "event", issue, rule)
    return _alert(request, settings, event, issue, at=at, event_id=made_id, also=f"Rule: {rule}" if rule else "")


def _of_issue(
    request: SourceRequest,
    settings: SourceSettings | None,
    action: str,
    issue: Mapping[str, Any],
    document: Mapping[str, Any],
) -> Step | None:
    number = reading.text(issue.get("id"))
    if not number:
        raise Invalid("it names no issue", [FieldFault("data.issue.id", "is missing; the incident is the issue's")])
    moment = request.headers.get("sentry-hook-timestamp", "")
    at = reading.when(moment, issue.get("lastSeen"), now=request.received_at)
    # An issue may be resolved, and come back, many times: the hook's own time tells them apart.
    made_id = stable_event_id("issue", number, action, moment or reading.text(issue.get("lastSeen")))
    by = reading.text(reading.mapping(document.get("actor")).get("name"), 100)
    heading = reading.text(issue.get("title"), 300)
    if action == "resolved":
        said = f"{by or 'Sentry'} resolved {heading}"
        return reading.recovery(request.source, _key(number), event_id=made_id, at=at, said=said)
    if action in _NOTED:
        text = f"It {_NOTED[action]} in Sentry{f' by {by}' if by else ''}."
        return Act(kind=ActKind.NOTE, source=request.source, dedup_key=_key(number), text=text, by=by, act_id=made_id)
    if action in ("created", "unresolved"):
        also = "It came back." if action == "unresolved" else ""
        return _alert(request, settings, issue, number, at=at, event_id=made_id, also=also)
    return None


def _of_metric(
    request: SourceRequest, settings: SourceSettings | None, action: str, said: Mapping[str, Any]
) -> dict[str, Any]:
    alert = reading.mapping(said.get("metric_alert"))
    rule = reading.mapping(alert.get("alert_rule"))
    number = reading.text(alert.get("id")) or reading.text(alert.get("identifier")) or reading.text(rule.get("id"))
    if not number:
        raise Invalid("it names no alert", [FieldFault("data.metric_alert.id", "is missing")])
    moment = request.headers.get("sentry-hook-timestamp", "")
    times = [alert.get(name) for name in ("date_closed", "date_detected", "date_started", "date_created")]
    at = reading.when(*(times if action == "resolved" else times[1:]), now=request.received_at)
    made_id = stable_event_id("metric", number, action, moment or at)
    dedup_key = reading.key("sentry:metric", number)
    heading = reading.title(said.get("description_title"), alert.get("title"), rule.get("name"), default="Metric alert")
    if action == "resolved":
        return reading.recovery(request.source, dedup_key, event_id=made_id, at=at, said=heading)
    projects = alert.get("projects")
    project = projects[0] if isinstance(projects, list) and projects else rule.get("name")
    return {
        "event_id": made_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": reading.category_of(heading, said.get("description_text"), rule.get("aggregate")),
        "title": heading,
        "description": reading.description(said.get("description_text"), said.get("web_url")),
        "severity": vendors.severity(settings, action, known=_LEVELS, default="high"),
        "resource": reading.resource("service", project, default="sentry"),
        "tags": reading.tags(rule=rule.get("name"), environment=rule.get("environment")),
        "dedup_key": dedup_key,
        "payload": reading.payload({"action": action, "web_url": said.get("web_url"), "metric_alert": _kept(alert)}),
    }


def _alert(
    request: SourceRequest,
    settings: SourceSettings | None,
    found: Mapping[str, Any],
    issue: str,
    *,
    at: str,
    event_id: str,
    also: str,
) -> dict[str, Any]:
    project = found.get("project_name") or found.get("project_slug") or found.get("project")
    project = project.get("slug") or project.get("name") if isinstance(project, dict) else project
    heading = reading.title(found.get("title"), found.get("message"), default="Issue in Sentry")
    return {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": reading.category_of(heading, found.get("culprit")),
        "title": heading,
        "description": reading.description(
            found.get("culprit"), also, found.get("web_url") or found.get("permalink")
        ),
        "severity": vendors.severity(settings, found.get("level"), known=_LEVELS, default="high"),
        "resource": reading.resource("service", project, default="sentry"),
        "tags": reading.tags(
            {name: found.get(name) for name in ("environment", "release", "platform", "level", "transaction")},
            issue=found.get("shortId") or found.get("short_id") or issue,
        ),
        "dedup_key": _key(issue),
        "payload": reading.payload(_kept(found)),
    }  # fmt: skip


def _kept(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in _KEPT if name in found and not isinstance(found[name], list)}


def _key(issue: str) -> str:
    return reading.key("sentry:issue", issue)


def _resource(document: Mapping[str, Any]) -> str:
    """Return what the header would say, where a proxy took it away."""
    data = reading.mapping(document.get("data"))
    names = {"event": "event_alert", "error": "error", "metric_alert": "metric_alert", "issue": "issue"}
    return next((resource for name, resource in names.items() if isinstance(data.get(name), dict)), "")


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return 200: Sentry waits one second, and unsubscribes who is too slow too often."""
    receipts = receipts_of(outcomes)
    incident = receipts[0].incident_id if receipts else None
    return json_answer({"status": receipts[0].status if receipts else "ok", "incident_id": incident}, 200)


SPEC = SourceSpec(
    name="sentry",
    title="Sentry",
    description=(
        "Issue alerts, metric alerts and issues; one issue is one incident, and resolving it there resolves it here. "
        "Assigning and archiving are noted. Requests, users and breadcrumbs are not kept."
    ),
    setup="""# Settings > Developer Settings > New Internal Integration; Webhook URL:
{url}/api/v1/sources/sentry?key={key}
# Alert Rule Action: on; Webhooks: issue; then save, and put its Client Secret here
sources: {sentry: {signing_secret: "${SENTRY_CLIENT_SECRET}"}}""",
    read=read,
    answer=answer,
    refuse=refusing({"status": "error"}),
    overloaded=503,
    signature=over_body("sentry-hook-signature"),
    examples=(
        Example(
            title="an issue alert",
            headers={"Sentry-Hook-Resource": "event_alert"},
            body='{"action": "triggered", "actor": {"type": "application", "id": "sentry", "name": "Sentry"}, '
            '"installation": {"uuid": "i"}, "data": {"event": {"event_id": "e1", "title": "RateLimitError: too many", '
            '"level": "error", "issue_id": "1117", "culprit": "chat.answer", "datetime": "2026-10-31T10:30:00Z", '
            '"project": 1, "web_url": "https://sentry.io/organizations/acme/issues/1117/events/e1/", "request": {}}, '
            '"triggered_rule": "Many errors"}}',
            status=200,
        ),
        Example(
            title="a metric alert",
            headers={"Sentry-Hook-Resource": "metric_alert"},
            body='{"action": "critical", "data": {"metric_alert": {"id": "7", "identifier": "1", "title": "Latency", '
            '"date_started": "2026-10-31T10:30:00Z", "projects": ["chat"], "alert_rule": {"name": "Latency"}}, '
            '"description_title": "Critical: Latency", "description_text": "p95 over 5 s", "web_url": "https://s/7"}}',
            status=200,
        ),
        Example(
            title="an issue is resolved",
            headers={"Sentry-Hook-Resource": "issue"},
            body='{"action": "resolved", "actor": {"type": "user", "name": "ana"}, "data": {"issue": {"id": "1117", '
            '"shortId": "CHAT-1", "title": "RateLimitError", "level": "error", "lastSeen": "2026-10-31T10:30:00Z"}}}',
            status=200,
            opens=0,
        ),
    ),
)
