"""``Idempotency-Key``: the same write sent again gets the answer of the first, and is done once (REL-03).

Answers are kept sealed under the caller's own API key, because some of them show a secret once (SEC-02).
"""

import base64
import hashlib
import os
from collections.abc import Awaitable, Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request, Response

from llm_incident_manager.api.identity import presented_key
from llm_incident_manager.api.rest.asking import whole_body
from llm_incident_manager.api.rest.port import RestPort
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.errors import Conflict, FieldFault, Invalid

_NONCE_BYTES = 12
_LONGEST_KEY = 255
_KEPT_HEADERS = ("content-type", "etag", "location", "cache-control")


class KeptAnswer(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it was given."""

    status: int
    headers: dict[str, str]
    body: bytes


class RememberedAnswers:
    """Answers writes that carry a key; what failed is not kept, so that sending again tries again."""

    def __init__(self, port: RestPort) -> None:
        self._port = port
        self._under_way: set[tuple[str, str]] = set()

    async def answer(self, request: Request, key: str, answering: Callable[[Request], Awaitable[Response]]) -> Response:
        """Return the answer of ``answering``, or the one given before.

        Raises Conflict where the key was used for another request, or while the first is still under way.
        """
        if not 1 <= len(key) <= _LONGEST_KEY or not (key.isascii() and key.isprintable() and " " not in key):
            raise Invalid(
                "the Idempotency-Key cannot be used",
                [
                    FieldFault(
                        "Idempotency-Key", f"must be 1 to {_LONGEST_KEY} printable ASCII characters without spaces"
                    )
                ],
                code="invalid_idempotency_key",
            )
        caller: Caller = request.state.caller
        slot = hashlib.sha256(f"{caller.key_id}\0{key}".encode()).hexdigest()
        digest = await _digest(request)
        kept = await self._port.store.system_read(lambda tx: tx.remembered_answer(caller.tenant, slot))
        if kept is not None:
            return self._repeated(request, key, digest, kept)
        here = (caller.tenant, slot)
        if here in self._under_way:
            raise Conflict("a request with this Idempotency-Key is under way", code="idempotency_key_in_use")
        self._under_way.add(here)
        try:
            response = await answering(request)
            if 200 <= response.status_code < 300:
                sealed = _sealed(request, key, response)
                await self._port.store.system(
                    lambda tx: tx.remember_answer(caller.tenant, slot, digest, sealed), background=False
                )
            return response
        finally:
            self._under_way.discard(here)

    def _repeated(self, request: Request, key: str, digest: bytes, kept: tuple[bytes, bytes]) -> Response:
        before, sealed = kept
        opened = _opened(request, key, sealed)
        if before != digest or opened is None:
            raise Conflict(
                "this Idempotency-Key was used with another method, path or body; choose a new one",
                code="idempotency_key_reused",
            )
        headers = opened.headers | {"Idempotency-Replayed": "true"}
        return Response(opened.body, status_code=opened.status, headers=headers)


async def _digest(request: Request) -> bytes:
    port: RestPort = request.app.state.port
    body = await whole_body(request, most=max(port.limits.body_bytes, port.limits.import_bytes))
    line = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    return hashlib.sha256(line + body).digest()


def _sealed(request: Request, key: str, response: Response) -> bytes:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answer = KeptAnswer(response.status_code, headers, bytes(response.body))
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + _cipher(request, key).encrypt(nonce, msgspec.msgpack.encode(answer), None))


def _opened(request: Request, key: str, sealed: bytes) -> KeptAnswer | None:
    packed = base64.b64decode(sealed)
    try:
        plain = _cipher(request, key).decrypt(packed[:_NONCE_BYTES], packed[_NONCE_BYTES:], None)
    except InvalidTag:
        return None
    return msgspec.msgpack.decode(plain, type=KeptAnswer)


def _cipher(request: Request, key: str) -> AESGCM:
    secret = presented_key(request.scope["headers"]) or ""
    return AESGCM(hashlib.sha256(f"idempotency\0{secret}\0{key}".encode()).digest())
