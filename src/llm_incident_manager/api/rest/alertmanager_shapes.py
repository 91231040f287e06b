"""Alerts and silences as Alertmanager's API v2 writes them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from llm_incident_manager.domain.routing.silence import Labels, Matcher, Silence, SilenceState
from llm_incident_manager.engine.alert_rows import Alert
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import FieldFault, Invalid

RECEIVER = "incidents"
"""Who gets everything; whom that comes to is a matter of routes."""
CONFIG = f"route:\n  receiver: {RECEIVER}\nreceivers:\n- name: {RECEIVER}\n"
SPOKEN = "0.25.0"
"""The version of Alertmanager whose API this is; amtool warns where it is of another one."""


def labels_of(alert: Alert) -> Labels:
    """Return the labels that silences and filters look at."""
    return {name: (value,) for name, value in alert.labels.items()} | {"source": (alert.source,)}


def alert_document(alert: Alert, silences: Sequence[Silence], at: datetime) -> dict[str, Any]:
    """Return a ``gettableAlert``."""
    labels = labels_of(alert)
    silenced_by = [each.id for each in silences if each.state(at) is SilenceState.ACTIVE and each.matches(labels)]
    return {
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": RECEIVER}],
        "status": {
            "state": "suppressed" if silenced_by else "active",
            "silencedBy": silenced_by,
            "inhibitedBy": [],
            "mutedBy": [],
        },
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": iso(alert.starts_at),
        "endsAt": iso(alert.ends_at),
        "updatedAt": iso(alert.updated_at),
        "generatorURL": alert.generator_url,
    }


def groups_of(alerts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the alerts by their name."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for alert in alerts:
        by_name.setdefault(alert["labels"].get("alertname", ""), []).append(alert)
    return [
        {"labels": {"alertname": name} if name else {}, "receiver": {"name": RECEIVER}, "alerts": several}
        for name, several in sorted(by_name.items())
    ]


def status_document(started: datetime, version: str) -> dict[str, Any]:
    """Return what amtool asks for before every command."""
    return {
        "cluster": {"status": "disabled", "peers": []},
        "versionInfo": {
            "version": SPOKEN,
            "revision": version,
            "branch": "llm-incident-manager",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        },
        "config": {"original": CONFIG},
        "uptime": iso(started),
    }


def silence_document(silence: Silence, document: dict[str, Any]) -> dict[str, Any]:
    """Return a ``gettableSilence``."""
    return {
        "id": silence.id,
        "status": {"state": document["state"]},
        "updatedAt": document["updated_at"],
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "startsAt": iso(silence.starts_at),
        "endsAt": iso(silence.ends_at),
        "matchers": [
            {"name": each.name, "value": each.value, "isRegex": each.is_regex, "isEqual": each.is_equal}
            for each in silence.matchers
        ],
    }


def silence_given(document: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return our document of a ``postableSilence``; one that says it began earlier begins now. Raises Invalid."""
    matchers = document.get("matchers")
    if not isinstance(matchers, list) or not matchers:
        raise Invalid("at least one matcher required", [FieldFault("matchers", "is required: at least one")])
    starts = document.get("startsAt")
    return {
        "matchers": [_matcher(each) for each in matchers],
        "starts_at": None if _is_past(starts, now) else starts,
        "ends_at": document.get("endsAt"),
        "created_by": document.get("createdBy") or "",
        "comment": document.get("comment") or "",
    }


def silence_labels(silence: Silence) -> Labels:
    """Return what a filter on silences looks at: the values that the silence asks for."""
    return {matcher.name: (matcher.value,) for matcher in silence.matchers}


def matches(filters: Sequence[Matcher], labels: Labels) -> bool:
    """Whether all filters hold."""
    return all(matcher.matches(labels) for matcher in filters)


def _matcher(value: object) -> object:
    if not isinstance(value, dict):
        return value
    names = {"isRegex": "is_regex", "isEqual": "is_equal"}
    return {names.get(name, name): each for name, each in value.items() if each is not None}


def _is_past(value: object, now: datetime) -> bool:
    if not isinstance(value, str):
        return value is None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return False
    return found.tzinfo is not None and found <= now
