"""Which members are encrypted: taken out, marked, put back; and the keys (SEC-04)."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_incident_manager.domain.events.document import peek
from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.domain.events.sealed import MARKER, MOST_VALUES, document_of, put_back, take_out
from llm_incident_manager.domain.events.sealed_path import read_sealed_path
from llm_incident_manager.engine.keyring import Keyring, Unreadable, key_of, new_key, read_keys
from llm_incident_manager.engine.sealing import Sealing, event_letter, without_mark
from llm_incident_manager.errors import Invalid, Unavailable

pytestmark = pytest.mark.requirement("SEC-04")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_document(**more: Any) -> dict[str, Any]:
    return {
        "event_id": "e", "source": "s", "timestamp": "2026-01-01T00:00:00+00:00", "event_type": "a",
        "category": "security", "title": "A title", "severity": "low",
        "resource": {"type": "model", "id": "m", "name": "", "metadata": {}},
    } | more  # fmt: skip


def an_event(**more: Any) -> Any:
    return accept_document(json.dumps(a_document(**more)).encode(), tenant="t", received_at=NOW)


@pytest.mark.parametrize(
    ("path", "payload", "left"),
    [
        ("payload.a", {"a": 1, "b": 2}, {"a": MARKER, "b": 2}),
        ("$.payload.a.b", {"a": {"b": {"c": 1}, "d": 2}}, {"a": {"b": MARKER, "d": 2}}),
        ("payload.m[*].c", {"m": [{"c": "x"}, {"d": 1}, 7]}, {"m": [{"c": MARKER}, {"d": 1}, 7]}),
        ("payload.m[1]", {"m": [1, 2]}, {"m": [1, MARKER]}),
        ("payload.m[2]", {"m": [1, 2]}, {"m": [1, 2]}),
        ("payload.*", {"a": 1, "b": [2]}, {"a": MARKER, "b": MARKER}),
        ("payload", {"a": 1}, {"a": MARKER}),
        ("payload.a.b", {"a": "text"}, {"a": "text"}),
        ("payload.m[*]", {"m": list(range(MOST_VALUES + 1)), "n": 1}, {"…": MARKER}),
    ],
)
def test_what_a_path_takes_out_comes_back(path: str, payload: dict[str, Any], left: dict[str, Any]) -> None:
    document = document_of(an_event(payload=payload))
    values = take_out(document, (read_sealed_path(path),))
    assert document["payload"] == left
    put_back(document, values)
    assert document["payload"] == payload


def test_copies_in_the_title_are_taken_out_and_where_it_runs_stays() -> None:
    event = an_event(
        title="Wrong: hunter2-secret", payload={"p": "hunter2-secret"}, tags={"environment": "prod", "who": "ana"}
    )
    document = document_of(event)
    take_out(document, (read_sealed_path("payload.p"), read_sealed_path("tags")))
    assert document["title"] == MARKER
    assert document["tags"] == {"environment": "prod", "who": MARKER}


@pytest.mark.parametrize(
    "path",
    ["", "event_id", "source", "metrics.x", "dedup_key", "tags.environment", "resource.id", "a..b", "payload..x"],
)
def test_what_everything_stands_on_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"path|encrypted"):
        read_sealed_path(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


PATHS = ("payload.*", "payload.a", "payload.b.*", "payload.c[*]", "payload.a[0].b", "title", "payload.*.*")


@given(st.dictionaries(st.sampled_from("abc"), JSON), st.lists(st.sampled_from(PATHS), max_size=4))
def test_whatever_is_sealed_is_read_again_as_it_was(payload: dict[str, Any], paths: list[str]) -> None:
    try:
        event = an_event(payload=payload)
    except Invalid:
        return
    settings = SourceSettings(name="s", encrypt=tuple(read_sealed_path(each) for each in paths))
    sealing = Sealing(read_keys(f"k:{new_key()}", "K"))
    left, body, sealed = sealing.seal(event, settings, "t", NOW, lambda _: False)
    again = accept_document(body, tenant="t", received_at=NOW)
    if sealed is None:
        assert msgspec.structs.replace(again, received_at=event.received_at) == event
        return
    opened = sealing.opened(left, "t")
    assert (opened.title, opened.payload) == (event.title, event.payload)
    assert sealing.shown(left, "someone else").payload != event.payload or "payload" not in str(sealed.values)


def test_a_ciphertext_belongs_to_its_tenant_event_and_place() -> None:
    sealing = Sealing(read_keys(f"k:{new_key()}", "K"))
    settings = SourceSettings(name="s", encrypt=(read_sealed_path("payload.*"),))
    event, _, _ = sealing.seal(an_event(payload={"a": "one", "b": "two"}), settings, "t", NOW, lambda _: False)
    assert event.sealed is not None
    swapped = dict(zip(event.sealed, reversed(event.sealed.values()), strict=True))
    for tenant, moved in (
        ("other", event),
        ("t", msgspec.structs.replace(event, event_id="f")),
        ("t", msgspec.structs.replace(event, source="r")),
        ("t", msgspec.structs.replace(event, sealed=swapped)),
    ):
        shown = sealing.shown(moved, tenant).payload
        assert all("changed, or moved" in text for text in shown.values()), shown
    assert sealing.shown(event, "t").payload == {"a": "one", "b": "two"}


def test_the_letter_of_an_event_keeps_what_was_encrypted_and_who_has_the_key_gets_it_back() -> None:
    old, new = f"old:{new_key()}", f"new:{new_key()}"
    settings = SourceSettings(name="s", encrypt=(read_sealed_path("payload.*"), read_sealed_path("title")))
    event, _, _ = Sealing(read_keys(old, "K")).seal(
        an_event(payload={"a": "one plum"}), settings, "t", NOW, lambda _: False
    )
    body = event_letter(event)
    assert b"plum" not in body
    assert peek(without_mark(body)).event_id == "e"
    with pytest.raises(Invalid, match="the key old, which this server does not have"):
        Sealing(read_keys(new, "K")).plain_letter(body, "t", "dl-1")
    both = Sealing(read_keys(f"{new},{old}", "K"))
    assert json.loads(both.plain_letter(body, "t", "dl-1"))["payload"] == {"a": "one plum"}
    again, lost = both.letter_again(body, "t", "dl-1")
    assert again is not None
    assert lost == 0
    assert json.loads(Sealing(read_keys(new, "K")).plain_letter(again, "t", "dl-1"))["title"] == "A title"


def test_a_fingerprint_of_something_encrypted_cannot_be_guessed_without_the_key() -> None:
    settings = SourceSettings(name="s", encrypt=(read_sealed_path("title"),))
    one, other = (Sealing(read_keys(f"k:{new_key()}", "K")) for _ in range(2))
    plain = an_event(title="yes")
    found = [sealing.seal(plain, settings, "t", NOW, lambda _: False)[0].fingerprint for sealing in (one, one, other)]
    assert found[0] == found[1] != found[2]
    assert plain.fingerprint not in found
    assert one.seal(an_event(title="no"), settings, "t", NOW, lambda _: False)[0].fingerprint != found[0]
    keyed = an_event(title="yes", dedup_key="d")
    assert one.seal(keyed, settings, "t", NOW, lambda _: False)[0].fingerprint == keyed.fingerprint


def test_keys_are_read_and_every_fault_is_named_without_the_key() -> None:
    value = new_key()
    ring = read_keys(f"new:{value}\nold:{new_key()},older:{new_key()}", "ENCRYPTION_KEYS")
    assert (ring.active, ring.ids) == ("new", ("new", "old", "older"))
    assert value not in repr(ring)
    token = ring.encrypt(b"x", b"place")
    assert (key_of(token), ring.decrypt(token, b"place")) == ("new", b"x")
    assert ring.encrypt(b"x", b"place") != token, "never the same twice"
    short = base64.b64encode(b"too short").decode()
    for text, message in (
        (value, "entry 1 is not id:base64"),
        ("a:!!!!", "is not base64"),
        (f"a:{short}", "has 9 bytes"),
        (f"a:{value} a:{value}", "twice"),
        ("  ", "holds no key"),
    ):
        with pytest.raises(Invalid, match=message) as wrong:
            read_keys(text, "ENCRYPTION_KEYS")
        assert value not in wrong.value.message
        assert short not in wrong.value.message
    for bad in ("", "1.new", f"2.{token[2:]}", f"1.gone.{token.split('.')[2]}", f"{token[:-4]}AAAA", "1.new.%%%"):
        with pytest.raises(Unreadable):
            ring.decrypt(bad, b"place")
    with pytest.raises(Unavailable) as missing:
        Keyring().encrypt(b"x", b"place")
    assert missing.value.code == "encryption_key_missing"
