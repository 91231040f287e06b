import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_incident_manager.domain.events.document import decode_batch, is_batch, peek
from llm_incident_manager.domain.events.event import Event, SourceSettings
from llm_incident_manager.domain.events.fingerprint import fingerprint
from llm_incident_manager.domain.events.normalise import accept_document, accept_value
from llm_incident_manager.domain.events.validate import faults
from llm_incident_manager.domain.vocabulary import Category
from llm_incident_manager.errors import Invalid

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
SOURCES = {"strict": SourceSettings(name="strict", strict=True)}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
words = st.sampled_from(["critical", "P2", "info", "Warning", "sev9"])
times = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.just("2027-01-31T12:00:00Z")
documents = st.fixed_dictionaries(
    {
        "event_id": st.text(min_size=1, max_size=20),
        "source": st.sampled_from(["strict", "other"]),
        "timestamp": times,
        "event_type": st.sampled_from(["anomaly", "resolved"]),
        "category": st.sampled_from(list(Category)),
        "title": st.text(min_size=1, max_size=50),
        "severity": words,
        "resource": st.fixed_dictionaries(
            {"type": st.just("model"), "id": st.text(min_size=1)}, optional={"metadata": values}
        ),
    },
    optional={
        "metrics": st.dictionaries(st.text(), st.floats() | st.integers()),
        "tags": st.dictionaries(st.text(), scalars),
        "labels": st.lists(scalars),
        "payload": st.dictionaries(st.text(), values),
        "schema_version": st.sampled_from(["1.0", "1.1", "3.0"]),
        "dedup_key": st.text(),
        "own": values,
        "type": values,
    },
)


def outcome(body: bytes) -> Event | Invalid:
    try:
        return accept_document(body, tenant="t", received_at=NOW, sources=SOURCES)
    except Invalid as invalid:
        return invalid


@given(st.binary() | st.text().map(str.encode) | values.map(json.dumps).map(str.encode))
def test_whatever_bytes_come_in_the_answer_is_an_event_or_a_reason(body: bytes) -> None:
    found = outcome(body)
    assert isinstance(found, Event) or found.faults
    peek(body)
    if is_batch(body):
        with suppress(Invalid):
            decode_batch(body)


@given(documents, st.integers(0, 400), st.binary(max_size=3))
def test_a_damaged_event_is_read_or_refused_and_nothing_else(document: dict[str, Any], at: int, noise: bytes) -> None:
    body = json.dumps(document).encode()
    outcome(body[:at] + noise + body[at + len(noise) :])


@given(documents)
def test_fast_and_complete_reading_agree_and_what_is_accepted_survives_storage(document: dict[str, Any]) -> None:
    body = json.dumps(document).encode()
    found = outcome(body)
    if isinstance(found, Event):
        assert accept_value(json.loads(body), tenant="t", received_at=NOW, sources=SOURCES) == found
        assert msgspec.json.decode(msgspec.json.encode(found), type=Event) == found
        assert b"\\u0000" not in msgspec.json.encode(found).replace(b"\\\\", b"")
    elif found.code == "invalid_event":
        assert found.faults == faults(json.loads(body), strict=document["source"] == "strict", now=NOW)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([b"[", b'{"a":', b'[{"a":', b'"', b"9", b"{", b'{"a":1,', b"\\u0000", b"[1,", b"-"]), st.booleans()
)
def test_a_mebibyte_of_anything_is_judged_quickly(unit: bytes, wrapped: bool) -> None:
    body = (b'{"payload":' if wrapped else b"") + unit * (2**20 // len(unit))
    started = time.perf_counter()
    outcome(body)
    assert time.perf_counter() - started < 1.0


@given(*[st.text(max_size=5)] * 6)
def test_fingerprints_keep_neighbouring_parts_apart(a: str, b: str, c: str, d: str, e: str, f: str) -> None:
    assert fingerprint(a, b, c, d, e, f, None) == fingerprint(a, b, c, d, e, f, "")
    if (a, b) != (a + b, ""):
        assert fingerprint(a, b, c, d, e, f, None) != fingerprint(a + b, "", c, d, e, f, None)
