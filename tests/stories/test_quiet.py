"""What never says that it is over: its incidents end when nothing more came for the time that its source is given."""

from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.escalation.timer import TimerKind
from llm_incident_manager.domain.vocabulary import NotificationType
from tests.stories.app import Story, plain

pytestmark = pytest.mark.requirement("RES-02", "RTE-07")


def quiet_after(seconds: int, **more: Any) -> dict[str, Any]:
    return {**plain(), "sources": [{"id": "llm-sentinel", "name": "llm-sentinel", "quiet_seconds": seconds, **more}]}


async def an_event(app: Story) -> str:
    incident_id = (await app.post_event(severity="P4", dedup_key="same")).incident_id
    assert incident_id is not None
    return incident_id


async def test_quiet_ends_an_incident_and_every_event_begins_the_time_anew(tmp_path: Path) -> None:
    async with Story(tmp_path, quiet_after(600)) as app:
        incident_id = await an_event(app)
        for _ in range(3):
            await app.fast_forward(minutes=9)
            assert await an_event(app) == incident_id
        assert (await app.incident(incident_id)).is_open
        await app.fast_forward(minutes=12)
        ended = await app.incident(incident_id)
        assert (ended.status, ended.event_count) == ("RESOLVED", 4)
        assert ended.resolution.resolution_notes == "Nothing more came from llm-sentinel for 10 minutes."
        assert ended.resolution.resolved_by == "system"
        assert await an_event(app) != incident_id


async def test_quiet_is_kept_through_a_restart_and_through_other_settings(tmp_path: Path) -> None:
    async with Story(tmp_path, quiet_after(600)) as app:
        incident_id = await an_event(app)
        await app.restart()
        assert [timer.kind for timer in await app.timers_of(incident_id)] == [TimerKind.QUIET]
        await app.fast_forward(minutes=12)
        assert (await app.incident(incident_id)).status == "RESOLVED"


async def test_a_storm_moves_the_timer_once_a_minute_at_most(tmp_path: Path) -> None:
    async with Story(tmp_path, quiet_after(600)) as app:
        incident_id = await an_event(app)
        due = {(await app.timers_of(incident_id))[0].due_at}
        for _ in range(20):
            await app.fast_forward(seconds=5)
            await an_event(app)
            due.add((await app.timers_of(incident_id))[0].due_at)
        assert len(due) <= 3
        assert all(each.second == each.microsecond == 0 for each in due)
        await app.fast_forward(minutes=12)


async def test_what_a_person_reopens_is_not_ended_at_once(tmp_path: Path) -> None:
    async with Story(tmp_path, quiet_after(600)) as app:
        incident_id = await an_event(app)
        await app.fast_forward(minutes=12)
        await app.act("ana", incident_id, "reopen")
        await app.fast_forward(minutes=8)
        assert (await app.incident(incident_id)).is_open
        await app.fast_forward(minutes=4)
        assert not (await app.incident(incident_id)).is_open


@pytest.mark.requirement("NTF-04")
async def test_who_was_paged_hears_that_it_is_quiet(tmp_path: Path) -> None:
    async with Story(tmp_path, quiet_after(600)) as app:
        incident_id = (await app.post_event(severity="P1")).incident_id
        told = set(app.told())
        assert told
        app.pages.clear()
        await app.act("ana", incident_id, "take")
        await app.fast_forward(minutes=12)
        assert {page.message.type for page in app.pages} == {NotificationType.RESOLVED}
        assert told <= set(app.told())
        app.pages.clear()


async def test_other_sources_wait_for_people(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        incident_id = await an_event(app)
        await app.fast_forward(minutes=60 * 24)
        assert (await app.incident(incident_id)).is_open
