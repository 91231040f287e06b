import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from llm_incident_manager.domain.events.document import MAX_BATCH, decode_batch, is_batch, parse, peek
from llm_incident_manager.domain.events.event import Event, SourceSettings
from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.events.normalise import accept_document, accept_value
from llm_incident_manager.domain.events.raw import decode_fast
from llm_incident_manager.domain.events.validate import faults
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity
from llm_incident_manager.errors import Invalid

NOW = datetime(2025, 11, 11, 10, 31, tzinfo=UTC)

SENTINEL: dict[str, Any] = {
    "event_id": "sent-2025-001234",
    "source": "llm-sentinel",
    "source_version": "1.2.3",
    "timestamp": "2025-11-11T10:30:00Z",
    "event_type": "anomaly",
    "category": "performance",
    "title": "Latency Spike Detected",
    "description": "95th percentile latency exceeded threshold",
    "severity": "high",
    "resource": {
        "type": "endpoint",
        "id": "ep-chat-completion",
        "name": "/v1/chat/completions",
        "metadata": {"model": "gpt-4", "region": "us-west-2"},
    },
    "metrics": {"p95_latency_ms": 5400, "threshold_ms": 2000, "duration_sec": 300, "affected_requests": 1234},
    "tags": {"environment": "production", "tenant_id": "tenant-123"},
    "payload": {"anomaly_score": 0.89, "baseline_p95": 800, "detection_algorithm": "isolation_forest"},
}
STRICT = {"llm-sentinel": SourceSettings(name="llm-sentinel", strict=True)}


def changed(**members: Any) -> dict[str, Any]:
    return SENTINEL | members


def accepted(document: object, **more: Any) -> Event:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return accept_document(body, tenant="default", received_at=NOW, **more)


