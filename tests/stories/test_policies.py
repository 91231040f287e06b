"""Escalation policies (specification §5.3, §6.2): who is told when, and what happens where nobody can be told."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from tests.stories.app import Story
from tests.stories.towns import Documents, level, policy, to, user, with_policy

SECURITY = """
- name: "Critical Security Violations"
  conditions:
    source: llm-shield
    severity: [P0]
    category: security
  levels:
    - level: 1
      targets: [{type: team, id: security-team}]
      escalate_after: 300  # 5 minutes
      channels: [pagerduty, slack]
    - level: 2
      targets: [{type: team, id: incident-response}]
      escalate_after: 900  # 15 minutes
      channels: [pagerduty, sms]
    - level: 3
      targets: [{type: user, id: ciso}]
      channels: [pagerduty, sms, phone]
"""
VIOLATION = {
    "source": "llm-shield", "event_type": "violation", "category": "security", "severity": "critical",
    "title": "Prompt Injection Detected", "resource": {"type": "model", "id": "model-gpt4-prod"},
}  # fmt: skip


WITH_GHOSTS = [
    {"id": "platform", "name": "Platform", "members": ["ana"]},
    {"id": "ghosts", "name": "Ghosts", "members": []},
]


def security() -> Documents:
    """The people of §6.2's policy, as this product can reach them today."""
    return {
        "users": [user("eve", "slack", "email"), user("ian", "webhook"), user("ciso", "email")],
        "teams": [
            {"id": "security-team", "name": "Security", "members": ["eve"]},
            {"id": "incident-response", "name": "Response", "members": ["ian"]},
        ],
        "escalation_policies": [{"id": "security", **each} for each in yaml.safe_load(SECURITY)],
    }


@pytest.mark.requirement("RTE-08")
@pytest.mark.requirement("RTE-04")
async def test_the_security_policy_of_6_2_is_climbed_as_written(tmp_path: Path) -> None:
    async with Story(tmp_path, security()) as app:
        incident_id = (await app.post_event(**VIOLATION)).incident_id
        app.expect_page("eve", "incident_created", "slack")
        await app.fast_forward(seconds=299)
        app.expect_silence()
        await app.fast_forward(seconds=1)
        assert (await app.incident(incident_id)).escalation_level == 2
        app.expect_page("ian", "escalated", "webhook")
        await app.fast_forward(seconds=600)
        page = app.expect_page("ian", "incident_updated")
        assert page.message.payload["reason"] == "resolution_deadline_missed", "P0 is resolved in 15 minutes"
        await app.fast_forward(seconds=299)
        app.expect_silence()
        await app.fast_forward(seconds=1)
        app.expect_page("ciso", "escalated", "email")
        assert (await app.incident(incident_id)).escalation_level == 3
        skipped = {
            (row.level, row.channel): row.last_error
            for row in await app.pages_of(incident_id)
            if row.state == "skipped"
        }
        assert set(skipped) == {
            (1, "pagerduty"),
            (2, "pagerduty"),
            (2, "sms"),
            (3, "pagerduty"),
            (3, "sms"),
            (3, "phone"),
        }
        assert skipped[1, "pagerduty"] == "there is no pagerduty channel here yet"
        await app.act("ciso", incident_id, "take")
        await app.fast_forward(minutes=60 * 24)


@pytest.mark.requirement("RTE-04")
async def test_rounds_repeat_and_then_the_last_resort_is_told_once(tmp_path: Path) -> None:
    pages = policy(level(to("user", "ana"), after=60), level(to("user", "bo"), after=120), repeat={"times": 2})
    async with Story(tmp_path, with_policy(pages)) as app:
        incident_id = (await app.post_event(severity="P2")).incident_id
        told = [app.told()]
        for seconds in (60, 120, 60, 120, 60, 120):
            await app.fast_forward(seconds=seconds)
            told.append(app.told())
        assert told == [["ana"], ["bo"], ["ana"], ["bo"], ["ana"], ["bo"], ["last"]]
        ladder = (await app.incident(incident_id)).ladder
        assert (ladder.state, ladder.round, ladder.reason) == ("exhausted", 2, "every level was told")
        await app.fast_forward(minutes=30)
        app.expect_silence()


