"""The contract: every path is written down, every tenant is alone, every error is a problem, every answer fits."""

import re
from typing import Any

import pytest
from pydantic import TypeAdapter

from llm_incident_manager.api.rest.models import stories
from llm_incident_manager.api.rest.models.incidents import Incident
from llm_incident_manager.api.rest.models.operations import RouteTest
from tests.api.app import Api, a_document

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def calls(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    """Every documented call."""
    return [
        (path, method.upper(), call)
        for path, several in api.app.openapi()["paths"].items()
        for method, call in several.items()
    ]


@pytest.mark.requirement("SEC-01")
async def test_another_tenants_ids_are_not_found_on_any_path(api: Api) -> None:
    event = await api.event()
    letter = await api.client.post("/api/v1/events", json=[a_document(api.story) | {"severity": "?"}])
    assert letter.json()["rejected"] == 1
    policy = {"name": "p", "levels": [{"targets": [{"type": "user", "id": "ana"}]}]}
    assert (await api.client.post("/api/v1/escalation_policies", json=policy)).status_code == 201
    source = {"name": "llm-shield"}
    assert (await api.client.post("/api/v1/sources", json=source)).status_code == 201
    await api.key("read")
    muted = {"matchers": [{"name": "a", "value": "b"}], "ends_at": "2027-01-01T00:00:00Z"}
    silence = await api.client.post("/api/v1/silences", json=muted)
    own = {
        "silences": silence.json()["id"],
        "incidents": event["incident_id"],
        "notifications": await first(api, f"incidents/{event['incident_id']}/notifications", "notifications"),
        "dead_letters": await first(api, "dead_letters"),
        "users": "ana",
        "teams": "platform",
        "routes": "everything",
        "escalation_policies": "p",
        "sources": "llm-shield",
        "templates": "any",
        "schedules": "any",
        "overrides": "any",
        "swaps": "any",
        "api_keys": await first(api, "api_keys"),
    }
    assert (await api.client.post("/api/v1/tenants", json={"id": "other", "name": "Other"})).status_code == 201
    stranger = api.of(await foreign_key(api))
    walked = 0
    for path, method, call in calls(api):
        if "{id}" not in path:
            continue
        resource = path.split("/")[3]
        answer = await stranger.request(method, path.replace("{id}", own[resource]), content=b"{}")
        assert answer.status_code == 404, (method, path, answer.text)
        assert "404" in call["responses"]
        walked += 1
    assert walked >= 50
    for path, plural in (("incidents", "incidents"), ("dead_letters", "dead_letters"), ("users", "users")):
        answer = await stranger.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()[plural]) == (200, []), path
    assert (await api.client.get(f"/api/v1/incidents/{event['incident_id']}")).json()["status"] == "NEW"


async def first(api: Api, path: str, plural: str | None = None) -> str:
    answer = await api.client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()[plural or path][0]["id"])


