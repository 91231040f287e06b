"""LLM-Sentinel: the documented event of specification §6.1, and what its code really sends (ING-11).

That is the raw ``AnomalyEvent`` (exchange ``sentinel.alerts``), that in a signed webhook, and its agents' decisions.
Neither has a title, a category or a resource: they are made here.
"""

import re
from collections.abc import Mapping
from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.vocabulary import Category
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading
from llm_incident_manager.sources.signing import Signature, Signed, digest_in
from llm_incident_manager.sources.spec import Example, Sent, SourceRequest, SourceSpec

_CATEGORIES = {
    "latency_spike": Category.PERFORMANCE, "throughput_degradation": Category.PERFORMANCE,
    "error_rate_increase": Category.AVAILABILITY, "token_usage_spike": Category.COST, "cost_anomaly": Category.COST,
    "input_drift": Category.PERFORMANCE, "output_drift": Category.PERFORMANCE, "concept_drift": Category.PERFORMANCE,
    "embedding_drift": Category.PERFORMANCE, "hallucination": Category.PERFORMANCE,
    "quality_degradation": Category.PERFORMANCE, "security_threat": Category.SECURITY,
}  # fmt: skip
_APPENDED = re.compile(rb',"signature":"[0-9a-fA-F]*"\}\s*$')


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return one event per anomaly; a decision that found none brings nothing.

    Raises:
        Invalid: it is neither of Sentinel's shapes.
    """
    found, batch_id, is_batch = decisions.documents(request)
    steps = tuple(event for each in found if (event := _event(request, each)) is not None)
    return Sent(steps=steps, batch_id=batch_id, is_batch=is_batch)


def _event(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any] | None:
    if decisions.is_own_shape(document):
        return decisions.own_shape(request, document, SPEC.name)
    if isinstance(document.get("data"), dict):
        return _event(request, document["data"])
    if "outputs" in document:
        return _decided(request, document)
    if isinstance(document.get("anomaly"), dict):
        labels = {"description": document.get("description"), "labels": document.get("tags")}
        return _anomaly(request, document["anomaly"] | {"alert_id": document.get("alert_id")}, labels)
    if "anomaly_type" in document:
        return _anomaly(request, document, {})
    if "signal_ids" in document:
        return _candidate(request, document)
    raise Invalid(
        "it is nothing that LLM-Sentinel sends",
        [
            FieldFault(
                "anomaly_type", "is missing; send an AnomalyEvent, its webhook, or the event of specification §6.1"
            )
        ],
        code="invalid_sentinel",
    )


def _decided(request: SourceRequest, decision: dict[str, Any]) -> dict[str, Any] | None:
    """Return the anomaly in a DecisionEvent, whose context fills what the anomaly leaves out."""
    outputs, context = reading.mapping(decision.get("outputs")), reading.mapping(decision.get("context"))
    anomaly = outputs.get("anomaly_event") or outputs.get("anomaly")
    if outputs.get("anomaly_detected") is False or not isinstance(anomaly, dict):
        return None
    event = _event(request, anomaly)
    if event is not None and not decisions.is_own_shape(anomaly):
        event["tags"] = reading.tags({"environment": context.get("environment")}, event["tags"])
        event["correlation_id"] = event.get("correlation_id") or _trace(decision.get("execution_ref"))
    return event


def _anomaly(request: SourceRequest, anomaly: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    details, context = reading.mapping(anomaly.get("details")), reading.mapping(anomaly.get("context"))
    kind, method = _word(anomaly.get("anomaly_type")), _word(anomaly.get("detection_method"))
    service, model = reading.text(anomaly.get("service_name")), reading.text(anomaly.get("model"))
    additional = reading.mapping(context.get("additional"))
    environment = additional.get("environment")
    where = f"{service or 'an unnamed service'} ({model})" if model else service or "an unnamed service"
    at = decisions.timestamp(request, anomaly.get("timestamp"))
    metric = reading.text(details.get("metric"), default="value")
    return {
        "event_id": decisions.identity(anomaly.get("alert_id"), otherwise=(service, model, kind, at)),
        "source": request.source,
        "timestamp": at,
        "event_type": "anomaly",
        "category": _CATEGORIES.get(kind) or reading.category_of(kind),
        "title": reading.title(f"{decisions.worded(kind) or 'Anomaly'} in {where}", default="Anomaly"),
        "description": _description(anomaly, more),
        "severity": reading.text(anomaly.get("severity"), 64, default="medium"),
        "resource": reading.resource("service", service, model=model, region=context.get("region")),
        "metrics": reading.metrics(
            {metric: details.get("value")},
            {name: details.get(name) for name in ("baseline", "threshold", "deviation_sigma")},
            {"confidence": anomaly.get("confidence"), "sample_count": context.get("sample_count")},
            reading.mapping(details.get("additional")),
        ),
        "tags": reading.tags(
            {"environment": environment, "region": context.get("region"), "user_id": context.get("user_id")},
            service=service, model=model, anomaly_type=kind, detection_method=method,
        ),
        "labels": reading.labels(more.get("labels")),
        "correlation_id": reading.text(context.get("trace_id"), 255) or None,
        "dedup_key": reading.key(kind, service, model, environment),
        "payload": reading.payload(dict(anomaly)),
    }  # fmt: skip


def _candidate(request: SourceRequest, document: dict[str, Any]) -> dict[str, Any]:
    """Return the event of an ``IncidentCandidate``: signals that Sentinel has correlated already."""
    service = reading.text(document.get("primary_service"))
    models = [text for each in _list(document.get("affected_models")) if (text := reading.text(each))]
    heading = reading.title(document.get("title"), default="Correlated anomalies")
    return {
        "event_id": decisions.identity(document.get("incident_id"), otherwise=(heading, service)),
        "source": request.source,
        "timestamp": decisions.timestamp(request, document.get("timestamp")),
        "event_type": "anomaly",
        "category": reading.category_of(heading, document.get("description"), default=Category.PERFORMANCE),
        "title": heading,
        "description": reading.description(
            document.get("description"),
            document.get("correlation_reasoning"),
            _steps(document.get("recommended_actions")),
        ),
        "severity": reading.text(document.get("severity"), 64, default="medium"),
        "resource": reading.resource("service", service, affected=_list(document.get("affected_services"))),
        "metrics": reading.metrics(correlation_confidence=document.get("correlation_confidence")),
        "tags": reading.tags(service=service, model=models[0] if models else ""),
        "labels": reading.labels(models),
        "dedup_key": reading.key("candidate", service, heading),
        "payload": reading.payload(document),
    }


def _description(anomaly: Mapping[str, Any], more: Mapping[str, Any]) -> str:
    runbook = reading.text(anomaly.get("runbook_url"))
    return reading.description(
        anomaly.get("root_cause") or more.get("description"),
        _steps(anomaly.get("remediation")),
        f"Runbook: {runbook}" if runbook else "",
    )


def _steps(value: object) -> str:
    return "\n".join(f"- {text}" for each in _list(value) if (text := reading.text(each)))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(value: object) -> str:
    """Return an enum's word; Rust writes its last case as ``{"custom": "x"}``."""
    return reading.text(value.get("custom") if isinstance(value, dict) else value, 128)