@pytest.mark.requirement("RTE-04")
async def test_a_missing_wait_takes_the_timers_of_the_policy(tmp_path: Path) -> None:
    timers = {"acknowledgment_timeout": 600, "resolution_timeout": 7200, "escalation_interval": 200}
    pages = policy(level(to("user", "ana")), level(to("user", "bo")), timers=timers)
    async with Story(tmp_path, with_policy(pages)) as app:
        receipt = await app.post_event(severity="P0")
        incident = await app.incident(receipt.incident_id)
        assert incident.sla.acknowledgment_deadline == incident.created_at + timedelta(seconds=600)
        assert incident.sla.resolution_deadline == incident.created_at + timedelta(seconds=7200)
        await app.fast_forward(seconds=199)
        assert app.told() == ["ana"]
        await app.fast_forward(seconds=1)
        assert app.told() == ["bo"]
        await app.act("bo", receipt.incident_id, "take")


@pytest.mark.requirement("RTE-06")
async def test_a_missed_deadline_is_announced_once_to_who_has_it(tmp_path: Path) -> None:
    timers = {"acknowledgment_timeout": 600, "resolution_timeout": 1200, "escalation_interval": 3600}
    async with Story(tmp_path, with_policy(policy(level(to("user", "ana")), timers=timers))) as app:
        incident_id = (await app.post_event(severity="P0")).incident_id
        app.expect_page("ana", "incident_created")
        await app.fast_forward(seconds=600)
        assert app.expect_page("ana", "incident_updated").message.payload["reason"] == "acknowledgment_deadline_missed"
        await app.act("bo", incident_id, "take")
        await app.fast_forward(seconds=600)
        assert app.expect_page("bo", "incident_updated").message.payload["reason"] == "resolution_deadline_missed"
        await app.restart()
        await app.fast_forward(minutes=600)
        app.expect_silence()


@pytest.mark.requirement("RTE-04")
async def test_outside_its_active_hours_a_policy_does_not_match(tmp_path: Path) -> None:
    night = policy(level(to("user", "bo")), priority=9, schedule={
        "timezone": "Europe/Madrid", "active_hours": {"start": "22:00", "end": "06:00"}, "active_days": [1],
    }) | {"id": "night", "name": "night"}  # fmt: skip
    day = policy(level(to("user", "ana")))
    async with Story(tmp_path, with_policy(night, day)) as app:
        assert app.clock.now().isoweekday() == 1
        first = await app.post_event(resource={"type": "model", "id": "a"})
        assert app.told() == ["ana"], "10:00 in Madrid"
        await app.act("ana", first.incident_id, "take")
        await app.fast_forward(minutes=12 * 60)
        app.pages.clear()
        second = await app.post_event(resource={"type": "model", "id": "b"})
        assert app.told() == ["bo"], "22:00 in Madrid on Monday"
        await app.act("bo", second.incident_id, "take")
        await app.fast_forward(minutes=5 * 60)
        app.pages.clear()
        third = await app.post_event(resource={"type": "model", "id": "c"})
        assert app.told() == ["bo"], "03:00 on Tuesday belongs to Monday's night"
        await app.act("bo", third.incident_id, "take")


@pytest.mark.requirement("RTE-01")
async def test_the_route_names_the_policy_whatever_else_matches(tmp_path: Path) -> None:
    named = policy(level(to("user", "bo")), priority=-5) | {"id": "named", "name": "named"}
    better = policy(level(to("user", "ana")), priority=5)
    routes = [
        {"name": "models", "priority": 2, "conditions": {"tags": {"kind": "model"}}, "policy": "named"},
        {"name": "everything", "priority": 1, "conditions": {}, "assign": {"team": "platform"}},
    ]
    async with Story(tmp_path, with_policy(better, named, routes=routes)) as app:
        receipt = await app.post_event(tags={"kind": "model"})
        assert app.told() == ["bo"]
        routing = (await app.incident(receipt.incident_id)).routing
        assert (routing.route, routing.policy) == ("models", "named")
        await app.post_event(resource={"type": "model", "id": "other"})
        assert app.told() == ["ana"], "no route names one: the best matching policy"


@pytest.mark.requirement("RTE-01")
async def test_a_route_to_a_person_pages_that_person(tmp_path: Path) -> None:
    routes = [{"name": "mine", "priority": 1, "conditions": {}, "assign": {"user": "bo"}}]
    async with Story(tmp_path, with_policy(routes=routes)) as app:
        receipt = await app.post_event()
        assert app.told() == ["bo"]
        incident = await app.incident(receipt.incident_id)
        assert (incident.assigned_to, incident.routing.sentence) == (
            "bo", "route 'mine' sends it to user bo; no policy matched, so P0 escalates by the default table",
        )  # fmt: skip


