import json
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from llm_incident_manager.domain.events.normalise import accept_value
from llm_incident_manager.domain.vocabulary import Environment, Severity
from llm_incident_manager.enrichers import tags
from llm_incident_manager.enrichers.registry import enricher_specs
from llm_incident_manager.errors import Invalid
from llm_incident_manager.sources import native, statuspage
from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.spec import SourceRequest
from llm_incident_manager.sources.statuspage import as_events, read_history

NOW = datetime(2027, 2, 1, tzinfo=UTC)


def moment(minute: int) -> str:
    return f"2027-01-31T10:{minute:02d}:00Z"


def asked(source: str, body: bytes) -> SourceRequest:
    return SourceRequest(source=source, body=body, received_at=NOW)


def updates(*steps: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"status": word, "body": f"It is {word}.", "created_at": moment(at)} for word, at in reversed(steps)]


def incident(**members: Any) -> dict[str, Any]:
    return {
        "id": "i-1", "name": "Elevated errors", "status": "resolved", "impact": "major", "created_at": moment(1),
        "started_at": moment(0), "resolved_at": moment(50), "components": [{"name": "API"}, {"name": "Chat"}],
        "incident_updates": updates(("investigating", 5), ("identified", 10), ("monitoring", 20), ("resolved", 50)),
    } | members  # fmt: skip


def page(*incidents: Any) -> dict[str, Any]:
    return {"page": {"id": "acme", "name": "Acme AI"}, "incidents": list(incidents)}


@pytest.mark.requirement("ING-13")
def test_an_incident_of_the_past_keeps_its_instants() -> None:
    history = read_history(page(incident()))
    (found,) = history.incidents
    assert history.source == "statuspage:acme"
    assert (found.external_id, found.title, found.severity) == ("i-1", "Elevated errors", Severity.P2)
    assert (found.source_word, found.components) == ("major", ("API", "Chat"))
    instants = [found.created_at, found.acknowledged_at, found.work_started_at, found.resolved_at]
    assert instants == [datetime(2027, 1, 31, 10, minute, tzinfo=UTC) for minute in (0, 5, 10, 50)]
    assert found.closed_at is None
    assert [update.status for update in found.updates] == ["investigating", "identified", "monitoring", "resolved"]
    assert found.description == "It is investigating."


@pytest.mark.requirement("ING-13")
@pytest.mark.parametrize(
    ("impact", "severity"),
    [
        ("critical", Severity.P1),
        ("major", Severity.P2),
        ("minor", Severity.P3),
        ("none", Severity.P4),
        (None, Severity.P4),
    ],
)
def test_impact_is_the_severity(impact: str | None, severity: Severity) -> None:
    (found,) = read_history(page(incident(impact=impact))).incidents
    event = accept_value(found.document, tenant="t", received_at=found.created_at)
    assert event.source_severity is found.severity is severity
    assert event.source == "statuspage:acme"
    assert event.timestamp == found.created_at


def test_maintenance_is_counted_and_left_out_and_order_is_by_age() -> None:
    later = incident(id="i-0", started_at=moment(30))
    history = read_history(page(later, incident(impact="maintenance"), incident()))
    assert [each.external_id for each in history.incidents] == ["i-1", "i-0"]
    assert history.skipped_maintenance == 1


def test_instants_never_run_backwards() -> None:
    steps = updates(("investigating", 2), ("monitoring", 55), ("resolved", 50), ("postmortem", 45))
    (found,) = read_history(
        page(incident(started_at=moment(10), incident_updates=steps, status="postmortem"))
    ).incidents
    minutes = [
        at.minute if at else None
        for at in (found.created_at, found.acknowledged_at, found.work_started_at, found.resolved_at, found.closed_at)
    ]
    assert minutes == [10, 10, 50, 50, 50]


def test_an_open_incident_stays_open_and_an_ended_one_without_its_instant_takes_the_update_s() -> None:
    ongoing = incident(status="investigating", resolved_at=None, incident_updates=updates(("investigating", 5)))
    assert read_history(page(ongoing)).incidents[0].resolved_at is None
    (ended,) = read_history(page(incident(resolved_at=None))).incidents
    assert ended.resolved_at == datetime(2027, 1, 31, 10, 50, tzinfo=UTC)


