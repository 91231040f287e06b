"""What people do to incidents through REST: the matrix of specification §4.2, versions, and everything else."""

import pytest

from llm_incident_manager.domain.incidents.transitions import TRANSITIONS, allowed_actions
from llm_incident_manager.domain.vocabulary import Action, Status
from tests.api.app import Api

WAY = {
    Status.NEW: (),
    Status.ACKNOWLEDGED: ("acknowledge",),
    Status.IN_PROGRESS: ("acknowledge", "start_work"),
    Status.ESCALATED: ("escalate",),
    Status.RESOLVED: ("acknowledge", "start_work", "resolve"),
    Status.CLOSED: ("acknowledge", "start_work", "resolve", "close"),
}


async def in_status(api: Api, status: Status) -> str:
    incident_id: str = (await api.incident())["id"]
    for action in WAY[status]:
        answer = await api.client.post(f"/api/v1/incidents/{incident_id}/{action}")
        assert answer.status_code == 200, answer.text
    return incident_id


@pytest.mark.requirement("RES-01")
@pytest.mark.parametrize("status", list(Status))
async def test_every_cell_of_the_matrix_holds(api: Api, status: Status) -> None:
    for action in Action:
        incident_id = await in_status(api, status)
        answer = await api.client.post(f"/api/v1/incidents/{incident_id}/{action.value}")
        leads_to = TRANSITIONS.get((status, action))
        if leads_to is not None:
            assert answer.status_code == 200, answer.text
            assert answer.json()["status"] == leads_to
            assert answer.json()["allowed_actions"] == [str(each) for each in allowed_actions(leads_to)]
        else:
            assert answer.status_code == 409
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "invalid_transition"
            assert answer.json()["allowed_actions"] == [str(each) for each in allowed_actions(status)]
            standing = await api.client.get(f"/api/v1/incidents/{incident_id}")
            assert standing.json()["status"] == status


@pytest.mark.requirement("RES-02")
async def test_take_acknowledges_assigns_and_is_harmless_when_repeated(api: Api) -> None:
    incident = await api.incident()
    first = await api.client.post(f"/api/v1/incidents/{incident['id']}/take", json={})
    second = await api.client.post(f"/api/v1/incidents/{incident['id']}/take")
    assert (first.status_code, first.json()["status"]) == (200, "ACKNOWLEDGED")
    assert first.json()["ladder"]["state"] == "taken"
    assert second.json()["version"] == first.json()["version"]


@pytest.mark.requirement("RES-02")
async def test_resolve_walks_when_asked_and_keeps_what_was_found(api: Api) -> None:
    incident = await api.incident()
    path = f"/api/v1/incidents/{incident['id']}/resolve"
    given = {"root_cause": "a full disk", "resolution_notes": "made room", "playbook_used": "disk"}
    assert (await api.client.post(path, json=given)).status_code == 409
    answer = await api.client.post(path, json=given, params={"walk": "true"})
    assert answer.status_code == 200
    assert answer.json()["resolution"] | {"resolved_by": None} == given | {"resolved_by": None, "actions_taken": []}
    entries = (await api.client.get(f"/api/v1/incidents/{incident['id']}/timeline")).json()["entries"]
    assert [entry["event_type"] for entry in entries if entry["event_type"] in ("acknowledged", "resolved")] == [
        "acknowledged",
        "resolved",
    ]
    assert all(entry["metadata"].get("client_ip") == "203.0.113.7" for entry in entries)


@pytest.mark.requirement("RES-02")
async def test_people_edit_assign_comment_link_snooze_page_and_merge(api: Api) -> None:
    one, other = await api.incident(), await api.incident(title="The same again")
    base = f"/api/v1/incidents/{one['id']}"
    calls = [
        ("PATCH", base, {"title": "Answers are very slow", "severity": "P0", "tags": {"region": "eu"}}),
        ("POST", f"{base}/assign", {"user_id": "ana", "team_id": "platform"}),
        ("POST", f"{base}/comments", {"text": "looking <b>now</b>"}),
        ("POST", f"{base}/links", {"incident_id": other["id"], "kind": "related"}),
        ("POST", f"{base}/snooze", {"until": "2026-11-02T12:00:00Z"}),
        ("POST", f"{base}/page", {"targets": [{"type": "user", "id": "boss"}], "channels": ["webhook"]}),
        ("POST", f"{base}/merge", {"into": other["id"]}),
    ]
    for method, path, given in calls:
        answer = await api.client.request(method, path, json=given)
        assert answer.status_code == 200, (path, answer.text)
    found = (await api.client.get(base)).json()
    assert (found["title"], found["severity"], found["tags"]) == ("Answers are very slow", "P0", {"region": "eu"})
    assert (found["assigned_to"], found["assigned_team"]) == ("ana", "platform")
    assert (found["duplicate_of"], found["status"]) == (other["id"], "RESOLVED")
    related = (await api.client.get(f"{base}/related")).json()["related"]
    assert {each["kind"] for each in related} == {"related", "duplicate_of"}
    entries = (await api.client.get(f"{base}/timeline", params={"limit": 500})).json()["entries"]
    assert [entry["notes"] for entry in entries if entry["event_type"] == "comment_added"] == ["looking <b>now</b>"]


