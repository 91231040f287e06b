"""Answers as bytes."""

from typing import Any

import msgspec
from starlette.responses import Response

_ENCODER = msgspec.json.Encoder(enc_hook=str)


def encode(document: Any) -> bytes:
    """Return a document as JSON."""
    return _ENCODER.encode(document)


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer that no cache may keep."""
    return Response(
        _ENCODER.encode(document),
        status_code=status,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
        media_type="application/json",
    )
