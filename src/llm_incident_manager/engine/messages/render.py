"""⑥ Told: from a row of the page ledger to the message that leaves, by the template that fits or the default texts."""

from datetime import UTC, datetime, timedelta

import structlog

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.notifications.answers import reply_code
from llm_incident_manager.domain.notifications.message import Message
from llm_incident_manager.domain.notifications.notification import Notification
from llm_incident_manager.domain.vocabulary import NotificationType
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.deliver import Render
from llm_incident_manager.engine.messages.layouts import (
    html_page,
    short_page,
    slack_blocks,
    text_page,
    webhook_payload,
)
from llm_incident_manager.engine.messages.telling import telling
from llm_incident_manager.engine.messages.templated import templated, variables_of
from llm_incident_manager.engine.messages.words import one_line
from llm_incident_manager.engine.notify import ACKNOWLEDGED
from llm_incident_manager.engine.page_tokens import PageTokens
from llm_incident_manager.engine.route import subject_of
from llm_incident_manager.engine.template_sandbox import TemplateFailed
from llm_incident_manager.engine.templates import choose_template

log = structlog.get_logger("messages")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def renderer(public_url: str, tokens: PageTokens | None = None) -> Render:
    """Return what writes pages; ``public_url`` is where people reach the dashboard, without a slash at the end.

    With ``tokens`` a page can be acted from: without them it only leads to the dashboard.

    Writing never fails: a template that does is named in the log, and the default text goes out instead.
    """

    def render(notification: Notification, incident: Incident, context: Context, at: datetime) -> Message:
        token = "" if tokens is None else tokens.of(notification.tenant, notification.id)
        told = telling(notification, incident, context, at, public_url, token=token)
        message = Message(
            notification_id=notification.id,
            tenant=incident.tenant,
            type=notification.type,
            incident_id=incident.id,
            severity=incident.severity,
            subject=told.heading,
            text=text_page(told),
            html=html_page(told, incident.severity.value),
            blocks=slack_blocks(told, notification.id, incident.id) if notification.channel != "teams" else None,
            payload=webhook_payload(told, notification, incident),
            dashboard_url=told.link,
            incident_key=_incident_key(incident),
            acknowledges=notification.reason == ACKNOWLEDGED,
            resource=one_line(incident.resource.name or incident.resource.id, 200),
            category=incident.category.value,
            opened_at=incident.created_at,
            attempt=notification.attempts,
            short=short_page(told, incident),
            token=token if notification.reason != "test" else "",
            act_url=told.act_link,
            reply_code=reply_code(incident.id) if told.act_link else "",
            public_url=public_url.rstrip("/"),
        )
        template = choose_template(
            context.settings.templates,
            notification.type,
            notification.channel,
            subject_of(incident),
            named=_named(notification, incident),
        )
        if template is None:
            return message
        variables = variables_of(notification, incident, context, told, at, public_url)
        try:
            return templated(message, template.channels[notification.channel], variables, channel=notification.channel)
        except TemplateFailed as failed:
            log.warning(
                "template_failed", template=template.id, incident_id=incident.id, notification_id=notification.id,
                channel=notification.channel, reason=str(failed),
            )  # fmt: skip
            return message

    return render


def _incident_key(incident: Incident) -> str:
    """Return the name under which others keep this incident.

    Two installations may report to one account and count their incidents alike: the instant tells them apart.
    """
    return f"{incident.tenant}:{incident.id}:{(incident.created_at - _EPOCH) // _MICROSECOND:x}"


def _named(notification: Notification, incident: Incident) -> str | None:
    """Return the template that the page's level names; the end is announced in its own words."""
    steps = incident.plan.steps
    if notification.type is NotificationType.RESOLVED or notification.step is None or notification.step >= len(steps):
        return None
    return steps[notification.step].template
