"""Specification §4.1's twenty steps in one story: from a source's event to the figures of a closed incident."""

from pathlib import Path

import msgspec
import pytest

from llm_incident_manager.domain.analytics.figures import figures
from llm_incident_manager.domain.audit.chain import genesis, verify_links
from llm_incident_manager.domain.incidents.decide import ResolutionGiven
from llm_incident_manager.domain.incidents.evolve import replay
from llm_incident_manager.errors import Invalid
from tests.stories.app import Story, an_event, person
from tests.stories.towns import Documents, level, policy, to, user


def company() -> Documents:
    """A team that is told on Slack and by mail within fifteen minutes of a P1."""
    pages = policy(
        level(to("team", "platform"), after=900, channels=["slack", "email"]),
        level(to("user", "lead"), after=1800, channels=["email"]),
    )
    return {
        "users": [user("ana", "slack", "email"), user("lead", "email")],
        "teams": [{"id": "platform", "name": "Platform", "members": ["ana"]}],
        "routes": [{"name": "latency", "priority": 1, "conditions": {}, "assign": {"team": "platform"}}],
        "escalation_policies": [pages],
    }


@pytest.mark.requirement("RTE-01")
@pytest.mark.requirement("RES-01")
@pytest.mark.requirement("NTF-04")
@pytest.mark.requirement("ANA-01")
@pytest.mark.requirement("AUD-01")
async def test_the_twenty_steps_of_4_1(tmp_path: Path, store_url: str) -> None:
    async with Story(tmp_path, company(), store_url=store_url) as app:
        intake, sender = app.house.intake, person("sender")
        # 1, 2: a source emits an event, which is validated; what is not valid is refused, in a batch kept for a person.
        occurred = app.clock.now()
        document = an_event(1, occurred) | {"severity": "high", "title": "High latency detected"}
        wrong = document | {"event_id": "wrong", "severity": "terrible"}
        with pytest.raises(Invalid) as refused:
            await intake.accept(msgspec.json.encode(wrong), sender)
        assert [fault.field for fault in refused.value.faults] == ["severity"]
        batch = await intake.accept_batch(msgspec.json.encode([wrong]), sender)
        assert (batch.accepted, batch.rejected) == (0, 1)
        letters = await app.store.read("default", lambda tx: tx.dead_letters.page(limit=10, cursor=None)[0])
        assert [letter.source for letter in letters] == ["llm-sentinel"]
        await app.fast_forward(minutes=2)
        receipt = await intake.accept(msgspec.json.encode(document), sender)
        incident_id = str(receipt.incident_id)
        # 3, 4: it is buffered durably and consumed from there; the process may end in between.
        assert app.journal.depth() == 1
        await app.restart()
        # 5 to 9: classified, enriched, created, routed, its escalation scheduled.
        await app.house.triage.run_once()
        incident = await app.incident(incident_id)
        assert (incident.severity, incident.status, incident.assigned_team) == ("P1", "NEW", "platform")
        assert incident.classification is not None
        assert (incident.routing.route, incident.routing.policy) == ("latency", "pages")
        assert incident.ladder.next_at is not None
        assert (incident.ladder.next_at - incident.created_at).total_seconds() == 900
        # 10, 11: rendered for each channel and sent.
        await app.settle()
        slack, mail = app.expect_page("ana", "incident_created", "slack"), app.expect_page("ana", channel="email")
        assert slack.message.blocks is not None
        assert mail.message.subject == "[P1] High latency detected"
        # 12 to 14: the responder acknowledges; the transition is logged in a chain that holds.
        await app.fast_forward(minutes=5)
        acknowledged = await app.act("ana", incident_id, "acknowledge")
        assert (acknowledged.status, acknowledged.assigned_to) == ("ACKNOWLEDGED", "ana")
        # 15, 16: investigation and remediation, in words that stay.
        await app.act("ana", incident_id, "start_work")
        await app.house.respond.comment(person("ana"), incident_id, "Restarted the gateway.")
        # 17, 18: resolved, the escalation cancelled, the end announced on both channels.
        await app.fast_forward(minutes=18)
        given = ResolutionGiven(root_cause="a leaking pool", resolution_notes="restarted")
        await app.house.respond.resolve(person("ana"), incident_id, given)
        await app.settle()
        app.expect_page("ana", "resolved", "slack")
        app.expect_page("ana", "resolved", "email")
        assert await app.timers_of(incident_id) == []
        # 19: closed.
        closed = await app.act("ana", incident_id, "close")
        assert closed.status == "CLOSED"
        await app.fast_forward(minutes=60 * 24)
        app.expect_silence()
        # 20: the figures of the specification's own example: MTTD 2 min, MTTA 5 min, MTTR 23 min.
        rows = await app.store.read("default", lambda tx: tx.incidents.times(None, None))
        (group,) = figures(rows)["groups"]
        measured = [group[name]["mean"] for name in ("mttd_seconds", "mtta_seconds", "mttr_seconds")]
        assert measured == [120.0, 300.0, 1380.0]
        assert group["sla_compliance"] == 1.0
        links = await app.store.read("default", lambda tx: tx.incidents.changes(incident_id))
        assert verify_links(links, previous=genesis("default", incident_id)) is None
        assert replay(await app.history(incident_id)) == await app.incident(incident_id)
