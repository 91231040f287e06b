"""① What every sender's door does around the translation: keys, networks, limits, signatures, acts, dead letters."""

import asyncio
import base64
import gzip
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from llm_incident_manager.domain.events.event import SourceSettings
from llm_incident_manager.domain.events.stable import stable_event_id
from llm_incident_manager.engine.source_acts import Act, ActKind
from llm_incident_manager.errors import IncidentManagerError, Invalid
from llm_incident_manager.sources import native, reading
from llm_incident_manager.sources.answers import json_answer
from llm_incident_manager.sources.registry import source_specs
from llm_incident_manager.sources.signing import over_body
from llm_incident_manager.sources.spec import Answer, Door, Example, Outcome, Sent, SourceRequest, SourceSpec, Step
from tests.api.app import Api, opened

BELL = "/api/v1/sources/bell"
ROOT = "/bell/ring"


def read_bell(request: SourceRequest, _: SourceSettings | None) -> Sent:
    """A small tool with everything a tool may have: ``{rings: [{id, what, do, at, …}]}``."""
    if request.method == "OPTIONS":
        return Sent(reply={"welcome": request.headers.get("x-bell", "")})
    document = reading.json_object(request.body)
    if document.get("crash"):
        raise KeyError("what a bug in a plugin raises")
    if "rings" not in document:
        raise Invalid("there are no rings")
    steps = tuple(step(request, ring) for ring in reading.objects(document["rings"]))
    return Sent(steps=steps, reply={"first": document.get("first", "")})


def step(request: SourceRequest, ring: dict[str, Any]) -> Step:
    name, do = reading.text(ring.get("id")), ring.get("do", "ring")
    if do in ("acknowledge", "note", "snooze", "edit"):
        return Act(
            kind=ActKind(do),
            source=request.source,
            dedup_key=name,
            act_id=ring.get("act_id"),
            text=reading.text(ring.get("text")),
            by=reading.text(ring.get("by")),
            fields=reading.mapping(ring.get("fields")),
            until=reading.instant(ring.get("until"), now=request.received_at),
        )
    at = reading.when(ring.get("at"), now=request.received_at)
    event_id = stable_event_id(name, at, do)
    if do == "end":
        return reading.recovery(request.source, name, event_id=event_id, at=at, said="It is quiet again")
    return {
        "event_id": event_id,
        "source": request.source,
        "timestamp": at,
        "event_type": "change" if do == "change" else "alert",
        "category": "availability",
        "title": ring.get("what", "Somebody rings"),
        "severity": "critical",
        "resource": reading.resource("door", name),
        "dedup_key": name,
        "payload": reading.payload(ring),
    }


def answer_bell(_: SourceRequest, sent: Sent, outcomes: Sequence[Outcome]) -> Answer:
    return json_answer({"ding": [outcome.status for outcome in outcomes]} | dict(sent.reply), status=200, X_Bell="dong")


def refuse_bell(error: IncidentManagerError, status: int) -> Answer:
    return json_answer({"no": error.message}, status)


SPEC = SourceSpec(
    name="bell",
    title="Bell",
    description="Rings.",
    setup="{url}",
    read=read_bell,
    answer=answer_bell,
    refuse=refuse_bell,
    doors=(Door(path=ROOT), Door(path="/bell/{key}/ring"), Door(path=ROOT, methods=("OPTIONS",), public=True)),
    key_members=("bell_key", "old_key"),
    key_headers=("x-bell-key",),
    signature=over_body("x-bell-signature"),
    overloaded=503,
    body_bytes=10_000,
    examples=(Example(body="{}"),),
)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path, sources={"bell": SPEC, "generic": native.SPEC}) as api:
        yield api
        api.story.pages.clear()


def rings(*several: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"rings": list(several)} | more


async def only_incident(api: Api) -> dict[str, Any]:
    await api.story.settle()
    (found,) = (await api.client.get("/api/v1/incidents")).json()["incidents"]
    return dict(found)


