"""Every member of what is sent stands at its own place in the event (docs/decisions/0088-events-by-position.md)."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from llm_incident_manager.domain.events.document import batch_of, decode_batch
from llm_incident_manager.domain.events.event import Event
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity
from llm_incident_manager.errors import Invalid

NOW = datetime(2025, 11, 11, 10, 31, tzinfo=UTC)
SENT = {
    "event_id": "an id",
    "source": "a source",
    "timestamp": "2025-11-09T10:30:00Z",
    "event_type": "a type",
    "category": "cost",
    "title": "a title",
    "severity": "major",
    "resource": {"type": "a kind", "id": "a thing", "name": "a name", "metadata": {"a": "fact"}},
    "description": "a description",
    "source_version": "a version",
    "metrics": {"a metric": 1.5},
    "tags": {"env": "qa"},
    "labels": ["a label"],
    "correlation_id": "a correlation",
    "parent_event_id": "a parent",
    "dedup_key": "a key",
    "payload": {"a": ["payload"]},
    "schema_version": "1.1",
}


@pytest.mark.requirement("ING-07")
def test_every_member_stands_at_its_own_place() -> None:
    event = accept_document(json.dumps(SENT).encode(), tenant="default", received_at=NOW)
    made = msgspec.structs.asdict(event)
    assert set(made) == set(Event.__struct_fields__)
    resource = msgspec.structs.asdict(made.pop("resource"))
    assert resource == SENT["resource"]
    assert made.pop("fingerprint").startswith("1:")
    assert (made.pop("fold"), made.pop("sealed")) == (None, None)
    assert made == {
        **{name: value for name, value in SENT.items() if name != "resource"},
        "timestamp": datetime(2025, 11, 9, 10, 30, tzinfo=UTC),
        "received_at": NOW,
        "category": Category.COST,
        "source_severity": Severity.P1,
        "environment": Environment.QA,
        "labels": ("a label",),
        "enrichment": {},
        "late": True,
    }


@pytest.mark.parametrize(
    "body",
    [
        b'{"events": [{"event_id": "a"}], "event_id": "mine"}',
        b'{"event_id": "a", "description": "\\"events\\""}',
        b'{"payload": {"events": [1]}}',
        b'{"events": ',
        b"",
        b"\xff",
    ],
)
def test_what_is_no_batch_is_left_to_the_reader_of_one_event(body: bytes) -> None:
    assert batch_of(body) is None


@pytest.mark.parametrize(
    "body", [b'{"events": [{"a": 1}], "batch_id": "b"}', b' [{"a": 1}]', b'{"events": [{"a": 1}], "x": 1}']
)
def test_a_batch_is_taken_apart_the_same_either_way(body: bytes) -> None:
    assert batch_of(body) == decode_batch(body)


@pytest.mark.parametrize(
    "body", [b'{"events": null}', b'{"events": []}', b'{"events": [1], "count": 2}', b"[]", b"[1, "]
)
def test_a_wrong_batch_is_refused_as_a_batch(body: bytes) -> None:
    with pytest.raises(Invalid) as mine:
        batch_of(body)
    with pytest.raises(Invalid) as theirs:
        decode_batch(body)
    assert (mine.value.code, mine.value.message) == (theirs.value.code, theirs.value.message)
