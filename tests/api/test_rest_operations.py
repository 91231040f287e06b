"""Keys, settings, dead letters, audit, imports and test pages through REST."""

import pytest

from tests.api.app import Api, a_document

POLICY = {
    "name": "By severity",
    "conditions": {},
    "levels": [
        {"level": 1, "targets": [{"type": "user", "id": "ana"}], "escalate_after": 300, "channels": ["webhook"]},
        {"level": 2, "targets": [{"type": "user", "id": "bo"}], "escalate_after": 900, "channels": ["webhook"]},
    ],
}


@pytest.mark.requirement("RTE-04")
async def test_a_policy_is_created_read_replaced_and_deleted(api: Api) -> None:
    made = await api.client.post("/api/v1/escalation_policies", json=POLICY)
    assert made.status_code == 201, made.text
    place = made.headers["location"]
    assert place == "/api/v1/escalation_policies/by-severity"
    read = await api.client.get(place)
    assert (read.status_code, read.headers["etag"]) == (200, made.headers["etag"])
    changed = POLICY | {"description": "for all"}
    put = await api.client.put(place, json=changed, headers={"If-Match": read.headers["etag"]})
    assert (put.status_code, put.json()["description"]) == (200, "for all")
    stale = await api.client.put(place, json=changed, headers={"If-Match": read.headers["etag"]})
    assert stale.status_code == 412
    route = {"name": "everything", "conditions": {}, "assign": {"team": "platform"}, "policy": "by-severity"}
    assert (await api.client.put("/api/v1/routes/everything", json=route)).status_code == 200
    assert (await api.client.delete(place)).status_code == 409
    tested = await api.client.post("/api/v1/routes/test", json={"severity": "critical"})
    assert tested.json()["policy"] == "By severity"
    assert [level["after_seconds"] for level in tested.json()["levels"]] == [0, 300, 1200]
    assert (await api.client.delete("/api/v1/routes/everything")).status_code == 204
    assert (await api.client.delete(place)).status_code == 204
    assert (await api.client.get(place)).status_code == 404
    assert (await api.client.post("/api/v1/escalation_policies", json={"name": "x"})).status_code == 422


@pytest.mark.requirement("SEC-02")
async def test_a_key_is_rotated_with_overlap_and_revoked(api: Api) -> None:
    made = (await api.client.post("/api/v1/api_keys", json={"name": "ci", "scopes": ["read"]})).json()
    rotated = await api.client.post(f"/api/v1/api_keys/{made['id']}/rotate", json={"overlap_seconds": 600})
    assert rotated.status_code == 201, rotated.text
    for key in (made["key"], rotated.json()["key"]):
        assert (await api.of(key).get("/api/v1/incidents")).status_code == 200
    shown = (await api.client.get(f"/api/v1/api_keys/{made['id']}")).json()
    assert "key" not in shown
    assert (await api.client.delete(f"/api/v1/api_keys/{made['id']}")).status_code == 204
    assert (await api.of(made["key"]).get("/api/v1/incidents")).status_code == 401
    assert (await api.of(rotated.json()["key"]).get("/api/v1/incidents")).status_code == 200


@pytest.mark.requirement("REL-04")
async def test_dead_letters_are_listed_replayed_and_discarded(api: Api) -> None:
    for _ in range(2):
        await api.client.post("/api/v1/events", json=[a_document(api.story) | {"severity": "odd"}])
    letters = (await api.client.get("/api/v1/dead_letters")).json()
    assert letters["total"] == 2
    one, two = (letter["id"] for letter in letters["dead_letters"])
    still = await api.client.post(f"/api/v1/dead_letters/{one}/replay")
    assert still.status_code == 422
    source = {"name": "llm-sentinel", "severity_words": {"odd": "P2"}}
    assert (await api.client.post("/api/v1/sources", json=source)).status_code == 201
    taken = await api.client.post(f"/api/v1/dead_letters/{one}/replay")
    assert (taken.status_code, taken.json()["status"]) == (200, "accepted")
    assert (await api.client.delete(f"/api/v1/dead_letters/{two}")).status_code == 204
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 0


@pytest.mark.requirement("AUD-06")
async def test_the_audit_names_who_did_what_and_verifies(api: Api) -> None:
    incident = await api.incident()
    await api.client.post(f"/api/v1/incidents/{incident['id']}/take")
    await api.client.post("/api/v1/escalation_policies", json=POLICY)
    whole = (await api.client.get("/api/v1/audit")).json()
    assert whole["total"] == len(whole["audit"]) >= 3
    of_one = (await api.client.get("/api/v1/audit", params={"incident": incident["id"]})).json()["audit"]
    assert {entry["incident_id"] for entry in of_one} == {incident["id"]}
    verified = await api.client.get("/api/v1/audit/verify")
    assert (verified.json()["valid"], verified.json()["first_fault"]) == (True, None)
    assert (await api.client.get("/api/v1/audit/verify?since=yesterday")).status_code == 422


@pytest.mark.requirement("ING-13")
async def test_history_is_imported_once_and_pages_nobody(api: Api) -> None:
    update = {"id": "u1", "status": "resolved", "body": "Fixed.", "created_at": "2026-01-02T03:30:00Z"}
    document = {
        "page": {"id": "abc123", "name": "A provider"},
        "incidents": [
            {
                "id": "i1", "name": "Elevated errors", "status": "resolved", "impact": "major",
                "created_at": "2026-01-02T03:00:00Z", "started_at": "2026-01-02T03:00:00Z",
                "resolved_at": "2026-01-02T03:30:00Z", "updated_at": "2026-01-02T03:30:00Z",
                "incident_updates": [update], "components": [],
            }
        ],
    }  # fmt: skip
    first = await api.client.post("/api/v1/imports/statuspage", json=document)
    again = await api.client.post("/api/v1/imports/statuspage", json=document)
    assert (first.status_code, first.json()["imported"]) == (200, 1), first.text
    assert (again.json()["imported"], again.json()["already_known"]) == (0, 1)
    await api.story.settle()
    api.story.expect_silence()
    listed = (await api.client.get("/api/v1/incidents?source=statuspage:abc123")).json()
    assert [incident["status"] for incident in listed["incidents"]] in (["RESOLVED"], ["CLOSED"])


@pytest.mark.requirement("NTF-03")
async def test_a_test_page_arrives_and_says_so(api: Api) -> None:
    answer = await api.client.post("/api/v1/users/ana/test_page")
    assert (answer.status_code, answer.json()["delivered"]) == (200, True), answer.text
    assert [page.to for page in api.story.pages] == ["ana"]
    assert (await api.client.post("/api/v1/users/nobody/test_page")).status_code == 404


@pytest.mark.requirement("NTF-03")
async def test_each_notification_is_read_by_its_id(api: Api) -> None:
    event = await api.event(severity="critical")
    told = (await api.client.get(f"/api/v1/incidents/{event['incident_id']}/notifications")).json()["notifications"]
    assert told
    for notification in told:
        answer = await api.client.get(f"/api/v1/notifications/{notification['id']}")
        assert answer.json() == notification
        assert notification["sentence"].startswith("Ana was told by webhook at ")
