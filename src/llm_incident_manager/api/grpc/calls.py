"""What every call goes through: begun work is finished, a failure becomes a status, and it is counted (ANA-02)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import grpc

from llm_incident_manager.api.grpc.identity import Context, identified
from llm_incident_manager.api.grpc.port import GrpcPort
from llm_incident_manager.api.grpc.statuses import refusal_of
from llm_incident_manager.engine.caller import Caller

T = TypeVar("T")
Answer = Callable[[bytes, Caller], Coroutine[Any, Any, bytes]]
Knowing = Callable[[bytes, Caller, Context], Coroutine[Any, Any, bytes]]
"""An answer that depends on the metadata, too."""
Conversation = Callable[[AsyncIterator[bytes], Context], Awaitable[None]]
_FAILED_HERE = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE})


class Lasting:
    """Work that is finished once it was begun, whoever hung up meanwhile.

    A deadline cancels the call; what was half made durable must be remembered all the same, or it could not be answered
    ``duplicate`` when it is sent again.
    """

    def __init__(self) -> None:
        self._begun: set[asyncio.Task[Any]] = set()

    async def __call__(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what ``work`` returns; being cancelled does not end the work."""
        task = asyncio.ensure_future(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    async def finished(self, seconds: float) -> None:
        """Wait for all that was begun, at most so long."""
        if self._begun:
            await asyncio.wait(self._begun, timeout=seconds)


class Border:
    """The outermost layer of every call."""

    def __init__(self, port: GrpcPort) -> None:
        self._port = port
        self.lasting = Lasting()

    def unary(self, method: str, answer: Answer) -> Callable[[bytes, Context], Awaitable[bytes]]:
        """Return the handler of a call with one request and one answer."""
        return self.knowing(method, lambda raw, caller, _: answer(raw, caller))

    def knowing(self, method: str, answer: Knowing) -> Callable[[bytes, Context], Awaitable[bytes]]:
        """Return the handler of a call with one request and one answer that depends on the metadata as well."""

        async def handle(raw: bytes, context: Context) -> bytes:
            async def work() -> bytes:
                return await answer(raw, identified(self._port, context), context)

            started = self._port.clock.monotonic()
            try:
                return await self._ended_well(method, context, self.lasting(work()))
            finally:
                seconds = self._port.clock.monotonic() - started
                self._port.telemetry.observe("api_request_duration_seconds", _labels(method), seconds)

        return handle

    def conversation(
        self, method: str, converse: Conversation
    ) -> Callable[[AsyncIterator[bytes], Context], Awaitable[None]]:
        """Return the handler of a call that reads and writes as it goes."""

        async def handle(requests: AsyncIterator[bytes], context: Context) -> None:
            await self._ended_well(method, context, converse(requests, context))

        return handle

    def telling(
        self, method: str, tell: Callable[[bytes, Context], Awaitable[None]]
    ) -> Callable[[bytes, Context], Awaitable[None]]:
        """Return the handler of a call with one request that is answered again and again."""

        async def handle(raw: bytes, context: Context) -> None:
            await self._ended_well(method, context, tell(raw, context))

        return handle

    async def _ended_well(self, method: str, context: Context, work: Awaitable[T]) -> T:
        """Return what ``work`` comes to, or end the call with the status of its failure."""
        code = grpc.StatusCode.OK
        try:
            return await work
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception as error:
            # The API is a named border: whatever happened, the client gets a status, and never a traceback.
            refusal = refusal_of(error, method=method)
            code = refusal.code
            await context.abort(refusal.code, refusal.message, refusal.trailing)
        finally:
            self._count(method, code)

    def _count(self, method: str, code: grpc.StatusCode) -> None:
        answered = (*_labels(method), ("status", code.name))
        self._port.telemetry.count("api_requests_total", answered)
        if code in _FAILED_HERE:
            self._port.telemetry.count("api_errors_total", answered)


def _labels(method: str) -> tuple[tuple[str, str], ...]:
    return ("method", "GRPC"), ("path", method)
