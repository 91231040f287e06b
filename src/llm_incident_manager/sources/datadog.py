"""Datadog's webhook: the payload template below, Datadog's default body, and either of them as a form.

Shapes: docs.datadoghq.com, "Webhooks" and "Notification variables".
"""

import re
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading, vendors
from llm_incident_manager.sources.spec import Example, Sent, SourceRequest, SourceSpec

_HEADING = re.compile(
    r"\s{0,8}(?:\[P\d\]\s{0,8})?\[([A-Za-z -]{2,20}?)(?:\s+on\s+\{([^{}]{0,500})\})?\]\s{0,8}(?:\[P\d\]\s{0,8})?"
)
_OVER = frozenset({"recovered", "ok", "resolved"})
_PRIORITIES = {"p1": "critical", "p2": "high", "p3": "medium", "p4": "low", "p5": "info"}
_MILDER = frozenset({"warn", "re-warn", "warning", "no data", "re-no data", "nodata"})
_TYPES = {"error": "high", "warning": "medium", "info": "low", "success": "low"}
_TAG = re.compile(r"\s*,\s*")


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event of a transition; ``Recovered`` ends what began the same cycle (``$ALERT_CYCLE_KEY``).

    Raises:
        Invalid: there is neither a title nor an id.
    """
    found = reading.form_or_json(request.body, request.headers)
    document = {name: value for name, value in found.items() if not _unfilled(value)}
    title, number = reading.text(document.get("title")), reading.text(document.get("id"))
    if not title and not number:
        raise Invalid("it is nothing of Datadog's", [FieldFault("title", 'is missing; send "$EVENT_TITLE" as title')])
    heading = _HEADING.match(title)
    transition = reading.text(document.get("transition"), 40) or (heading[1].strip() if heading else "")
    name = title[heading.end() :].strip() if heading else title
    scope = reading.text(document.get("scope")) or ((heading[2] or "") if heading else "")
    tags = _tags(document.get("tags"))
    cycle = reading.text(document.get("cycle_key")) or reading.text(document.get("aggreg_key"))
    dedup_key = reading.key(cycle) if cycle else reading.key(document.get("alert_id"), name or number, scope)
    at = reading.when(document.get("date"), document.get("last_updated"), now=request.received_at)
    moment = reading.text(document.get("date")) or reading.text(document.get("last_updated"))
    event_id = (
        stable_event_id(number, dedup_key, transition, moment)
        if number or moment
        else vendors.moment_id(request, dedup_key, transition, title)
    )
    if transition.lower() in _OVER:
        return Sent(
            steps=(reading.recovery(request.source, dedup_key, event_id=event_id, at=at, said=title or transition),)
        )
    host = reading.text(document.get("host"))
    event = {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": reading.category_of(name, document.get("event_type")),
        "title": reading.title(name, title, default="Datadog alert"),
        "description": reading.description(document.get("body"), document.get("status"), document.get("link")),
        "severity": _severity(settings, document, transition),
        "resource": reading.resource("service", tags.get("service"), host, scope, default="datadog"),
        "tags": reading.tags(tags, transition=transition, scope=scope, host=host, org=_org(document.get("org"))),
        "dedup_key": dedup_key,
        "payload": reading.payload(document),
    }
    return Sent(steps=(event,))


def _severity(settings: SourceSettings | None, document: dict[str, Any], transition: str) -> str:
    """Return the monitor's priority, else its type; a warning, or silence of the data, is no more than medium."""
    priority, kind = document.get("priority"), document.get("type")
    found = vendors.severity(settings, priority, transition, kind, known=_PRIORITIES | _TYPES, default="high")
    return "medium" if transition.lower() in _MILDER and found in ("critical", "high") else found


def _tags(value: object) -> dict[str, str]:
    """Return ``env:prod,service:chat`` (or the list of it) as tags; a tag without a value is its own."""
    texts = value if isinstance(value, list) else _TAG.split(reading.text(value, 20_000))
    found: dict[str, object] = {}
    for each in texts:
        name, _, said = reading.text(each).partition(":")
        found.setdefault("environment" if name == "env" else name, said or name)
    return reading.tags(found)


def _org(value: object) -> str:
    return reading.text(reading.mapping(value).get("name")) if isinstance(value, dict) else reading.text(value)


def _unfilled(value: object) -> bool:
    """Whether it is a variable that Datadog did not fill in for this event."""
    return value is None or (
        isinstance(value, str) and re.fullmatch(r"\s*(\$[A-Z_]{2,60}|null)?\s*", value) is not None
    )


SPEC = SourceSpec(
    name="datadog",
    title="Datadog",
    description="Monitors: triggered, warned, without data, recovered. One trigger-to-recovery cycle is one incident.",
    setup="""# Integrations > Webhooks > New; URL, then this payload; then @webhook-NAME in the monitors
{url}/api/v1/sources/datadog?key={key}
{"id": "$ID", "alert_id": "$ALERT_ID", "cycle_key": "$ALERT_CYCLE_KEY", "aggreg_key": "$AGGREG_KEY",
 "transition": "$ALERT_TRANSITION", "title": "$EVENT_TITLE", "body": "$EVENT_MSG", "date": "$DATE",
 "priority": "$ALERT_PRIORITY", "type": "$ALERT_TYPE", "scope": "$ALERT_SCOPE", "status": "$ALERT_STATUS",
 "tags": "$TAGS", "host": "$HOSTNAME", "link": "$LINK", "org": "$ORG_NAME"}""",
    read=read,
    overloaded=503,
    examples=(
        Example(
            title="triggered",
            body='{"id": "7001", "alert_id": "42", "cycle_key": "c-9", "aggreg_key": "a-9", "transition": "Triggered", '
            '"title": "[P2] [Triggered on {service:chat}] Latency is high", "body": "p99 is 9 s", "date": '
            '"1793442600000", "priority": "P2", "type": "error", "scope": "service:chat", "tags": '
            '"env:prod,service:chat", "host": "$HOSTNAME", "link": "https://app.datadoghq.com/monitors/42"}',
        ),
        Example(
            title="the default body",
            body='{"id": "7002", "last_updated": "1793442600000", "event_type": "query_alert_monitor", "title": '
            '"[Triggered] Errors of the gateway", "date": "1793442600000", "org": {"id": "1", "name": "Acme"}, '
            '"body": "Too many 5xx"}',
        ),
        Example(
            title="as a form",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body="id=7003&alert_id=42&cycle_key=c-10&transition=No+Data&title=Latency+is+high&date=1793442600000",
        ),
        Example(
            title="recovered",
            body='{"id": "7004", "cycle_key": "c-9", "transition": "Recovered", "title": "[Recovered] Latency", '
            '"date": "1793442900000"}',
            opens=0,
        ),
    ),
)
