"""LLM-Edge-Agent: the message of specification §6.3, batches of it, and its ``/health`` document (ING-11).

Its Prometheus rules come through Alertmanager, which is a source of its own.
"""

from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading
from llm_incident_manager.sources.spec import Example, Polled, Polling, PollMoment, Sent, SourceRequest, SourceSpec

_NAME = "llm-edge-agent"


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the events of messages, or the state that a health document tells; heartbeats bring nothing.

    Raises:
        Invalid: it is neither.
    """
    found, batch_id, is_batch = decisions.documents(request)
    steps = tuple(event for each in found if (event := _event(request, each)) is not None)
    return Sent(steps=steps, batch_id=batch_id, is_batch=is_batch)


def _event(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any] | None:
    if decisions.is_own_shape(document):
        return decisions.own_shape(request, document, SPEC.name)
    if document.get("type") in decisions.HEARTBEATS:
        return None
    if _is_health(document):
        return _health(request, document)
    raise Invalid(
        "it is nothing that LLM-Edge-Agent sends",
        [FieldFault("event_id", "is missing; send a message of specification §6.3, or the document of /health")],
        code="invalid_edge_agent",
    )


def poll(request: SourceRequest, _: SourceSettings, moment: PollMoment) -> Polled:
    """Return what the health document says, if that is news.

    Raises:
        Invalid: it is no health document.
    """
    document = reading.json_object(request.body)
    if not _is_health(document):
        raise Invalid(
            "it is no health document",
            [FieldFault("status", "is missing, or providers and cache; the endpoint must be the agent's /health")],
            code="invalid_edge_agent",
        )
    # Our clock for both ends of a trouble: the agent's may be wrong.
    event = _health(request, document) | {"timestamp": request.received_at.isoformat()}
    is_bad = event["event_type"] != "resolved"
    return _news(event, moment, state=f"{event['severity']} {event['title']}" if is_bad else "healthy", is_bad=is_bad)


def failing(request: SourceRequest, moment: PollMoment, reason: str) -> Polled:
    """Return that nobody answers where the agent should."""
    instance = reading.text(request.query.get("instance"), 200, default=_NAME)
    said = "its /health has not answered several times in a row"
    event = {
        "source": request.source,
        "timestamp": moment.since.isoformat(),
        "event_type": "alert",
        "category": "availability",
        "title": reading.title(f"{instance} does not answer", default=_NAME),
        "description": reading.description(f"Since {moment.since:%Y-%m-%d %H:%M:%S} UTC: {reason}."),
        "severity": "critical",
        "resource": reading.resource("service", instance),
        "dedup_key": reading.key("health", instance),
        "payload": {"severity_reason": said, "error": reading.text(reason, 500)},
    }
    return _news(event, moment, state="unreachable", is_bad=True)


def _news(event: dict[str, Any], moment: PollMoment, *, state: str, is_bad: bool) -> Polled:
    """Return the event, unless its state was told already; one trouble tells each state once."""
    key = event["dedup_key"]
    named = event | {"event_id": stable_event_id(key, moment.since.isoformat(), state)}
    steps = () if moment.told.get(key) == state else (named,)
    return Polled(sent=Sent(steps=steps), told={key: state}, is_bad=is_bad)


def _is_health(document: dict[str, Any]) -> bool:
    return "status" in document and ("providers" in document or "cache" in document)


def _health(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any]:
    """Return what is not well, or the recovery where all is; ``?instance=`` tells several agents apart."""
    instance = reading.text(request.query.get("instance"), 200, default=_NAME)
    at = decisions.timestamp(request, document.get("timestamp"))
    dedup_key = reading.key("health", instance)
    status = reading.text(document.get("status")).lower()
    if status in ("healthy", "ok"):
        event_id = stable_event_id(dedup_key, at, "healthy")
        return reading.recovery(request.source, dedup_key, event_id=event_id, at=at, said=f"{instance} is healthy")
    providers, cache = reading.mapping(document.get("providers")), reading.mapping(document.get("cache"))
    used = {name: state for name, each in providers.items() if (state := reading.mapping(each)).get("configured")}
    down = sorted(name for name, state in used.items() if state.get("healthy") is False)
    caches = [
        f"cache {name[:2].upper()}"
        for name in ("l1_healthy", "l2_healthy")
        if cache.get(name) is False and cache.get(name.replace("healthy", "configured"), True)
    ]
    severity, reason = _severity(down, len(used), caches)
    ill = ", ".join([*(f"provider {name}" for name in down), *caches]) or "it does not say what is wrong"
    return {
        "event_id": stable_event_id(dedup_key, at, status, ill),
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": "availability",
        "title": reading.title(f"{instance} is {status or 'unwell'}: {ill}", default=_NAME),
        "description": reading.description(f"Not healthy: {ill}.", reason[:1].upper() + reason[1:] + "."),
        "severity": severity,
        "source_version": reading.text(document.get("version"), 128),
        "resource": reading.resource("service", instance),
        "metrics": reading.metrics(providers_down=len(down), providers_configured=len(used)),
        "tags": reading.tags(provider=down[0] if len(down) == 1 else ""),
        "labels": reading.labels(down),
        "dedup_key": dedup_key,
        "payload": reading.payload(document) | {"severity_reason": reason},
    }


def _severity(down: list[str], used: int, caches: list[str]) -> tuple[str, str]:
    if down and len(down) >= used:
        return "critical", "no configured provider is healthy"
    if down:
        return "high", f"{len(down)} of {used} configured providers are not healthy"
    if caches:
        return "medium", "only a cache is not healthy"
    return "medium", "it says that it is degraded and not by what"


SPEC = SourceSpec(
    name="edge-agent",
    title="LLM-Edge-Agent",
    description=(
        "Alerts of the proxy in the specification's message or batch, and its `/health` document, which opens, worsens "
        "and ends one incident per instance. Its Prometheus rules come through Alertmanager."
    ),
    setup="""# Every 30 s, on the machine of the agent:
curl -s http://127.0.0.1:8080/health | curl -s -H "Authorization: Bearer {key}" --data-binary @- \\
  "{url}/api/v1/sources/edge-agent?instance=$(hostname)"
# Or watched from here: three bad or failed polls in a row open an incident, a good one ends it.
sources:
  edge-eu-1:
    plugin: edge-agent
    mode: pull
    endpoint: http://edge-eu-1.example.com:8080/health""",
    read=read,
    polling=Polling(read=poll, interval_seconds=30, failing=failing),
    examples=(
        Example(
            title="a message",
            body='{"type": "alert", "event_id": "edge-1", "source": "llm-edge-agent", '
            '"timestamp": "2026-10-21T10:40:00Z", "event_type": "alert", "category": "availability", '
            '"title": "Rate Limit Exceeded", "severity": "medium", "resource": {"type": "tenant", "id": "tenant-456"}, '
            '"metrics": {"current_rpm": 12500, "limit_rpm": 10000}}',
        ),
        Example(
            title="its health",
            body='{"status": "degraded", "timestamp": "2026-10-21T10:40:00+00:00", "version": "0.1.0", '
            '"cache": {"l1_healthy": true, "l2_healthy": false, "l2_configured": true}, '
            '"providers": {"openai": {"configured": true, "healthy": false}, '
            '"anthropic": {"configured": false, "healthy": false}}}',
        ),
        Example(title="a heartbeat", body='{"type": "heartbeat"}', opens=0),
    ),
)