def refused(document: object, **more: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        accepted(document, **more)
    assert caught.value.code == "invalid_event"
    return {fault.field: fault.message for fault in caught.value.faults}


@pytest.mark.requirement("ING-07")
def test_the_specification_s_event_becomes_canonical() -> None:
    event = accepted(SENTINEL)
    assert event.source_severity is Severity.P1
    assert event.severity == "high"
    assert event.category is Category.PERFORMANCE
    assert event.environment is Environment.PRODUCTION
    assert event.timestamp == datetime(2025, 11, 11, 10, 30, tzinfo=UTC)
    assert event.received_at == NOW
    assert event.metrics["p95_latency_ms"] == 5400.0
    assert event.resource.metadata == {"model": "gpt-4", "region": "us-west-2"}
    assert event.payload["detection_algorithm"] == "isolation_forest"
    assert event.schema_version == "1.0"
    assert not event.late
    assert not event.recovers
    assert event.fingerprint.startswith("1:")


def test_the_fast_and_the_complete_reading_agree() -> None:
    body = json.dumps(SENTINEL).encode()
    decode_fast(body)
    assert accept_document(body, tenant="t", received_at=NOW) == accept_value(SENTINEL, tenant="t", received_at=NOW)


def test_the_required_members_alone_are_enough() -> None:
    least = {
        key: SENTINEL[key] for key in ("event_id", "source", "timestamp", "event_type", "category", "title", "severity")
    }
    event = accepted(least | {"resource": {"type": "model", "id": "m"}})
    assert (event.description, event.tags, event.environment, event.labels) == ("", {}, None, ())


@pytest.mark.requirement("ING-04")
@pytest.mark.parametrize(
    ("members", "field", "says"),
    [
        ({"event_id": ""}, "event_id", "is empty; it must be text of 1 to 255"),
        ({"event_id": "x" * 256}, "event_id", "has 256 characters"),
        ({"event_id": 42}, "event_id", "is 42; it must be text"),
        ({"event_id": None}, "event_id", "is null"),
        ({"source": "  "}, "source", "is blank"),
        ({"title": "x" * 513}, "title", "1 to 512"),
        ({"title": "a\x00b"}, "title", "NUL character"),
        ({"title": "half \ud83d"}, "title", "half of a surrogate pair (U+D83D) at character 5"),
        ({"description": "x" * 32_769}, "description", "at most 32768"),
        ({"description": ["x"]}, "description", "is a list"),
        ({"event_type": "x" * 65}, "event_type", "1 to 64"),
        ({"category": "weather"}, "category", "one of performance, security, availability, compliance, cost, other"),
        ({"category": 1}, "category", "is 1; it must be one of"),
        ({"severity": "sev9"}, "severity", 'is "sev9"; it must be P0 to P4 or one of critical'),
        ({"severity": "P5"}, "severity", "P0 to P4"),
        ({"severity": 1}, "severity", "is 1; it must be text"),
        ({"timestamp": "2025-11-11T10:30:00"}, "timestamp", "without a zone; append Z if it is UTC"),
        ({"timestamp": "2025-11-11"}, "timestamp", "without a zone"),
        ({"timestamp": "yesterday"}, "timestamp", "it must be an ISO 8601 time with its zone"),
        ({"timestamp": 1762857000}, "timestamp", "is 1762857000; it must be an ISO 8601"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "timestamp", "more than 24 hours ahead"),
        ({"timestamp": "9999-12-31T23:59:59-14:00"}, "timestamp", "outside the years 1 to 9999"),
        ({"timestamp": "2025-11-12T10:31:01Z"}, "timestamp", "more than 24 hours ahead"),
        ({"resource": "gpt-4"}, "resource", "must be an object with type and id"),
        ({"resource": {"type": "model", "id": 7}}, "resource.id", "is 7; it must be text"),
        ({"resource": {"type": "model", "id": "m", "metadata": []}}, "resource.metadata", "is a list"),
        ({"metrics": {"p95": "12"}}, "metrics.p95", 'is "12"; it must be a number'),
        ({"metrics": {"p95": True}}, "metrics.p95", "is true; it must be a number"),
        ({"metrics": {"big": 10**400}}, "metrics.big", "out of range"),
        ({"metrics": {str(n): n for n in range(201)}}, "metrics", "has 201 members; it may have at most 200"),
        ({"metrics": []}, "metrics", "is a list; it must be an object"),
        ({"tags": {"a": {}}}, "tags.a", "is an object; it must be text"),
        ({"tags": {"a": "x" * 1025}}, "tags.a", "at most 1024"),
        ({"tags": {"": "x"}}, "tags.", "it must have 1 to 128"),
        ({"tags": {str(n): "x" for n in range(101)}}, "tags", "at most 100"),
        ({"labels": "one"}, "labels", "it must be a list of texts"),
        ({"labels": ["x", {}]}, "labels[1]", "is an object"),
        ({"payload": "text"}, "payload", "it must be an object"),
        ({"payload": {"a": [{"b": "\x00"}]}}, "payload.a[0].b", "NUL character"),
        ({"payload": {"\x00": 1}}, "payload.\\u0000", "has a name that holds a NUL"),
        ({"schema_version": "2.0"}, "schema_version", "it must be one of 1.0, 1.1"),
        ({"schema_version": "one"}, "schema_version", "it must be one of 1.0, 1.1"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named_with_value_and_remedy(members: dict[str, Any], field: str, says: str) -> None:
    found = refused(changed(**members))
    assert list(found) == [field]
    assert says in found[field]


@pytest.mark.requirement("ING-04")
def test_every_bad_field_is_named_at_once() -> None:
    found = refused({"timestamp": "now", "category": "x", "severity": "sev9", "metrics": {"p95": None, "p99": "1"}})
    assert set(found) == {
        "event_id", "source", "event_type", "title", "severity", "timestamp", "category", "resource.type",
        "resource.id", "metrics.p99",
    }  # fmt: skip


def test_a_number_no_double_can_hold_is_named() -> None:
    body = json.dumps(SENTINEL).replace("5400", "1e999").encode()
    assert "out of range" in refused(body)["metrics.p95_latency_ms"]


@pytest.mark.requirement("ING-04")
def test_permissive_reading_keeps_what_it_does_not_know() -> None:
    event = accepted(
        changed(
            type="alert", received_at="x", fingerprint="theirs", region="eu", payload={"region": "us"},
            category="Security",
            tags={"blocked": True, "score": 0.5, "none": None}, labels=["a", 3], correlation_id=None, description=None,
            resource={"type": "model", "id": "m", "zone": "a"},
        )
    )  # fmt: skip
    assert event.payload == {"region": "us", "_region": "eu", "fingerprint": "theirs"}
    assert event.category is Category.SECURITY
    assert event.tags == {"blocked": "true", "score": "0.5"}
    assert event.labels == ("a", "3")
    assert event.resource.metadata == {"zone": "a"}


@pytest.mark.requirement("ING-04")
@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"region": "eu"}, "region"),
        ({"tags": {"blocked": True}}, "tags.blocked"),
        ({"labels": [3]}, "labels[0]"),
        ({"description": None}, "description"),
        ({"metrics": {"p95": None}}, "metrics.p95"),
        ({"resource": {"type": "model", "id": "m", "zone": "a"}}, "resource.zone"),
        ({"category": "Security"}, "category"),
        ({"schema_version": "1.7"}, "schema_version"),
        ({"schema_version": "1.0", "dedup_key": "k"}, "dedup_key"),
    ],
)
def test_strict_reading_refuses_what_permissive_reading_forgives(members: dict[str, Any], field: str) -> None:
    accepted(changed(**members))
    assert list(refused(changed(**members), sources=STRICT)) == [field]


