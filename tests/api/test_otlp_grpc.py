"""OpenTelemetry's logs over gRPC: the rules of the source, and OTLP's own answers and codes (ING-02, ING-12)."""

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from google.protobuf import descriptor_pool
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from llm_incident_manager.api.grpc.listener import Tls
from llm_incident_manager.api.grpc.logs import PATH, SERVICE, LogsServer
from llm_incident_manager.domain.events.document import MAX_BATCH
from llm_incident_manager.sources.log_records import MAX_RECORDS
from tests.api.app import Api
from tests.api.grpc_app import SECONDS, Refused, answering, refused
from tests.authority import Authority
from tests.hostile.log_requests import log_requests
from tests.hostile.stream_doors import OUR_FAULT
from tests.process import ServerProcess

pytestmark = [pytest.mark.requirement("ING-02"), pytest.mark.requirement("ING-12")]
Code = grpc.StatusCode
AT = 1_793_442_600_000_000_000
MUTANT_SECONDS = 3.0
SEED = "LIM_TEST_SEED"


class Exporter:
    """A client of the service, with the story behind it."""

    def __init__(self, api: Api, address: str, key: str) -> None:
        self.api = api
        self.address = address
        self.key = key

    async def export(self, *records: dict[str, Any], raw: bytes | None = None, **more: Any) -> Any:
        """Export records of the service ``chat`` and let them be worked off; raises what the call ends with."""
        presented = more.pop("metadata", {"authorization": f"Bearer {self.key}"})
        channel = more.pop("channel", None) or grpc.aio.insecure_channel(self.address)
        async with channel:
            body = request(*records).SerializeToString() if raw is None else raw
            answer: bytes = await channel.unary_unary(PATH)(
                body, metadata=tuple(presented.items()), timeout=SECONDS, **more
            )
        await self.api.story.fast_forward(seconds=2)
        self.api.story.pages.clear()
        return ExportLogsServiceResponse.FromString(answer).partial_success

    async def incidents(self) -> list[dict[str, Any]]:
        answer = await self.api.client.get("/api/v1/incidents?sort=created_at&limit=100")
        return list(answer.json()["incidents"])


def a_record(number: int = 17, body: str = "The model does not answer", at: int = AT, **more: str) -> dict[str, Any]:
    pairs = [{"key": name.replace("__", "."), "value": {"stringValue": value}} for name, value in more.items()]
    return {"timeUnixNano": at, "severityNumber": number, "body": {"stringValue": body}, "attributes": pairs}


def request(*records: dict[str, Any]) -> ExportLogsServiceRequest:
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "chat"}}]}
    document = {"resourceLogs": [{"resource": service, "scopeLogs": [{"logRecords": list(records)}]}]}
    return ParseDict(document, ExportLogsServiceRequest())


@contextlib.asynccontextmanager
async def exporting(api: Api, *, tls: Tls | None = None, **key: Any) -> AsyncIterator[Exporter]:
    async with answering(api) as rpc:
        server = LogsServer(rpc.port, tls=tls)
        number = server.bind("127.0.0.1", 0)
        await server.start()
        try:
            yield Exporter(api, f"127.0.0.1:{number}", await api.key("ingest", **key))
        finally:
            await server.stop()


@pytest.fixture
async def otlp(api: Api) -> AsyncIterator[Exporter]:
    async with exporting(api) as exporter:
        yield exporter


async def refusal(call: Any) -> tuple[grpc.StatusCode, Refused]:
    answer = await refused(call)
    return answer.code, answer


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_opentelemetry_s_own_exporter_delivers_errors_and_nothing_else(
    tmp_path: Path, compression: grpc.Compression, caplog: pytest.LogCaptureFixture
) -> None:
    """The story: an application's logs are pointed here, and its error is an incident that tells model and service."""
    with ServerProcess(tmp_path, env={"OTLP_GRPC_PORT": "0"}) as server:
        key = server.post("/api/v1/api_keys", {"name": "sender", "scopes": ["ingest"]}).json["key"]
        exporter = OTLPLogExporter(
            endpoint=server.otlp,
            insecure=True,
            headers=(("authorization", f"Bearer {key}"),),
            compression=compression,
            timeout=SECONDS,
        )
        provider = LoggerProvider(resource=Resource.create({"service.name": "chat"}), shutdown_on_exit=False)
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        logger = provider.get_logger("app.models")
        with caplog.at_level(logging.WARNING, logger="opentelemetry"):
            for number, word in ((SeverityNumber.INFO, "All is well"), (SeverityNumber.ERROR, "The model timed out")):
                attributes = {"gen_ai.request.model": "gpt-4o", "error.type": "timeout"}
                logger.emit(severity_number=number, severity_text=number.name, body=word, attributes=attributes)
            assert provider.force_flush(int(SECONDS * 1000))
            provider.shutdown()
        assert not caplog.records, "the exporter takes the answers for what they are"
        server.until("the error is an incident", lambda: len(incidents(server)) == 1)
        (incident,) = incidents(server)
        assert (incident["title"], incident["severity"], incident["source"]) == ("The model timed out", "P1", "otlp")
        assert incident["tags"]["gen_ai.request.model"] == "gpt-4o"
        assert key not in server.log
        assert server.stop() == 0


