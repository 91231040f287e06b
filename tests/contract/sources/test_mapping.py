"""Any tool's JSON by a mapping in the settings, and ``test``, which shows what comes of it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.sources.rig import Sender, of, sending

MAPPING: dict[str, Any] = {
    "items": "runs",
    "fields": {
        "title": "{job.name} failed on {branch}",
        "severity": {"path": "job.level", "default": "high"},
        "category": {"value": "availability"},
        "timestamp": "finished_at",
        "dedup_key": "job.id",
        "event_id": "run_id",
        "resource_type": {"value": "pipeline"},
        "resource_id": "$.repository",
        "environment": "labels[0]",
    },
    "tags": {"branch": "branch"},
    "metrics": {"duration_seconds": "seconds"},
    "labels": ["labels"],
    "resolve": {"path": "status", "is": ["passed", "Fixed"]},
    "ignore": {"path": "status", "is": "skipped"},
    "severity": {"blocker": "P0"},
}
RUN: dict[str, Any] = {
    "run_id": 71, "job": {"id": "j-1", "name": "Deploy", "level": "blocker"}, "branch": "main", "seconds": "12.5",
    "finished_at": 1792578600, "status": "failed", "labels": ["prod", "nightly"],
}  # fmt: skip


@pytest.fixture
async def ci(tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(tmp_path, "ci") as sender:
        made = await sender.api.client.post("/api/v1/sources", json={"name": "ci", "mapping": MAPPING})
        assert made.status_code == 201, made.text
        yield sender


def runs(*several: Any) -> dict[str, Any]:
    return {"repository": "org/app", "runs": list(several)}


async def test_a_mapping_makes_the_incident_that_a_person_expects(ci: Sender) -> None:
    answer = await ci.send(runs(RUN, RUN | {"run_id": 72, "status": "skipped", "job": {"id": "j-2"}}))
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    incident = await ci.incident()
    assert of(incident) == ("Deploy failed on main", "availability", "P0", "pipeline", "org/app")
    assert incident["source"] == "ci"
    assert incident["tags"] == {"branch": "main", "environment": "prod"}
    assert incident["environment"] == "production"
    assert incident["labels"] == ["prod", "nightly"]
    assert '"duration_seconds":12.5' in await ci.kept()


async def test_a_repeat_counts_nothing_and_the_resolve_ends_it(ci: Sender) -> None:
    await ci.send(runs(RUN))
    assert (await ci.send(runs(RUN))).json()["status"] == "duplicate"
    await ci.send(runs(RUN | {"run_id": 73, "status": "FIXED", "job": {"id": "j-1"}}))
    incident = await ci.incident()
    assert (incident["status"], incident["event_count"]) == ("RESOLVED", 1)


async def test_what_is_not_there_has_its_default(ci: Sender) -> None:
    await ci.send(runs({"run_id": "x", "job": {"name": "Tests"}}))
    incident = await ci.incident()
    assert of(incident)[:3] == ("Tests failed on", "availability", "P1")
    wrong = await ci.send(runs(RUN | {"run_id": 9, "job": {"level": "purple", "id": "p"}}))
    assert wrong.status_code == 422
    assert "blocker" in wrong.text


async def test_a_trial_shows_everything_and_stores_nothing(ci: Sender) -> None:
    client, path = ci.api.client, "/api/v1/sources/ci/test"
    tried = (await client.post(path, json=runs(RUN, RUN | {"run_id": 9, "job": {"level": "purple"}}))).json()
    assert (tried["source"], tried["plugin"]) == ("ci", "generic")
    good, bad = tried["events"]
    assert (good["would"], good["severity"], good["incident_id"]) == ("opens", "P0", None)
    assert "the source says blocker, which is P0" in good["severity_reason"]
    assert good["event"]["title"] == "Deploy failed on main"
    assert (bad["event"], bad["errors"][0]["field"]) == (None, "severity")
    assert await ci.incidents() == []
    assert (await client.get("/api/v1/dead_letters")).json()["total"] == 0
    await ci.send(runs(RUN))
    incident = await ci.incident()
    for change, would in (
        ({}, "duplicate"), ({"run_id": 80}, "joins"), ({"run_id": 81, "status": "passed"}, "ends"),
        ({"run_id": 82, "status": "passed", "job": {"id": "other"}}, "kept"),
    ):  # fmt: skip
        (event,) = (await client.post(path, json=runs(RUN | change))).json()["events"]
        assert event["would"] == would, change
        assert event["incident_id"] == (None if would == "kept" else incident["id"])
    assert (await ci.incident())["event_count"] == 1
    assert (await client.post(path, content=b"{")).status_code == 400
    assert (await client.post("/api/v1/sources/nobody/test", json={})).status_code == 404
    assert (await ci.client.post(path, json={})).status_code == 403


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ({"fields": {"severity": "level"}}, "mapping.fields.title"),
        ({"fields": {"title": "a..b"}}, "mapping.fields.title"),
        ({"fields": {"title": "{a.b} {"}}, "mapping.fields.title"),
        ({"fields": {"title": "a", "titel": "b"}}, "mapping.fields.titel"),
        ({"fields": {"title": {"default": "x"}}}, "mapping.fields.title.path"),
        ({"fields": {"title": "a", "category": {"value": "odd"}}}, "mapping.fields.category"),
        ({"fields": {"title": "a"}, "resolve": {"path": "status"}}, "mapping.resolve.is"),
        ({"fields": {"title": "a"}, "items": "a..b"}, "mapping.items"),
        ({"fields": {"title": "a"}, "things": 1}, "mapping.things"),
    ],
)
async def test_a_mapping_that_is_wrong_is_named(ci: Sender, mapping: dict[str, Any], field: str) -> None:
    answer = await ci.api.client.post("/api/v1/sources", json={"name": "x", "mapping": mapping})
    assert answer.status_code == 422, answer.text
    assert field in [fault["field"] for fault in answer.json()["errors"]], answer.text


async def test_hostile_bodies_of_a_mapped_source_are_answered(ci: Sender) -> None:
    for body, status in (
        (b"", 400), (b"null", 422), (b"[]", 422), (b'{"runs": 7}', 422), (b'{"runs": [[], 7, null, "x"]}', 202),
        (b'{"runs": [{"job": []}]}', 202), (b'{"runs": []}', 202),
    ):  # fmt: skip
        answer = await ci.client.post("/api/v1/sources/ci", content=body)
        assert answer.status_code == status, body
        assert "untranslatable" not in answer.text
    form = await ci.client.post(
        "/api/v1/sources/ci",
        content=b"payload=" + json.dumps(runs(RUN)).encode().replace(b" ", b"+"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert form.status_code == 202, form.text
