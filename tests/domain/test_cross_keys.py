"""Cross-source keys: what is written, what is wrong with it, and which events are of one key."""

from typing import Any

import pytest

from llm_incident_manager.domain.correlation.cross_keys import MAX_KEY, CrossKey, fold_of, parse_cross_key
from llm_incident_manager.domain.events.event import Event, Resource
from llm_incident_manager.domain.incidents.reports import Folding, Report, ReportState, named
from llm_incident_manager.domain.vocabulary import Environment
from llm_incident_manager.errors import Invalid
from tests.build import NOON, an_event

pytestmark = pytest.mark.requirement("CLS-08")


def a_key(key: str, **fields: Any) -> CrossKey:
    return parse_cross_key({"name": "k", "key": key} | fields)


def event(**fields: Any) -> Event:
    defaults: dict[str, Any] = {
        "resource": Resource(type="Service", id="checkout ", name="Checkout API"),
        "environment": Environment.PRODUCTION, "tags": {"service": "CHECKOUT"},
    }  # fmt: skip
    return an_event(**defaults | fields)


def key_of(template: str, **fields: Any) -> str | None:
    fold = fold_of(event(**fields), [a_key(template)], "default")
    return fold.key if fold is not None else None


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{resource.type}/{resource.id}", "service/checkout"),
        ("{resource.name}", "checkout api"),
        ("{tags.service}@{environment}", "checkout@production"),
        ("{tags.team|tags.service|resource.id}", "checkout"),
        ("{category}", "performance"),
        ("{tags.team}/{resource.id}", None),
        ("{correlation_id}", None),
    ],
)
def test_a_key_is_made_of_normalised_fields_or_not_at_all(template: str, key: str | None) -> None:
    assert key_of(template) == key


def test_case_width_and_space_do_not_matter_and_parts_never_run_into_each_other() -> None:
    keys = [a_key("{resource.type}{resource.id}")]

    def mark(kind: str, name: str, tenant: str = "default") -> str:
        fold = fold_of(event(resource=Resource(type=kind, id=name)), keys, tenant)
        assert fold is not None
        return fold.fingerprint

    assert mark("service", "Check  out") == mark("SERVICE ", "check out")
    assert mark("service", "ｃheckout") == mark("service", "checkout")
    assert mark("ab", "c") != mark("a", "bc")
    assert mark("ab", "c") != mark("ab", "c", "other")
    assert mark("ab", "c").startswith("k1:"), "no event has such a fingerprint by itself"


def test_the_first_key_that_has_all_it_asks_for_counts() -> None:
    keys = [
        parse_cross_key({"name": "off", "key": "{title}", "enabled": False}),
        parse_cross_key({"name": "other", "if": {"source": "nobody"}, "key": "{title}"}),
        parse_cross_key({"name": "lacking", "key": "{tags.nothing}"}),
        parse_cross_key({"name": "this", "key": "{resource.id}", "resolve": "any"}),
        parse_cross_key({"name": "late", "key": "{title}"}),
    ]
    fold = fold_of(event(), keys, "default")
    assert fold is not None
    assert (fold.rule, fold.key, fold.resolve) == ("this", "checkout", "any")
    assert fold_of(event(event_type="change"), keys, "default") is None


@pytest.mark.parametrize(
    ("document", "field", "says"),
    [
        ("x", "keys[0]", "must be an object"),
        ({"key": "{title}"}, "keys[0].name", "must be text"),
        ({"name": "k\n", "key": "{title}"}, "keys[0].name", "must be text"),
        ({"name": "k"}, "keys[0].key", "must be text"),
        ({"name": "k", "key": "x" * (MAX_KEY + 1)}, "keys[0].key", "at most 500"),
        ({"name": "k", "key": "all of it"}, "keys[0].key", "names no field"),
        ({"name": "k", "key": "{resource.colour}"}, "keys[0].key", "must be one of resource.type"),
        ({"name": "k", "key": "{tags.}"}, "keys[0].key", "must be one of resource.type"),
        ({"name": "k", "key": "{payload.secret}"}, "keys[0].key", "must be one of resource.type"),
        ({"name": "k", "key": "{title"}, "keys[0].key", "stray"),
        ({"name": "k", "key": "{}"}, "keys[0].key", "must be one of"),
        ({"name": "k", "key": "{title}", "resolve": "most"}, "keys[0].resolve", "one of all, any"),
        ({"name": "k", "key": "{title}", "enabled": "yes"}, "keys[0].enabled", "true or false"),
        ({"name": "k", "key": "{title}", "if": {"colour": "red"}}, "keys[0].if.colour", "must be one of"),
        ({"name": "k", "key": "{title}", "window": 5}, "keys[0].window", "is not known"),
    ],
)
def test_what_is_wrong_is_named(document: object, field: str, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_cross_key(document)
    assert [fault.field for fault in refused.value.faults] == [field]
    assert says in refused.value.faults[0].message


def test_silence_ends_it_only_where_all_who_still_report_mean_it_so() -> None:
    quiet = Report(source="q", fingerprint="1", title="t", since=NOON, changed_at=NOON, quiet_seconds=60)
    loud = Report(source="l", fingerprint="2", title="t", since=NOON, changed_at=NOON)
    over = Report(source="l", fingerprint="2", title="t", since=NOON, changed_at=NOON, state=ReportState.OVER)
    assert Folding(rule="k", key="x", reports=(quiet, loud)).quiet_seconds is None
    assert Folding(rule="k", key="x", reports=(quiet, over)).quiet_seconds == 60
    assert Folding(rule="k", key="x", reports=(over,)).quiet_seconds is None


def test_many_sources_are_named_in_few_words() -> None:
    reports = [
        Report(source=f"s{number}", fingerprint=str(number), title="t", since=NOON, changed_at=NOON)
        for number in range(9)
    ]
    assert named(reports[:1] * 3) == "s0"
    assert named(reports[:3]) == "s0, s1 and s2"
    assert named(reports) == "s0, s1, s2, s3 and 5 more"
