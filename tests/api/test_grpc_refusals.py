"""What a call that fails is told: the right code, the fields, when to come back; never a traceback (SEC-05)."""

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2

from llm_incident_manager import errors
from llm_incident_manager.api.grpc.generated import incident_pb2 as pb
from llm_incident_manager.api.grpc.statuses import CODE_OF_KIND, code_of, refusal_of
from tests.api.grpc_app import Grpc, refused, request_of

Code = grpc.StatusCode
A_MEBIBYTE = 1_048_576


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Invalid("x"), Code.INVALID_ARGUMENT),
        (errors.TooLarge("x"), Code.RESOURCE_EXHAUSTED),
        (errors.NotFound("x"), Code.NOT_FOUND),
        (errors.Conflict("x", code="invalid_transition"), Code.FAILED_PRECONDITION),
        (errors.Conflict("x", code="version_conflict"), Code.ABORTED),
        (errors.Conflict("x", code="already_exists"), Code.ALREADY_EXISTS),
        (errors.StaleVersion("x"), Code.ABORTED),
        (errors.Forbidden("x"), Code.PERMISSION_DENIED),
        (errors.Unauthenticated("x"), Code.UNAUTHENTICATED),
        (errors.RateLimited("x", retry_after_seconds=1), Code.RESOURCE_EXHAUSTED),
        (errors.Unavailable("x"), Code.UNAVAILABLE),
    ],
)
def test_every_kind_of_error_has_its_code(error: errors.IncidentManagerError, code: Code) -> None:
    assert code_of(error) is code
    assert refusal_of(error, method="/x").code is code


def test_no_kind_of_error_was_forgotten() -> None:
    assert set(errors.IncidentManagerError.__subclasses__()) >= set(CODE_OF_KIND)
    own = {kind for kind in errors.IncidentManagerError.__subclasses__() if kind.__module__ == errors.__name__}
    assert own == set(CODE_OF_KIND)


@pytest.mark.requirement("SEC-05")
def test_what_nobody_expected_is_internal_and_shows_nothing_of_itself() -> None:
    refusal = refusal_of(RuntimeError("password=hunter2"), method="/x")
    assert refusal.code is Code.INTERNAL
    assert refusal.message.startswith("it failed here; mention err-")
    assert b"hunter2" not in refusal.trailing[0][1]


@pytest.mark.requirement("ING-04")
async def test_every_field_at_fault_is_named(rpc: Grpc) -> None:
    wrong = pb.IncidentRequest(source="s", severity="awful", category="strange", metrics={"p95": float("nan")})
    answer = await refused(rpc.client.create(wrong))
    assert (answer.code, answer.reason) == (Code.INVALID_ARGUMENT, "INVALID_EVENT")
    assert {"event_id", "timestamp", "severity", "category", "resource.id", "metrics.p95"} <= set(answer.fields)
    violations = answer.detail(error_details_pb2.BadRequest).field_violations
    (severity,) = [each.description for each in violations if each.field == "severity"]
    assert "awful" in severity


@pytest.mark.parametrize("text", ["a\0b", "\N{RIGHT-TO-LEFT OVERRIDE}" * 600, "x" * 5000])
async def test_hostile_text_is_refused_by_name(rpc: Grpc, text: str) -> None:
    answer = await refused(rpc.client.create(rpc.event(title=text)))
    assert (answer.code, answer.fields) == (Code.INVALID_ARGUMENT, ["title"])


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("method", ["CreateIncident", "UpdateIncident", "GetIncident"])
@pytest.mark.parametrize("message", [b"\x0a\x02\xff\xfe", b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 500])
async def test_bytes_that_are_no_message_are_an_argument_that_is_wrong(rpc: Grpc, method: str, message: bytes) -> None:
    """0a 02 ff fe is a first field that is not UTF-8, which the library itself would call INTERNAL."""
    answer = await refused(rpc.client.raw(method, message))
    assert (answer.code, answer.fields) == (Code.INVALID_ARGUMENT, ["message"])


