"""The service of specification §6.2: an event in, its incident out, and everything people do to it."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.domain.vocabulary import Action
from llm_incident_manager.engine.views.incident import incident_document
from tests.api.app import PLATFORM_KEY, Api, opened
from tests.api.grpc_app import Grpc, answering, refused, request_of
from tests.stories.app import START

SHIELD = {
    "event_id": "shield-0005678",
    "source": "llm-shield",
    "event_type": "violation",
    "category": "security",
    "title": "Prompt injection detected",
    "description": "An attempt was blocked",
    "severity": "critical",
    "resource": {"type": "model", "id": "model-prod", "name": "The model", "metadata": {"deployment": "dep-1"}},
    "metrics": {"confidence_score": 0.95, "attack_vectors": 3},
    "tags": {"environment": "production", "user_id": "user-789"},
    "payload": {"attack_type": "prompt_injection", "blocked": "true"},
}


@pytest.mark.requirement("ING-02")
async def test_an_event_is_accepted_and_its_incident_is_there(rpc: Grpc) -> None:
    event = rpc.event(**SHIELD)
    answer = await rpc.client.create(event)
    assert (answer.status, answer.event_id) == ("accepted", "shield-0005678")
    incident = await rpc.client.get(answer.incident_id)
    assert (incident.id, incident.severity, incident.status) == (answer.incident_id, "P0", "NEW")
    assert (incident.category, incident.title, incident.source) == ("security", event.title, "llm-shield")
    assert (incident.resource.name, incident.resource.metadata["deployment"]) == ("The model", "dep-1")
    assert (incident.environment, incident.tags["user_id"]) == ("production", "user-789")
    assert incident.event_metrics["confidence_score"] == 0.95
    assert (incident.escalation_level, incident.event_count, list(incident.allowed_actions)) == (
        1, 1, ["acknowledge", "escalate"],
    )  # fmt: skip


@pytest.mark.requirement("ING-05")
async def test_the_same_event_again_is_a_duplicate_of_the_same_incident(rpc: Grpc) -> None:
    event = rpc.event()
    first = await rpc.client.create(event)
    again = await rpc.client.create(event)
    assert (again.status, again.incident_id) == ("duplicate", first.incident_id)
    assert (await rpc.client.get(first.incident_id)).event_count == 1


async def test_an_event_that_opens_nothing_has_no_incident(rpc: Grpc) -> None:
    answer = await rpc.client.create(rpc.event(event_type="resolved"))
    assert (answer.status, answer.incident_id) == ("accepted", "")


@pytest.mark.requirement("ING-02")
async def test_every_member_of_an_event_arrives(rpc: Grpc) -> None:
    sent = SHIELD | {
        "source_version": "2.1",
        "labels": ["jailbreak"],
        "correlation_id": "c-1",
        "parent_event_id": "p-1",
        "dedup_key": "the-same-trouble",
        "schema_version": "1.1",
    }
    answer = await rpc.client.create(rpc.event(**sent))
    await rpc.client.get(answer.incident_id)
    found = await rpc.api.client.get(f"/api/v1/incidents/{answer.incident_id}/events")
    (kept,) = found.json()["events"]
    assert {name: kept[name] for name in sent} == sent


@pytest.mark.requirement("RES-01")
async def test_an_incident_walks_through_its_life(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    walk = [
        ("acknowledge", "ACKNOWLEDGED"), ("start_work", "IN_PROGRESS"), ("escalate", "ESCALATED"),
        ("de-escalate", "IN_PROGRESS"), ("resolve", "RESOLVED"), ("reopen", "IN_PROGRESS"),
        ("resolve", "RESOLVED"), ("close", "CLOSED"),
    ]  # fmt: skip
    assert {action for action, _ in walk} == {each.value for each in Action}
    for action, status in walk:
        assert await rpc.client.update(incident_id, action) == status
    assert (await rpc.client.get(incident_id)).status == "CLOSED"


@pytest.mark.requirement("RES-02")
async def test_what_people_do_beside_the_matrix(rpc: Grpc) -> None:
    incident_id, other = await rpc.incident(), await rpc.incident()
    client = rpc.client
    assert await client.update(incident_id, "take") == "ACKNOWLEDGED"
    assert (await client.get(incident_id)).assigned_to == "admin"
    await client.update(incident_id, "assign", user_id="ana", team_id="platform")
    await client.update(incident_id, "comment", text="The gateway was restarted.")
    await client.update(incident_id, "link", incident_id=other, kind="parent")
    await client.update(incident_id, "snooze", until="2026-11-02T10:00:00Z")
    found = await client.get(incident_id)
    assert (found.assigned_to, found.assigned_team, found.parent_incident) == ("ana", "platform", other)
    assert found.snoozed_until.startswith("2026-11-02T10:00:00")
    await client.update(incident_id, "snooze", until="")
    assert (await client.get(incident_id)).snoozed_until == ""
    assert await client.update(incident_id, "merge", into=other) == "RESOLVED"
    assert (await client.get(incident_id)).duplicate_of == other
    timeline = (await rpc.api.client.get(f"/api/v1/incidents/{incident_id}/timeline")).text
    assert "The gateway was restarted." in timeline


@pytest.mark.requirement("RES-02")
async def test_resolving_may_walk_and_says_how_it_ended(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    assert await rpc.client.update(incident_id, "resolve", walk="true", root_cause="A bad deploy") == "RESOLVED"
    assert (await rpc.client.get(incident_id)).resolution.root_cause == "A bad deploy"


async def test_somebody_is_paged_by_hand(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    await rpc.api.story.settle()
    rpc.api.story.pages.clear()
    await rpc.client.update(incident_id, "page", targets='[{"type": "user", "id": "bo"}]', note="Look, please")
    await rpc.api.story.settle()
    rpc.api.story.expect_page("bo", "escalated")


async def test_fields_are_edited_as_patch_does(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    edited = {"title": "Answers are wrong", "severity": "P0", "tags": '{"region": "eu"}', "labels": '["a", "b"]'}
    await rpc.client.update(incident_id, "update", **edited, assigned_to="ana")
    found = await rpc.client.get(incident_id)
    assert (found.title, found.severity, found.assigned_to) == ("Answers are wrong", "P0", "ana")
    assert (dict(found.tags), list(found.labels)) == ({"region": "eu"}, ["a", "b"])
    await rpc.client.update(incident_id, assigned_to="")
    assert (await rpc.client.get(incident_id)).assigned_to == ""


async def test_a_command_for_an_old_version_is_aborted(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    version = (await rpc.client.get(incident_id)).version
    assert await rpc.client.update(incident_id, "acknowledge", version=version) == "ACKNOWLEDGED"
    stale = await refused(rpc.client.update(incident_id, "start_work", version=version))
    assert (stale.code, stale.reason) == (grpc.StatusCode.ABORTED, "STALE_VERSION")
    assert await rpc.client.update(incident_id, "start_work", version=version + 1) == "IN_PROGRESS"


@pytest.mark.requirement("ING-02")
async def test_the_same_story_told_both_ways_gives_the_same_answer(tmp_path: Path) -> None:
    """Two events and six commands: the incident, its timeline and its pages are the same."""
    async with opened(tmp_path / "rest") as api:
        by_rest = await _told_by_rest(api)
    async with opened(tmp_path / "grpc") as api, answering(api) as rpc:
        by_grpc = await _told_by_grpc(rpc)
    assert by_rest == by_grpc
    incident = by_rest[0]
    assert (incident["status"], incident["event_count"], incident["assigned_to"]) == ("RESOLVED", 2, "ana")


EVENT = SHIELD | {"timestamp": START.isoformat()}
STORY: list[tuple[str, dict[str, str]]] = [
    ("take", {}),
    ("assign", {"user_id": "ana"}),
    ("comment", {"text": "Looking."}),
    ("start_work", {"note": "Now."}),
    ("update", {"title": "Slow answers", "impact": "Users wait"}),
    ("resolve", {"root_cause": "A full disk"}),
]
Told = tuple[dict[str, Any], Any, list[tuple[str, str]]]


async def _told_by_rest(api: Api) -> Told:
    for event_id in ("e-1", "e-2"):
        answer = (await api.client.post("/api/v1/events", json=EVENT | {"event_id": event_id})).json()
        assert answer["status"] == "accepted"
        await api.story.settle()
    incident_id = str(answer["incident_id"])
    await api.story.fast_forward(seconds=2)
    for action, fields in STORY:
        path = f"/api/v1/incidents/{incident_id}"
        if action == "update":
            answered = await api.client.patch(path, json=fields)
        else:
            answered = await api.client.post(f"{path}/{'comments' if action == 'comment' else action}", json=fields)
        assert answered.status_code == 200, answered.text
        await api.story.settle()
    return await _seen(api, incident_id)


async def _told_by_grpc(rpc: Grpc) -> Told:
    for event_id in ("e-1", "e-2"):
        answer = await rpc.client.create(request_of(EVENT | {"event_id": event_id}))
        assert answer.status == "accepted"
        await rpc.api.story.settle()
    incident_id = str(answer.incident_id)
    await rpc.api.story.fast_forward(seconds=2)
    for action, fields in STORY:
        await rpc.client.update(incident_id, action, **fields)
        await rpc.api.story.settle()
    return await _seen(rpc.api, incident_id)


async def _seen(api: Api, incident_id: str) -> Told:
    """Return the incident, its timeline without where each request came from, and who was paged why."""
    incident = incident_document(await api.story.incident(incident_id))
    entries = (await api.client.get(f"/api/v1/incidents/{incident_id}/timeline")).json()["entries"]
    told = [(page.to, page.message.type.value) for page in api.story.pages]
    return incident, [{name: entry[name] for name in entry if name != "metadata"} for entry in entries], told


async def test_the_api_key_header_and_the_platforms_tenant_work_as_in_rest(rpc: Grpc) -> None:
    made = await rpc.api.client.post("/api/v1/tenants", json={"id": "acme", "name": "Acme"})
    assert made.status_code == 201, made.text
    await rpc.port.identify.refresh()  # type: ignore[attr-defined]
    client = rpc.of(None, x_api_key=PLATFORM_KEY, x_tenant="acme")
    answer = await client.create(rpc.event())
    assert (await client.get(answer.incident_id)).id == answer.incident_id
    foreign = await refused(rpc.client.get(answer.incident_id))
    assert foreign.code is grpc.StatusCode.NOT_FOUND


def test_names_and_numbers_are_those_of_the_specification() -> None:
    request = "event_id source timestamp event_type category title description severity resource metrics tags payload"
    incident = (
        "id severity status category title description source created_at updated_at assigned_to assigned_team "
        "escalation_level"
    )
    for message, names in (
        (pb.IncidentRequest, request),
        (pb.Incident, incident),
        (pb.Resource, "type id name metadata"),
        (pb.IncidentResponse, "status event_id incident_id message"),
        (pb.GetRequest, "incident_id"),
        (pb.UpdateRequest, "incident_id action fields"),
    ):
        numbered = {field.number: field.name for field in message.DESCRIPTOR.fields}
        assert [numbered[number] for number in range(1, len(names.split()) + 1)] == names.split()