def incidents(server: ServerProcess) -> list[dict[str, Any]]:
    return list(server.get("/api/v1/incidents").json["incidents"])


async def test_what_came_over_http_and_comes_again_over_grpc_is_the_same_event(api: Api, otlp: Exporter) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    first = await api.of(otlp.key).post("/v1/logs", content=request(a_record()).SerializeToString(), headers=headers)
    assert first.status_code == 200
    assert (await otlp.export(a_record())).rejected_log_records == 0
    (incident,) = await otlp.incidents()
    assert (incident["event_count"], incident["source"]) == (1, "otlp")
    assert (await otlp.export(a_record(at=AT + 1))).rejected_log_records == 0
    assert [each["event_count"] for each in await otlp.incidents()] == [2]


async def test_the_rules_of_the_settings_say_which_records_become_events(api: Api, otlp: Exporter) -> None:
    rules = [{"min_severity": 13, "attributes": {"error.type": "rate*"}}]
    await api.story.configure({"sources": [{"name": "otlp", "log_rules": rules}]})
    await otlp.export(a_record(17, "An error that no rule names"), a_record(13, "Slow down", error__type="rate_limit"))
    assert [(each["title"], each["severity"]) for each in await otlp.incidents()] == [("Slow down", "P2")]


async def test_the_key_may_stand_in_either_place_and_must_be_one_for_ingest(api: Api, otlp: Exporter) -> None:
    await otlp.export(a_record(), metadata={"x-api-key": otlp.key})
    assert len(await otlp.incidents()) == 1
    for metadata, code in (
        ({}, Code.UNAUTHENTICATED),
        ({"authorization": "Bearer wrong-key-0123456789"}, Code.UNAUTHENTICATED),
        ({"x-api-key": await api.key("read")}, Code.PERMISSION_DENIED),
    ):
        found, answer = await refusal(otlp.export(a_record(), metadata=metadata))
        assert found is code, (metadata, answer.message)
        assert "wrong-key" not in answer.message


async def test_a_key_of_a_source_sends_for_that_source_and_from_its_networks_only(api: Api) -> None:
    await api.story.configure({"sources": [{"name": "collector", "allow_ips": ["127.0.0.0/8"]}]})
    async with exporting(api, source="collector") as otlp:
        await otlp.export(a_record())
        assert [each["source"] for each in await otlp.incidents()] == ["collector"]
        await api.story.configure({"sources": [{"name": "collector", "allow_ips": ["192.0.2.0/24"]}]})
        code, _ = await refusal(otlp.export(a_record(at=AT + 1)))
        assert code is Code.PERMISSION_DENIED


async def test_what_does_not_fit_is_rejected_in_part_and_never_for_the_repeats_of_another(otlp: Exporter) -> None:
    many = [a_record(body=f"Loop {number}", at=AT + number) for number in range(MAX_BATCH + 20)]
    partial = await otlp.export(*many, a_record(body="Something else"))
    assert (partial.rejected_log_records, str(MAX_BATCH) in partial.error_message) == (21, True)
    await otlp.api.story.fast_forward(seconds=30)
    assert {each["title"]: each["event_count"] for each in await otlp.incidents()} == {
        "Loop 0": MAX_BATCH - 1,
        "Something else": 1,
    }


async def test_what_cannot_be_read_is_refused_for_good_and_kept(api: Api, otlp: Exporter) -> None:
    code, answer = await refusal(otlp.export(raw=b"\xff\xff\xff"))
    assert (code, answer.detail(error_details_pb2.RetryInfo)) == (Code.INVALID_ARGUMENT, None)
    assert answer.fields == ["body"]
    letters = (await api.client.get("/api/v1/dead_letters")).json()
    assert (letters["total"], letters["dead_letters"][0]["source"]) == (1, "otlp")
    code, answer = await refusal(otlp.export(*[{"severityNumber": 1}] * (MAX_RECORDS + 1)))
    assert (code, f"at most {MAX_RECORDS}" in answer.message) == (Code.INVALID_ARGUMENT, True)


