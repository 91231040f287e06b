"""What every source promises, driven by the examples in its SPEC, through the real API over the real engine.

A source's golden payloads, and the incident that each must become, stand in ``tests/contract/sources/``; this suite
needs nothing of them.
"""

import json
import random
import time
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import httpx2
import pytest
from starlette.routing import compile_path

from llm_incident_manager.domain.events.document import MAX_BATCH, written
from llm_incident_manager.domain.events.normalise import accept_document
from llm_incident_manager.engine.rows import IncidentFilter
from llm_incident_manager.engine.source_acts import Act
from llm_incident_manager.errors import Invalid
from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.spec import Example, SourceRequest, SourceSpec
from scripts.write_sources import PAGE, page
from tests.api.app import Api, opened
from tests.contract.mutants import mutants

SPECS = source_specs(entries=())
EXAMPLES = [(spec, number) for spec in SPECS.values() for number in range(len(spec.examples))]
NAMES = [f"{spec.name}-{number}" for spec, number in EXAMPLES]
SECONDS = 0.3
"""What one example's mutants may take; they end with it, and each must be answered within a second."""
READ_MUTANTS = 150
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as api:
        yield api


def filled(text: str, key: str) -> str:
    return text.replace("{key}", key)


async def sent(api: Api, spec: SourceSpec, example: Example, key: str, body: bytes | None = None) -> httpx2.Response:
    """Send an example as the tool does: the key where it belongs, else in ``Authorization``."""
    path = example.path or f"/api/v1/sources/{spec.name}"
    carried = "{key}" in path or "{key}" in example.body or any("{key}" in each for each in example.headers.values())
    client = api.of(None if carried else key)
    headers = {name: filled(value, key) for name, value in example.headers.items()}
    content = filled(example.body, key).encode() if body is None else body
    return await client.request(example.method, filled(path, key), content=content, headers=headers)


def asked(spec: SourceSpec, example: Example, body: bytes) -> SourceRequest:
    """Return the request as the door hands it to the plugin: the path is the door's own, its segments are params."""
    path, _, query = (example.path or "").partition("?")
    params: dict[str, str] = {}
    for door in spec.doors:
        found = compile_path(door.path)[0].match(path)
        if found is not None and example.method in door.methods:
            path, params = door.path, {name: each for name, each in found.groupdict().items() if name != "key"}
            break
    return SourceRequest(
        source=spec.name,
        body=body,
        received_at=NOW,
        method=example.method,
        path=path,
        params=params,
        query=dict(parse_qsl(query)),
        headers={name.lower(): value for name, value in example.headers.items()},
    )


async def counts(api: Api) -> tuple[int, int]:
    """How many incidents are open, and how many events were counted in all."""
    page = await api.story.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(limit=200)))
    return sum(each.is_open for each in page.incidents), sum(each.event_count for each in page.incidents)


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_every_source_describes_itself(spec: SourceSpec) -> None:
    assert spec.examples
    assert 0 < len(spec.setup.splitlines()) <= 10
    assert "{url}" in spec.setup
    assert spec.title
    assert spec.description.endswith(".")
    assert spec.overloaded in (None, 403, 429, 503)


@pytest.mark.requirement("ING-05", "ING-08")
@pytest.mark.parametrize(("spec", "number"), EXAMPLES, ids=NAMES)
async def test_an_example_is_taken_in_and_a_repeat_changes_no_count(api: Api, spec: SourceSpec, number: int) -> None:
    example = spec.examples[number]
    key = await api.key("ingest")
    answer = await sent(api, spec, example, key)
    assert answer.status_code == example.status, answer.text
    assert key not in answer.text
    await api.story.settle()
    before = await counts(api)
    assert before[0] == example.opens
    for _ in range(3):
        again = await sent(api, spec, example, key)
        assert again.status_code == example.status, again.text
        await api.story.fast_forward(seconds=2)
    after = await counts(api)
    assert after == before or (example.repeats_count and after[0] == before[0])
    letters = await api.client.get("/api/v1/dead_letters")
    assert letters.json()["total"] == 0, letters.text
    api.story.pages.clear()


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize(("spec", "number"), EXAMPLES, ids=NAMES)
async def test_nobody_comes_in_without_the_right_key(api: Api, spec: SourceSpec, number: int) -> None:
    example = spec.examples[number]
    if any(door.public and door.path == example.path for door in spec.doors):
        pytest.skip("a handshake asks for no key")
    answer = await sent(api, spec, example, "not-a-key-of-anybody-0123456789ab")
    assert answer.status_code in (400, 401, 403), answer.text
    assert "not-a-key" not in answer.text
    reader = await sent(api, spec, example, await api.key("read"))
    assert reader.status_code in (400, 401, 403), reader.text
    await api.story.settle()
    assert await counts(api) == (0, 0)


