"""Reflection as grpcurl uses it, and health as a load balancer does (ING-02, REL-05)."""

import asyncio

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from llm_incident_manager.api.rest.port import Readiness
from tests.api.app import PLATFORM_KEY, Api, a_document
from tests.api.grpc_app import Grpc, answering, refused

Status = health_pb2.HealthCheckResponse
METHODS = ["CreateIncident", "GetIncident", "StreamBatches", "StreamEvents", "UpdateIncident", "WatchIncidents"]


@pytest.mark.requirement("ING-02")
@pytest.mark.parametrize("service", ["llm.incident.v1.IncidentService", "IncidentService"])
async def test_who_knows_only_the_address_can_describe_and_call_the_service(rpc: Grpc, service: str) -> None:
    """Nothing of ours is imported by the caller: the descriptors, and with them the messages, come over the wire."""
    document = a_document(rpc.api.story)
    called = await asyncio.to_thread(_called_by_reflection, rpc.address, service, document)
    assert called == ("accepted", document["event_id"])


def _called_by_reflection(address: str, service: str, document: dict[str, object]) -> tuple[str, str]:
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert service in database.get_services()
        pool = descriptor_pool.DescriptorPool(database)
        described = pool.FindServiceByName(service)
        assert sorted(method.name for method in described.methods) == METHODS
        method = described.FindMethodByName("CreateIncident")
        request, answer = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
        call = channel.unary_unary(
            f"/{service}/{method.name}",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        found = call(request(**document), metadata=(("x-api-key", PLATFORM_KEY),), timeout=20)
        return found.status, found.event_id


@pytest.mark.requirement("ING-02")
async def test_everything_that_is_listed_can_be_described(rpc: Grpc) -> None:
    def described() -> set[str]:
        with grpc.insecure_channel(rpc.address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool = descriptor_pool.DescriptorPool(database)
            return {pool.FindServiceByName(name).full_name for name in database.get_services()}

    assert await asyncio.to_thread(described) == {
        "IncidentService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "llm.incident.v1.IncidentService",
    }


@pytest.mark.requirement("REL-05")
async def test_health_follows_readiness(api: Api) -> None:
    now = [Readiness(ready=True)]
    async with answering(api, readiness=lambda: now[0]) as rpc:
        stub = health_pb2_grpc.HealthStub(rpc.client.channel)
        for service in ("", "IncidentService", "llm.incident.v1.IncidentService"):
            assert (
                await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
            ).status == Status.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert (await watch.read()).status == Status.SERVING
        now[0] = Readiness(ready=False, reason="the disk is full")
        assert (await stub.Check(health_pb2.HealthCheckRequest(), timeout=20)).status == Status.NOT_SERVING
        assert (await watch.read()).status == Status.NOT_SERVING
        now[0] = Readiness(ready=True)
        assert (await watch.read()).status == Status.SERVING
        watch.cancel()


async def test_a_service_that_is_not_here_is_unknown(rpc: Grpc) -> None:
    stub = health_pb2_grpc.HealthStub(rpc.client.channel)
    answer = await refused(stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=20))
    assert answer.code is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="other"), timeout=20)
    assert (await watch.read()).status == Status.SERVICE_UNKNOWN
    watch.cancel()
