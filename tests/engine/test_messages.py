"""What pages say, in the words of each channel, and what hostile events cannot do to them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.incidents.incident import Incident, Resolution, Times
from llm_incident_manager.domain.incidents.ladder import Ladder, LadderState, Plan, Step, StepKind
from llm_incident_manager.domain.notifications.message import Message
from llm_incident_manager.domain.people import Target, User
from llm_incident_manager.domain.vocabulary import NotificationType, Severity, Status, TargetType
from llm_incident_manager.engine.context import Context
from llm_incident_manager.engine.messages.render import renderer
from llm_incident_manager.engine.messages.words import REASONS, duration, reason_words
from llm_incident_manager.engine.settings import TenantSettings
from llm_incident_manager.engine.views.incident import incident_document
from llm_incident_manager.ids import CountingIds
from tests.build import NOON, a_notification, an_incident

URL = "https://incidents.example.com"
HOSTILE = '<script>alert(1)</script> <!channel> <@U1> & "quotes"\r\nBcc: all@example.com\nResolved by: everybody'


def a_context(**fields: Any) -> Context:
    users = {name: User(id=name, name=name.title()) for name in ("ana", "bo")}
    settings = TenantSettings(tenant="default", users=users, **fields)
    return Context(settings=settings, directory=settings.directory(), channels=frozenset({"email"}), ids=CountingIds())


def two_levels(**fields: Any) -> Plan:
    targets = tuple(Target(type=TargetType.USER, id=name) for name in ("ana", "bo"))
    return Plan(steps=(Step(kind=StepKind.LEVEL, level=1, targets=targets, **fields),))


def rendered(incident: Incident, context: Context | None = None, *, minutes: float = 14, **fields: Any) -> Message:
    notification = a_notification(incident.id, **{"reason": "opened"} | fields)
    return renderer(f"{URL}/")(notification, incident, context or a_context(), NOON + timedelta(minutes=minutes))


@pytest.mark.requirement("NTF-02")
def test_the_first_lines_say_what_where_since_when_why_you_and_who_else() -> None:
    incident = an_incident(
        plan=two_levels(), event_count=37, ladder=Ladder(state=LadderState.CLIMBING, index=0, opened_at=NOON)
    )
    message = rendered(incident, minutes=0.5)
    link = f"{URL}/incidents/{incident.id}"
    lines = message.text.splitlines()
    assert lines[0] == message.subject == "[P1] Latency is ten times the usual"
    assert lines[1] == "Hits: LLM gateway (service llm-gateway), production"
    assert lines[2].startswith("Since: 2026-03-02 12:00 UTC, 30 s ago; seen 37 times")
    assert lines[3] == "Why you: level 1, because it has just been opened, and you are the first to be told; to Ana"
    assert lines[4] == "Also paged: Bo"
    assert lines[6] == link
    assert message.dashboard_url == link
    assert "late" not in message.text


def test_the_webhook_gets_exactly_the_documented_members() -> None:
    incident = an_incident()
    payload = rendered(incident, minutes=0, channel="webhook", reason="next_level", level=2).payload
    assert payload == {
        "type": "incident_created",
        "notification_id": payload["notification_id"],
        "incident": incident_document(incident),
        "level": 2,
        "target": "user:ana",
        "reason": "next_level",
        "late_seconds": 0.0,
        "dashboard_url": f"{URL}/incidents/{incident.id}",
    }


@pytest.mark.requirement("NTF-02")
def test_a_page_by_hand_says_what_the_person_noted() -> None:
    message = rendered(an_incident(), reason="by_hand", note="Please look at the <gateway>\nnow")
    assert "Note: Please look at the <gateway> now" in message.text.splitlines()
    assert "Please look at the &lt;gateway&gt; now" in (message.html or "")
    assert "Please look at the &lt;gateway&gt; now" in str(message.blocks)
    assert message.payload["note"] == "Please look at the <gateway>\nnow"
    assert "note" not in rendered(an_incident()).payload


def test_a_late_page_says_how_late_and_when_it_happened() -> None:
    message = rendered(an_incident(), minutes=180)
    assert message.text.splitlines()[1] == "This page is 3 h late: it happened 3 h ago."
    assert message.payload["late_seconds"] == 10_800.0


def test_an_outage_before_the_page_was_planned_makes_it_late_as_well() -> None:
    incident = an_incident(created_at=NOON - timedelta(hours=2), ladder=Ladder(state=LadderState.QUIET, opened_at=NOON))
    assert rendered(incident, minutes=0).payload["late_seconds"] == 7200.0
    ladder = Ladder(state=LadderState.CLIMBING, index=0, late_seconds=600.0, opened_at=NOON)
    message = rendered(an_incident(ladder=ladder), minutes=0, reason="next_level")
    assert message.payload["late_seconds"] == 600.0


@pytest.mark.requirement("NTF-04")
def test_the_end_says_how_long_it_lasted_who_ended_it_and_why() -> None:
    incident = an_incident(
        status=Status.RESOLVED,
        resolved_at=NOON + timedelta(minutes=95),
        times=Times(mttr=5700.0),
        resolution=Resolution(resolved_by="bo", root_cause="a full disk", resolution_notes="made room"),
    )
    message = rendered(incident, minutes=95, type=NotificationType.RESOLVED, reason="resolved", step=None)
    assert message.subject == "[P1] Resolved: Latency is ten times the usual"
    assert "Lasted: 1 h 35 min, from 2026-03-02 12:00 UTC, until 2026-03-02 13:35 UTC" in message.text
    assert "Resolved by: Bo\nRoot cause: a full disk\nNotes: made room" in message.text


def test_what_its_source_ended_resolved_by_itself() -> None:
    incident = an_incident(
        status=Status.RESOLVED, times=Times(mttr=60.0), resolution=Resolution(resolved_by="llm-sentinel")
    )
    message = rendered(incident, type=NotificationType.RESOLVED, reason="resolved", step=None)
    assert "Resolved by: itself: llm-sentinel says that it is over" in message.text


def test_hostile_text_escapes_no_layout() -> None:
    incident = an_incident(
        title=HOSTILE,
        description=f"\x1b[2J{HOSTILE}",
        resource=Resource(type=HOSTILE, id=HOSTILE, name=HOSTILE),
        source=HOSTILE,
        impact=HOSTILE,
    )
    message = rendered(incident)
    assert "\n" not in message.subject
    assert "\r" not in message.subject
    lines = message.text.splitlines()
    assert not any(line.startswith(("Bcc:", "Resolved by:")) for line in lines)
    assert "\x1b" not in message.text
    assert message.html is not None
    assert "<script" not in message.html
    assert "<!channel" not in message.html
    assert message.blocks is not None
    for text in mrkdwn_texts(message.blocks):
        assert "<" not in text, text


@settings(max_examples=80, deadline=None)
@given(words=st.text(max_size=400), more=st.text(max_size=400))
def test_no_text_whatever_adds_a_line_a_tag_or_a_mention(words: str, more: str) -> None:
    calm = rendered(an_incident(title="x", description="x", source="x", impact="x"))
    message = rendered(
        an_incident(title=words, description=more, source=more, impact=f"x{words}", resource=_named(words, more))
    )
    assert len(message.subject.splitlines()) <= 1
    head, _, quoted = message.text.partition("\nThe source says:\n")
    assert [line.split(":")[0] for line in head.split("\n")[1:]][:5] == [
        line.split(":")[0] for line in calm.text.split("\n")[1:]
    ][:5]
    assert all(line.startswith(">") for line in quoted.removesuffix("\n").split("\n") if quoted)
    assert message.html is not None
    assert calm.html is not None
    tags = [re.findall(r"<(?!br|/?blockquote)[^>]*>", html) for html in (message.html, calm.html)]
    assert [len(each) for each in tags] == [len(tags[0])] * 2
    assert message.blocks is not None
    assert not any("<" in text for text in mrkdwn_texts(message.blocks))


def _named(words: str, more: str) -> Resource:
    return Resource(type=words or "x", id=more or "x", name="x")


def test_blocks_fit_slack() -> None:
    incident = an_incident(title="t" * 512, description="&" * 30_000, impact="<" * 5000)
    blocks = rendered(incident).blocks
    assert blocks is not None
    assert len(blocks[0]["text"]["text"]) <= 150
    assert all(len(text) <= 3000 for text in mrkdwn_texts(blocks))
    assert all(len(field["text"]) <= 2000 for block in blocks for field in block.get("fields", ()))
    buttons = [each for block in blocks if block["type"] == "actions" for each in block["elements"]]
    assert [each["url"] for each in buttons] == [f"{URL}/incidents/{incident.id}"]


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_has_words(reason: str) -> None:
    assert "_" not in reason_words(reason)
    assert f"because {REASONS[reason]}"[-1].isalnum()


def test_severity_of_the_page_and_durations_are_for_people() -> None:
    assert rendered(an_incident(severity=Severity.P0)).subject.startswith("[P0] ")
    spans = [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (11_100, "3 h 5 min"), (187_200, "2 d 4 h")]
    assert [duration(timedelta(seconds=seconds)) for seconds, _ in spans] == [words for _, words in spans]


def mrkdwn_texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for each in value for text in mrkdwn_texts(each)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if value.get("type") == "mrkdwn" else []
    return own + [text for each in value.values() for text in mrkdwn_texts(each)]
