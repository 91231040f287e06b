"""Langfuse's automations: monitor alerts, and prompts that somebody changed.

Shapes: langfuse.com, "Webhooks". A prompt's text is not kept.
"""

from collections.abc import Mapping
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import reading, vendors
from llm_incident_manager.sources.signing import stamped
from llm_incident_manager.sources.spec import Example, Sent, SourceRequest, SourceSpec

_SEVERITIES = {"alert": "high", "warning": "medium", "no_data": "medium", "no-data": "medium"}
_PROMPT = ("id", "name", "version", "projectId", "labels", "type", "commitMessage", "tags", "createdAt", "updatedAt")


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return a monitor's alert or its recovery (``OK``), or the change that a new prompt version is.

    Raises:
        Invalid: it is neither.
    """
    document = reading.json_object(request.body)
    kind = reading.text(document.get("type"), 64).lower()
    if kind == "monitor-alert":
        return Sent(steps=(_monitor(request, settings, document, reading.mapping(document.get("payload"))),))
    if kind == "prompt-version":
        return Sent(steps=(_prompt(request, document, reading.mapping(document.get("prompt"))),))
    raise Invalid(
        "it is no webhook of Langfuse", [FieldFault("type", "is missing; monitor-alert and prompt-version are read")]
    )


def _monitor(
    request: SourceRequest, settings: SourceSettings | None, document: Mapping[str, Any], alert: Mapping[str, Any]
) -> dict[str, Any]:
    monitor = reading.text(alert.get("monitorId"))
    if not monitor:
        raise Invalid("it names no monitor", [FieldFault("payload.monitorId", "is missing")])
    word = reading.text(alert.get("severity"), 40).lower()
    at = reading.when(alert.get("timestamp"), document.get("timestamp"), now=request.received_at)
    message = reading.mapping(alert.get("message"))
    heading = reading.title(message.get("title"), default="Monitor of Langfuse")
    dedup_key, event_id = reading.key("langfuse", monitor), _event_id(request, document, monitor, word)
    if word == "ok":
        return reading.recovery(request.source, dedup_key, event_id=event_id, at=at, said=heading)
    return {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": reading.category_of(heading, alert.get("view"), default=reading.category_of(message.get("body"))),
        "title": heading,
        "description": reading.description(message.get("body"), alert.get("permalink")),
        "severity": vendors.severity(settings, word, known=_SEVERITIES, default="medium"),
        "resource": reading.resource("project", alert.get("projectId"), default="langfuse"),
        "tags": reading.tags(monitor=monitor, view=alert.get("view"), window=alert.get("window")),
        "dedup_key": dedup_key,
        "payload": reading.payload(alert),
    }


def _prompt(request: SourceRequest, document: Mapping[str, Any], prompt: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change; Langfuse sends two for a label that moves, one for each version."""
    name, version = reading.text(prompt.get("name"), 255, default="?"), reading.text(prompt.get("version"), 40)
    action = reading.text(document.get("action"), 40, default="changed")
    labels = reading.labels(prompt.get("labels"))
    return {
        "event_id": _event_id(request, document, name, f"{version}:{action}"),
        "source": request.source,
        "timestamp": reading.when(document.get("timestamp"), prompt.get("updatedAt"), now=request.received_at),
        "event_type": "change",
        "category": "other",
        "title": reading.title(
            f"Prompt {name}: version {version} {action}" + (f" ({', '.join(labels)})" if labels else ""),
            default="Prompt",
        ),
        "description": reading.description(prompt.get("commitMessage")),
        "severity": "info",
        "resource": reading.resource("prompt", name),
        "tags": reading.tags(version=version, action=action, project=prompt.get("projectId")),
        "labels": reading.labels(labels, prompt.get("tags")),
        "dedup_key": reading.key("langfuse:prompt", name),
        "payload": reading.payload({each: prompt[each] for each in _PROMPT if each in prompt}),
    }


def _event_id(request: SourceRequest, document: Mapping[str, Any], of: str, state: str) -> str:
    given = reading.text(document.get("id"))
    return stable_event_id(given, of, state) if given else vendors.moment_id(request, of, state)


SPEC = SourceSpec(
    name="langfuse",
    title="Langfuse",
    description=(
        "Monitor alerts, resolved when the monitor says OK; new prompt versions and moved labels are kept as changes, "
        "without the prompt's text."
    ),
    setup="""# Automations > Create Automation > Webhook; for prompts, and for monitors; URL:
{url}/api/v1/sources/langfuse?key={key}
# its signing secret, here:
sources: {langfuse: {signing_secret: "${LANGFUSE_WEBHOOK_SECRET}"}}""",
    read=read,
    overloaded=503,
    signature=stamped("x-langfuse-signature", digest="s"),
    examples=(
        Example(
            title="a monitor alerts",
            body='{"id": "l-1", "type": "monitor-alert", "apiVersion": "v1", "timestamp": "2026-10-31T10:30:00Z", '
            '"payload": {"monitorId": "m-1", "projectId": "chat", "permalink": "https://cloud.langfuse.com/m/m-1", '
            '"message": {"title": "Latency of traces", "body": "p95 is 9 s"}, "severity": "ALERT", "timestamp": '
            '"2026-10-31T10:30:00Z", "view": "traces", "window": "5m"}}',
        ),
        Example(
            title="it is fine again",
            body='{"id": "l-2", "type": "monitor-alert", "apiVersion": "v1", "timestamp": "2026-10-31T10:40:00Z", '
            '"payload": {"monitorId": "m-1", "projectId": "chat", "severity": "OK", "message": {"title": "Latency"}}}',
            opens=0,
        ),
        Example(
            title="a prompt is changed",
            body='{"id": "l-3", "type": "prompt-version", "apiVersion": "v1", "timestamp": "2026-10-31T10:30:00Z", '
            '"action": "created", "prompt": {"id": "p", "name": "greeting", "version": 3, "projectId": "chat", '
            '"labels": ["latest"], "prompt": "You are kind", "type": "text", "config": {}, "tags": []}}',
            opens=0,
        ),
    ),
)
