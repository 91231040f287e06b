"""What can go wrong with a call: the server refused it, or there was no answer."""

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Root of every error that the client raises on purpose; ``str()`` is a sentence for people."""


class Unreachable(ClientError):
    """No answer came: nothing listens there, the name is unknown, or it took too long."""

    def __init__(self, url: str, reason: str, *, refused: bool = False) -> None:
        super().__init__(f"{url} does not answer: {reason}")
        self.url = url
        self.reason = reason
        self.connection_refused = refused


class Refused(ClientError):
    """The server said no, as a problem document (RFC 9457).

    ``code`` is stable; ``errors`` are ``(field, message)`` of wrong input; ``facts`` are the document's other members,
    such as ``allowed_actions`` of ``invalid_transition``. ``retry_after_seconds`` is there for 429 and 503.
    """

    def __init__(self, status: int, document: Mapping[str, Any], *, retry_after_seconds: float | None = None) -> None:
        self.status = status
        self.document = dict(document)
        self.code = _text(document.get("code")) or f"http_{status}"
        self.detail = _text(document.get("detail")) or _text(document.get("title")) or f"the server answered {status}"
        self.errors = _faults(document.get("errors"))
        self.facts = {name: value for name, value in document.items() if name not in _STANDARD}
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.detail)

    @property
    def allowed_actions(self) -> tuple[str, ...] | None:
        """What is allowed instead of a forbidden transition; ``None`` for other refusals."""
        allowed = self.facts.get("allowed_actions")
        return tuple(str(each) for each in allowed) if isinstance(allowed, list) else None


_STANDARD = frozenset({"type", "title", "status", "detail", "code", "errors", "instance"})


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _faults(value: object) -> tuple[tuple[str, str], ...]:
    listed: Sequence[object] = value if isinstance(value, list) else []
    return tuple(
        (str(each.get("field", "")), str(each.get("message", ""))) for each in listed if isinstance(each, Mapping)
    )