@pytest.mark.requirement("SEC-05")
async def test_a_message_over_the_limit_is_refused_and_the_next_one_is_taken(rpc: Grpc) -> None:
    answer = await refused(rpc.client.raw("CreateIncident", b"x" * (A_MEBIBYTE + 1)))
    assert answer.code is Code.RESOURCE_EXHAUSTED
    assert (await rpc.client.create(rpc.event())).status == "accepted"


@pytest.mark.requirement("SEC-05")
async def test_a_message_that_unpacks_to_more_than_the_limit_is_refused(rpc: Grpc) -> None:
    """A hundred mebibytes of one letter are a hundred kilobytes of gzip."""
    bomb = pb.IncidentRequest(description="x" * (100 * A_MEBIBYTE))
    answer = await refused(rpc.client.create(bomb, compression=grpc.Compression.Gzip))
    assert answer.code is Code.RESOURCE_EXHAUSTED
    small = await rpc.client.create(rpc.event(), compression=grpc.Compression.Gzip)
    assert small.status == "accepted"


async def test_maps_and_lists_have_an_end(rpc: Grpc) -> None:
    event = rpc.event()
    event.tags.update({f"tag-{number}": "x" for number in range(101)})
    event.labels.extend(["x"] * 101)
    answer = await refused(rpc.client.create(event))
    assert {"tags", "labels"} == set(answer.fields)
    event = rpc.event()
    event.resource.metadata.update({f"{number}": "x" * 100 for number in range(9000)})
    assert (await rpc.client.create(event)).status == "accepted"  # bounded by the message's size alone


async def test_however_much_is_wrong_the_answer_fits_into_a_header(rpc: Grpc) -> None:
    """A client takes 8 KiB of trailing metadata, and whatever is beyond it would hide the status."""
    wrong = pb.IncidentRequest(source="😀" * 500, title="😀" * 600, severity="😀" * 700, category="\0" * 100)
    wrong.tags.update({f"{'😀' * 150}{number}": "\0" for number in range(90)})
    wrong.resource.metadata.update({f"{'😀' * 90}{number}": "\0" for number in range(90)})
    answer = await refused(rpc.client.create(wrong))
    assert answer.code is Code.INVALID_ARGUMENT
    last = answer.detail(error_details_pb2.BadRequest).field_violations[-1]
    assert (last.field, "more are wrong" in last.description) == ("request", True)
    assert len(answer.message.encode()) <= 600


@pytest.mark.requirement("SEC-02")
async def test_whoever_shows_no_key_or_a_wrong_one_is_not_let_in(rpc: Grpc) -> None:
    for client in (
        rpc.of(None),
        rpc.of("wrong"),
        rpc.of("x" * 5000),
        rpc.of(None, x_api_key=""),
        rpc.of(None, authorization="Basic eA=="),
    ):
        for call in (client.create(rpc.event()), client.get("INC-20261102-00001"), client.update("INC-1", "take")):
            answer = await refused(call)
            assert answer.code is Code.UNAUTHENTICATED
        assert (await refused(client.watch().read())).code is Code.UNAUTHENTICATED
        assert (await refused(client.stream().read())).code is Code.UNAUTHENTICATED


