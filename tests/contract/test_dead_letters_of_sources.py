"""A dead letter that a vendor sent is translated again by its source when it is replayed (REL-04)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.engine.rows import DeadLetter, LetterRequest
from llm_incident_manager.sources.receive import choose, kept_request
from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.spec import Example, SourceRequest, SourceSpec
from tests.api.app import Api, opened
from tests.contract.test_sources import EXAMPLES, NAMES, NOW, SPECS, asked, counts
from tests.stories.app import person

KEY = "an-ingest-key-of-the-sender-0123456789"
GENERIC: dict[str, Any] = {"name": "homegrown", "plugin": "generic"}
ALARM = {"what": "Queue is stuck", "host": "worker-7", "key": "q-1"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as api:
        yield api
        api.story.pages.clear()


def letter_of(spec: SourceSpec, example: Example, *, without_request: bool = False) -> DeadLetter:
    """Return the letter that the door keeps where the source cannot read the example."""
    request = asked(spec, example, example.body.replace("{key}", KEY).encode())
    chosen = choose(SPECS, {}, spec.name, person("sender"))
    kept = None if without_request else kept_request(chosen, request, KEY)
    return DeadLetter(
        id="dl-1", tenant="default", at=NOW, source=spec.name, reason="it could not be read", retriable=False,
        body=request.body, request=kept,
    )  # fmt: skip


@pytest.mark.requirement("REL-04")
@pytest.mark.parametrize(("spec", "number"), EXAMPLES, ids=NAMES)
async def test_what_a_tool_sent_becomes_its_incident_when_it_is_replayed(
    api: Api, spec: SourceSpec, number: int
) -> None:
    example = spec.examples[number]
    letter = letter_of(spec, example)
    await api.story.store.transact("default", lambda tx: tx.dead_letters.add([letter]))
    answer = await api.client.post("/api/v1/dead_letters/dl-1/replay")
    if example.status >= 400 or example.method == "GET":
        assert answer.status_code in (200, 422)
        return
    assert answer.status_code == 200, answer.text
    await api.story.settle()
    before = await counts(api)
    assert before[0] == example.opens
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 0
    # Replayed again (the answer was lost, say), it counts nothing.
    await api.story.store.transact("default", lambda tx: tx.dead_letters.add([letter]))
    assert (await api.client.post("/api/v1/dead_letters/dl-1/replay")).status_code == 200
    await api.story.fast_forward(seconds=2)
    assert await counts(api) == before


@pytest.mark.requirement("REL-04")
async def test_a_letter_from_before_letters_knew_how_they_came_goes_to_the_source_it_names(api: Api) -> None:
    letter = letter_of(SPECS["alertmanager"], SPECS["alertmanager"].examples[0], without_request=True)
    await api.story.store.transact("default", lambda tx: tx.dead_letters.add([letter]))
    answer = await api.client.post("/api/v1/dead_letters/dl-1/replay")
    assert answer.status_code == 200, answer.text
    await api.story.settle()
    assert (await counts(api))[0] == 1


@pytest.mark.requirement("REL-04")
@pytest.mark.requirement("ING-04")
async def test_a_mapping_that_was_repaired_reads_what_it_could_not(api: Api) -> None:
    await api.story.configure({"sources": [GENERIC]})
    refused = await api.client.post("/api/v1/sources/homegrown", json=ALARM)
    assert refused.status_code == 422, refused.text
    (kept,) = (await api.client.get("/api/v1/dead_letters")).json()["dead_letters"]
    assert kept["source"] == "homegrown"
    await api.story.configure({"sources": [GENERIC | {"mapping": {"fields": {"title": "what"}, "items": "alerts"}}]})
    still = await api.client.post(f"/api/v1/dead_letters/{kept['id']}/replay")
    assert still.status_code == 422
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 1, "it stays, once"
    repaired = {"fields": {"title": "what", "dedup_key": "key", "resource_id": "host"}}
    await api.story.configure({"sources": [GENERIC | {"mapping": repaired}]})
    answer = await api.client.post(f"/api/v1/dead_letters/{kept['id']}/replay")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "accepted"
    await api.story.settle()
    incident = await api.story.incident(answer.json()["incident_id"])
    assert (incident.title, incident.source, incident.resource.id) == ("Queue is stuck", "homegrown", "worker-7")
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 0
    audited = (await api.client.get("/api/v1/audit")).json()
    assert "dead_letter_replayed" in json.dumps(audited)


@pytest.mark.requirement("REL-04")
@pytest.mark.requirement("SEC-02")
async def test_a_letter_keeps_what_the_source_needs_of_a_request_and_no_secret(api: Api) -> None:
    request = SourceRequest(
        source="cloudevents", body=b"{", received_at=NOW, query={"a": "b", "token": "s3cret", "c": f"x{KEY}"},
        headers={
            "ce-id": "1", "ce-type": "t", "content-type": "application/json", "cookie": "c", "x-api-key": "k",
            "x-hub-signature-256": "s", "proxy-authorization": "p", "x-odd": KEY,
        },
    )  # fmt: skip
    chosen = choose(SPECS, {}, "cloudevents", person("sender"))
    kept = kept_request(chosen, request, KEY)
    assert kept.headers == {"ce-id": "1", "ce-type": "t", "content-type": "application/json"}
    assert kept.query == {"a": "b"}
    long = SourceRequest(source="x", body=b"", received_at=NOW, headers={"x-long": "x" * 100_000})
    assert kept_request(chosen, long, KEY) == LetterRequest(plugin="cloudevents")


@pytest.mark.requirement("REL-04")
async def test_a_letter_whose_source_is_gone_says_so_and_stays(api: Api) -> None:
    letter = DeadLetter(
        id="dl-1", tenant="default", at=NOW, source="gone", reason="r", retriable=False, body=b"{}",
        request=LetterRequest(plugin="a-plugin-of-last-year"),
    )  # fmt: skip
    await api.story.store.transact("default", lambda tx: tx.dead_letters.add([letter]))
    answer = await api.client.post("/api/v1/dead_letters/dl-1/replay")
    assert answer.status_code == 422
    assert "a-plugin-of-last-year, which is not installed" in answer.text
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 1


def test_every_source_is_looked_at() -> None:
    assert set(source_specs(entries=())) == {spec.name for spec, _ in EXAMPLES}
