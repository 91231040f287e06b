"""LLM-Observatory: violations of service level objectives, inside its decisions or alone (ING-11)."""

from typing import Any

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.vocabulary import Category
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading
from llm_incident_manager.sources.spec import Door, Example, Sent, SourceRequest, SourceSpec

_BREACHES = {
    "slo_breach": "SLO breached",
    "sla_breach": "SLA breached",
    "near_breach": "SLO nearly breached",
    "consecutive_breach": "SLO breached again and again",
}


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return one event per violation; other decisions, and those without one, bring nothing.

    Raises:
        Invalid: it is neither a decision nor a violation.
    """
    found, batch_id, is_batch = decisions.documents(request)
    steps = [event for each in found for event in _events(request, each)]
    return Sent(steps=tuple(steps), batch_id=batch_id, is_batch=is_batch or len(steps) > 1)


def _events(request: SourceRequest, document: dict[str, Any]) -> list[dict[str, Any]]:
    if decisions.is_own_shape(document):
        return [decisions.own_shape(request, document, SPEC.name)]
    if "slo_id" in document or "violation_id" in document:
        return [_violation(request, document, {})]
    if "outputs" not in document:
        raise Invalid(
            "it is nothing that LLM-Observatory sends",
            [FieldFault("outputs", "is missing; send a decision, or the violation in it")],
            code="invalid_observatory",
        )
    outputs = document["outputs"]
    if isinstance(outputs, dict):
        outputs = outputs.get("violations") or outputs.get("violation") or outputs
    violations = [each for each in reading.objects(outputs) if "slo_id" in each or "violation_id" in each]
    return [_violation(request, each, document) for each in violations]


def _violation(request: SourceRequest, violation: dict[str, Any], decision: dict[str, Any]) -> dict[str, Any]:
    context = reading.mapping(violation.get("metric_context"))
    name = reading.text(violation.get("slo_name"), 300) or reading.text(violation.get("slo_id"), 300, default="an SLO")
    provider, model = reading.text(violation.get("provider")), reading.text(violation.get("model"))
    environment = reading.text(violation.get("environment"))
    breach = reading.text(violation.get("breach_type"))
    indicator = reading.text(violation.get("indicator"), 200)
    at = decisions.timestamp(request, violation.get("detected_at"), decision.get("timestamp"))
    now, least = reading.text(context.get("current_value")), reading.text(context.get("threshold_value"))
    where = " ".join(filter(None, (provider, model)))
    numbers = f"{indicator or 'It'} is {now}, the objective is {least}, over {reading.text(violation.get('window'))}."
    # A bare "provider" would be an outage over there; an objective is ours, on what we use.
    kind, of = ("model", model) if model else ("provider", provider) if provider else ("slo", violation.get("slo_id"))
    return {
        "event_id": decisions.identity(violation.get("violation_id"), otherwise=(name, provider, model, at)),
        "source": request.source,
        "timestamp": at,
        "event_type": "alert",
        "category": reading.category_of(indicator, name, default=Category.PERFORMANCE),
        "title": reading.title(
            f"{_BREACHES.get(breach, 'SLO violated')}: {name}" + (f" ({where})" if where else ""), default="SLO"
        ),
        "description": reading.description(numbers if now and least else "", violation.get("recommendation")),
        "severity": reading.text(violation.get("severity"), 64, default="medium"),
        "resource": reading.resource(kind, of, name, provider=provider, slo_id=violation.get("slo_id")),
        "metrics": reading.metrics(context),
        "tags": reading.tags(
            environment=environment, provider=provider, model=model, slo=name, breach_type=breach, indicator=indicator,
            is_sla=violation.get("is_sla"),
        ),
        "correlation_id": reading.text(decision.get("execution_ref"), 255) or None,
        "dedup_key": reading.key(violation.get("slo_id") or name, provider, model, environment),
        "payload": reading.payload(violation),
    }  # fmt: skip


SPEC = SourceSpec(
    name="observatory",
    title="LLM-Observatory",
    description="Violations of service level objectives and agreements; its other decisions open nothing.",
    setup="""# Environment of the slo-enforcement agent; the bearer token that it sends is {key}
RUVECTOR_SERVICE_URL={url}""",
    read=read,
    doors=(Door(path="/api/v1/decisions"),),
    examples=(
        Example(
            title="a violation",
            path="/api/v1/decisions",
            body='{"agent_id": "slo-enforcement", "decision_type": "slo_violation_detection", '
            '"timestamp": "2026-10-21T11:00:00Z", "execution_ref": "x-1", "outputs": {"violations": [{'
            '"violation_id": "v-1", "slo_id": "slo-7", "slo_name": "Chat latency p95", "breach_type": "slo_breach", '
            '"severity": "high", "indicator": "latency_p95", "metric_context": {"current_value": 4200, '
            '"threshold_value": 2000, "deviation_percentage": 110, "trend": "worsening", "samples_in_window": 60}, '
            '"is_sla": false, "detected_at": "2026-10-21T11:00:00Z", "window": "5m", "provider": "openai", '
            '"model": "gpt-4", "environment": "production"}]}}',
        ),
        Example(
            title="nothing violated",
            body='{"agent_id": "slo-enforcement", "decision_type": "slo_violation_detection", '
            '"outputs": {"violations": []}}',
            opens=0,
        ),
    ),
)