@pytest.mark.requirement("SEC-02")
async def test_a_key_may_do_what_its_scopes_say(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    ingest, read = rpc.of(await rpc.api.key("ingest")), rpc.of(await rpc.api.key("read"))
    assert (await ingest.create(rpc.event())).status == "accepted"
    assert (await read.get(incident_id)).id == incident_id
    for call in (ingest.get(incident_id), read.create(rpc.event()), read.update(incident_id, "take")):
        answer = await refused(call)
        assert (answer.code, answer.reason) == (Code.PERMISSION_DENIED, "FORBIDDEN")
    assert (await refused(ingest.watch().read())).code is Code.PERMISSION_DENIED
    assert (await refused(read.stream().read())).code is Code.PERMISSION_DENIED
    bound = rpc.of(await rpc.api.key("ingest", source="llm-shield"))
    assert (await refused(bound.create(rpc.event()))).code is Code.PERMISSION_DENIED


@pytest.mark.requirement("SEC-04")
async def test_a_source_is_bound_to_its_networks_here_too(rpc: Grpc) -> None:
    sources = [{"name": "near", "allow_ips": ["127.0.0.0/8"]}, {"name": "far", "allow_ips": ["10.0.0.0/8"]}]
    await rpc.api.story.configure({"sources": sources})
    assert (await rpc.client.create(rpc.event(source="near"))).status == "accepted"
    answer = await refused(rpc.client.create(rpc.event(source="far")))
    assert (answer.code, answer.reason) == (Code.PERMISSION_DENIED, "ADDRESS_REFUSED")
    assert "127.0.0.1" in answer.message


@pytest.mark.requirement("SEC-01")
async def test_another_tenants_incident_is_not_there_whatever_is_asked(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    assert (await rpc.api.client.post("/api/v1/tenants", json={"id": "acme", "name": "Acme"})).status_code == 201
    key = await rpc.api.key("ingest", "read", "respond", tenant_id="acme")
    other = rpc.of(key)
    for call in (
        other.get(incident_id),
        other.update(incident_id, "take"),
        other.update(incident_id, "no such action", nonsense="x"),
        rpc.client.get("INC-20261102-99999"),
        rpc.client.get("\0" * 300),
        rpc.client.update("", "take"),
    ):
        answer = await refused(call)
        assert answer.code is Code.NOT_FOUND
    theirs = (await other.create(rpc.event())).incident_id
    await other.get(theirs)
    mine = await refused(rpc.client.update(incident_id, "link", incident_id=theirs))
    assert (mine.code, mine.fields) == (Code.INVALID_ARGUMENT, ["fields.incident_id"])
    elsewhere = rpc.of(key, x_tenant="default")
    assert (await refused(elsewhere.get(incident_id))).code is Code.NOT_FOUND


@pytest.mark.requirement("RES-01")
async def test_what_the_status_forbids_is_a_failed_precondition_that_names_what_is_allowed(rpc: Grpc) -> None:
    incident_id = await rpc.incident()
    answer = await refused(rpc.client.update(incident_id, "close"))
    assert (answer.code, answer.reason) == (Code.FAILED_PRECONDITION, "INVALID_TRANSITION")
    assert answer.detail(error_details_pb2.ErrorInfo).metadata["allowed_actions"] == "acknowledge,escalate"
    (violation,) = answer.detail(error_details_pb2.PreconditionFailure).violations
    assert (violation.type, "acknowledge, escalate" in violation.description) == ("INVALID_TRANSITION", True)


@pytest.mark.parametrize(
    ("action", "fields", "named"),
    [
        ("fly", {}, ["action"]),
        ("", {}, ["action"]),
        ("update", {"severity": "P9", "colour": "red"}, ["fields.colour", "fields.severity"]),
        ("update", {"title": "a\0b"}, ["fields.title"]),
        ("update", {"tags": "region=eu"}, ["fields.tags"]),
        ("update", {"metadata": "[" * 5000}, ["fields.metadata"]),
        ("update", {"assigned_to": "nobody"}, ["assigned_to"]),
        ("assign", {}, ["fields.user_id"]),
        ("comment", {"text": "  "}, ["fields.text"]),
        ("snooze", {"until": "soon"}, ["fields.until"]),
        ("link", {"incident_id": "INC-1"}, ["fields.incident_id"]),
        ("link", {"kind": "cousin"}, ["fields.incident_id", "fields.kind"]),
        ("page", {"targets": "ana"}, ["fields.targets"]),
        ("resolve", {"walk": "maybe"}, ["fields.walk"]),
        ("acknowledge", {"nota": "x"}, ["fields.nota"]),
    ],
)
async def test_a_command_that_is_wrong_names_its_fields(
    rpc: Grpc, action: str, fields: dict[str, str], named: list[str]
) -> None:
    incident_id = await rpc.incident()
    answer = await refused(rpc.client.update(incident_id, action, **fields))
    assert (answer.code, sorted(answer.fields)) == (Code.INVALID_ARGUMENT, named)


@pytest.mark.requirement("ING-06")
async def test_whoever_sends_too_much_is_told_when_to_come_back(rpc: Grpc) -> None:
    await rpc.api.story.configure({"sources": [{"name": "llm-sentinel", "events_per_minute": 10}]})
    for _ in range(11):  # a tenth more is kept for new problems
        assert (await rpc.client.create(rpc.event())).status == "accepted"
    answer = await refused(rpc.client.create(rpc.event()))
    assert (answer.code, answer.reason) == (Code.RESOURCE_EXHAUSTED, "RATE_LIMITED")
    delay = answer.detail(error_details_pb2.RetryInfo).retry_delay.ToSeconds()
    assert 1 <= delay <= 120


@pytest.mark.requirement("SEC-02")
async def test_a_revoked_key_is_refused_at_once(rpc: Grpc) -> None:
    made = (await rpc.api.client.post("/api/v1/api_keys", json={"name": "gone", "scopes": ["ingest", "read"]})).json()
    client = rpc.of(made["key"])
    stream, watch = client.stream(), client.watch()
    await stream.write(rpc.event())
    assert (await stream.read()).status == "accepted"
    await watch.initial_metadata()
    assert (await rpc.api.client.delete(f"/api/v1/api_keys/{made['id']}")).status_code == 204
    assert (await refused(client.create(rpc.event()))).code is Code.UNAUTHENTICATED
    await stream.write(rpc.event())
    assert (await refused(stream.read())).code is Code.UNAUTHENTICATED
    async with asyncio.timeout(15):
        ended = await refused(_drained(watch))
    assert ended.code is Code.UNAUTHENTICATED


async def _drained(call: object) -> list[object]:
    return [message async for message in call]  # type: ignore[attr-defined]


async def test_a_method_that_is_not_there_is_unimplemented(rpc: Grpc) -> None:
    assert (await refused(rpc.client.raw("DeleteEverything", b""))).code is Code.UNIMPLEMENTED
    assert (await refused(rpc.client.raw("/other.Service/Get", b""))).code is Code.UNIMPLEMENTED


@pytest.mark.requirement("SEC-05")
async def test_metadata_beyond_reason_is_refused_and_the_server_goes_on(rpc: Grpc) -> None:
    client = rpc.of(None, authorization="Bearer " + "x" * 60_000)
    answer = await refused(client.create(rpc.event()))
    assert answer.code in (Code.RESOURCE_EXHAUSTED, Code.UNAUTHENTICATED)
    assert (await rpc.client.create(rpc.event())).status == "accepted"


@pytest.mark.requirement("ING-08")
async def test_while_nothing_can_be_stored_it_is_unavailable_and_says_when_to_come_back(rpc: Grpc) -> None:
    event = rpc.event()
    rpc.api.story.journal.close()
    answer = await refused(rpc.client.create(event))
    assert answer.code is Code.UNAVAILABLE
    assert answer.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() >= 1
    stream = rpc.client.stream()
    await stream.write(event)
    assert (await refused(stream.read())).code is Code.UNAVAILABLE


@pytest.mark.requirement("ANA-02")
async def test_calls_are_counted_by_method_and_status(rpc: Grpc) -> None:
    await rpc.client.create(rpc.event())
    await refused(rpc.client.create(request_of({"resource": {}})))
    text = (await rpc.api.client.get("/metrics")).text
    path = 'method="GRPC",path="/llm.incident.v1.IncidentService/CreateIncident"'
    assert f'api_requests_total{{{path},status="OK"}} 1' in text
    assert f'api_requests_total{{{path},status="INVALID_ARGUMENT"}} 1' in text
