"""Alerts as Prometheus thinks of them (labels, annotations, firing or resolved), and the events they are here.

Alertmanager's webhook, its API and Grafana share this: one alert is one fingerprint, and its repeats count nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.label_set import label_fingerprint
from llm_incident_manager.domain.events.severity import severity_of
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.decisions import worded

MODERATE = "warning"
"""What an alert is that names no severity, or one that nobody knows."""
_SAID = ("summary", "title", "message")
_MORE = ("description", "message", "runbook", "details")
_LINKS = {"runbook_url": "Runbook", "runbook": "Runbook", "dashboard_url": "Dashboard", "dashboard": "Dashboard"}
_RESOURCES = (
    ("service", ("service", "service_name", "app", "application")),
    ("model", ("model", "model_name")),
    ("pod", ("pod",)),
    ("deployment", ("deployment",)),
    ("job", ("job", "job_name")),
    ("host", ("instance", "host", "hostname", "node", "nodename")),
    ("provider", ("provider",)),
)


@dataclass(frozen=True, kw_only=True)
class Firing:
    """One alert in one state; ``event_id`` is the same whenever this state is told."""

    event_id: str
    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    at: str
    is_firing: bool = True
    generator_url: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    more: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)


def event_of(source: str, alert: Firing, settings: SourceSettings | None) -> dict[str, Any]:
    """Return the event of an alert; a resolved one is the recovery of what its fingerprint opened."""
    labels, notes = alert.labels, alert.annotations
    name = reading.text(labels.get("alertname"))
    heading = reading.title(*(notes.get(each) for each in _SAID), worded(name), default="An alert without a name")
    if not alert.is_firing:
        return reading.recovery(
            source, reading.key(alert.fingerprint), event_id=alert.event_id, at=alert.at, said=heading
        )
    kind, where = _resource(labels)
    return {
        "event_id": alert.event_id,
        "source": source,
        "timestamp": alert.at,
        "event_type": "alert",
        "category": _category(labels, notes, name),
        "title": heading,
        "description": _description(alert, heading),
        "severity": _severity(labels, settings),
        "resource": reading.resource(
            kind, where, name, instance=labels.get("instance"), job=labels.get("job"), cluster=labels.get("cluster")
        ),
        "metrics": reading.metrics(alert.values),
        "tags": reading.tags({"environment": labels.get("env")}, dict(labels)),
        "dedup_key": reading.key(alert.fingerprint),
        "payload": reading.payload(dict(alert.payload)),
    }


def texts_of(value: object) -> dict[str, str]:
    """Return the texts of labels or annotations; blank ones are none."""
    texts = ((reading.text(name), reading.text(each)) for name, each in reading.mapping(value).items())
    return {name: text for name, text in texts if name and text}


def fingerprint_of(told: object, labels: Mapping[str, str]) -> str:
    """Return the fingerprint as told, else the one that Prometheus makes of the labels."""
    return reading.text(told, 200) or label_fingerprint(labels)


def state_id(fingerprint: str, start: str, state: str) -> str:
    """Return the event id of one state of one alert."""
    return stable_event_id(fingerprint, start, state)


def _severity(labels: Mapping[str, str], settings: SourceSettings | None) -> str:
    own = settings.severity_words if settings is not None else {}
    for name in ("severity", "priority", "level"):
        word = reading.text(labels.get(name), 64)
        if word and severity_of(word, own) is not None:
            return word
    return MODERATE


def _category(labels: Mapping[str, str], notes: Mapping[str, str], name: str) -> Any:
    own = reading.text(labels.get("category")).lower()
    words = (
        worded(name),
        name,
        labels.get("component"),
        *(notes.get(each) for each in _SAID),
        notes.get("description"),
    )
    return reading.category_of(own, *words)


def _resource(labels: Mapping[str, str]) -> tuple[str, str]:
    for kind, names in _RESOURCES:
        found = next((reading.text(labels.get(each)) for each in names if labels.get(each)), "")
        if found:
            return ("service" if kind == "job" else kind), found
    return "service", ""


def _description(alert: Firing, heading: str) -> str:
    notes = alert.annotations
    said = dict.fromkeys(reading.text(notes.get(name)) for name in _MORE if name not in _LINKS)
    links = {_LINKS[name]: notes[name] for name in _LINKS if notes.get(name)} | dict(alert.links)
    if alert.generator_url:
        links["Source"] = alert.generator_url
    paragraphs = [text for text in said if text and text != heading]
    return reading.description(*paragraphs, alert.more, "\n".join(f"{word}: {url}" for word, url in links.items()))
