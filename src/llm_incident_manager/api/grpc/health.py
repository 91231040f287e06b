"""``grpc.health.v1.Health``: whether this node can accept durably, as ``/ready`` says it (REL-05)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from llm_incident_manager.api.grpc.port import GrpcPort

LOOK_SECONDS = 1.0


class Health(health_pb2_grpc.HealthServicer):
    """Answers for the server as a whole (the empty name) and for each of ``services``; it needs no key."""

    def __init__(self, port: GrpcPort, services: frozenset[str]) -> None:
        self._port = port
        self._known = services | {""}

    async def Check(self, request: Any, context: Any) -> health_pb2.HealthCheckResponse:  # noqa: N802  (gRPC's name)
        """Say how it is now; NOT_FOUND for a service that is not here."""
        if request.service not in self._known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return health_pb2.HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[health_pb2.HealthCheckResponse]:  # noqa: N802
        """Say how it is now, and again whenever that changes."""
        told: int | None = None
        stopping = asyncio.create_task(self._port.stopping.wait())
        try:
            while True:
                ending, status = stopping.done(), self._status(request.service)
                if status != told:
                    told = status
                    yield health_pb2.HealthCheckResponse(status=status)
                if ending:
                    return
                await asyncio.wait({stopping}, timeout=LOOK_SECONDS)
        finally:
            stopping.cancel()

    def _status(self, service: str) -> int:
        if service not in self._known:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        if self._port.readiness().ready:
            return health_pb2.HealthCheckResponse.SERVING
        return health_pb2.HealthCheckResponse.NOT_SERVING
