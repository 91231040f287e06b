"""① ``POST /api/v1/events`` as a plain ASGI application: it must keep up with a storm (ING-01, ING-08)."""

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from llm_incident_manager.api.bodies import ClientGone, read_body, require_json
from llm_incident_manager.api.identity import identified
from llm_incident_manager.api.problems import as_response, problem, problem_response
from llm_incident_manager.api.rest.encode import encode
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.api.rest.requests import count_request
from llm_incident_manager.domain.vocabulary import Scope as KeyScope
from llm_incident_manager.engine.accept import BatchReceipt, Receipt
from llm_incident_manager.errors import FieldFault, IncidentManagerError, Invalid
from llm_incident_manager.ids import new_id
from llm_incident_manager.sources.answers import batch_document, receipt_document

PATH = "/api/v1/events"
_KEPT_HEADERS = frozenset({b"retry-after", b"www-authenticate"})
_log = structlog.get_logger("api.events")


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request that failed."""

    status: int
    content: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media_type: bytes = b"application/problem+json"


class EventsDoor:
    """Takes one event or a batch; when it answers 202 the event survives the process and the power."""

    def __init__(self, port: RestPort) -> None:
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        port = self._port
        started = port.clock.monotonic()
        status, media_type = 202, b"application/json"
        headers: tuple[tuple[bytes, bytes], ...] = ()
        try:
            content = await self._take(scope, receive)
        except ClientGone:
            return
        except Exception as error:
            refused = refusal_of(error)
            status, content, media_type = refused.status, refused.content, refused.media_type
            headers = refused.headers
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", media_type),
                    (b"content-length", str(len(content)).encode()),
                    *headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})
        count_request(port, "POST", PATH, status, port.clock.monotonic() - started)

    async def _take(self, scope: Scope, receive: Receive) -> bytes:
        port, limits = self._port, self._port.limits
        caller = identified(port, scope, own_headers=True)
        caller.require(KeyScope.INGEST)
        headers = scope["headers"]
        require_json(headers)
        body = await read_body(
            receive, headers, most=limits.body_bytes, unpacked=limits.unpacked_bytes, seconds=limits.body_seconds
        )
        if not body.strip():
            raise Invalid(
                "there is no body; send an event, or a batch of events",
                [FieldFault("body", "is empty; send an event as JSON")],
                code="malformed_json",
            )
        receipt = await port.intake.accept_any(body, caller)
        if isinstance(receipt, BatchReceipt):
            return encode(batch_document(receipt.results, receipt.batch_id))
        return single_answer(receipt)


def refusal_of(error: Exception) -> Refusal:
    """Return the answer to a request that failed; a fault nobody expected is logged under the id that is answered."""
    if isinstance(error, IncidentManagerError):
        answer = problem_response(error)
    else:
        fault_id = new_id("err")
        _log.error("request_failed", fault_id=fault_id, path=PATH, exc_info=error)
        answer = as_response(problem(500, "internal_error", f"it failed here; mention {fault_id}"))
    headers = tuple((name, value) for name, value in answer.raw_headers if name in _KEPT_HEADERS)
    return Refusal(status=answer.status_code, content=bytes(answer.body), headers=headers)


def single_answer(receipt: Receipt) -> bytes:
    """Return the body of the answer to one event."""
    return encode(receipt_document(receipt))
