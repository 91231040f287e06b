"""A tenant's settings: built from documents, refreshed from the store, brought to what the config file says."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_incident_manager.clock import ManualClock
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import NotificationType, TargetType
from llm_incident_manager.engine.documents.apply import apply_file
from llm_incident_manager.engine.documents.kinds import Kind, WrittenItem, identify, slug
from llm_incident_manager.engine.documents.known import Known, survey
from llm_incident_manager.engine.documents.parse import PARSERS, answer, parse, stored
from llm_incident_manager.engine.ports import SystemTransaction
from llm_incident_manager.engine.rows import ConfigurationItem
from llm_incident_manager.engine.settings import SettingsMemory, build_settings
from llm_incident_manager.errors import FieldFault, Invalid, Unavailable
from llm_incident_manager.storage.store import SqlStore, open_store
from tests.build import NOON

ANA = {"id": "ana", "name": "Ana", "contacts": {"email": "ana@example.com"}}
BO = {"id": "bo", "contacts": {"webhook": [{"url": "https://example.com/bo", "secret": "s"}, "https://example.com/2"]}}
TEAM = {"id": "platform", "members": ["ana", "bo"]}
POLICY = {"name": "By severity", "levels": [{"targets": {"type": "user", "id": "ana"}, "escalate_after": 300}]}
ROUTE = {"name": "everything", "assign": {"team": "platform"}, "policy": "By severity"}


def items(**kinds: list[dict[str, Any]]) -> list[WrittenItem]:
    return [stored(kind, document) for kind, documents in kinds.items() for document in documents]


HOUSE = items(users=[ANA, BO], teams=[TEAM], escalation_policies=[POLICY], routes=[ROUTE])
KNOWN = survey(HOUSE)


def faults_of(kind: str, document: dict[str, Any], known: Known = KNOWN) -> list[FieldFault]:
    with pytest.raises(Invalid) as refused:
        parse(kind, document, known)
    return refused.value.faults


@pytest.fixture
async def store() -> AsyncIterator[SqlStore]:
    found = open_store("sqlite://", clock=ManualClock(NOON))
    yield found
    await found.close()


@pytest.mark.requirement("RTE-04")
def test_a_policy_of_the_specifications_schema_is_read_entire() -> None:
    document = {
        "id": "p1",
        "name": "Everything of §5.3",
        "description": "d",
        "conditions": {"severity": ["P0", "p1"], "category": "security", "source": ["a"], "tags": {"k": True}},
        "levels": [
            {
                "level": 1,
                "name": "L1",
                "targets": [
                    {"type": "external", "id": "ops@example.com", "fallback": {"type": "team", "id": "platform"}}
                ],
                "escalate_after": 300,
                "notification_channels": ["email"],
                "notification_template": "t",
                "actions": [{"type": "webhook", "config": {"url": "x"}}],
            }
        ],
        "timers": {"acknowledgment_timeout": 60, "resolution_timeout": 3600, "escalation_interval": 120},
        "schedule": {
            "timezone": "Europe/Madrid",
            "active_hours": {"start": "22:00", "end": "06:00"},
            "active_days": [0, 6],
        },
        "enabled": True,
        "priority": 7,
        "created_at": "2025-01-01T00:00:00Z",
        "updated_at": "2025-01-01T00:00:00Z",
        "created_by": "ana",
    }
    notes: list[FieldFault] = []
    policy = parse(Kind.POLICIES, document, KNOWN, notes=notes)
    assert policy.levels[0].targets[0].fallback == Target(type=TargetType.TEAM, id="platform")
    assert policy.conditions.tags == {"k": "true"}
    assert policy.schedule.active_days == (0, 6)
    assert policy.timers.escalation_interval == 120
    assert [note.field for note in notes] == ["levels[0].actions[0].type"]


def test_every_fault_is_named_with_its_path() -> None:
    document = {
        "name": "",
        "levels": [{"targets": [{"type": "user", "id": "zoe"}, {"type": "robot", "id": "x"}]}, {"escalate_after": -1}],
        "prioritty": 1,
    }
    found = {fault.field for fault in faults_of(Kind.POLICIES, document)}
    assert found >= {"name", "levels[0].targets[0]", "levels[0].targets[1].type", "levels[1].escalate_after",
                     "levels[1].targets", "prioritty"}  # fmt: skip


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ({"type": "user", "id": "mute"}, "user mute has no contacts"),
        ({"type": "user", "id": "away"}, "user away is disabled"),
        ({"type": "team", "id": "empty"}, "team empty has no contacts and no member who has"),
        ({"type": "on_call", "id": "week"}, "nobody on schedule week has contacts"),
    ],
)
def test_a_level_that_reaches_nobody_is_a_fault_unless_a_fallback_is_reached(
    target: dict[str, Any], reason: str
) -> None:
    known = survey(
        [
            *HOUSE,
            *items(
                users=[{"id": "mute"}, {**ANA, "id": "away", "enabled": False}],
                teams=[{"id": "empty", "members": ["mute"]}],
                schedules=[{"id": "week", "layers": [{"rotation": {"users": ["mute", "away"]}}]}],
            ),
        ]
    )
    (fault,) = faults_of(Kind.POLICIES, {"name": "x", "levels": [{"targets": [target]}]}, known)
    assert fault == FieldFault("levels[0].targets", f"reaches nobody: {reason}")
    rescued = target | {"fallback": {"type": "user", "id": "ana"}}
    assert parse(Kind.POLICIES, {"name": "x", "levels": [{"targets": [rescued]}]}, known)


def test_names_of_policies_are_unique_and_ids_are_their_slugs() -> None:
    assert identify(Kind.POLICIES, POLICY) == "by-severity"
    assert slug("  Crítico: Security!  ") == "critico-security"
    (fault,) = faults_of(Kind.POLICIES, POLICY | {"id": "other"})
    assert fault.field == "name"
    assert parse(Kind.POLICIES, POLICY, KNOWN).id == "by-severity"


def test_numbers_and_texts_beyond_all_bounds_are_faults() -> None:
    assert faults_of(Kind.ROUTES, ROUTE | {"priority": 10**400})[0].field == "priority"
    assert faults_of(Kind.ROUTES, ROUTE | {"priority": float("nan")})[0].field == "priority"
    assert faults_of(Kind.USERS, {"id": "x", "name": "\ud800"})[0].field == "name"
    source = {"name": "s", "authentication": {"api_key": "\ud800"}}
    assert faults_of(Kind.SOURCES, source)[0].field == "authentication.api_key"
    assert stored(Kind.SOURCES, source)


def test_a_template_is_checked_by_whoever_renders_it() -> None:
    document = {"name": "Created", "type": "incident_created", "channels": {"email": {"subject": "{{ title }}"}}}
    assert parse(Kind.TEMPLATES, document, KNOWN).type is NotificationType.INCIDENT_CREATED
    with pytest.raises(Invalid, match="too long"):
        parse(Kind.TEMPLATES, document, KNOWN, check_template=lambda _: [FieldFault("channels", "too long")])


def test_an_answer_put_back_changes_nothing() -> None:
    for item in HOUSE:
        answered = answer(item, created_at="2027-01-01T00:00:00Z", updated_at="2027-01-01T00:00:00Z", created_by="ana")
        again = stored(item.kind, answered)
        assert (again.kind, again.id) == (item.kind, item.id)
        assert again.document == item.document | {"id": item.id}
        parse(item.kind, answered, KNOWN)


def test_a_pushing_sources_key_is_stored_as_digest_and_a_pulling_ones_kept() -> None:
    source = {"name": "s", "authentication": {"api_key": "0123456789abcdef"}}
    kept = stored(Kind.SOURCES, source).document
    assert "0123456789abcdef" not in str(kept)
    assert stored(Kind.SOURCES, kept).document == kept
    assert "0123456789abcdef" in str(stored(Kind.SOURCES, source | {"mode": "pull"}).document)
    assert list(build_settings("t", items(sources=[source])).ingest_keys().values()) == ["s"]


@pytest.mark.requirement("SEC-04")
def test_a_sources_client_certificates_are_names() -> None:
    sources = [
        {"name": "one", "client_certificate": "spiffe://example.com/one"},
        {"name": "two", "client_certificate": ["two.example.com", "spiffe://example.com/one"]},
        {"name": "off", "client_certificate": "off.example.com", "enabled": False},
    ]
    assert build_settings("t", items(sources=sources)).client_certificates() == {
        "spiffe://example.com/one": ("one", "two"),
        "two.example.com": ("two",),
    }
    for wrong in ("a\nb", "x" * 501, ["fine", 1.5]):
        faults = faults_of(Kind.SOURCES, {"name": "s", "client_certificate": wrong})
        assert [fault.field.startswith("client_certificate") for fault in faults] == [True]


def test_settings_hold_what_the_engine_asks_for() -> None:
    built = build_settings("t", [*HOUSE, *items(pauses=[{"id": "pages", "paused": True}])])
    assert built.faults == ()
    assert built.routes[0].policy == "by-severity"
    assert built.policy("By severity") is built.policy("by-severity") is built.policies[0]
    assert built.events_per_minute == 1000
    assert built.paused == {"pages"}
    found = built.directory().find(Target(type=TargetType.TEAM, id="platform"), NOON)
    assert [recipient.key for recipient in found.recipients] == ["user:ana", "user:bo"]
    assert [contact.secret for contact in built.users["bo"].contacts] == ["s", None]


def test_a_policy_that_lost_somebody_still_tells_the_others_and_says_so() -> None:
    levels = [{"targets": [{"type": "user", "id": "gone"}, {"type": "user", "id": "ana"}]}]
    built = build_settings("t", [*items(users=[ANA]), *items(escalation_policies=[POLICY | {"levels": levels}])])
    assert [target.id for target in built.policies[0].levels[0].targets] == ["ana"]
    assert built.faults[0].field == "escalation_policies/by-severity: levels[0].targets[0]"


def test_a_route_whose_conditions_cannot_be_read_does_not_match_everything() -> None:
    built = build_settings("t", [*HOUSE[:-1], *items(routes=[ROUTE | {"conditions": {"severity": ["P9"]}}])])
    assert built.routes == ()
    assert built.faults


def test_a_silence_that_did_not_change_is_not_read_again() -> None:
    """A tenant may have a thousand; each change of settings would read all of them anew."""
    of_ten = [
        {"id": f"s{number}", "matchers": ["alertname=Slow"], "starts_at": "2026-11-02T09:00:00Z",
         "ends_at": "2026-11-02T10:00:00Z"}
        for number in range(10)
    ]  # fmt: skip
    before = build_settings("t", items(silences=of_ten)).silences
    of_ten[3] |= {"comment": "changed"}
    of_ten[4] |= {"ends_at": "2026-11-02T08:00:00Z"}
    built = build_settings("t", items(silences=of_ten))
    kept = {silence.id: silence for silence in built.silences}
    same = [silence.id for silence in before if kept.get(silence.id) is silence]
    assert same == [f"s{number}" for number in range(10) if number not in (3, 4)]
    assert kept["s3"].comment == "changed"
    assert "s4" not in kept
    assert [fault.field for fault in built.faults] == ["silences/s4: ends_at"]


async def test_settings_follow_the_store_and_outlive_it(store: SqlStore) -> None:
    memory = SettingsMemory()
    await store.transact("acme", lambda tx: apply_file(tx, items(users=[ANA])))
    assert await memory.refresh(store) == ["acme"]
    assert set(memory.of("acme").users) == {"ana"}
    assert await memory.refresh(store) == []
    await store.transact("acme", lambda tx: tx.configuration.delete("users", "ana"))
    assert await memory.refresh(Away(store)) == []
    assert set(memory.of("acme").users) == {"ana"}
    assert await memory.refresh(store) == ["acme"]
    assert memory.of("acme").users == {}
    assert memory.of("nobody").tenant == "nobody"


async def test_the_file_is_applied_once_and_owns_only_its_own_items(store: SqlStore) -> None:
    def by_hand(tx: Any) -> None:
        for user in ("zoe", "bo"):
            tx.configuration.put(
                ConfigurationItem(
                    kind="users",
                    id=user,
                    document={"id": user, "name": "by hand"},
                    created_at=tx.now,
                    updated_at=tx.now,
                )
            )

    await store.transact("default", by_hand)
    first = await store.transact("default", lambda tx: apply_file(tx, items(users=[ANA, BO])))
    assert (first.added, first.taken_over) == ((("users", "ana"),), (("users", "bo"),))
    again = await store.transact("default", lambda tx: apply_file(tx, items(users=[ANA, BO])))
    assert not again
    last = await store.transact("default", lambda tx: apply_file(tx, items(users=[BO | {"name": "Bo"}])))
    assert (last.changed, last.removed) == ((("users", "bo"),), (("users", "ana"),))
    found = await store.read("default", lambda tx: {item.id: item.origin for item in tx.configuration.all()})
    assert found == {"bo": "file", "zoe": "api"}
    told = await store.read(
        "default",
        lambda tx: tx.audit.page(start=None, end=None, actor=None, incident=None, limit=10, cursor=None)[0],
    )
    assert [entry.event_type for entry in told] == ["configuration_applied"] * 2


class Away:
    """A store whose database is away."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def system_read(self, work: Callable[[SystemTransaction], Any]) -> Any:
        raise Unavailable("the database is away")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "name", "type", "contacts", "levels", "targets", "conditions", "escalation", "assign",
                         "email", "layers", "rotation", "users", "channels", "rules", "repeat", "schedule"]),
        inner,
        max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@given(st.sampled_from(sorted(PARSERS)), st.dictionaries(st.text(max_size=8), ANYTHING, max_size=4) | ANYTHING)
def test_no_document_breaks_the_reading(kind: str, document: Any) -> None:
    if isinstance(document, dict):
        build_settings("t", [stored(kind, document)])
