"""Incidents that belong together are linked, never folded, and each link says why (CLS-08, its first part)."""

from pathlib import Path

import pytest

from llm_incident_manager.domain.vocabulary import LinkKind
from tests.stories.app import Story


@pytest.mark.requirement("CLS-08")
async def test_an_event_that_names_its_parent_opens_an_incident_linked_to_the_parents(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        outage = await app.post_event(event_id="outage-1", title="Provider down")
        app.expect_page("ana", "incident_created")
        effect = await app.post_event(title="Answers time out", parent_event_id="outage-1")
        app.expect_page("ana", "incident_created")
        assert effect.incident_id != outage.incident_id
        (link,) = (await app.incident(effect.incident_id)).links
        assert (link.incident_id, link.kind) == (outage.incident_id, LinkKind.PARENT)
        assert "outage-1" in link.reason


async def test_a_parent_that_nobody_knows_links_nothing(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        effect = await app.post_event(title="Answers time out", parent_event_id="never-seen")
        app.expect_page("ana", "incident_created")
        assert (await app.incident(effect.incident_id)).links == ()