@pytest.mark.parametrize(("spec", "number"), EXAMPLES, ids=NAMES)
async def test_a_key_of_a_source_sends_for_that_source_only(api: Api, spec: SourceSpec, number: int) -> None:
    example = spec.examples[number]
    await api.client.post("/api/v1/sources", json={"name": "theirs"})
    key = await api.key("ingest", source="theirs")
    await sent(api, spec, example, key)
    await api.story.settle()
    page = await api.story.store.read("default", lambda tx: tx.incidents.search(IncidentFilter(limit=200)))
    assert {incident.source for incident in page.incidents} <= {"theirs"}
    api.story.pages.clear()


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize(("spec", "number"), EXAMPLES, ids=NAMES)
async def test_mutated_requests_are_answered_and_never_with_a_fault(api: Api, spec: SourceSpec, number: int) -> None:
    example = spec.examples[number]
    key = await api.key("ingest")
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    started = time.monotonic()
    for number, body in enumerate(mutants(filled(example.body, key).encode(), random.Random(seed))):
        if number and time.monotonic() - started > SECONDS:
            break
        answer = await sent(api, spec, example, key, body)
        assert answer.status_code < 500, (seed, body[:2000], answer.text)
        await api.story.settle()
    api.story.pages.clear()


@pytest.mark.parametrize(("spec", "number"), EXAMPLES, ids=NAMES)
def test_reading_is_pure_and_raises_nothing_but_invalid(spec: SourceSpec, number: int) -> None:
    example = spec.examples[number]
    seed = zlib.crc32(f"{spec.name}-{number}".encode())
    for _, body in zip(range(READ_MUTANTS), mutants(example.body.encode(), random.Random(seed)), strict=False):
        request = asked(spec, example, body)
        try:
            found, again = spec.read(request, None), spec.read(request, None)
        except Invalid:
            continue
        assert found == again, body
        assert len(found.steps) <= MAX_BATCH
        for step in found.steps:
            if not isinstance(step, Act | bytes):
                json.loads(written(dict(step)))


@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
async def test_what_cannot_be_read_is_refused_and_kept(api: Api, spec: SourceSpec) -> None:
    key = await api.key("ingest")
    answer = await api.of(key).post(f"/api/v1/sources/{spec.name}", content=b'{"nothing of ours": ' + b"\xff")
    assert 400 <= answer.status_code < 500, answer.text
    letters = (await api.client.get("/api/v1/dead_letters")).json()
    assert letters["total"] == 1
    assert letters["dead_letters"][0]["source"] == spec.name or spec.name == "generic"


@pytest.mark.parametrize(("spec", "number"), EXAMPLES, ids=NAMES)
def test_its_events_need_no_second_reading(spec: SourceSpec, number: int) -> None:
    """What a translation makes is of the exact types, so that the journal's replay reads it the fast way."""
    example = spec.examples[number]
    for step in spec.read(asked(spec, example, example.body.encode()), None).steps:
        if not isinstance(step, Act):
            item = step if isinstance(step, bytes) else written(dict(step))
            event = accept_document(item, tenant="t", received_at=NOW)
            assert event.title.strip()


def test_the_page_of_senders_says_what_the_sources_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m scripts.write_sources"