@pytest.mark.requirement("SEC-02")
async def test_the_key_may_stand_wherever_the_sender_can_put_it(api: Api) -> None:
    key = await api.key("ingest")
    nobody = api.of(None)
    basic = base64.b64encode(f"anybody:{key}".encode()).decode()
    alone = base64.b64encode(f"{key}:".encode()).decode()
    for number, headers in enumerate(
        (
            {"Authorization": f"Bearer {key}"},
            {"Authorization": f"GenieKey {key}"},
            {"Authorization": f"Token token={key}"},
            {"Authorization": f"Basic {basic}"},
            {"Authorization": f"Basic {alone}"},
            {"X-API-Key": key},
            {"X-Bell-Key": key},
            {"X-Sentinel-API-Key": key},
        )
    ):
        answer = await nobody.post(BELL, json=rings({"id": f"h{number}"}), headers=headers)
        assert answer.json() == {"ding": ["accepted"], "first": ""}, (headers, answer.text)
    for place in (f"{BELL}?key={key}", f"{ROOT}?a=b&key={key}", f"/bell/{key}/ring"):
        answer = await nobody.post(place, json=rings({"id": place.replace(key, "")}))
        assert answer.json()["ding"] == ["accepted"], answer.text
    for number, member in enumerate(("bell_key", "old_key")):
        answer = await nobody.post(ROOT, json=rings({"id": f"m{number}"}, **{member: key}))
        assert answer.json()["ding"] == ["accepted"], answer.text
    assert answer.headers["x-bell"] == "dong"
    await api.story.settle()
    assert (await api.client.get("/api/v1/incidents")).json()["total"] == 13


async def test_a_wrong_key_is_401_in_the_senders_shape_wherever_it_stands(api: Api) -> None:
    nobody = api.of(None)
    for answer in (
        await nobody.post(BELL, json=rings()),
        await nobody.post(ROOT, json=rings(bell_key="wrong-key-0123456789")),
        await nobody.post("/bell/wrong-key-0123456789/ring", json=rings()),
        await nobody.post(f"{BELL}?key=wrong-key-0123456789", json=rings()),
        await nobody.post(BELL, json=rings(), headers={"Authorization": "Basic ***"}),
        await nobody.post(BELL, json=rings(), headers={"Authorization": "Bearer " + "k" * 5000}),
        await nobody.post(ROOT, json=rings(bell_key=7)),
        await nobody.post(ROOT, content=b"\xff"),
    ):
        assert (answer.status_code, list(answer.json())) == (401, ["no"]), answer.text
        assert "wrong-key" not in answer.text
        assert answer.headers["www-authenticate"].startswith("Bearer")
    reader = api.of(await api.key("read"))
    assert (await reader.post(BELL, json=rings())).status_code == 403


async def test_unknown_sources_are_404_and_own_names_choose_their_plugin(api: Api) -> None:
    key = await api.key("ingest")
    sender = api.of(key)
    assert (await sender.post("/api/v1/sources/nothing", json={})).status_code == 404
    for document in ({"name": "front-door", "plugin": "bell"}, {"name": "plain"}, {"name": "lost", "plugin": "gone"}):
        assert (await api.client.post("/api/v1/sources", json=document)).status_code == 201
    answer = await sender.post("/api/v1/sources/front-door", json=rings({"id": "a"}))
    assert answer.json()["ding"] == ["accepted"], answer.text
    assert (await only_incident(api))["source"] == "front-door"
    assert (await sender.post("/api/v1/sources/plain", json={})).status_code == 422
    lost = await sender.post("/api/v1/sources/lost", json={})
    assert lost.status_code == 404
    assert "gone" in lost.json()["detail"]
    bound = api.of(await api.key("ingest", source="plain"))
    assert (await bound.post("/api/v1/sources/front-door", json=rings({"id": "b"}))).status_code == 403
    answer = await bound.post(BELL, json=rings({"id": "c"}))
    assert answer.json()["ding"] == ["accepted"], answer.text
    await api.story.settle()
    listed = (await api.client.get("/api/v1/incidents?source=plain")).json()
    assert listed["total"] == 1


