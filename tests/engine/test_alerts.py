"""Alerts while the database is away: their ends wait in memory and hold when it is back."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from llm_incident_manager.engine.alerts import Alerts
from tests.contract.test_store_alerts import an_alert
from tests.simulator.trouble import Life, Trouble, TroubledStore
from tests.stories.app import Story


@pytest.mark.requirement("ING-12")
async def test_what_was_told_while_the_database_was_away_ends_all_the_same(tmp_path: Path) -> None:
    async with Story(tmp_path) as story:
        trouble = Trouble(random.Random(1))
        trouble.crash_rate = trouble.store_rate = 0.0
        trouble.database_away = True
        alerts = Alerts(TroubledStore(story.store, trouble, Life()), story.house.intake, story.clock)
        now = story.clock.now()
        told = an_alert(starts_at=now, episode_at=now, updated_at=now, ends_at=now + timedelta(minutes=4))
        assert await alerts.judge("default", [told]) == [told]
        await alerts.note("default", [told])
        trouble.database_away = False
        assert await alerts.run_due() == 0
        assert await story.store.read("default", lambda tx: tx.alerts.firing(now)) == [told]
        story.clock.advance(timedelta(minutes=5))
        assert await alerts.run_due() == 1
        assert await story.store.read("default", lambda tx: tx.alerts.firing(now)) == []
        assert story.journal.depth() == 1, "its recovery"
        await story.settle()
