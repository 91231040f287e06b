"""What Prometheus and ``amtool`` post to an Alertmanager, read: alerts with their starts and ends (API v2)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.label_set import label_fingerprint
from llm_incident_manager.engine.alert_rows import Alert
from llm_incident_manager.engine.alerts import RESOLVE_TIMEOUT
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading
from llm_incident_manager.sources.firing import Firing, event_of, texts_of

MOST = 1000
"""Alerts of one request; Prometheus sends 64 at most, or what ``--alertmanager.notification-batch-size`` says."""
_FAR = datetime.max.replace(tzinfo=UTC)


def read_alerts(body: bytes, source: str, now: datetime) -> tuple[list[Alert], list[str]]:
    """Return the valid alerts and what is wrong with the others; raises Invalid where it is no array of alerts."""
    found = reading.parse(body)
    if not isinstance(found, list):
        raise Invalid("the body is no array of alerts", [FieldFault("body", "is no array; send alerts as Prometheus")])
    if len(found) > MOST:
        raise Invalid(
            f"the body holds {len(found)} alerts; send at most {MOST} at once",
            [FieldFault("body", f"holds {len(found)} alerts; send at most {MOST} at once")],
        )
    alerts: list[Alert] = []
    wrong: list[str] = []
    for number, each in enumerate(found):
        try:
            alerts.append(_alert(each, source, now))
        except Invalid as fault:
            wrong.append(f"alert {number}: {fault.message}")
    return alerts, wrong


def event_of_alert(alert: Alert, settings: SourceSettings | None) -> dict[str, Any]:
    """Return the event of an alert as it is now."""
    over = not alert.is_firing
    told = Firing(
        event_id=alert.resolved_id if over else alert.firing_id,
        fingerprint=alert.fingerprint,
        labels=alert.labels,
        annotations=alert.annotations,
        at=(alert.ends_at if over else _not_ahead(alert)).isoformat(),
        is_firing=alert.is_firing,
        generator_url=alert.generator_url,
        payload={"labels": alert.labels, "annotations": alert.annotations, "generatorURL": alert.generator_url},
    )
    return event_of(alert.source, told, settings)


def _alert(value: object, source: str, now: datetime) -> Alert:
    if not isinstance(value, dict):
        raise Invalid("is no object")
    for name in ("labels", "annotations"):
        _require_texts(value, name)
    labels = texts_of(value.get("labels"))
    if not labels:
        raise Invalid("at least one label pair required")
    started, ended = _time(value, "startsAt"), _time(value, "endsAt")
    starts_at = started or (min(ended, now) if ended is not None else now)
    ends_at = ended or max(now, min(starts_at, _FAR - RESOLVE_TIMEOUT)) + RESOLVE_TIMEOUT
    if ends_at < starts_at:
        raise Invalid("start time must be before end time")
    return Alert(
        source=source,
        fingerprint=label_fingerprint(labels),
        labels=labels,
        annotations=texts_of(value.get("annotations")),
        generator_url=reading.text(value.get("generatorURL"), 2000),
        starts_at=starts_at,
        ends_at=ends_at,
        updated_at=now,
        episode_at=starts_at,
        is_firing=ends_at > now,
    )


def _require_texts(value: Mapping[str, Any], name: str) -> None:
    found = value.get(name)
    if found is not None and not (isinstance(found, dict) and all(isinstance(each, str) for each in found.values())):
        raise Invalid(f"{name} are no mapping of texts")


def _time(value: Mapping[str, Any], name: str) -> datetime | None:
    """Return an instant; Go's zero time counts as none."""
    told = value.get(name)
    found = reading.instant(told, now=_FAR) if isinstance(told, str) else None
    if found is None and told not in (None, "") and not str(told).startswith("0001-01-01"):
        raise Invalid(f"{name} is no time such as 2027-01-04T09:00:00Z")
    return found


def _not_ahead(alert: Alert) -> datetime:
    """Return the start, or where that lies ahead by more than events may, when it was told.

    One that had ended and goes on starts anew: by its old start it would seem to be older than its own end.
    """
    start = max(alert.starts_at, alert.episode_at)
    return start if start - alert.updated_at < timedelta(hours=24) else alert.updated_at