def test_strict_reading_takes_the_specification_s_own_members() -> None:
    accepted(changed(type="alert", received_at="x", validated_at="x", fingerprint="x"), sources=STRICT)


@pytest.mark.requirement("ING-04")
@pytest.mark.parametrize(
    ("members", "version", "key"),
    [
        ({}, "1.0", None),
        ({"dedup_key": "k"}, "1.1", "k"),
        ({"schema_version": "1.1", "dedup_key": "k"}, "1.1", "k"),
        ({"schema_version": "1.0", "dedup_key": "k"}, "1.0", None),
        ({"schema_version": "1.4"}, "1.1", None),
        ({"schema_version": 1.1}, "1.1", None),
        ({"schema_version": 1}, "1.0", None),
        ({"dedup_key": ""}, "1.0", None),
    ],
)
def test_schema_versions(members: dict[str, Any], version: str, key: str | None) -> None:
    event = accepted(changed(**members))
    assert (event.schema_version, event.dedup_key) == (version, key)


@pytest.mark.requirement("ING-07")
@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", "P0"), ("high", "P1"), ("medium", "P2"), ("low", "P3"), ("info", "P4"),
        ("P0", "P0"), ("p4", "P4"), ("CRITICAL", "P0"), ("emergency", "P0"), ("fatal", "P0"), ("error", "P1"),
        ("major", "P1"), ("page", "P1"), ("warning", "P2"), ("warn", "P2"), ("minor", "P3"), ("notice", "P3"),
        ("informational", "P4"), ("debug", "P4"), ("none", "P4"),
    ],
)  # fmt: skip
def test_severity_words(word: str, severity: str) -> None:
    event = accepted(changed(severity=word))
    assert event.source_severity == severity
    assert event.severity == word


@pytest.mark.requirement("ING-07")
def test_a_source_s_own_words_come_first() -> None:
    own = SourceSettings(name="llm-sentinel", severity_words={"red": Severity.P0, "high": Severity.P2})
    sources = {"llm-sentinel": own}
    assert accepted(changed(severity="Red"), sources=sources).source_severity is Severity.P0
    assert accepted(changed(severity="high"), sources=sources).source_severity is Severity.P2
    assert "red" in refused(changed(severity="blue"), sources=sources)["severity"]
    refused(changed(severity="red"))


@pytest.mark.parametrize(
    ("tags", "environment"),
    [
        ({"environment": "prod"}, Environment.PRODUCTION),
        ({"environment": "Production"}, Environment.PRODUCTION),
        ({"env": "stage"}, Environment.STAGING),
        ({"environment": "dev"}, Environment.DEVELOPMENT),
        ({"environment": "test"}, Environment.QA),
        ({"environment": "qa"}, Environment.QA),
        ({"environment": "moon"}, None),
        ({}, None),
    ],
)
def test_the_environment_comes_from_the_tag(tags: dict[str, str], environment: Environment | None) -> None:
    assert accepted(changed(tags=tags)).environment is environment


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-11T11:30:00+01:00", "20251111T103000Z", "2025-11-11T10:30Z", "2025-11-11 10:30:00Z",
        "2025-11-11t10:30:00z", "2025-W46-2T10:30:00+00:00",
    ],
)  # fmt: skip
def test_iso_times_with_a_zone_become_utc(text: str) -> None:
    event = accepted(changed(timestamp=text))
    assert event.timestamp == datetime(2025, 11, 11, 10, 30, tzinfo=UTC)
    assert event.timestamp.utcoffset() == timedelta(0)


def test_an_old_event_is_late_and_one_a_little_ahead_is_fine() -> None:
    assert accepted(changed(timestamp="0001-01-01T00:00:00Z")).late
    assert accepted(changed(timestamp="2025-11-10T10:30:59Z")).late
    assert not accepted(changed(timestamp="2025-11-12T10:31:00Z")).late


@pytest.mark.parametrize("word", ["resolved", "recovery", "RESOLVED"])
def test_a_recovery_is_recognised(word: str) -> None:
    assert accepted(changed(event_type=word)).recovers


@pytest.mark.parametrize(
    ("body", "position"),
    [(b'{"event_id": }', 13), (b"", 0), (b'{"a": 1', 7), (b'{"a": "\xff"}', 7), (b"{} {}", 3), (b'{"a": "\x00"}', 7)],
)
def test_what_is_not_json_is_refused_with_its_place(body: bytes, position: int) -> None:
    with pytest.raises(Invalid) as caught:
        accept_document(body, tenant="t", received_at=NOW)
    assert caught.value.code == "malformed_json"
    assert caught.value.facts["position"] == position


