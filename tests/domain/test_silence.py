"""Silences: what they match and when."""

from datetime import timedelta

import pytest

from llm_incident_manager.domain.events.label_set import label_fingerprint
from llm_incident_manager.domain.routing.silence import Matcher, Silence, SilenceState, labels_of, silencing
from llm_incident_manager.domain.vocabulary import Severity
from llm_incident_manager.engine.documents.silences import read_matcher
from llm_incident_manager.errors import Invalid
from tests.build import NOON, an_incident

INCIDENT = an_incident(
    severity=Severity.P1, source_severity="critical", title="Slow", tags={"alertname": "GatewaySlow", "model": "gpt-x"}
)


def a_silence(*matchers: str, minutes: float = 60, silence_id: str = "s") -> Silence:
    return Silence(
        id=silence_id,
        matchers=tuple(map(read_matcher, matchers)),
        starts_at=NOON,
        ends_at=NOON + timedelta(minutes=minutes),
        created_by="ana",
        comment="deploying",
    )


@pytest.mark.requirement("NTF-06")
@pytest.mark.parametrize(
    ("matcher", "holds"),
    [
        ("severity=P1", True),
        ("severity=critical", True),
        ("severity=P2", False),
        ("severity!=P2", True),
        ("severity!=critical", False),
        ("alertname=GatewaySlow", True),
        ("alertname=Slow", True),
        ("title=Slow", True),
        ("title=~Sl.*", True),
        ("title=~Sl", False),
        ("title!~Sl.*", False),
        ("model=gpt-x", True),
        ('model="gpt-x"', True),
        ("region=", True),
        ("region!=", False),
        ("region=~.*", True),
        ("model=", False),
        ("source=llm-sentinel", True),
        ("category=performance", True),
        ("resource_type=service", True),
        ("resource_id=llm-gateway", True),
        ("environment=production", True),
        ("environment=~staging|production", True),
    ],
)
def test_matchers_look_at_tags_and_at_what_every_incident_has(matcher: str, holds: bool) -> None:
    assert read_matcher(matcher).matches(labels_of(INCIDENT)) is holds


@pytest.mark.parametrize(
    "text", ["", "nonsense", "=x", "a=~(b+)+", "a=~[", "a=~" + "b" * 300, "1a=b", "a" * 2000 + "=b"]
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_matcher(text)


def test_a_matcher_reads_as_it_is_written() -> None:
    for text in ("a=b", "a!=b", "a=~b", "a!~b"):
        assert str(read_matcher(text)) == text
    assert read_matcher(r'a="say \"x\""') == Matcher(name="a", value='say "x"')


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(-1, SilenceState.PENDING), (0, SilenceState.ACTIVE), (59.9, SilenceState.ACTIVE), (60, SilenceState.EXPIRED)],
)
def test_a_silence_holds_from_its_start_to_just_before_its_end(minutes: float, state: SilenceState) -> None:
    at = NOON + timedelta(minutes=minutes)
    silence = a_silence("severity=P1")
    assert silence.state(at) is state
    assert (silencing([silence], INCIDENT, at) is not None) is (state is SilenceState.ACTIVE)


def test_all_matchers_must_hold_and_the_last_end_counts() -> None:
    both = a_silence("severity=P1", "model=other")
    long, short = a_silence("severity=P1", minutes=90, silence_id="long"), a_silence("model=gpt-x", silence_id="short")
    assert silencing([both], INCIDENT, NOON) is None
    found = silencing([long, both, short], INCIDENT, NOON)
    assert found is not None
    assert (found.until, found.silences) == (long.ends_at, ("short", "long"))
    assert found.reason == "silenced until 2026-03-02 13:30 UTC by ana: deploying"


def test_the_fingerprint_of_labels_is_prometheus_own() -> None:
    """FNV-1a over names and values with 0xff behind each, in order of names."""
    assert label_fingerprint({}) == "cbf29ce484222325"
    assert label_fingerprint({"b": "2", "a": "1"}) == label_fingerprint({"a": "1", "b": "2"})
    assert label_fingerprint({"a": "1", "b": "2"}) != label_fingerprint({"a": "1b", "": "2"})