async def test_bulk_answers_for_each(api: Api) -> None:
    one, two = await api.incident(), await api.incident()
    await api.client.post(f"/api/v1/incidents/{two['id']}/acknowledge")
    ids = [one["id"], two["id"], "INC-20260101-99999"]
    answer = await api.client.post("/api/v1/incidents/bulk", json={"ids": ids, "action": "acknowledge"})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == ["done", "refused", "refused"]
    assert [result["error"]["code"] for result in results[1:]] == ["invalid_transition", "not_found"]


@pytest.mark.requirement("RES-02")
async def test_a_stale_version_changes_nothing(api: Api) -> None:
    incident = await api.incident()
    path = f"/api/v1/incidents/{incident['id']}"
    read = await api.client.get(path)
    assert read.headers["etag"] == f'"{incident["version"]}"'
    fresh = await api.client.patch(path, json={"title": "Mine"}, headers={"If-Match": read.headers["etag"]})
    stale = await api.client.patch(path, json={"title": "Yours"}, headers={"If-Match": read.headers["etag"]})
    assert (fresh.status_code, stale.status_code) == (200, 412)
    assert stale.json()["code"] == "stale_version"
    assert (await api.client.get(path)).json()["title"] == "Mine"
    assert fresh.headers["etag"] != read.headers["etag"]


async def test_a_storm_leaves_the_version_alone(api: Api) -> None:
    first = await api.event(event_id="a", title="Storm", resource={"type": "service", "id": "s"})
    before = (await api.client.get(f"/api/v1/incidents/{first['incident_id']}")).json()
    for number in range(5):
        await api.event(event_id=f"b{number}", title="Storm", resource={"type": "service", "id": "s"})
    await api.story.fast_forward(seconds=2)
    after = (await api.client.get(f"/api/v1/incidents/{first['incident_id']}")).json()
    assert after["version"] == before["version"]
    assert (before["event_count"], after["event_count"]) == (1, 6)


@pytest.mark.requirement("SEC-01")
async def test_an_unknown_incident_is_not_found_whatever_the_body(api: Api) -> None:
    for action in ("acknowledge", "resolve", "take", "assign", "comments", "links", "merge", "snooze", "page"):
        for content in (b"", b"{", b"[1]", b'{"wrong": 1}'):
            answer = await api.client.post(f"/api/v1/incidents/INC-20260101-00001/{action}", content=content)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (action, content)
    answer = await api.client.patch("/api/v1/incidents/INC-20260101-00001", content=b"{")
    assert answer.status_code == 404


async def test_wrong_input_names_field_value_and_remedy(api: Api) -> None:
    incident = await api.incident()
    base = f"/api/v1/incidents/{incident['id']}"
    answer = await api.client.patch(base, json={"severity": "P9", "colour": "red", "title": " "})
    assert answer.status_code == 422
    faults = {fault["field"]: fault["message"] for fault in answer.json()["errors"]}
    assert set(faults) == {"severity", "colour", "title"}
    assert '"P9"' in faults["severity"]
    assert "P0" in faults["severity"]
    assert (await api.client.post(f"{base}/comments", json={"text": "\u0000"})).status_code == 422
    assert (await api.client.post(f"{base}/comments", content=b"{")).json()["code"] == "malformed_json"
    assert (await api.client.post(f"{base}/snooze", json={"until": "2027-01-01T00:00:00"})).status_code == 422
    assert (await api.client.post(f"{base}/assign", json={"user_id": "nobody"})).status_code == 422
    assert (await api.client.post(f"{base}/links", json={"incident_id": "INC-1"})).status_code == 422
    assert (await api.client.post("/api/v1/incidents", json={"title": "x"})).status_code == 422


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"metadata": {"a": "\\u0000"}}', "metadata.a"),
        (b'{"metadata": {"a": ["\\ud800"]}}', "metadata.a[0]"),
        (b'{"title": "\\ud800"}', "title"),
        (b'{"metadata": {"n": 1e999}}', "metadata.n"),
        (b'{"metadata": ' + b'{"a":' * 500 + b"1" + b"}" * 501, "body"),
    ],
)
async def test_what_cannot_be_stored_is_refused_wherever_it_stands(api: Api, content: bytes, field: str) -> None:
    incident = await api.incident()
    answer = await api.client.patch(f"/api/v1/incidents/{incident['id']}", content=content)
    assert answer.status_code == 422, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_an_assignment_can_be_taken_away_and_the_timeline_says_so(api: Api) -> None:
    made = await api.incident()
    path = f"/api/v1/incidents/{made['id']}"
    assigned = await api.client.post(f"{path}/assign", json={"user_id": "ana"})
    assert assigned.json()["assigned_to"] == "ana"
    freed = await api.client.patch(path, json={"assigned_to": None})
    assert freed.json()["assigned_to"] is None
    entries = (await api.client.get(f"{path}/timeline")).json()["entries"]
    changes = [change for entry in entries for change in entry.get("changes") or []]
    assert {"field": "assigned_to", "old_value": "ana", "new_value": None} in changes
    unknown = await api.client.patch(path, json={"assigned_to": "nobody-here"})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "assigned_to")
