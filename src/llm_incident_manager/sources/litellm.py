"""LiteLLM's budget webhook (``WEBHOOK_URL`` with ``alerting: ["webhook"]``); its other alerts come as Slack's.

Shape: docs.litellm.ai, "Alerting / Webhooks". One budget is one incident, whichever of its limits is crossed.
"""

from collections.abc import Sequence

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.errors import FieldFault, Invalid
from llm_incident_manager.sources import decisions, reading, vendors
from llm_incident_manager.sources.answers import json_answer, receipts_of, refusing
from llm_incident_manager.sources.litellm_alerts import budget_owner
from llm_incident_manager.sources.spec import Answer, Example, Outcome, Sent, SourceRequest, SourceSpec

_SEVERITIES = {
    "budget_crossed": "high", "max_budget_alert": "high", "soft_budget_crossed": "medium",
    "threshold_crossed": "medium", "projected_limit_exceeded": "medium",
}  # fmt: skip
_DONE = ("key_created", "key_rotated", "internal_user_created")
_NOISE = ("spend_tracked",)
"""One per request of anybody: no trouble, and too many to keep."""
_PERSONAL = ("user_email", "alert_emails", "max_budget_alert_emails")


def read(request: SourceRequest, settings: SourceSettings | None) -> Sent:
    """Return an alert about a budget, or a change where somebody made a key or a user; tracked spend brings nothing.

    Raises:
        Invalid: it has no ``event``.
    """
    document = reading.json_object(request.body)
    kind = reading.text(document.get("event"), 64)
    if not kind:
        raise Invalid("it is no budget event of LiteLLM", [FieldFault("event", "is missing; send budget_crossed, say")])
    if kind in _NOISE:
        return Sent()
    owner, owner_id, alias = budget_owner(document)
    said = reading.text(document.get("event_message")).replace("`", "") or decisions.worded(kind)
    heading = said.splitlines()[0]
    change = kind in _DONE
    return Sent(
        steps=(
            {
                "event_id": vendors.moment_id(request, kind, owner, owner_id, document.get("spend"), said),
                "source": request.source,
                "timestamp": request.received_at.isoformat(),
                "event_type": "change" if change else "alert",
                "category": "cost",
                "title": reading.title(f"{heading} ({alias})" if alias else heading, default="Budget alert"),
                "description": reading.description(said),
                "severity": vendors.severity(settings, kind, known=_SEVERITIES, default="info" if change else "medium"),
                "resource": reading.resource(owner, owner_id, name=alias),
                "metrics": reading.metrics(
                    spend=document.get("spend"),
                    max_budget=document.get("max_budget"),
                    soft_budget=document.get("soft_budget"),
                    projected_spend=document.get("projected_spend"),
                ),
                "tags": reading.tags(
                    {name: document.get(name) for name in ("event_group", "team_id", "team_alias", "key_alias")},
                    event=kind,
                    projected_exceeded_date=document.get("projected_exceeded_date"),
                ),
                "dedup_key": reading.key("litellm-key" if change else "litellm-budget", owner, owner_id),
                "payload": reading.payload(document, *_PERSONAL),
            },
        )
    )


def answer(request: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    """Return 200: LiteLLM takes any other status for a failure, and never tries again."""
    receipts = receipts_of(outcomes)
    incident = receipts[0].incident_id if receipts else None
    return json_answer({"status": receipts[0].status if receipts else "ignored", "incident_id": incident}, 200)


SPEC = SourceSpec(
    name="litellm",
    title="LiteLLM budgets",
    description=(
        "Budgets crossed, or about to be; an incident per key, user, team or customer. Created keys are kept as "
        "changes, tracked spend is left out, e-mail addresses are not kept."
    ),
    setup="""# Environment of the proxy; its other alerts come as Slack's
export WEBHOOK_URL={url}/api/v1/sources/litellm?key={key}
# config.yaml of the proxy
general_settings:
  alerting: ["webhook"]
# here: budgets never say that they are fine again
sources: {litellm: {quiet_seconds: 172800}}""",
    read=read,
    answer=answer,
    refuse=refusing({"status": "error"}),
    overloaded=503,
    examples=(
        Example(
            title="a budget is crossed",
            body='{"spend": 102.5, "max_budget": 100.0, "token": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df77853980'
            '0c9f1243fe6b4b", "user_id": "u-1", "team_id": null, "user_email": "ana@example.com", "key_alias": '
            '"chat", "event": "budget_crossed", "event_group": "key", "event_message": "Key Budget: Budget Crossed"}',
            status=200,
        ),
        Example(
            title="spend is tracked",
            body='{"spend": 0.01, "event": "spend_tracked", "event_group": "customer", "customer_id": "c-1", '
            '"event_message": "Customer spend tracked"}',
            status=200,
            opens=0,
        ),
    ),
)