@pytest.mark.requirement("SEC-04")
async def test_with_a_signing_secret_only_signed_requests_come_in(api: Api) -> None:
    secret = "the-secret-of-the-bell"
    made = await api.client.post("/api/v1/sources", json={"name": "bell", "signing_secret": secret})
    assert made.status_code == 201, made.text
    assert secret not in made.text
    shown = await api.client.get("/api/v1/sources/bell")
    assert secret not in shown.text
    sender = api.of(await api.key("ingest"))
    body = json.dumps(rings({"id": "a"})).encode()
    right = hmac.new(secret.encode(), body, sha256).hexdigest()
    wrong = hmac.new(b"another-secret-of-a-bell", body, sha256).hexdigest()
    for signature in (None, "", wrong, right[:-1], right.upper() + "x", "zz", right[:-2] + "é"):
        headers = {} if signature is None else {"X-Bell-Signature": signature.encode("latin-1")}
        answer = await sender.post(BELL, content=body, headers=headers)
        assert answer.status_code == 401, (signature, answer.text)
        assert secret not in answer.text
    for signature in (right, f"sha256={right}", f"{wrong}, {right}"):
        answer = await sender.post(BELL, content=body, headers={"X-Bell-Signature": signature})
        assert answer.status_code == 200, answer.text
    packed = await sender.post(
        BELL, content=gzip.compress(body), headers={"X-Bell-Signature": right, "Content-Encoding": "gzip"}
    )
    assert packed.json()["ding"] == ["duplicate"]
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 0


@pytest.mark.requirement("SEC-04")
async def test_a_stamped_signature_grows_old_and_may_stand_in_another_header(api: Api) -> None:
    secret = "the-secret-of-any-tool"
    settings = {"name": "generic", "signing_secret": secret, "signature_header": "X-Mine"}
    assert (await api.client.post("/api/v1/sources", json=settings)).status_code == 201
    sender = api.of(await api.key("ingest"))
    for minutes, status in ((0, 422), (4, 422), (-4, 422), (6, 401), (-6, 401)):
        stamp = int((api.story.clock.now() + timedelta(minutes=minutes)).timestamp())
        digest = hmac.new(secret.encode(), f"{stamp}.{{}}".encode(), sha256).hexdigest()
        answer = await sender.post(
            "/api/v1/sources/generic", content=b"{}", headers={"X-Mine": f"t={stamp},v1={digest}"}
        )
        assert answer.status_code == status, (minutes, answer.text)


async def test_other_networks_and_disabled_sources_are_403_by_every_door(api: Api) -> None:
    made = await api.client.post("/api/v1/sources", json={"name": "bell", "allow_ips": ["10.0.0.0/8", "2001:db8::/32"]})
    assert made.status_code == 201, made.text
    sender = api.of(await api.key("ingest"))
    answer = await sender.post(BELL, content=b"{")
    assert (answer.status_code, "203.0.113.7" in answer.text) == (403, True), answer.text
    event = json.loads(native.SPEC.examples[0].body) | {"source": "bell"}
    assert (await sender.post("/api/v1/events", json=event)).status_code == 403
    refused = (await sender.post("/api/v1/events", json=[event])).json()
    assert refused["rejected"] == 1
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 0
    version = (await api.client.get("/api/v1/sources/bell")).headers["etag"]
    open_again = {"name": "bell", "allow_ips": "203.0.113.7"}
    put = await api.client.put("/api/v1/sources/bell", json=open_again, headers={"If-Match": version})
    assert put.status_code == 200, put.text
    assert (await sender.post(BELL, json=rings({"id": "a"}))).status_code == 200
    await api.client.put("/api/v1/sources/bell", json={"name": "bell", "enabled": False})
    assert (await sender.post(BELL, json=rings({"id": "b"}))).status_code == 403
    wrong = await api.client.post("/api/v1/sources", json={"name": "x", "allow_ips": ["10.0.0.0/99"]})
    assert wrong.status_code == 422


