"""The few kinds of error that every API translates, each with a stable code and its facts."""

from typing import Any


class FieldFault:
    """One thing wrong with one input field."""

    __slots__ = ("field", "message")

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.message = message

    def __repr__(self) -> str:
        return f"FieldFault({self.field!r}, {self.message!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldFault) and (self.field, self.message) == (other.field, other.message)

    def __hash__(self) -> int:
        return hash((self.field, self.message))


class IncidentManagerError(Exception):
    """Root of every error this product raises on purpose.

    ``code`` is stable and machine-readable; ``facts`` are extra members of the answer.
    """

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        if code is not None:
            self.code = code


class Invalid(IncidentManagerError):
    """The input is wrong; ``faults`` names every field with its value and remedy."""

    code = "invalid"

    def __init__(
        self, message: str, faults: list[FieldFault] | None = None, *, code: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message, code=code, **facts)
        self.faults = faults or []


class TooLarge(IncidentManagerError):
    """The body is larger than the limit that ``facts`` states in bytes."""

    code = "too_large"


class NotFound(IncidentManagerError):
    """There is no such thing for this tenant."""

    code = "not_found"


class Conflict(IncidentManagerError):
    """The state does not allow it, or somebody was faster."""

    code = "conflict"


class StaleVersion(IncidentManagerError):
    """The caller's ``If-Match`` names a version that is no longer the newest (RFC 9110 §13.1.1)."""

    code = "stale_version"


class Forbidden(IncidentManagerError):
    """The caller is known and may not do this."""

    code = "forbidden"


class Unauthenticated(IncidentManagerError):
    """The caller is not known."""

    code = "unauthenticated"


class RateLimited(IncidentManagerError):
    """Too many requests; ``retry_after_seconds`` says when to come back."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: float, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(IncidentManagerError):
    """It cannot be done now and may be done later; ``retry_after_seconds`` says when to try again."""

    code = "unavailable"

    def __init__(
        self, message: str, *, retry_after_seconds: float = 1.0, code: str | None = None, **facts: Any
    ) -> None:
        super().__init__(message, code=code, **facts)
        self.retry_after_seconds = retry_after_seconds