@pytest.mark.requirement("ING-06")
async def test_an_exporter_that_is_too_fast_is_told_when_to_come_back(api: Api, otlp: Exporter) -> None:
    await api.story.configure({"sources": [{"name": "otlp", "events_per_minute": 1}]})
    code, answer = await refusal(otlp.export(*[a_record(body=f"Problem {letter}") for letter in "abcdef"]))
    assert code is Code.RESOURCE_EXHAUSTED
    assert answer.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() > 0
    await api.story.fast_forward(minutes=10)
    api.story.pages.clear()


@pytest.mark.requirement("ING-08")
async def test_while_nothing_can_be_stored_it_is_unavailable_and_says_when_to_come_back(
    api: Api, otlp: Exporter
) -> None:
    api.story.journal.close()
    code, answer = await refusal(otlp.export(a_record()))
    assert code is Code.UNAVAILABLE
    assert answer.detail(error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() >= 1


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_beyond_the_limit_packed_or_not_is_refused_for_good(
    otlp: Exporter, compression: grpc.Compression
) -> None:
    """Without RetryInfo: an exporter that follows the specification does not send it again."""
    large = [a_record(body="x" * 9_000_000)]
    code, answer = await refusal(otlp.export(*large, compression=compression))
    assert (code, answer.detail(error_details_pb2.RetryInfo)) == (Code.RESOURCE_EXHAUSTED, None)
    await otlp.export(a_record(1, body="x" * 7_000_000), compression=compression)
    await otlp.export(a_record())
    assert len(await otlp.incidents()) == 1


@pytest.mark.requirement("SEC-04")
async def test_over_tls_a_client_certificate_stands_for_its_source(api: Api, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    key_file, certificate_file = authority.server_files()
    tls = Tls(certificate=certificate_file, key=key_file, client_ca=authority.file)
    name = "spiffe://example.com/collector"
    await api.story.configure({"sources": [{"name": "collector", "client_certificate": name}]})
    async with exporting(api, tls=tls) as otlp:
        for common_name, alternative, welcome in (
            ("a collector", (x509.UniformResourceIdentifier(name),), True),
            ("a stranger", (), False),
        ):
            key, certificate = authority.pair(common_name, *alternative)
            credentials = grpc.ssl_channel_credentials(authority.pem, key, certificate)
            call = otlp.export(a_record(), metadata={}, channel=grpc.aio.secure_channel(otlp.address, credentials))
            if welcome:
                await call
            else:
                assert (await refusal(call))[0] is Code.UNAUTHENTICATED
        assert (await refusal(otlp.export(a_record())))[0] is Code.UNAVAILABLE
    assert [each["source"] for each in await otlp.incidents()] == ["collector"]


@pytest.mark.requirement("SEC-04")
async def test_a_source_whose_requests_must_be_signed_takes_no_unsigned_ones_here_either(
    api: Api, otlp: Exporter
) -> None:
    await api.story.configure({"sources": [{"name": "otlp", "signing_secret": "a-secret-of-the-source"}]})
    assert (await refusal(otlp.export(a_record())))[0] is Code.UNAUTHENTICATED
    assert await otlp.incidents() == []


async def test_health_and_reflection_know_the_service(otlp: Exporter) -> None:
    async with grpc.aio.insecure_channel(otlp.address) as channel:
        asked = health_pb2.HealthCheckRequest(service=SERVICE)
        answer = await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=SECONDS)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with grpc.insecure_channel(otlp.address) as plain:

        def described() -> set[str]:
            database = ProtoReflectionDescriptorDatabase(plain)
            pool = descriptor_pool.DescriptorPool(database)
            return {pool.FindServiceByName(name).full_name for name in database.get_services()}

        found = await asyncio.to_thread(described)
    assert found == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


@pytest.mark.requirement("SEC-05")
async def test_mutated_exports_get_a_status_that_fits(api: Api, otlp: Exporter) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**32))
    print(f"{SEED}={seed}")
    counts: dict[str, int] = {}
    until = time.monotonic() + MUTANT_SECONDS
    async with grpc.aio.insecure_channel(otlp.address) as channel:
        export = channel.unary_unary(PATH)
        for number, message in enumerate(log_requests(random.Random(seed))):
            if number and time.monotonic() > until:
                break
            call = export(message, metadata=(("x-api-key", otlp.key),), timeout=SECONDS)
            code = await call.code()
            counts[code.name] = counts.get(code.name, 0) + 1
            assert code not in OUR_FAULT, f"{SEED}={seed}, call {number}: {message!r:.2000} gave {await call.details()}"
    assert counts.get("OK", 0) > 0
    await api.story.settle()
    api.story.pages.clear()
