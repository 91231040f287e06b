"""Prometheus Alertmanager: its webhook (version 4); each alert by its fingerprint (ING-12).

Prometheus itself and ``amtool`` speak to the API of Alertmanager, which ``api/rest/alertmanager.py`` serves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.answers import json_answer, receipts_of
from llm_incident_manager.sources.firing import Firing, event_of, fingerprint_of, state_id, texts_of
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec

_LEFT_OUT = ("labels", "annotations")


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return an event for each alert of a notification, firing or resolved.

    Raises:
        Invalid: there are no alerts in it.
    """
    document = reading.json_object(request.body)
    return Sent(steps=tuple(event_of(request.source, each, settings) for each in firing(document, request)))


def firing(document: Mapping[str, Any], request: SourceRequest) -> list[Firing]:
    """Return the alerts of a notification; raises Invalid where it is none."""
    alerts = document.get("alerts")
    if not isinstance(alerts, list):
        raise Invalid(
            "there are no alerts in it",
            [FieldFault("alerts", "is missing; send the body of an Alertmanager webhook (version 4)")],
            code="invalid_alertmanager",
        )
    return [_alert(each, document, request) for each in reading.objects(alerts)]


def truncation(document: Mapping[str, Any]) -> str:
    """Return what the sender says that it left out."""
    left_out = reading.as_number(document.get("truncatedAlerts"))
    if not left_out or left_out < 1:
        return ""
    return f"{left_out:.0f} more alerts of this group were left out by the sender (max_alerts)."


def _alert(alert: dict[str, Any], document: Mapping[str, Any], request: SourceRequest) -> Firing:
    common = reading.mapping(document.get("commonLabels"))
    labels, notes = texts_of(alert.get("labels")) or texts_of(common), texts_of(alert.get("annotations"))
    if not labels and not reading.text(alert.get("fingerprint")):
        raise Invalid(
            "an alert has neither labels nor a fingerprint",
            [FieldFault("alerts.labels", "is missing; an alert is known by its labels")],
            code="invalid_alertmanager",
        )
    fingerprint = fingerprint_of(alert.get("fingerprint"), labels)
    state = reading.text(alert.get("status") or document.get("status")).lower()
    over = state in ("resolved", "ok", "normal")
    start = reading.when(alert.get("startsAt"), now=request.received_at)
    known_start = reading.instant(alert.get("startsAt"), now=request.received_at) is not None
    end = reading.when(alert.get("endsAt"), now=request.received_at)
    about = {name: document.get(name) for name in ("groupKey", "receiver", "externalURL") if document.get(name)}
    values = alert.get("values")
    return Firing(
        event_id=state_id(
            fingerprint,
            start if known_start else f"{request.received_at:%Y-%m-%dT%H:%M}",
            "resolved" if over else "firing",
        ),
        fingerprint=fingerprint,
        labels=labels,
        annotations=notes,
        at=end if over else start,
        is_firing=not over,
        generator_url=reading.text(alert.get("generatorURL")),
        links=_links(alert),
        values=reading.mapping(values),
        more=truncation(document),
        payload={**alert, **about, "truncatedAlerts": document.get("truncatedAlerts") or 0},
    )


def _links(alert: Mapping[str, Any]) -> dict[str, str]:
    named = {"Dashboard": "dashboardURL", "Panel": "panelURL", "Silence it there": "silenceURL", "Image": "imageURL"}
    return {word: found for word, name in named.items() if (found := reading.text(alert.get(name)))}


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return 200 with the counts; Alertmanager takes any 2xx."""
    states = [receipt.status for receipt in receipts_of(outcomes)]
    counts = {name: states.count(name) for name in ("accepted", "duplicate", "rejected")}
    return json_answer({"status": "ok", **counts}, 200)


_ALERT = (
    '{"status": "firing", "labels": {"alertname": "CircuitBreakerOpen", "severity": "warning", "component": '
    '"resilience", "provider": "openai", "instance": "edge-1:9090", "job": "edge-agent", "environment": '
    '"production"}, "annotations": {"summary": "Circuit breaker is open", "description": "The breaker for openai '
    'is open on edge-1:9090"}, "startsAt": "2026-10-21T10:40:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z", '
    '"generatorURL": "http://prometheus:9090/graph", "fingerprint": "00a1b2c3d4e5f607"}'
)
_GROUP = '{"version": "4", "groupKey": "{}:{alertname=\\"CircuitBreakerOpen\\"}", "truncatedAlerts": 0, "status": '

SPEC = SourceSpec(
    name="alertmanager",
    title="Prometheus Alertmanager",
    description=(
        "The webhook of Alertmanager, each alert by its fingerprint; Prometheus and amtool may also speak to us as to "
        "an Alertmanager ([silences](silences.md))."
    ),
    setup="""# alertmanager.yml:
receivers:
  - name: incidents
    webhook_configs:
      - url: {url}/api/v1/sources/alertmanager
        send_resolved: true
        http_config: {authorization: {credentials: "{key}"}}
# Or send from Prometheus itself, without an Alertmanager (prometheus.yml):
alerting: {alertmanagers: [{scheme: http, authorization: {credentials: "{key}"},
  static_configs: [{targets: ["incidents.example.com:3000"]}]}]}""",
    read=read,
    answer=answer,
    doors=(Door(path="/hook/{key}"),),
    overloaded=503,
    examples=(
        Example(
            title="an alert fires",
            body=f'{_GROUP}"firing", "receiver": "incidents", "alerts": [{_ALERT}]}}',
            status=200,
        ),
        Example(
            title="it is over",
            body=f'{_GROUP}"resolved", "alerts": [{_ALERT.replace(chr(34) + "firing", chr(34) + "resolved")}]}}',
            path="/hook/{key}",
            status=200,
            opens=0,
        ),
    ),
)
