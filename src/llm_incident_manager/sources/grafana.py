"""Grafana: the webhook of its alerting, as Alertmanager's with extras, signed; and that of Grafana 8 and older."""

import re
from collections.abc import Mapping
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import alertmanager, reading
from llm_incident_manager.sources.firing import Firing, event_of, state_id, texts_of
from llm_incident_manager.sources.signing import Signature, Signed, digest_in, unix_instant
from llm_incident_manager.sources.spec import Door, Example, Sent, SourceRequest, SourceSpec

_OVER = frozenset({"ok", "paused"})
_NOTHING = frozenset({"pending", "unknown"})
_TIMESTAMP = "x-grafana-alerting-timestamp"
_FORMER_PICTURE = re.compile(r"^\[(Alerting|OK|No Data|Pending|Paused)\]\s*", re.IGNORECASE)


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return an event for each alert, or for the one rule of Grafana 8 and older.

    Raises:
        Invalid: it is neither.
    """
    document = reading.json_object(request.body)
    if isinstance(document.get("alerts"), list):
        found = alertmanager.firing(document, request)
    else:
        found = _former(document, request)
    return Sent(steps=tuple(event_of(request.source, each, settings) for each in found))


def _former(document: Mapping[str, Any], request: SourceRequest) -> list[Firing]:
    """Return the alert of ``{ruleName, state, evalMatches}``; a rule that only waits is none."""
    name = reading.text(document.get("ruleName")) or _FORMER_PICTURE.sub("", reading.text(document.get("title")))
    state = reading.text(document.get("state")).lower()
    if not name or not state:
        raise Invalid(
            "it is nothing that Grafana sends",
            [FieldFault("alerts", "is missing; send the body of a webhook contact point, not a template of your own")],
            code="invalid_grafana",
        )
    if state in _NOTHING:
        return []
    over = state in _OVER
    organisation = reading.text(document.get("orgId"))
    rule = reading.text(document.get("ruleId")) or name
    matches = reading.objects(document.get("evalMatches"))
    labels = texts_of(document.get("tags")) | {"alertname": name}
    # It tells no start, and repeats itself by the reminder only: the minute tells one trouble from the next.
    at = request.received_at
    key = reading.key("rule", organisation, rule)
    url = reading.text(document.get("ruleUrl"))
    return [
        Firing(
            event_id=state_id(key, f"{at:%Y-%m-%dT%H:%M}", state),
            fingerprint=key,
            labels=labels,
            annotations={"summary": name, "description": reading.text(document.get("message"))},
            at=at.isoformat(),
            is_firing=not over,
            generator_url=url,
            values={reading.text(each.get("metric")): each.get("value") for each in matches},
            more="Grafana has no data for this rule." if state == "no_data" else "",
            payload=document,
        )
    ]


def _signature(value: str, body: bytes, headers: Mapping[str, str]) -> Signed:
    """Grafana signs the body, or ``<time>:<body>`` where it is told to send a header with the time."""
    names = (_TIMESTAMP, *sorted(name for name in headers if name.endswith("timestamp")))
    written = next((headers[name] for name in names if headers.get(name)), "")
    at = unix_instant(written)
    if at is None:
        return Signed(digests=digest_in(value), message=body)
    return Signed(digests=digest_in(value), message=written.encode() + b":" + body, at=at)


SPEC = SourceSpec(
    name="grafana",
    title="Grafana",
    description=(
        "The webhook contact point of Grafana's alerting, each alert by its fingerprint; rules of Grafana 8 too."
    ),
    setup="""# Alerting → Contact points → New → Webhook
URL                    {url}/api/v1/sources/grafana   (with PUT: {url}/hook/grafana/{key})
Authorization Header   Scheme Bearer, credentials {key}
# Optional, HMAC signature: a secret (also signing_secret of source grafana in your settings),
# header X-Grafana-Alerting-Signature, timestamp header X-Grafana-Alerting-Timestamp""",
    read=read,
    answer=alertmanager.answer,
    doors=(Door(path="/hook/grafana/{key}", methods=("POST", "PUT")),),
    overloaded=503,
    signature=Signature(header="x-grafana-alerting-signature", read=_signature),
    examples=(
        Example(
            title="an alert fires",
            body='{"receiver": "incidents", "status": "firing", "orgId": 1, "alerts": [{"status": "firing", "labels": '
            '{"alertname": "Token spend too high", "grafana_folder": "LLM", "model": "gpt-4o", "severity": '
            '"critical"}, "annotations": {"summary": "Token spend is above 500 USD an hour"}, "startsAt": '
            '"2026-10-21T10:40:00+02:00", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": '
            '"https://grafana.example.com/alerting/grafana/abc/view", "fingerprint": "57c6d9296de2ad39", "silenceURL": '
            '"https://grafana.example.com/alerting/silence/new", "dashboardURL": "", "panelURL": "", "values": {"A": '
            '612.5}, "valueString": "[ var=\'A\' value=612.5 ]", "orgId": 1}], "groupLabels": {}, "commonLabels": {}, '
            '"commonAnnotations": {}, "externalURL": "https://grafana.example.com/", "version": "1", "groupKey": '
            '"{}:{}", "truncatedAlerts": 0, "title": "[FIRING:1] Token spend too high", "state": "alerting"}',
            status=200,
        ),
        Example(
            title="a rule of Grafana 8",
            body='{"title": "[Alerting] Answers are slow", "ruleId": 7, "ruleName": "Answers are slow", "state": '
            '"alerting", "evalMatches": [{"value": 12.5, "metric": "p99", "tags": {}}], "orgId": 1, "dashboardId": 2, '
            '"panelId": 1, "tags": {"team": "llm"}, "ruleUrl": '
            '"https://grafana.example.com/d/x", "message": "p99 over 10 s"}',
            status=200,
        ),
        Example(
            title="that rule is over",
            body='{"ruleId": 7, "ruleName": "Answers are slow", "state": "ok", "evalMatches": [], "orgId": 1}',
            method="PUT",
            path="/hook/grafana/{key}",
            status=200,
            opens=0,
        ),
    ),
)
