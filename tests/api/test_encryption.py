"""Encrypted members through the doors: settings, pages, letters, and the API that keeps alerts (SEC-04)."""

from pathlib import Path

import pytest

from llm_incident_manager.engine.keyring import new_key, read_keys
from tests.api.app import Api, a_document, opened

pytestmark = pytest.mark.requirement("SEC-04")
SOURCE = {"name": "llm-sentinel", "encrypt": ["payload.prompt", "title"]}
PROMPT = {"title": "asks for plutonium", "payload": {"prompt": "where is the plutonium", "kept": 1}}


async def test_no_page_tells_what_is_encrypted(tmp_path: Path) -> None:
    async with opened(tmp_path, keys=read_keys(f"k:{new_key()}", "K")) as api:
        assert (await api.client.post("/api/v1/sources", json=SOURCE)).status_code == 201
        users = {"id": "ana", "name": "Ana", "contacts": {"webhook": "https://pages.example.com/ana"}}
        await api.story.configure({"users": [users], "catch_all": [{"targets": [{"type": "user", "id": "ana"}]}]})
        answer = await api.event(**PROMPT, severity="critical")
        await api.story.fast_forward(seconds=5)
        assert api.story.pages, "somebody was told"
        for page in api.story.pages:
            assert "plutonium" not in repr(page)
        api.story.pages.clear()
        events = await api.client.get(f"/api/v1/incidents/{answer['incident_id']}/events")
        assert events.json()["events"][0]["payload"] == PROMPT["payload"]
        respond = api.of(await api.key("read", "respond"))
        events = await respond.get(f"/api/v1/incidents/{answer['incident_id']}/events")
        assert events.json()["events"][0]["payload"] == {"prompt": "[encrypted]", "kept": 1}


async def test_a_letter_is_replayed_once_what_was_wrong_is_right(tmp_path: Path) -> None:
    async with opened(tmp_path, keys=read_keys(f"k:{new_key()}", "K")) as api:
        await api.client.post("/api/v1/sources", json=SOURCE)
        batch = [a_document(api.story) | PROMPT | {"severity": "ultra"}]
        answer = await api.client.post("/api/v1/events", json=batch)
        assert "ultra" in answer.json()["results"][0]["errors"][0]["message"], "its sender is told"
        (stored,) = (await api.story.store.read("default", lambda tx: tx.dead_letters.page(limit=9, cursor=None)))[0]
        assert b"plutonium" not in stored.body
        assert "ultra" not in repr(stored)
        refused = await api.client.post(f"/api/v1/dead_letters/{stored.id}/replay")
        assert refused.status_code == 422
        reader = api.of(await api.key("read"))
        shown = await reader.get(f"/api/v1/dead_letters/{stored.id}")
        assert "plutonium" not in shown.text
        assert shown.json()["body"] == "[encrypted]"
        standing = await api.client.get("/api/v1/sources/llm-sentinel")
        words = {**SOURCE, "severity_words": {"ultra": "P1"}}
        headers = {"If-Match": standing.headers["etag"]}
        assert (await api.client.put("/api/v1/sources/llm-sentinel", json=words, headers=headers)).status_code == 200
        replayed = await api.client.post(f"/api/v1/dead_letters/{stored.id}/replay")
        assert replayed.status_code == 200, replayed.text
        await api.story.settle()
        api.story.pages.clear()
        trail = (await reader.get("/api/v1/audit")).text
        assert "dead_letter_replayed" in trail
        assert "plutonium" not in trail


async def test_the_alertmanager_api_says_that_it_keeps_alerts_as_they_are(api: Api) -> None:
    await api.client.post("/api/v1/sources", json={"name": "alertmanager", "encrypt": ["payload"]})
    answer = await api.client.post("/api/v2/alerts", json=[{"labels": {"alertname": "A"}}])
    assert answer.status_code == 403
    assert "webhook" in answer.text


async def test_settings_say_what_cannot_be_encrypted(api: Api) -> None:
    wrong = await api.client.post("/api/v1/sources", json={"name": "x", "encrypt": ["event_id", "payload.a"]})
    assert wrong.status_code == 422
    (fault,) = wrong.json()["errors"]
    assert (fault["field"], "cannot be encrypted" in fault["message"]) == ("encrypt[0]", True)


async def test_only_who_owns_the_server_changes_keys(api: Api) -> None:
    assert (await api.client.get("/api/v1/encryption")).json() == {"active": None, "keys": []}
    missing = await api.client.post("/api/v1/encryption/rotate")
    assert (missing.status_code, missing.json()["code"]) == (409, "encryption_key_missing")
    assert (await api.of(await api.key("read", "respond")).get("/api/v1/encryption")).status_code == 403
    await api.client.post("/api/v1/tenants", json={"id": "acme", "name": "Acme"})
    theirs = await api.client.post("/api/v1/api_keys", json={"name": "a", "scopes": ["admin"], "tenant_id": "acme"})
    assert (await api.of(theirs.json()["key"]).post("/api/v1/encryption/rotate")).status_code == 403
