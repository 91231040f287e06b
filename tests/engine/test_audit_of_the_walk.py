"""What the whole walk writes is proven by the audit: chains hold, replay equals projection, events are as in §6.4."""

from pathlib import Path

import pytest

from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.engine.audit import Audit
from llm_incident_manager.engine.proof.export import verify_export
from tests.stories.app import Story, person

EVENT_MEMBERS = {"event_id", "timestamp", "event_type", "incident_id", "actor", "changes", "metadata", "details"}


@pytest.mark.requirement("AUD-01")
@pytest.mark.requirement("AUD-06")
async def test_every_step_of_the_walk_can_be_replayed_and_proven(tmp_path: Path) -> None:
    async with Story(tmp_path) as app:
        ana, audit = person("ana"), Audit(app.store)
        receipt = await app.post_event(
            description="p95 is 12 s – ümlaut \U0001f525",
            metrics={"p95_latency_ms": 12000, "share": 0.1},
            tags={"env": "prod", "model": "gpt-x"},
            labels=["llm"],
            payload={"nested": {"list": [1, 2.5, None, True, "x"], "big": 2**60}, "at": "2026-11-02T09:00:00Z"},
            correlation_id="c-1",
        )
        assert receipt.incident_id is not None
        for _ in range(3):
            await app.post_event(severity="medium")
        await app.fast_forward(minutes=16)
        await app.act("ana", receipt.incident_id, "take")
        edited = {
            "tags": {"a": "b"},
            "labels": ["x"],
            "metadata": {"k": [1.0, 1]},
            "category": "cost",
            "severity": "P2",
        }
        await app.house.respond.edit(ana, receipt.incident_id, edited)
        await app.house.respond.comment(ana, receipt.incident_id, "we see it")
        other = await app.post_event(title="Something else")
        await app.house.respond.merge(ana, str(other.incident_id), receipt.incident_id)
        given = ResolutionGiven(root_cause="pool", resolution_notes="grown")
        await app.house.respond.resolve(ana, receipt.incident_id, given, walk=True)
        await app.fast_forward(minutes=5)
        app.pages.clear()

        verdict = await audit.verify(ana)
        assert verdict["first_fault"] is None
        assert verdict["checked"] > 10
        lines = [line async for line in audit.export(ana)]
        assert verify_export(lines) == verdict
        events, _, total = await audit.page(ana, limit=500)
        assert len(events) == total
        assert all(event.keys() >= EVENT_MEMBERS for event in events)
        (resolved,) = (
            event
            for event in events
            if (event["event_type"], event["incident_id"]) == ("incident_resolved", receipt.incident_id)
        )
        assert {"field": "resolution.root_cause", "old_value": None, "new_value": "pool"} in resolved["changes"]