async def foreign_key(api: Api) -> str:
    elsewhere = api.of("platform-key-of-the-tests-0123456789", **{"X-Tenant": "other"})
    answer = await elsewhere.post("/api/v1/api_keys", json={"name": "other", "scopes": ["admin"]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


@pytest.mark.requirement("SEC-01")
async def test_a_platform_key_acts_elsewhere_only_where_there_is_a_tenant(api: Api) -> None:
    lost = api.of("platform-key-of-the-tests-0123456789", **{"X-Tenant": "nowhere"})
    assert (await lost.get("/api/v1/incidents")).status_code == 404
    plain = api.of(await api.key("admin"), **{"X-Tenant": "other"})
    assert (await plain.get("/api/v1/incidents")).status_code == 404


@pytest.mark.requirement("SEC-02")
async def test_every_path_asks_for_a_key_and_a_scope(api: Api) -> None:
    nobody, sender = api.of(None), api.of(await api.key("ingest"))
    for path, method, _ in calls(api):
        if not path.startswith("/api/v1/"):
            continue
        asked = path.replace("{id}", "any")
        answer = await nobody.request(method, asked, content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        if (method, path) == ("POST", "/api/v1/sources/{id}"):
            answer = await sender.request(method, asked, content=b"{}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        elif path != "/api/v1/events":
            answer = await sender.request(method, asked, content=b"{}")
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)


async def test_unknown_paths_and_methods_are_problems(api: Api) -> None:
    for path in ("/", "/api/v1", "/api/v1/nothing", "/api/v1/incidents/", "/api/v1/incidents/a/b/c"):
        answer = await api.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    answer = await api.client.put("/api/v1/incidents/INC-20260101-00001", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, PATCH"


async def test_every_problem_is_complete(api: Api) -> None:
    incident = await api.incident()
    path = f"/api/v1/incidents/{incident['id']}"
    found = [
        await api.client.post(f"{path}/close"),
        await api.client.patch(path, json={"severity": 1}),
        await api.client.patch(path, json={}, headers={"If-Match": '"77"'}),
        await api.client.patch(path, content=b"{", headers={"Content-Type": "application/json"}),
        await api.client.patch(path, content=b"x", headers={"Content-Type": "text/plain"}),
        await api.client.patch(path, content=b" " * 1_100_000 + b"{}"),
        await api.client.get(f"{path}x"),
    ]
    assert [answer.status_code for answer in found] == [409, 422, 412, 400, 415, 413, 404]
    for answer in found:
        assert answer.headers["content-type"] == "application/problem+json"
        document = answer.json()
        assert document["status"] == answer.status_code
        assert re.fullmatch(r"urn:llm-incident-manager:problem:[a-z-]+", document["type"])
        assert document["title"]
        assert document["detail"]
        assert document["code"]


@pytest.mark.requirement("REL-05")
async def test_a_store_that_is_away_is_503_with_a_hint(api: Api) -> None:
    await api.story.store.close()
    answer = await api.client.get("/api/v1/incidents")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["code"] == "database_unavailable"
    taken = await api.client.post("/api/v1/events", json=a_document(api.story))
    assert taken.status_code == 202


async def test_what_the_engine_says_fits_what_is_written_down(api: Api) -> None:
    event = await api.event(tags={"environment": "prod"}, metrics={"p95_latency_ms": 5400})
    incident_id = event["incident_id"]
    path = f"/api/v1/incidents/{incident_id}"
    for action in ("take", "comments", "resolve?walk=true"):
        answer = await api.client.post(f"{path}/{action}", json={"text": "x"} if action == "comments" else {})
        assert answer.status_code == 200, answer.text
    await api.story.settle()
    for asked, model in (
        (path, Incident),
        ("/api/v1/incidents", stories.Incidents),
        (f"{path}/timeline", stories.Timeline),
        (f"{path}/events", stories.Events),
        (f"{path}/notifications", stories.Notifications),
        (f"{path}/related", stories.Related),
        (f"{path}/explanation", stories.Explanation),
        ("/api/v1/metrics/incidents", stories.IncidentFigures),
    ):
        answer = await api.client.get(asked)
        TypeAdapter(model).validate_json(answer.content)
    tested = await api.client.post("/api/v1/routes/test", json={"severity": "P0", "environment": "prod"})
    assert RouteTest.model_validate_json(tested.content).environment == "production"


async def test_a_fault_nobody_expected_shows_nothing_but_an_id(api: Api) -> None:
    api.app.state.remembered = None
    answer = await api.client.post("/api/v1/incidents", json={}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert re.search(r"err-[0-9a-f]+", answer.json()["detail"])
    assert "Traceback" not in answer.text


async def test_the_documents_stand_on_their_own(api: Api) -> None:
    document = (await api.of(None).get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', (await api.client.get("/api/v1/openapi.json")).text))
    assert named <= set(document["components"]["schemas"])
    page = await api.of(None).get("/api/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "/api/v1/incidents/{id}/take" in page.text


async def test_what_is_said_in_a_title_stays_text(api: Api) -> None:
    title = "<script>alert(1)</script> & \u202eevil"
    incident = await api.incident(title=title)
    assert (await api.client.get(f"/api/v1/incidents/{incident['id']}")).json()["title"] == title