def test_what_cannot_be_read_is_named_and_the_rest_kept() -> None:
    history = read_history(page(7, incident(id=None), incident(started_at="soon"), incident(impact="odd"), incident()))
    assert [fault.field for fault in history.faults] == [
        "incidents[0]", "incidents[1].id", "incidents[2].started_at", "incidents[3].impact",
    ]  # fmt: skip
    assert len(history.incidents) == 1


@pytest.mark.parametrize("document", [[], {}, {"page": {"id": "a"}}, {"page": {"id": ""}, "incidents": []}])
def test_what_is_no_status_page_is_refused(document: object) -> None:
    with pytest.raises(Invalid):
        read_history(document)


def test_text_that_cannot_be_stored_is_replaced() -> None:
    (found,) = read_history(page(incident(name="a\x00b \ud800"))).incidents
    accept_value(found.document, tenant="t", received_at=NOW)


@pytest.mark.requirement("ING-13")
def test_a_replay_is_fresh_and_the_recovery_finds_its_incident() -> None:
    history = read_history(page(incident(), incident(id="i-2", started_at=moment(20))))
    replayed = as_events(history, start=NOW, speed=60)
    assert [(each.at - NOW, each.document["event_type"]) for each in replayed] == [
        (timedelta(0), "alert"), (timedelta(seconds=20), "alert"),
        (timedelta(seconds=50), "resolved"), (timedelta(seconds=50), "resolved"),
    ]  # fmt: skip
    events = [accept_value(each.document, tenant="t", received_at=each.at) for each in replayed]
    assert len({event.event_id for event in events}) == 4
    assert events[0].fingerprint == events[2].fingerprint != events[1].fingerprint
    assert [event.recovers for event in events] == [False, False, True, True]
    assert not any(event.late for event in events)
    again = as_events(history, start=NOW + timedelta(hours=1), speed=60)
    assert again[0].document["event_id"] != replayed[0].document["event_id"]
    assert as_events(read_history(page()), start=NOW) == []


def test_a_status_page_s_webhook_becomes_one_event_for_its_present_state() -> None:
    open_one = incident(status="investigating", resolved_at=None, incident_updates=updates(("investigating", 5)))
    events = []
    for each in (open_one, incident()):
        body = json.dumps({"page": {"id": "acme"}, "incident": each}).encode()
        (step,) = statuspage.read(asked("statuspage", body), None).steps
        events.append(accept_value(step, tenant="t", received_at=NOW))
    assert [event.event_type for event in events] == ["alert", "resolved"]
    assert events[0].fingerprint == events[1].fingerprint
    assert events[0].event_id != events[1].event_id


def test_the_native_source_takes_events_and_batches() -> None:
    body = native.SPEC.examples[0].body.encode()
    assert native.read(asked("generic", body), None).steps == (body,)
    batch = native.read(asked("generic", b'{"batch_id": "b", "events": [' + body + b"]}"), None)
    assert (batch.steps, batch.batch_id, batch.is_batch) == ((body,), "b", True)


@pytest.mark.parametrize(
    "value", ["llm_incident_manager.sources.native:SPEC", "llm_incident_manager.sources.native:read"]
)
def test_a_plugin_that_does_not_fit_is_refused(value: str) -> None:
    entry = EntryPoint(name="x", value=value, group="x")
    with pytest.raises(Invalid):
        source_specs([entry])
    with pytest.raises(Invalid):
        enricher_specs([entry])


def test_context_is_read_from_tags_then_metadata() -> None:
    document = json.loads(native.SPEC.examples[0].body) | {
        "tags": {"env": "prod", "tenant_id": "t-1", "region": ""},
        "resource": {"type": "service", "id": "chat", "metadata": {"region": "eu", "cluster": 7, "tenant": "other"}},
    }
    event = accept_value(document, tenant="t", received_at=NOW)
    (spec,) = enricher_specs(entries=())
    assert spec is tags.SPEC
    assert spec.enrich(event) == {
        "environment": Environment.PRODUCTION, "tenant_id": "t-1", "cluster_id": "7", "geo_location": "eu",
    }  # fmt: skip
