"""Specification §5.5: templates are checked when saved, chosen by their conditions, and can harm no page."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.incidents.ladder import Plan, Step, StepKind
from llm_incident_manager.domain.notifications.message import Message
from llm_incident_manager.domain.people import User
from llm_incident_manager.domain.routing.conditions import Conditions
from llm_incident_manager.domain.vocabulary import NotificationType, Severity
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.documents.findings import Findings
from llm_incident_manager.engine.documents.known import Known
from llm_incident_manager.engine.documents.templates import Template, parse_template
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.messages.telling import telling
from llm_incident_manager.engine.messages.templated import variables_of
from llm_incident_manager.engine.route import subject_of
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.template_sandbox import TemplateFailed, fault_of, fill, fill_html
from llm_incident_manager.engine.templates import VARIABLES, check, choose_template
from llm_incident_manager.ids import CountingIds
from tests.build import NOON, a_notification, an_incident

URL = "https://incidents.example.com"
SPECIFIED: dict[str, Any] = {
    "id": "tpl-incident-created-email",
    "name": "Incident Created - Email",
    "description": "Email notification when incident is created",
    "type": "incident_created",
    "channels": {
        "email": {
            "subject": "[{{severity}}] {{title}}",
            "body_html": """
        <h2>Incident {{incident_id}}</h2>
        <p><strong>Severity:</strong> {{severity}}</p>
        <p><strong>Status:</strong> {{status}}</p>
        <p><strong>Category:</strong> {{category}}</p>
        <p><strong>Description:</strong></p>
        <p>{{description}}</p>
        <p><strong>Resource:</strong> {{resource.name}} ({{resource.type}})</p>
        <p><strong>Assigned to:</strong> {{assigned_to}}</p>
        <p><a href="{{dashboard_url}}/incidents/{{incident_id}}">View Incident</a></p>
      """,
            "body_text": """
        Incident {{incident_id}}

        Severity: {{severity}}
        Status: {{status}}
        Category: {{category}}

        Description:
        {{description}}

        Resource: {{resource.name}} ({{resource.type}})
        Assigned to: {{assigned_to}}

        View: {{dashboard_url}}/incidents/{{incident_id}}
      """,
        }
    },
    "variables": [
        "incident_id", "severity", "status", "category", "title", "description", "resource.name", "resource.type",
        "assigned_to", "dashboard_url",
    ],
    "enabled": True,
    "priority": 100,
    "created_at": "2025-01-01T00:00:00Z",
    "updated_at": "2025-01-01T00:00:00Z",
}  # fmt: skip


def a_template(**fields: Any) -> Template:
    defaults: dict[str, Any] = {"id": "tpl", "name": "tpl", "type": NotificationType.INCIDENT_CREATED}
    return Template(**defaults | {"channels": {"email": {"subject": "{{title}}"}}} | fields)


def with_templates(*templates: Template) -> Context:
    settings = TenantSettings(tenant="default", users={"ana": User(id="ana", name="Ana")}, templates=templates)
    return Context(settings=settings, directory=settings.directory(), channels=frozenset(), ids=CountingIds())


def rendered(incident: Incident, *templates: Template, **fields: Any) -> Message:
    notification = a_notification(incident.id, **fields)
    return renderer(URL)(notification, incident, with_templates(*templates), NOON + timedelta(seconds=1))


@pytest.mark.requirement("NTF-02")
def test_the_specified_example_works_as_written() -> None:
    assert check(SPECIFIED) == []
    findings = Findings()
    stored = {name: value for name, value in SPECIFIED.items() if name not in ("created_at", "updated_at")}
    template = parse_template(stored, Known(), findings)
    assert findings.faults == []
    incident = an_incident(title="Slow <b>again</b>", description="p99 > 12 s", assigned_to="ana")
    message = rendered(incident, template)
    assert message.subject == "[P1] Slow <b>again</b>"
    assert message.text.splitlines()[0] == f"Incident {incident.id}"
    assert f"View: {URL}/incidents/{incident.id}" in message.text
    assert "Resource: LLM gateway (service)\nAssigned to: ana" in message.text
    assert message.html is not None
    assert "<p>p99 &gt; 12 s</p>" in message.html
    assert f'<a href="{URL}/incidents/{incident.id}">View Incident</a>' in message.html


def test_the_highest_priority_whose_conditions_match_is_chosen() -> None:
    subject = subject_of(an_incident(severity=Severity.P1))
    kind = NotificationType.INCIDENT_CREATED
    low, high = a_template(id="low", priority=1), a_template(id="high", priority=2)
    other = a_template(id="other", priority=9, conditions=Conditions(severity=(Severity.P0,)))
    off = a_template(id="off", priority=9, enabled=False)
    ended = a_template(id="ended", priority=9, type=NotificationType.RESOLVED)
    all_of_them = (low, other, high, off, ended)
    assert choose_template(all_of_them, kind, "email", subject) is high
    assert choose_template(all_of_them, kind, "slack", subject) is None
    assert choose_template(all_of_them, NotificationType.RESOLVED, "email", subject) is ended
    assert choose_template(all_of_them, kind, "email", subject, named="other") is other
    assert choose_template(all_of_them, kind, "email", subject, named="gone") is high


def test_the_level_names_its_template_and_the_end_has_its_own_words() -> None:
    custom = a_template(id="mine", type=NotificationType.CUSTOM, channels={"email": {"subject": "mine: {{title}}"}})
    incident = an_incident(plan=Plan(steps=(Step(kind=StepKind.LEVEL, level=1, template="mine"),)))
    assert rendered(incident, custom).subject == f"mine: {incident.title}"
    assert rendered(incident, custom, type=NotificationType.RESOLVED).subject.startswith("[P1] Resolved: ")


def test_values_in_a_card_of_teams_are_neither_markup_nor_links() -> None:
    incident = an_incident(title="**big** [x](https://evil.example)\n# head <at>all</at> www.evil.example")
    card = [
        {"type": "TextBlock", "text": "**{{title}}**"},
        {"type": "FactSet", "facts": [{"title": "What", "value": "{{title}}"}]},
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "{{title}}"}]},
    ]
    links = [{"type": "link", "url": "https://runbooks.example/1", "name": "Runbook"}]
    template = a_template(channels={"teams": {"blocks": card, "attachments": links}})
    blocks = rendered(incident, template, channel="teams").blocks
    assert blocks is not None
    safe = (
        "\\*\\*big\\*\\* \\[x\\]\\(https:/\u200b/evil.example\\) \\# head \\<at\\>all\\</at\\> www\u200b.evil.example"
    )
    assert blocks[0]["text"] == f"**{safe}**"
    assert blocks[1]["facts"] == [{"title": "What", "value": safe}]
    assert blocks[2]["inlines"][0]["text"] == incident.title, "a text run reads no Markdown"
    action = {"type": "Action.OpenUrl", "title": "Runbook", "url": "https://runbooks.example/1"}
    assert blocks[3] == {"type": "ActionSet", "actions": [action]}


def test_values_are_made_harmless_for_where_they_are_shown() -> None:
    incident = an_incident(title='<!channel> <a href="x">&\nBcc: x', tags={"url": "javascript:alert(1)"})
    channels: dict[str, Any] = {
        "email": {
            "subject": "{{title}}",
            "body_html": "<p>{{title}}</p>",
            "attachments": [
                {"type": "link", "url": "{{tags.url}}", "name": "bad"},
                {"type": "link", "url": "{{incident_url}}", "name": "{{title}}"},
            ],
        },
        "slack": {
            "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "*{{title}}* <https://a.b|ours>"}}]
        },
        "webhook": {"payload": {"text": "{{title}}", "number": 7, "deep": [{"level": "{{level}}"}]}},
    }
    mail = rendered(incident, a_template(channels=channels))
    assert "\n" not in mail.subject
    assert mail.html is not None
    assert '<a href="x"' not in mail.html
    assert "javascript" not in mail.html
    assert f'<a href="{URL}/incidents/{incident.id}">' in mail.html
    chat = rendered(incident, a_template(channels=channels), channel="slack")
    assert chat.blocks is not None
    assert chat.blocks[0]["text"]["text"].startswith("*&lt;!channel&gt; ")
    assert chat.blocks[0]["text"]["text"].endswith("<https://a.b|ours>")
    hook = rendered(incident, a_template(channels=channels), channel="webhook")
    assert hook.payload == {"text": incident.title, "number": 7, "deep": [{"level": "1"}]}


def test_a_template_that_fails_is_named_in_the_log_and_the_default_text_goes_out() -> None:
    broken = a_template(id="broken", channels={"email": {"subject": "{{ 1 / (event_count - 1) }}"}})
    with capture_logs() as logs:
        message = rendered(an_incident(), broken)
    assert message.subject == "[P1] Latency is ten times the usual"
    assert [(each["event"], each["template"]) for each in logs] == [("template_failed", "broken")]


@pytest.mark.parametrize(
    "text",
    [
        "{{ 2 ** 9999999 }}",
        "{{ 'a'.__class__ }}",
        "{{ title.format(1) }}",
        "{{ 'a' | center(99999999) }}",
        "{{ '%999999999d' | format(1) }}",
        "{{ range(999999999) }}",
        "{% for a in labels %}{% for b in labels %}x{% endfor %}{% endfor %}",
        "{% for a in labels recursive %}{{ loop(a) }}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include 'other' %}",
        "{% import 'other' as x %}",
        "{% extends 'other' %}",
        "{% set a = title %}",
        "{% for a in labels %}" + "{% if title in description %}x{% endif %}" * 100 + "{% endfor %}",
        "{{ title ~ title }}",
        "{{ title | tojson | tojson | tojson | tojson | tojson | tojson }}",
        "{{ title | replace('a', 'aaaaaaaaa') }}",
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{{ " + "not " * 3000 + "1 }}",
        "{{ title }}" * 2500,
        "x" * 20_001,
        "{{ title",
        "{% if %}",
    ],
)
def test_what_could_hang_or_reach_further_is_refused_when_saved(text: str) -> None:
    assert fault_of(text) is not None
    faults = check(SPECIFIED | {"channels": {"email": {"subject": text}}})
    assert [fault.field for fault in faults] == ["channels.email.subject"]


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 999999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ title + title }}",
        "{% for a in description %}{{ description }}{% endfor %}",
        "{% for a in description %}{{ description | upper | lower | upper | lower | length }}{% endfor %}",
        "{{ description | join(description) }}",
        "{{ 999999999 * 999999999 * 999999999 }}",
    ],
)
def test_what_grows_while_it_runs_is_stopped(text: str) -> None:
    with pytest.raises(TemplateFailed):
        fill(text, {"title": "t" * 500, "description": "d" * 32_000})


def test_plain_loops_conditions_and_filters_work() -> None:
    values = {"tags": {"a": "1", "b": "2"}, "labels": ["x", "y"], "event_count": 3, "assigned_to": None}
    assert fill("{% for k, v in tags.items() %}{{k}}={{v}};{% endfor %}", values) == "a=1;b=2;"
    assert fill("{{ labels | join(', ') | upper }}{% if event_count > 2 %}!{% endif %}", values) == "X, Y!"
    assert fill("{{ assigned_to }} {{ nothing.at.all }} {{ assigned_to or 'nobody' }}", values) == "– – nobody"
    assert fill("{{ event_count * 2 }} {{ tags.items }}", values) == "6 –"
    assert fill_html("{{ labels | tojson }}<b>", {"labels": ["<i>"]}) == '["\\u003ci\\u003e"]<b>'


def test_every_fault_of_a_template_is_named() -> None:
    channels = {
        "email": {"body_text": "{{ titel }}", "attachments": [{"type": "song", "url": "ftp://x"}, 7]},
        "slack": {"blocks": [{"text": {"text": "{{ 1 **"}}]},
        "webhook": {},
    }
    faults = check({"variables": ["resource.name", "nonsense"], "channels": channels})
    assert [fault.field for fault in faults] == [
        "variables[1]",
        "channels.email.attachments[0].type",
        "channels.email.attachments[0].url",
        "channels.email.attachments[0].name",
        "channels.email.attachments[1]",
        "channels.email.body_text",
        "channels.slack.blocks[0].text.text",
        "channels.webhook",
    ]
    assert 'did you mean "title"?' in faults[5].message
    assert check({"channels": 7, "variables": 7}) == []


def test_the_variables_are_exactly_those_that_pages_offer() -> None:
    incident, context = an_incident(), with_templates()
    notification = a_notification(incident.id)
    told = telling(notification, incident, context, NOON, URL)
    assert set(variables_of(notification, incident, context, told, NOON, URL)) == VARIABLES
