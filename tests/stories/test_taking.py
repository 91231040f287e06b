"""People act: take from every status, acknowledge strictly, and what a worse event or a lower severity does."""

from pathlib import Path

import pytest

from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.transitions import InvalidTransition, allowed_actions
from llm_incident_manager.domain.people import Target
from llm_incident_manager.domain.vocabulary import Action, Status, TargetType
from llm_incident_manager.errors import StaleVersion
from tests.stories.app import Story, person
from tests.stories.towns import by_mail, level, policy, to, with_policy

TAKEN = {
    "NEW": "ACKNOWLEDGED", "ACKNOWLEDGED": "ACKNOWLEDGED", "IN_PROGRESS": "IN_PROGRESS",
    "ESCALATED": "IN_PROGRESS", "RESOLVED": "RESOLVED", "CLOSED": "CLOSED",
}  # fmt: skip


@pytest.mark.requirement("RES-02")
@pytest.mark.parametrize("status", TAKEN)
async def test_whoever_takes_it_has_it_and_no_further_level_is_told(tmp_path: Path, status: str) -> None:
    pages = policy(level(to("user", "ana"), after=300), level(to("user", "lead"), after=300))
    async with Story(tmp_path, with_policy(pages)) as app:
        incident_id = (await app.post_event()).incident_id
        await app.bring_to(incident_id, status)
        app.pages.clear()
        taken = await app.act("bo", incident_id, "take")
        assert taken.status == TAKEN[status]
        assert (taken.assigned_to == "bo") == taken.is_open
        await app.fast_forward(minutes=60 * 24)
        assert app.told() == (["bo"] if taken.is_open else []), "of the missed resolution deadline, and nobody else"


@pytest.mark.requirement("RES-02")
@pytest.mark.parametrize("status", TAKEN)
async def test_second_take_is_harmless(tmp_path: Path, status: str) -> None:
    async with Story(tmp_path) as app:
        incident_id = (await app.post_event()).incident_id
        await app.bring_to(incident_id, status)
        once = await app.act("bo", incident_id, "take")
        twice = await app.act("bo", incident_id, "take")
        assert twice == once
        app.pages.clear()


@pytest.mark.requirement("RES-01")
@pytest.mark.parametrize("status", TAKEN)
@pytest.mark.parametrize("action", list(Action))
async def test_what_the_matrix_forbids_is_refused_with_what_it_allows(
    tmp_path: Path, status: str, action: Action
) -> None:
    async with Story(tmp_path) as app:
        incident_id = (await app.post_event()).incident_id
        await app.bring_to(incident_id, status)
        allowed = allowed_actions(Status(status))
        if action in allowed:
            await app.act("ana", incident_id, action)
        else:
            with pytest.raises(InvalidTransition) as refused:
                await app.act("ana", incident_id, action)
            assert refused.value.facts["allowed_actions"] == [str(each) for each in allowed]
            assert (await app.incident(incident_id)).status == status
        app.pages.clear()


