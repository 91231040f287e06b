"""Lists of incidents: every filter, every order, cursors that neither lose nor repeat."""

import os
import random
from datetime import timedelta
from itertools import combinations, product
from typing import Any

import msgspec
import pytest

from llm_incident_manager.domain.events.event import Resource
from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.domain.vocabulary import Category, Environment, Severity, Status
from llm_incident_manager.engine.matching import matches
from llm_incident_manager.engine.rows import IncidentFilter, IncidentPage
from llm_incident_manager.errors import Invalid
from llm_incident_manager.storage import search as searching
from llm_incident_manager.storage import statements
from llm_incident_manager.storage.store import SqlStore
from tests.build import NOON, an_incident, opened

T = "default"


async def put(store: SqlStore, *incidents: Incident) -> None:
    await store.transact(T, lambda tx: tx.incidents.open([opened(each) for each in incidents]))


async def search(store: SqlStore, tenant: str = T, **fields: Any) -> IncidentPage:
    wanted = IncidentFilter(**fields)
    return await store.read(tenant, lambda tx: tx.incidents.search(wanted))


async def found(store: SqlStore, **fields: Any) -> set[str]:
    return {each.id for each in (await search(store, **fields)).incidents}


async def walked(store: SqlStore, **fields: Any) -> list[Incident]:
    cursor = None
    every: list[Incident] = []
    while True:
        page = await search(store, cursor=cursor, **fields)
        every += page.incidents
        cursor = page.next_cursor
        if cursor is None:
            return every


def a_mixture() -> list[Incident]:
    mixture = []
    for number, (severity, status) in enumerate(product(Severity, Status)):
        at = NOON + timedelta(minutes=number // 2)
        mixture.append(
            an_incident(
                severity=severity,
                status=status,
                created_at=at,
                updated_at=at + timedelta(minutes=number % 7),
                last_event_at=at + timedelta(seconds=number % 5),
                assigned_to="ana" if number % 4 == 0 else None,
            )
        )
    return mixture


FIELDS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("severity", {"severity": Severity.P0}, {"severity": (Severity.P0, Severity.P4)}),
    ("status", {"status": Status.ESCALATED}, {"status": (Status.ESCALATED, Status.CLOSED)}),
    ("open status", {"status": Status.ESCALATED}, {"status": (Status.ESCALATED,)}),
    ("category", {"category": Category.COST}, {"category": (Category.COST,)}),
    ("source", {"source": "edge"}, {"source": ("edge",)}),
    ("environment", {"environment": Environment.QA}, {"environment": (Environment.QA,)}),
    ("assigned_to", {"assigned_to": "ana"}, {"assigned_to": ("ana", "bo")}),
    ("assigned_team", {"assigned_team": "platform"}, {"assigned_team": ("platform",)}),
    ("tags", {"tags": {"team": "x", "zone": "eu"}}, {"tags": (("team", "x"), ("team", "y"), ("zone", "eu"))}),
    ("start", {"created_at": NOON + timedelta(days=1)}, {"start": NOON + timedelta(days=1)}),
    ("end", {"created_at": NOON - timedelta(days=1)}, {"end": NOON}),
    ("title", {"title": "100% of Größe_gone"}, {"text": "100% OF GRÖSSE_G"}),
    ("resource", {"resource": Resource(type="model", id="gpt-x")}, {"text": "GPT-X"}),
]