def _trace(value: object) -> str | None:
    return reading.text(reading.mapping(value).get("trace_id"), 255) or None


def _signature(value: str, body: bytes, _: Mapping[str, str]) -> Signed:
    """Sentinel signs the body before it appends the signature to it as the last member."""
    return Signed(digests=digest_in(value), message=_APPENDED.sub(b"}", body))


SPEC = SourceSpec(
    name="sentinel",
    title="LLM-Sentinel",
    description=(
        "Anomalies: the event of the specification, the webhook with its signature, the raw anomaly, and decisions of "
        "its agents; a decision that found nothing opens nothing."
    ),
    setup="""# URL of the webhook; its secret is the signing_secret of source sentinel in your settings:
{url}/api/v1/sources/sentinel?key={key}
# Its RabbitMQ exchange sentinel.alerts can be read instead, see queues/rabbitmq.md. An anomaly by hand:
curl {url}/api/v1/sources/sentinel -H "Authorization: Bearer {key}" -d @anomaly.json""",
    read=read,
    signature=Signature(header="x-sentinel-signature", read=_signature),
    examples=(
        Example(
            title="an anomaly",
            body='{"alert_id": "a-1", "timestamp": "2026-10-21T10:30:00.123456Z", "severity": "critical", '
            '"anomaly_type": "latency_spike", "service_name": "chat-api", "model": "gpt-4", '
            '"detection_method": "z_score", "confidence": 0.89, "details": {"metric": "latency_ms", "value": 5400.0, '
            '"baseline": 800.0, "threshold": 2000.0, "deviation_sigma": 11.5, "additional": {}}, '
            '"context": {"trace_id": "t-1", "region": "us-west-2", "sample_count": 1000, "additional": {}}, '
            '"root_cause": "Latency is far above its baseline", "remediation": ["Check the service"], '
            '"related_alerts": [], "runbook_url": null}',
        ),
        Example(
            title="a decision that found nothing",
            body='{"decision_id": "d-1", "decision_type": "alert_evaluation", "outputs": {"anomaly_detected": false}}',
            opens=0,
        ),
        Example(
            title="the event of the specification",
            body='{"event_id": "s-1", "source": "llm-sentinel", "timestamp": "2026-10-21T10:30:00Z", '
            '"event_type": "anomaly", "category": "performance", "title": "Latency Spike Detected", '
            '"severity": "high", "resource": {"type": "endpoint", "id": "ep-chat"}}',
        ),
    ),
)