async def test_what_is_wrong_is_kept_without_the_key_and_answered_in_the_senders_shape(api: Api) -> None:
    key = await api.key("ingest")
    nobody = api.of(None)
    for body, status in (
        (json.dumps({"bell_key": key, "nothing": 1}).encode(), 422),
        (json.dumps({"bell_key": key, "crash": True}).encode(), 422),
        (json.dumps(rings({"id": "a", "what": " "}, bell_key=key)).encode(), 422),
    ):
        answer = await nobody.post(ROOT, content=body)
        assert (answer.status_code, list(answer.json())) == (status, ["no"]), answer.text
    letters = (await api.client.get("/api/v1/dead_letters")).json()["dead_letters"]
    assert [letter["source"] for letter in letters] == ["bell"] * 3
    assert not [letter for letter in letters if key in json.dumps(letter)]
    assert not [letter for letter in letters if letter["retriable"]]
    large = await api.of(key).post(BELL, content=b" " * 10_001)
    assert (large.status_code, list(large.json())) == (413, ["no"])


async def test_good_events_count_although_their_neighbour_is_wrong(api: Api) -> None:
    sender = api.of(await api.key("ingest"))
    answer = await sender.post(BELL, json=rings({"id": "a"}, {"id": "b", "what": "x" * 600}, {"id": "c"}, first="f"))
    assert answer.json() == {"ding": ["accepted", "rejected", "accepted"], "first": "f"}
    assert (await api.client.get("/api/v1/dead_letters")).json()["total"] == 1


async def test_the_key_is_in_no_event_even_if_the_sender_puts_it_there(api: Api) -> None:
    key = await api.key("ingest")
    answer = await api.of(None).post(ROOT, json=rings({"id": "a", "what": f"leaks {key}", "k": key}, bell_key=key))
    assert answer.status_code == 200
    incident = await only_incident(api)
    assert incident["title"] == "leaks [key]"
    events = await api.client.get(f"/api/v1/incidents/{incident['id']}/events")
    assert key not in events.text


async def test_later_has_the_status_that_makes_the_sender_come_back(api: Api) -> None:
    await api.client.post("/api/v1/sources", json={"name": "bell", "events_per_minute": 1})
    sender = api.of(await api.key("ingest"))
    answers = [await sender.post(BELL, json=rings({"id": f"n{number}"})) for number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 503, 503]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert list(answers[-1].json()) == ["no"]


@pytest.mark.requirement("ING-05")
async def test_a_sender_resolves_and_rings_again(api: Api) -> None:
    sender = api.of(await api.key("ingest"))
    at = api.story.clock.now().isoformat()
    assert (await sender.post(BELL, json=rings({"id": "a", "at": at}))).json()["ding"] == ["accepted"]
    # Its opening still is in the journal when the end arrives.
    assert (await sender.post(BELL, json=rings({"id": "a", "do": "end", "at": at}))).json()["ding"] == ["accepted"]
    await api.story.fast_forward(seconds=2)
    assert (await only_incident(api))["status"] == "RESOLVED"
    for _ in range(3):
        again = await sender.post(BELL, json=rings({"id": "a", "at": at}, {"id": "a", "do": "end", "at": at}))
        assert again.json()["ding"] == ["duplicate", "duplicate"]
    await api.story.fast_forward(seconds=2)
    incident = await only_incident(api)
    assert (incident["status"], incident["event_count"]) == ("RESOLVED", 1)


async def test_an_acknowledgment_that_overtakes_its_trigger_waits_for_it(api: Api) -> None:
    sender = api.of(await api.key("ingest"))
    ring, ack = {"id": "a"}, {"id": "a", "do": "acknowledge", "by": "Mallory <m@x>"}
    asked = asyncio.create_task(sender.post(BELL, json=rings(ring, ack)))
    async with asyncio.timeout(5):
        await api.story.journal.wait()
    await api.story.settle()
    assert (await asked).json()["ding"] == ["accepted", "done"]
    incident = await only_incident(api)
    assert incident["status"] == "ACKNOWLEDGED"
    assert incident["assigned_to"] is None
    history = await api.story.history(incident["id"])
    assert history[-1].by.name == "Mallory <m@x> (bell)"
    assert (await sender.post(BELL, json=rings(ack))).json()["ding"] == ["unchanged"]
    assert (await sender.post(BELL, json=rings({"id": "z", "do": "acknowledge"}))).json()["ding"] == ["unknown"]


