"""``Idempotency-Key``: sent again, the same write is answered as before and done once."""

import asyncio

import pytest

from tests.api.app import INCIDENT, Api

pytestmark = pytest.mark.requirement("REL-03")


async def test_the_same_write_is_done_once_and_answered_alike(api: Api) -> None:
    headers = {"Idempotency-Key": "open-1"}
    first = await api.client.post("/api/v1/incidents", json=INCIDENT, headers=headers)
    second = await api.client.post("/api/v1/incidents", json=INCIDENT, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert (second.headers["etag"], second.headers["location"]) == (first.headers["etag"], first.headers["location"])
    assert second.headers["idempotency-replayed"] == "true"
    assert (await api.client.get("/api/v1/incidents")).json()["total"] == 1


async def test_the_key_cannot_be_used_for_anything_else(api: Api) -> None:
    headers = {"Idempotency-Key": "open-2"}
    await api.client.post("/api/v1/incidents", json=INCIDENT, headers=headers)
    other = await api.client.post("/api/v1/incidents", json=INCIDENT | {"title": "Else"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    bad = await api.client.post("/api/v1/incidents", json=INCIDENT, headers={"Idempotency-Key": "x" * 256})
    assert bad.status_code == 422


async def test_a_refusal_is_decided_anew(api: Api) -> None:
    incident = await api.incident()
    path, headers = f"/api/v1/incidents/{incident['id']}", {"Idempotency-Key": "close-1"}
    assert (await api.client.post(f"{path}/close", headers=headers)).status_code == 409
    await api.client.post(f"{path}/resolve", params={"walk": "true"})
    assert (await api.client.post(f"{path}/close", headers=headers)).status_code == 200


async def test_two_callers_do_not_meet(api: Api) -> None:
    one, two = api.of(await api.key("respond")), api.of(await api.key("respond"))
    headers = {"Idempotency-Key": "same"}
    first = await one.post("/api/v1/incidents", json=INCIDENT, headers=headers)
    second = await two.post("/api/v1/incidents", json=INCIDENT, headers=headers)
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.requirement("SEC-02")
async def test_a_secret_is_shown_again_and_never_stored_in_the_clear(api: Api) -> None:
    headers = {"Idempotency-Key": "key-1"}
    given = {"name": "ci", "scopes": ["ingest"]}
    first = await api.client.post("/api/v1/api_keys", json=given, headers=headers)
    second = await api.client.post("/api/v1/api_keys", json=given, headers=headers)
    assert first.status_code == 201, first.text
    assert first.json()["key"] == second.json()["key"]
    dump = "".join(api.story.store._writer.raw_connection().driver_connection.iterdump())
    secret = first.json()["key"]
    assert secret not in dump
    assert secret.encode().hex().upper() not in dump.upper()


async def test_at_the_same_time_only_one_is_done(api: Api) -> None:
    headers = {"Idempotency-Key": "race"}
    answers = await asyncio.gather(
        *(api.client.post("/api/v1/incidents", json=INCIDENT, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (await api.client.get("/api/v1/incidents")).json()["total"] == 1
