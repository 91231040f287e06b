"""LangSmith's alert rules by webhook: a body that people write, and no word about the end.

Shape: docs.langchain.com, "Set up webhook notifications for LangSmith alerts".
"""

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading, vendors
from llm_incident_manager.sources.spec import Example, Sent, SourceRequest, SourceSpec

_SEVERITIES = {
    **{word: word for word in ("critical", "high", "medium", "low", "info")},
    "error_count": "high", "error_rate": "high", "feedback_score": "medium", "latency": "medium",
    "run_count": "low", "cost": "medium",
}  # fmt: skip
_CATEGORIES = {
    "error_count": "availability", "error_rate": "availability", "latency": "performance", "cost": "cost",
    "feedback_score": "performance",
}  # fmt: skip


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return the event of a rule that was triggered; ``severity`` may stand in the template.

    Raises:
        Invalid: it names no rule.
    """
    document = reading.form_or_json(request.body, request.headers)
    rule = reading.text(document.get("alert_rule_id")) or reading.text(document.get("alert_rule_name"))
    if not rule:
        raise Invalid("it names no alert rule", [FieldFault("alert_rule_id", "is missing; put it into the template")])
    project = reading.text(document.get("project_name"), 255)
    attribute = reading.text(document.get("alert_rule_attribute"), 64).lower()
    value, threshold = document.get("triggered_metric_value"), document.get("triggered_threshold")
    name = reading.text(document.get("alert_rule_name"), 300, default=rule)
    said, moment = reading.text(value, 40), reading.text(document.get("timestamp"))
    event = {
        "event_id": stable_event_id(rule, project, moment, said) if moment else vendors.moment_id(request, rule, said),
        "source": request.source,
        "timestamp": reading.when(document.get("timestamp"), now=request.received_at),
        "event_type": "alert",
        "category": _CATEGORIES.get(attribute) or reading.category_of(attribute, name),
        "title": reading.title(f"{name} ({project})" if project else name, default="LangSmith alert"),
        "description": reading.description(
            f"{decisions.worded(attribute or 'value')} is {said}, the threshold {reading.text(threshold, 40)}."
            if said
            else "",
            document.get("text"),
        ),
        "severity": vendors.severity(
            settings, document.get("severity"), attribute, known=_SEVERITIES, default="medium"
        ),
        "resource": reading.resource("project", project, default="langsmith"),
        "metrics": reading.metrics(value=value, threshold=threshold),
        "tags": reading.tags(project=project, attribute=attribute, rule_type=document.get("alert_rule_type")),
        "dedup_key": reading.key("langsmith", rule, project),
        "payload": reading.payload(document),
    }
    return Sent(steps=(event,))


SPEC = SourceSpec(
    name="langsmith",
    title="LangSmith",
    description=(
        "Alert rules by webhook. LangSmith never says that it is over and signs nothing: `quiet_seconds` resolves the "
        "incident when the rule was quiet for so long."
    ),
    setup="""# Project > Alerts > rule > Webhook; URL, header X-API-Key: {key}, and this body (choose the severity)
{url}/api/v1/sources/langsmith
{"severity": "high"}
# LangSmith adds project_name, alert_rule_id, alert_rule_name, alert_rule_attribute, triggered_metric_value and more
# here, if it should resolve by itself after an hour without news:
sources: {langsmith: {quiet_seconds: 3600}}""",
    read=read,
    overloaded=503,
    examples=(
        Example(
            body='{"project_name": "chat", "alert_rule_id": "r-1", "alert_rule_name": "Errors of chat", '
            '"alert_rule_type": "threshold", "alert_rule_attribute": "error_count", "triggered_metric_value": 12, '
            '"triggered_threshold": 5, "timestamp": "2026-10-31T10:30:00Z"}'
        ),
    ),
)