@pytest.mark.parametrize(("matching", "wanted"), [each[1:] for each in FIELDS], ids=[each[0] for each in FIELDS])
@pytest.mark.parametrize("crowded", [False, True], ids=["few", "many"])
async def test_a_filter_finds_what_matches_and_nothing_else(
    store: SqlStore, matching: dict[str, Any], wanted: dict[str, Any], crowded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if crowded:  # as if there were more matches than are counted, so that the order's index leads
        monkeypatch.setattr(searching, "TOTAL_LIMIT", 0)
    hit = an_incident(**matching)
    await put(store, hit, an_incident(tags={"team": "x"}), an_incident())
    assert await found(store, **wanted) == {hit.id}
    assert await found(store, **wanted, open_only=True) == ({hit.id} if hit.is_open else set())
    assert (await search(store, "other", **wanted)).incidents == ()


async def test_a_searched_wildcard_is_only_a_character(store: SqlStore) -> None:
    await put(store, an_incident(title="abc"))
    for text in ("a%c", "a_c", "%", "\0"):
        assert await found(store, text=text) == (set() if text != "\0" else await found(store))


@pytest.mark.parametrize("crowded", [False, True], ids=["few", "many"])
@pytest.mark.parametrize("sort", searching.SORTS)
async def test_pages_of_any_order_hold_each_incident_once(
    store: SqlStore, sort: str, crowded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if crowded:
        monkeypatch.setattr(searching, "TOTAL_LIMIT", 0)
    mixture = a_mixture()
    await put(store, *mixture)
    every = await walked(store, sort=sort, limit=4, needs="ana")
    ids = [each.id for each in every]
    assert sorted(ids) == sorted(each.id for each in mixture)
    assert ids == [each.id for each in sorted(mixture, key=order_of(sort))]
    some = await walked(store, sort=sort, limit=7, open_only=True, severity=(Severity.P0, Severity.P3), needs="ana")
    assert [each.id for each in some] == [
        each.id for each in every if each.is_open and each.severity in (Severity.P0, Severity.P3)
    ]


def order_of(sort: str) -> Any:
    def newest(incident: Incident) -> tuple[float, list[int]]:
        return -incident.created_at.timestamp(), [-ord(each) for each in incident.id]

    def needs(incident: Incident) -> tuple[Any, ...]:
        mine = incident.status in (Status.NEW, Status.ESCALATED) or incident.assigned_to == "ana"
        return (0 if incident.is_open and mine else 1 if incident.is_open else 2), incident.severity, newest(incident)

    name = sort.removeprefix("-")
    if name == "needs":
        return needs
    if name == "severity":
        sign = -1 if sort.startswith("-") else 1
        return lambda incident: (sign * incident.severity.rank, newest(incident))
    if sort.startswith("-"):
        return lambda incident: (-getattr(incident, name).timestamp(), [-ord(each) for each in incident.id])
    return lambda incident: (getattr(incident, name), incident.id)


async def test_totals_are_exact_up_to_the_limit(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert statements.TOTAL_LIMIT == 10_000
    await put(store, *(an_incident() for _ in range(5)))
    page = await search(store, limit=2)
    assert (page.total, page.total_at_least, len(page.incidents)) == (5, False, 2)
    monkeypatch.setattr(searching, "TOTAL_LIMIT", 4)
    page = await search(store, limit=2)
    assert (page.total, page.total_at_least) == (4, True)


async def test_a_full_last_page_has_no_cursor(store: SqlStore) -> None:
    await put(store, *(an_incident() for _ in range(4)))
    page = await search(store, limit=2)
    last = await search(store, limit=2, cursor=page.next_cursor)
    assert (len(last.incidents), last.next_cursor) == (2, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"sort": "title"}, "invalid_sort"),
        ({"sort": "-needs"}, "invalid_sort"),
        ({"limit": 0}, "invalid_limit"),
        ({"limit": 1001}, "invalid_limit"),
        ({"cursor": "nonsense"}, "invalid_cursor"),
        ({"cursor": "é"}, "invalid_cursor"),
        ({"cursor": "WyJ4IixbMV1d"}, "invalid_cursor"),
        ({"cursor": "WyItdXBkYXRlZF9hdCIsWzksMSwyXV0"}, "invalid_cursor"),
    ],
)
async def test_a_bad_order_limit_or_cursor_is_named(store: SqlStore, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        await search(store, **fields)
    assert refused.value.code == code


async def test_counts_are_of_the_open_by_severity_and_of_all_by_status(store: SqlStore) -> None:
    await put(store, *a_mixture())
    counted = await store.read(T, lambda tx: tx.incidents.counts())
    assert counted == {"severity": {str(each): 4 for each in Severity}, "status": {str(each): 5 for each in Status}}


async def test_a_text_search_reads_on_behind_what_it_has_read(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "TOTAL_LIMIT", 0)
    monkeypatch.setattr(searching, "READ_LIMIT", 7)
    mixture = [each for number in range(5) for each in (an_incident(title=f"needle {number}"), *a_mixture()[:6])]
    await put(store, *mixture)
    for sort in searching.SORTS:
        found = await walked(store, sort=sort, limit=2, text="NEEDLE", needs="ana")
        assert sorted(each.title for each in found) == [f"needle {number}" for number in range(5)], sort
    first = await search(store, text="needle", limit=50)
    assert first.total_at_least
    assert first.next_cursor is not None
    assert await walked(store, text="nowhere") == []


async def test_a_complete_id_finds_its_incident_alone(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hit = an_incident()
    await put(store, hit, *a_mixture())
    for limit in (10_000, 0):
        monkeypatch.setattr(searching, "TOTAL_LIMIT", limit)
        assert await found(store, text=hit.id.lower()) == {hit.id}
        assert await found(store, text=hit.id, severity=(Severity.P4,)) == set()


async def test_every_pair_of_filters_finds_what_both_find(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    choices: list[dict[str, Any]] = [
        {"severity": (Severity.P0, Severity.P3)},
        {"status": (Status.ESCALATED, Status.CLOSED)},
        {"category": (Category.COST,)},
        {"environment": (Environment.QA,)},
        {"source": ("edge", "shield")},
        {"assigned_team": ("platform",)},
        {"assigned_to": ("ana",)},
        {"tags": (("zone", "eu"),)},
        {"start": NOON, "end": NOON + timedelta(minutes=5)},
        {"open_only": True},
        {"text": "odd"},
    ]
    mixture = [
        msgspec.structs.replace(
            each,
            title="odd" if number % 2 else "even",
            category=Category.COST if number % 3 else Category.SECURITY,
            environment=Environment.QA if number % 5 else None,
            source=("edge", "shield", "grafana")[number % 3],
            assigned_team="platform" if number % 4 < 3 else None,
            tags={"zone": "eu"} if number % 7 < 4 else {},
        )
        for number, each in enumerate(a_mixture())
    ]
    await put(store, *mixture)
    for limit, fewest in ((10_000, 30_000), (0, 30_000), (0, 0)):
        monkeypatch.setattr(searching, "TOTAL_LIMIT", limit)
        monkeypatch.setattr(searching, "LEAD_LIMIT", fewest)
        alone = [await found(store, **choice) for choice in choices]
        assert all(alone)
        for (first, one), (second, other) in combinations(zip(choices, alone, strict=True), 2):
            assert await found(store, **first, **second) == one & other, (first, second)


async def test_a_live_view_lets_through_what_the_list_holds(store: SqlStore) -> None:
    """The same filter is read by the database and by whoever watches: they must not differ."""
    chance = random.Random(drawn := int(os.environ.get("LIM_SEED", random.randrange(1 << 30))))
    print(f"again: LIM_SEED={drawn}")
    tags = [{}, {"team": "a"}, {"team": "b", "region": "eu"}, {"region": "eu"}]
    incidents = [
        msgspec.structs.replace(
            each,
            category=chance.choice(list(Category)),
            environment=chance.choice([None, *Environment]),
            source=chance.choice(["llm-sentinel", "llm-shield"]),
            assigned_team=chance.choice([None, "platform"]),
            tags=chance.choice(tags),
            title=chance.choice(["Straße gesperrt", "LATENCY spike", "50% of x_y"]),
            resource=Resource(type="endpoint", id=chance.choice(["ep-1", "ep-2"]), name="Chat"),
        )
        for each in a_mixture()
    ]
    await put(store, *incidents)
    asked = [(("team", "a"),), (("team", "a"), ("team", "b"), ("region", "eu")), (("x", "y"),)]
    texts = ["STRASSE", "latency", "%", "_", "ep-1", "chat", incidents[3].id.lower(), "none"]
    answers: dict[str, Any] = {
        "severity": lambda: tuple(chance.sample(list(Severity), 2)),
        "status": lambda: tuple(chance.sample(list(Status), 3)),
        "category": lambda: tuple(chance.sample(list(Category), 2)),
        "environment": lambda: tuple(chance.sample(list(Environment), 2)),
        "source": lambda: (chance.choice(["llm-sentinel", "elsewhere"]),),
        "assigned_to": lambda: (chance.choice(["ana", "bo"]),),
        "assigned_team": lambda: ("platform",),
        "tags": lambda: chance.choice(asked),
        "text": lambda: chance.choice(texts),
        "start": lambda: NOON + timedelta(minutes=chance.randrange(20)),
        "end": lambda: NOON + timedelta(minutes=chance.randrange(20)),
        "open_only": lambda: True,
    }
    held = 0
    for _ in range(300):
        fields = {name: answers[name]() for name in chance.sample(list(answers), chance.randint(0, 3))}
        listed = await found(store, limit=500, **fields)
        assert {each.id for each in incidents if matches(IncidentFilter(**fields), each)} == listed, fields
        held += len(listed)
    assert held > 500
