"""The alerts that Alertmanager writes as text into messages of other vendors' shapes, read back.

Its PagerDuty message says severity "error" whatever the label says, and labels stand in ``custom_details.firing`` only:
a line ``Labels:``, lines such as `` - alertname = X``, the same for ``Annotations:``, and ``Source: …``. Newer ones
write JSON there.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.severity import severity_of
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.sources import reading

_MOST = 200
"""Alerts of one message that are looked at."""
_MEMBER = re.compile(r" - ([^\n=]{1,200}?) = (.*)")
_COUNTED = re.compile(r"^\[(?:FIRING|RESOLVED)[^\]]{0,40}\]\s*")
_NAMES = ("alertname", "service", "model", "environment", "severity")
_RESOURCES = (
    ("service", "service"), ("service", "service_name"), ("model", "model"), ("deployment", "deployment"),
    ("service", "app"), ("service", "job"), ("host", "instance"), ("service", "alertname"),
)  # fmt: skip


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert as it stood in the text."""

    labels: dict[str, str]
    annotations: dict[str, str]


def alerts_in(value: object) -> list[Alert]:
    """Return the alerts of a text, of JSON in a text, or of a list; none where it is nothing of that kind."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
            return []
    if isinstance(value, str):
        return _of_text(value)
    return [
        Alert(labels=reading.tags(reading.mapping(each.get("labels"))), annotations=_annotations(each))
        for each in reading.objects(value)[:_MOST]
        if isinstance(each.get("labels"), dict)
    ]


def uncounted(heading: str) -> str:
    """Return a title without ``[FIRING:3]``, which is true of one moment only; of nothing else, all of it."""
    return _COUNTED.sub("", heading) or heading


def shared_labels(alerts: Iterable[Alert]) -> dict[str, str]:
    """Return the labels that all alerts have in common, the telling ones first."""
    found: dict[str, str] | None = None
    for alert in alerts:
        found = dict(alert.labels) if found is None else dict(found.items() & alert.labels.items())
    kept = found or {}
    return {name: kept[name] for name in sorted(kept, key=lambda each: (each not in _NAMES, each))}


def worst_severity(alerts: Iterable[Alert], settings: SourceSettings | None) -> str | None:
    """Return the word of the worst ``severity`` label that is known; None where there is none."""
    own: Mapping[str, Severity] = settings.severity_words if settings is not None else {}
    known = [
        (severity.rank, word)
        for alert in alerts
        if (word := alert.labels.get("severity", "")) and (severity := severity_of(word, own)) is not None
    ]
    return min(known)[1] if known else None


def resource_of(labels: Mapping[str, str]) -> Any | None:
    """Return the resource that the labels name; None where they name none."""
    for kind, name in _RESOURCES:
        if labels.get(name):
            return reading.resource(kind, labels[name])
    return None


def said_in(alerts: Iterable[Alert]) -> list[str]:
    """Return what the annotations say, each once: a summary with its description."""
    found: dict[str, None] = {}
    for alert in alerts:
        for name in ("summary", "message", "title", "description"):
            if alert.annotations.get(name):
                found[alert.annotations[name]] = None
    return list(found)


def _annotations(alert: Mapping[str, Any]) -> dict[str, str]:
    return reading.tags(reading.mapping(alert.get("annotations")))


def _of_text(text: str) -> list[Alert]:
    found: list[tuple[dict[str, str], dict[str, str]]] = []
    into: dict[str, str] | None = None
    for line in text.split("\n"):
        if line.strip() == "Labels:":
            if len(found) == _MOST:
                break
            found.append(({}, {}))
            into = found[-1][0]
        elif line.strip() == "Annotations:" and found:
            into = found[-1][1]
        elif line.startswith("Source:"):
            into = None
        elif into is not None and (member := _MEMBER.fullmatch(line)) is not None:
            into.setdefault(member[1].strip(), member[2].strip())
    return [Alert(labels=reading.tags(labels), annotations=reading.tags(annotations)) for labels, annotations in found]