@pytest.mark.parametrize("body", [b"[" * 500_000, b'{"a":' * 200_000, b'{"payload":' + b"[" * 500_000])
def test_a_depth_bomb_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid, match="nested too deeply"):
        accept_document(body, tenant="t", received_at=NOW)
    assert not is_batch(b'{"events":' + body)
    assert peek(body).event_id is None


def test_depth_counts_the_payload_as_one() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    accepted(changed(payload=nested(32)))
    assert "nested deeper than 32" in refused(changed(payload=nested(33)))["payload"]
    accepted(changed(own=nested(31)))
    assert "nested deeper than 32" in refused(changed(own=nested(32)))["own"]


def test_the_fault_list_of_a_document_is_available_by_itself() -> None:
    assert faults(SENTINEL, strict=True, now=NOW) == []
    assert [fault.field for fault in faults([], strict=False, now=NOW)] == ["body"]


@pytest.mark.requirement("ING-07")
def test_the_fingerprint_leaves_out_what_changes_while_trouble_lasts() -> None:
    first = accepted(SENTINEL).fingerprint
    same = [
        changed(event_id="2", severity="critical", event_type="resolved", timestamp="2025-11-11T10:20:00Z"),
        changed(title="  latency   SPIKE detected "),
        changed(tags={"env": "prod"}),
    ]
    assert {accepted(each).fingerprint for each in same} == {first}
    other = [
        changed(source="llm-shield"), changed(category="cost"), changed(title="Other"), changed(tags={}),
        changed(resource={"type": "endpoint", "id": "other"}), changed(dedup_key="k"),
    ]  # fmt: skip
    assert len({first, *(accepted(each).fingerprint for each in other)}) == 7
    assert accept_value(SENTINEL, tenant="other", received_at=NOW).fingerprint != first


def test_a_dedup_key_decides_alone() -> None:
    keyed = accepted(changed(dedup_key="k"))
    assert accepted(changed(dedup_key="k", title="Other", category="cost", tags={})).fingerprint == keyed.fingerprint
    assert accepted(changed(dedup_key="k", source="b")).fingerprint != keyed.fingerprint


def test_the_fingerprint_s_recipe_has_not_changed() -> None:
    assert fingerprint("t", "s", "cost", "model", "m", "Bill", "production") == "1:049e15644f3531842f63f10bba022305"
    assert fingerprint("t", "s", "cost", "model", "m", "Bill", None, "k") == "1:83d639a7fce7e6f285e211cadb6287c7"


def test_a_batch_is_taken_apart() -> None:
    batch = {"batch_id": "b-1", "timestamp": "2025-11-11T10:30:00Z", "events": [SENTINEL, {"x": 1}, 7], "count": 3}
    body = json.dumps(batch).encode()
    assert is_batch(body)
    taken = decode_batch(body)
    assert taken.batch_id == "b-1"
    assert [parse(item) for item in taken.items] == [SENTINEL, {"x": 1}, 7]
    bare = json.dumps([SENTINEL, SENTINEL]).encode()
    assert is_batch(b" " + bare)
    assert len(decode_batch(bare).items) == 2
    assert not is_batch(json.dumps(SENTINEL).encode())
    assert not is_batch(json.dumps(changed(events=[])).encode())


@pytest.mark.parametrize(
    ("document", "code", "field"),
    [
        ([], "empty_batch", "events"),
        ({"events": []}, "empty_batch", "events"),
        ([1] * (MAX_BATCH + 1), "batch_too_large", "events"),
        ({"events": [{}], "count": 2}, "count_mismatch", "count"),
        ({"events": {}}, "invalid_batch", "events"),
        ({"events": [{}], "count": "x"}, "invalid_batch", "count"),
        ({}, "invalid_batch", "body"),
        (3, "invalid_batch", "body"),
    ],
)
def test_a_wrong_batch_is_refused(document: object, code: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode_batch(json.dumps(document).encode())
    assert caught.value.code == code
    assert caught.value.faults[0].field == field


def test_a_batch_that_is_not_json_is_refused_and_a_bad_item_is_not_its_fault() -> None:
    with pytest.raises(Invalid) as caught:
        decode_batch(b'[{"a": 1}, {"a": }]')
    assert caught.value.code == "malformed_json"
    assert len(decode_batch(b'[{"a": 1}, {"a": "\xff"}]').items) == 2


def test_an_unreadable_event_still_has_a_name() -> None:
    assert peek(b'{"event_id": "e", "source": 3, "severity": []}').event_id == "e"
    assert peek(b'{"event_id": "e", "source": 3}').source is None
    assert peek(b"[]").event_id is None
    assert peek(b'{"event_id": "').event_id is None


def test_an_event_survives_storage() -> None:
    event = accepted(changed(payload={"big": 2**70, "text": "héllo"}))
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