@pytest.mark.requirement("RES-02")
async def test_who_acknowledges_has_it_unless_somebody_had_it(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = str((await app.post_event()).incident_id)
        app.pages.clear()
        await app.house.respond.assign(person("ana"), incident_id, user_id="bo")
        assert (await app.act("ana", incident_id, "acknowledge")).assigned_to == "bo"
        assert (await app.act("ana", incident_id, "take")).assigned_to == "ana"


@pytest.mark.requirement("RES-02")
async def test_resolving_walks_the_legal_steps_and_says_why(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = str((await app.post_event()).incident_id)
        app.pages.clear()
        given = ResolutionGiven(root_cause="a full disk", resolution_notes="emptied")
        with pytest.raises(InvalidTransition):
            await app.house.respond.resolve(person("ana"), incident_id, given)
        resolved = await app.house.respond.resolve(person("ana"), incident_id, given, walk=True)
        assert (resolved.status, resolved.resolution.root_cause, resolved.resolution.resolved_by) == (
            "RESOLVED", "a full disk", "ana",
        )  # fmt: skip
        assert resolved.times.mtta == 0.0
        await app.settle()
        app.expect_page("ana", "resolved")


@pytest.mark.requirement("AUD-01")
async def test_a_stale_version_is_refused_and_a_storm_makes_none(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = str((await app.post_event()).incident_id)
        app.pages.clear()
        seen = await app.incident(incident_id)
        for _ in range(5):
            await app.post_event()
        await app.fast_forward(seconds=2)
        await app.house.respond.comment(person("bo"), incident_id, "I see it")
        with pytest.raises(StaleVersion):
            await app.house.respond.act(person("ana"), incident_id, Action.ACKNOWLEDGE, if_match=seen.revision)
        newest = await app.incident(incident_id)
        assert (newest.revision, newest.event_count) == (seen.revision + 1, 6)
        await app.house.respond.act(person("ana"), incident_id, Action.ACKNOWLEDGE, if_match=newest.revision)


@pytest.mark.requirement("RES-02")
async def test_paging_by_hand_tells_them_now_and_leaves_the_ladder_alone(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = str((await app.post_event()).incident_id)
        app.pages.clear()
        before = await app.incident(incident_id)
        targets = [Target(type=TargetType.USER, id="boss")]
        await app.house.respond.page(person("ana"), incident_id, targets, (), "we need you")
        await app.settle()
        app.expect_page("boss", "escalated")
        assert (await app.incident(incident_id)).ladder == before.ladder


@pytest.mark.requirement("CLS-07")
@pytest.mark.requirement("RTE-05")
@pytest.mark.parametrize("status", ["NEW", "ACKNOWLEDGED", "IN_PROGRESS", "ESCALATED"])
async def test_a_worse_event_pages_level_one_anew_and_deadlines_start_anew(tmp_path: Path, status: str) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="P3")).incident_id
        app.expect_page("ana", "incident_created")
        await app.bring_to(incident_id, status)
        await app.fast_forward(minutes=90)
        await app.post_event(severity="P0")
        raised_at = app.clock.now()
        page = app.expect_page("ana", "incident_updated")
        assert (page.message.severity, page.message.payload["reason"]) == ("P0", "severity_raised")
        incident = await app.incident(incident_id)
        assert (incident.severity, incident.event_count, incident.ladder.cycle) == ("P0", 2, 2)
        assert incident.sla.resolution_deadline is not None
        assert (incident.sla.resolution_deadline - raised_at).total_seconds() == 900
        app.expect_silence()
        await app.fast_forward(minutes=5)
        assert app.told() == (["bo"] if status == "NEW" else [])
        await app.fast_forward(minutes=10)
        assert app.told() == ["lead"]


@pytest.mark.requirement("CLS-07")
async def test_a_calmer_event_changes_no_severity(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="P1")).incident_id
        app.expect_page("ana", "incident_created")
        await app.post_event(severity="P3")
        await app.fast_forward(seconds=2)
        incident = await app.incident(incident_id)
        assert (incident.severity, incident.event_count) == ("P1", 2)


@pytest.mark.requirement("RES-02")
async def test_lowering_by_hand_pages_nobody_and_gives_more_time(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = str((await app.post_event(severity="P0")).incident_id)
        app.expect_page("ana", "incident_created")
        await app.fast_forward(minutes=4)
        lowered = await app.house.respond.edit(person("ana"), incident_id, {"severity": "P2"})
        assert lowered.sla.acknowledgment_deadline is not None
        assert (lowered.sla.acknowledgment_deadline - lowered.created_at).total_seconds() == 3600
        await app.fast_forward(minutes=55)
        app.expect_silence()
        await app.fast_forward(minutes=1)
        assert app.told() == ["bo"]


@pytest.mark.requirement("RES-02")
async def test_lowered_after_the_manager_was_told_the_last_resort_is_still_to_come(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = str((await app.post_event(severity="P0")).incident_id)
        await app.fast_forward(minutes=30)
        assert app.told() == ["ana", "bo", "boss", "lead"]
        await app.house.respond.edit(person("ana"), incident_id, {"severity": "P2"})
        await app.fast_forward(minutes=60 * 24)
        assert app.told() == ["last"]


@pytest.mark.requirement("RES-02")
async def test_a_worse_event_ends_a_snooze(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = str((await app.post_event(severity="P3")).incident_id)
        app.expect_page("ana", "incident_created")
        await app.house.respond.snooze(person("ana"), incident_id, app.clock.now().replace(hour=20))
        await app.fast_forward(minutes=5)
        await app.post_event(severity="P0")
        app.expect_page("ana", "incident_updated")
        assert (await app.incident(incident_id)).snoozed_until is None
        await app.fast_forward(minutes=5)
        assert app.told() == ["bo"]


@pytest.mark.requirement("RTE-07")
@pytest.mark.parametrize("action", ["acknowledge", "take"])
async def test_a_timer_claimed_just_before_an_acknowledgment_pages_nobody(tmp_path: Path, action: str) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = str((await app.post_event(severity="P0")).incident_id)
        app.expect_page("ana", "incident_created")
        await app.fast_forward(seconds=299)
        app.clock.advance(app.clock.now().replace(minute=5, second=0) - app.clock.now())
        claimed = await app.store.system(lambda tx: tx.claim_due_timers(limit=10, lease_seconds=30))
        assert {timer.kind for timer in claimed} == {"acknowledgment_deadline", "sla_acknowledgment"}
        await app.act("ana", incident_id, action)
        for timer in claimed:
            await app.house.timers.fire(timer)
        await app.settle()
        app.expect_silence()
        incident = await app.incident(incident_id)
        assert (incident.status, incident.sla.acknowledgment_breached) == ("ACKNOWLEDGED", False)
        assert [timer.kind for timer in await app.timers_of(incident_id)] == [
            "resolution_deadline", "sla_resolution",
        ]  # fmt: skip


@pytest.mark.requirement("RES-02")
async def test_reopened_it_is_worked_on_and_its_deadline_still_counts(tmp_path: Path) -> None:
    async with Story(tmp_path, by_mail()) as app:
        incident_id = (await app.post_event(severity="P0")).incident_id
        await app.bring_to(incident_id, "CLOSED")
        await app.fast_forward(minutes=10)
        reopened = await app.act("ana", incident_id, "reopen")
        assert (reopened.status, reopened.resolved_at, reopened.times.mttr) == ("IN_PROGRESS", None, None)
        app.expect_silence()
        await app.fast_forward(minutes=15)
        assert app.told() == ["lead"]
        await app.act("lead", incident_id, "start_work")
        resolved = await app.act("lead", incident_id, "resolve")
        assert resolved.times.mttr == 15 * 60.0, "the open spans together"
        assert "lead" in app.told()