@pytest.mark.requirement("RTE-01")
@pytest.mark.parametrize(
    ("escalation", "expected"),
    [
        ({}, ["last"]),
        ({"manager": [to("user", "boss")]}, ["boss"]),
        ({"3": [to("user", "lead")]}, ["lead"]),
        ({"2": [to("user", "bo")], "3": [to("user", "lead")]}, ["bo"]),
    ],
)
async def test_a_missing_level_of_the_team_falls_to_the_next(
    tmp_path: Path, escalation: dict[str, object], expected: list[str]
) -> None:
    team = {"id": "platform", "name": "Platform", "members": ["ana"], "escalation": escalation}
    async with Story(tmp_path, with_policy(teams=[team])) as app:
        await app.post_event(severity="P0")
        assert app.told() == ["ana"]
        await app.fast_forward(minutes=5)
        assert app.told() == expected


@pytest.mark.requirement("RTE-01")
async def test_without_any_route_the_last_resort_is_told(tmp_path: Path) -> None:
    async with Story(tmp_path, with_policy(routes=[])) as app:
        receipt = await app.post_event(severity="P1")
        assert app.told() == ["last"]
        assert (await app.incident(receipt.incident_id)).routing.sentence.startswith("no route matched")


@pytest.mark.requirement("RTE-04")
async def test_a_level_that_nobody_can_be_told_of_moves_on_at_once(tmp_path: Path) -> None:
    nobody = to("team", "ghosts")
    pages = policy(level(nobody, after=300), level(nobody, after=900), level(to("user", "lead"), after=60))
    async with Story(tmp_path, with_policy(pages, teams=WITH_GHOSTS)) as app:
        receipt = await app.post_event(severity="P0")
        assert app.told() == ["lead"]
        reasons = [row.last_error for row in await app.pages_of(receipt.incident_id) if row.state == "skipped"]
        assert reasons == ["team ghosts has neither members nor contacts"] * 2
        assert (await app.incident(receipt.incident_id)).escalation_level == 3


@pytest.mark.requirement("RTE-04")
async def test_an_unreachable_target_falls_back_at_once_beside_the_others(tmp_path: Path) -> None:
    ghost = to("team", "ghosts", fallback=to("user", "nobody-now", fallback=to("user", "boss")))
    users = [user(name, "webhook") for name in ("ana", "boss", "last")]
    users.append({"id": "nobody-now", "name": "Away", "enabled": False, "contacts": {"email": "away@example.com"}})
    pages = policy(level(to("user", "ana"), ghost, after=300))
    async with Story(tmp_path, with_policy(pages, teams=WITH_GHOSTS, users=users)) as app:
        await app.post_event(severity="P0")
        assert app.told() == ["ana", "boss"]


@pytest.mark.requirement("NTF-03")
async def test_the_less_urgent_are_told_by_mail_and_chat_only(tmp_path: Path) -> None:
    users = [user("ana", "webhook", "email", "slack"), user("last", "email")]
    async with Story(tmp_path, with_policy(policy(level(to("user", "ana"))), users=users)) as app:
        receipt = await app.post_event(severity="P3")
        assert sorted(page.channel for page in app.pages) == ["email", "slack"]
        app.pages.clear()
        (skipped,) = [row for row in await app.pages_of(receipt.incident_id) if row.state == "skipped"]
        assert (skipped.channel, skipped.last_error) == ("webhook", "P3 is told by e-mail and chat only")


@pytest.mark.requirement("RTE-04")
async def test_an_escalation_tells_the_new_level_only(tmp_path: Path) -> None:
    pages = policy(level(to("user", "ana"), after=60), level(to("user", "bo"), after=60))
    async with Story(tmp_path, with_policy(pages)) as app:
        receipt = await app.post_event()
        app.expect_page("ana", "incident_created")
        await app.act("ana", receipt.incident_id, "escalate")
        page = app.expect_page("bo", "escalated")
        assert page.message.payload["reason"] == "escalated_by_hand"
        assert page.message.payload["level"] == 2
        app.expect_silence()
