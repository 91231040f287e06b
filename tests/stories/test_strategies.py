"""Routing strategies (specification §3.1.3): who of those that could answer is told first, and why."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.engine.documents.parse import stored
from llm_incident_manager.engine.query import Query
from llm_incident_manager.engine.settings import build_settings
from tests.stories.app import Story, person
from tests.stories.towns import Documents, level, policy, to, user

MADRID = {"timezone": "Europe/Madrid", "active_hours": {"start": "08:00", "end": "20:00"}}
SYDNEY = {"timezone": "Australia/Sydney", "active_hours": {"start": "08:00", "end": "20:00"}}


def town(*routes: dict[str, Any], **more: Any) -> Documents:
    users = [user(name, "webhook") for name in ("ana", "bo", "cy", "last")]
    users[0]["skills"] = ["prompts", "Vector-DB"]
    users[1]["skills"] = ["vector-db"]
    documents: Documents = {
        "users": [*users, user("mute")],
        "teams": [
            {"id": "platform", "name": "Platform", "members": ["ana", "bo", "cy", "mute"]},
            {"id": "models", "name": "Models", "members": ["bo"]},
            {"id": "search", "name": "Search", "members": ["cy"]},
        ],
        "routes": [{"name": f"route-{number}", "conditions": {}} | each for number, each in enumerate(routes)],
        "catch_all": [{"targets": [to("user", "last")]}],
    }
    return documents | more


async def trouble(app: Story, number: int, **fields: Any) -> str:
    receipt = await app.post_event(title=f"Trouble {number}", **fields)
    assert receipt.incident_id is not None
    return receipt.incident_id


async def why(app: Story, incident_id: str) -> str:
    incident = await app.incident(incident_id)
    assert incident.routing is not None
    return incident.routing.sentence


@pytest.mark.requirement("RTE-02")
async def test_the_person_with_the_fewest_open_incidents_is_told_and_then_who_was_paged_longest_ago(
    tmp_path: Path, store_url: str
) -> None:
    route = {"assign": {"strategy": "load_balanced", "team": "platform"}}
    async with Story(tmp_path, town(route), store_url=store_url) as app:
        first = await trouble(app, 1)
        assert app.told() == ["ana"], "nobody has anything: the id decides"
        assert (await app.incident(first)).assigned_to == "ana"
        await trouble(app, 2)
        await trouble(app, 3)
        assert app.told() == ["bo", "cy"], "who cannot be reached is passed over"
        await app.bring_to(first, "RESOLVED")
        fourth = await trouble(app, 4)
        assert app.told() == ["ana"], "she has none open again"
        sentence = await why(app, fourth)
        assert "load-balanced: user ana of ana (0 open, paged 2026-11-02 09:00:00)" in sentence
        assert "user mute cannot be reached" in sentence


@pytest.mark.requirement("RTE-02")
async def test_what_opens_together_is_spread_as_if_it_came_one_by_one(tmp_path: Path, store_url: str) -> None:
    route = {"assign": {"strategy": "load_balanced", "users": ["ana", "bo", "cy"]}}
    async with Story(tmp_path, town(route), store_url=store_url) as app:
        receipts = [await app.post_event(title=f"Trouble {n}", settle=False) for n in range(30)]
        await app.settle()
        assert Counter(app.told()) == {"ana": 10, "bo": 10, "cy": 10}
        for number, receipt in enumerate(receipts[:10]):
            holder = (await app.incident(receipt.incident_id)).assigned_to
            assert holder == ("ana", "bo", "cy")[number % 3]


@pytest.mark.requirement("RTE-02")
async def test_teams_are_balanced_too(tmp_path: Path) -> None:
    route = {"assign": {"strategy": "load_balanced", "teams": ["models", "search"]}}
    async with Story(tmp_path, town(route)) as app:
        ids = [await trouble(app, number) for number in range(4)]
        assert [(await app.incident(each)).assigned_team for each in ids] == ["models", "search", "models", "search"]
        assert app.told() == ["bo", "bo", "cy", "cy"]


@pytest.mark.requirement("RTE-02")
async def test_a_worse_event_stays_with_whoever_has_the_incident(tmp_path: Path) -> None:
    route = {"assign": {"strategy": "load_balanced", "team": "platform"}}
    async with Story(tmp_path, town(route)) as app:
        first = await trouble(app, 1, severity="medium")
        await trouble(app, 2, severity="medium")
        assert app.told() == ["ana", "bo"]
        await trouble(app, 1, severity="critical")
        await app.fast_forward(seconds=2)
        assert app.told() == ["ana"], "not cy, who has nothing"
        assert "who has it already" in await why(app, first)


@pytest.mark.requirement("RTE-02")
async def test_the_best_cover_of_the_skills_is_told_and_the_team_where_nobody_has_them(tmp_path: Path) -> None:
    route = {"assign": {"strategy": "skill_based", "team": "platform", "skills": ["vector-db"]}}
    async with Story(tmp_path, town(route)) as app:
        both = await trouble(app, 1, tags={"required_skills": "Prompts"})
        assert app.told() == ["ana"]
        assert "2 of 2 of vector-db, prompts" in await why(app, both)
        await trouble(app, 2)
        assert app.told() == ["bo"], "both have it; ana has more to do"
    nobody = {"assign": {"strategy": "skill_based", "team": "platform", "skills": ["gpu"]}}
    async with Story(tmp_path / "other", town(nobody)) as app:
        third = await trouble(app, 3)
        assert app.told() == ["ana", "bo", "cy"]
        assert "nobody has gpu; nobody to choose, so team platform is told" in await why(app, third)


@pytest.mark.requirement("RTE-02")
async def test_the_region_of_the_incident_is_told_else_whoever_is_at_work(tmp_path: Path) -> None:
    regions = [
        {"name": "eu", "team": "models", "hours": MADRID},
        {"name": "ap", "team": "search", "match": ["ap-*", "asia"], "hours": SYDNEY},
    ]
    route = {"assign": {"strategy": "geo_based", "regions": regions}}
    async with Story(tmp_path, town(route)) as app:
        await trouble(app, 1, tags={"region": "AP-southeast-2"})
        assert app.told() == ["cy"], "its own region, whatever the hour there"
        resource = {"type": "endpoint", "id": "e", "metadata": {"region": "eu-west-1"}}
        await trouble(app, 2, resource=resource)
        assert app.told() == ["bo"]
        elsewhere = await trouble(app, 3, tags={"region": "us-east-1"})
        assert app.told() == ["bo"], "10:00 in Madrid, 20:00 in Sydney"
        assert "region us-east-1 is none of the route's; eu is at work" in await why(app, elsewhere)
        app.clock.advance(datetime(2026, 11, 2, 23, 0, tzinfo=UTC) - app.clock.now())
        app.pages.clear()
        await app.settle()
        app.pages.clear()
        await trouble(app, 4)
        assert "cy" in app.told(), "midnight in Madrid, 10:00 in Sydney"
        app.clock.advance(datetime(2026, 11, 3, 20, 0, tzinfo=UTC) - app.clock.now())
        await app.settle()
        app.pages.clear()
        nobody = await trouble(app, 5)
        assert app.told() == ["last"], "nobody is at work"
        assert "the catch-all is told" in await why(app, nobody)


@pytest.mark.requirement("RTE-02")
async def test_the_strategy_s_choice_goes_before_the_policy_s_first_level_which_stands_in(tmp_path: Path) -> None:
    levels = policy(level(to("team", "models"), after=300), level(to("user", "last")))
    route = {"assign": {"strategy": "load_balanced", "users": ["ana", "cy"]}, "policy": "pages"}
    async with Story(tmp_path, town(route, escalation_policies=[levels])) as app:
        incident_id = await trouble(app, 1)
        assert app.told() == ["ana"]
        step = (await app.incident(incident_id)).plan.steps[0]
        assert [(each.label, each.fallback and each.fallback.label) for each in step.targets] == [
            ("user:ana", "team:models")
        ]
        await app.fast_forward(seconds=300)
        assert app.told() == ["last"]


@pytest.mark.requirement("RTE-02")
async def test_who_is_on_call_is_looked_up_when_told(tmp_path: Path) -> None:
    rotation = {"type": "daily", "length": 1, "hand_off": "09:30", "starts": "2026-11-01", "users": ["ana", "bo"]}
    schedule = {"id": "first", "name": "First", "time_zone": "UTC", "layers": [{"name": "day", "rotation": rotation}]}
    route = {"assign": {"strategy": "on_call", "schedule": "first", "team": "models"}}
    async with Story(tmp_path, town(route, schedules=[schedule])) as app:
        incident_id = await trouble(app, 1)
        (before,) = app.told()
        app.clock.advance(datetime(2026, 11, 2, 9, 31, tzinfo=UTC) - app.clock.now())
        await app.settle()
        app.pages.clear()
        await trouble(app, 2)
        (after,) = app.told()
        assert {before, after} == {"ana", "bo"}
        assert (await app.incident(incident_id)).assigned_team == "models"


@pytest.mark.requirement("RTE-01")
async def test_routes_that_go_on_add_people_and_the_first_that_does_not_decides(tmp_path: Path) -> None:
    also = {"priority": 9, "assign": {"user": "cy"}, "continue": True, "conditions": {"resource": {"id": "ep-*"}}}
    never = {"priority": 8, "assign": {"user": "bo"}, "continue": True, "conditions": {"resource": {"type": "model"}}}
    rest = {"priority": 1, "assign": {"user": "ana"}}
    async with Story(tmp_path, town(also, never, rest)) as app:
        incident_id = await trouble(app, 1)
        assert app.told() == ["ana", "cy"]
        incident = await app.incident(incident_id)
        assert incident.assigned_to == "ana"
        assert incident.routing is not None
        assert incident.routing.route == "route-2"
        assert "told as well: 'route-0'" in incident.routing.sentence
        assert "route 'route-1': resource type endpoint is not model" in incident.routing.considered


@pytest.mark.requirement("RTE-01")
async def test_a_route_matches_in_its_hours_only(tmp_path: Path) -> None:
    by_day = {"priority": 5, "assign": {"user": "bo"}, "schedule": MADRID}
    async with Story(tmp_path, town(by_day, {"assign": {"user": "ana"}})) as app:
        await trouble(app, 1)
        assert app.told() == ["bo"]
        app.clock.advance(datetime(2026, 11, 2, 22, 0, tzinfo=UTC) - app.clock.now())
        await app.settle()
        app.pages.clear()
        late = await trouble(app, 2)
        assert app.told() == ["ana"]
        incident = await app.incident(late)
        assert incident.routing is not None
        assert "route 'route-0': it is outside its active hours" in incident.routing.considered


@pytest.mark.requirement("RTE-02")
async def test_a_rehearsal_names_the_same_person_with_the_same_figures(tmp_path: Path) -> None:
    route = {"assign": {"strategy": "load_balanced", "users": ["ana", "bo"]}}
    async with Story(tmp_path, town(route)) as app:
        await trouble(app, 1)
        app.pages.clear()
        shown = await Query(app.store, app.house.context, app.house.untriaged, app.clock).test_route(
            person("ana"), {"severity": "high"}
        )
        assert shown["user"] == "bo"
        assert "user bo of bo (0 open, never paged), ana (1 open" in shown["reason"]
        app.expect_silence()
        await trouble(app, 2)
        assert app.told() == ["bo"]


@pytest.mark.requirement("RTE-02")
@pytest.mark.parametrize(
    ("assign", "field", "message"),
    [
        ({"strategy": "round_robin"}, "assign.strategy", "not one of direct, on_call"),
        ({"strategy": "on_call"}, "assign", "needs a schedule"),
        ({"strategy": "load_balanced"}, "assign", "needs somebody to choose from"),
        ({"strategy": "load_balanced", "users": ["ana"], "teams": ["models"]}, "assign", "several of teams"),
        ({"strategy": "load_balanced", "users": ["zoe"]}, "assign.users[0]", 'user "zoe" does not exist'),
        ({"strategy": "skill_based", "team": "models", "teams": ["search"]}, "assign.teams", "has no effect"),
        ({"strategy": "geo_based"}, "assign", "needs regions"),
        ({"strategy": "geo_based", "regions": [{"name": "eu"}]}, "assign.regions[0]", "must name one of"),
        ({"strategy": "load_balanced", "users": ["mute"]}, "assign", "reaches nobody: user mute has no contacts"),
        ({"user": "mute"}, "assign", "reaches nobody"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused_when_it_is_saved(
    assign: dict[str, Any], field: str, message: str
) -> None:
    faults = faults_of(town({"assign": assign}))
    assert any(at.endswith(field) and message in said for at, said in faults), faults


def faults_of(documents: Documents) -> list[tuple[str, str]]:
    made = [stored(kind, document) for kind, several in documents.items() for document in several]
    return [(fault.field, fault.message) for fault in build_settings("default", made).faults]