async def test_acts_are_done_once_and_only_to_incidents_of_the_own_source(api: Api) -> None:
    sender = api.of(await api.key("ingest"))
    await sender.post(BELL, json=rings({"id": "a"}))
    incident = await only_incident(api)
    acts = rings(
        {"id": "a", "do": "note", "text": "Looking\x00 at it"},
        {"id": "a", "do": "note", "text": "Looking\x00 at it"},
        {"id": "a", "do": "note", "text": "Looking", "act_id": "1"},
        {"id": "a", "do": "edit", "fields": {"title": "A better title"}},
        {"id": "a", "do": "snooze", "until": (api.story.clock.now() + timedelta(hours=1)).isoformat()},
        {"id": "a", "do": "acknowledge", "act_id": "2"},
    )
    assert (await sender.post(BELL, json=acts)).json()["ding"] == ["done", "duplicate", "done", "done", "done", "done"]
    again = (await sender.post(BELL, json=acts)).json()["ding"]
    assert again == ["duplicate", "duplicate", "duplicate", "unchanged", "unchanged", "duplicate"]
    after = await only_incident(api)
    assert (after["title"], after["status"]) == ("A better title", "ACKNOWLEDGED")
    timeline = (await api.client.get(f"/api/v1/incidents/{incident['id']}/timeline?limit=100")).json()["entries"]
    said = [entry for entry in timeline if entry["event_type"] == "comment_added"]
    assert len(said) == 2, said
    await api.client.post("/api/v1/sources", json={"name": "other", "plugin": "bell"})
    stranger = api.of(await api.key("ingest", source="other"))
    assert (await stranger.post(BELL, json=rings({"id": "a", "do": "note"}))).json()["ding"] == ["unknown"]
    wrong = await sender.post(BELL, json=rings({"id": "a", "do": "edit", "fields": {"severity": "P4"}}))
    assert wrong.status_code == 422


async def test_a_change_is_kept_and_opens_nothing(api: Api) -> None:
    sender = api.of(await api.key("ingest"))
    for status in ("accepted", "duplicate"):
        answer = await sender.post(BELL, json=rings({"id": "a", "do": "change", "at": "2026-11-02T08:00:00Z"}))
        assert answer.json()["ding"] == [status]
        await api.story.fast_forward(seconds=2)
    assert (await api.client.get("/api/v1/incidents")).json()["total"] == 0
    await sender.post(BELL, json=rings({"id": "a"}))
    await sender.post(BELL, json=rings({"id": "a", "do": "change", "at": "2026-11-02T08:30:00Z"}))
    await api.story.fast_forward(seconds=2)
    assert (await only_incident(api))["event_count"] == 1
    kept = await api.story.store.read("default", lambda tx: tx.events.of_incident("", limit=10, cursor=None))
    assert len(kept[0]) == 2


async def test_a_handshake_needs_no_key_and_the_wrong_method_is_405(api: Api) -> None:
    nobody = api.of(None)
    answer = await nobody.request("OPTIONS", ROOT, headers={"X-Bell": "hello"})
    assert (answer.status_code, answer.json()["welcome"]) == (200, "hello")
    wrong = await nobody.put(ROOT, json={})
    assert wrong.status_code == 405


async def test_a_database_that_is_away_takes_events_and_not_acts(api: Api) -> None:
    sender = api.of(await api.key("ingest"))
    await api.story.store.close()
    assert (await sender.post(BELL, json=rings({"id": "a"}))).status_code == 200
    answer = await sender.post(BELL, json=rings({"id": "b", "do": "acknowledge"}))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_two_sources_cannot_have_one_path(tmp_path: Path) -> None:
    twin = SourceSpec(**{**vars(SPEC), "name": "twin"})
    with pytest.raises(Invalid, match="both want"):
        async with opened(tmp_path, sources={"bell": SPEC, "twin": twin}):
            pass


def test_the_registry_has_what_the_api_serves() -> None:
    assert set(source_specs()) >= {"generic", "statuspage"}
