"""What a caller learns when the database fails: one of our kinds of error, never the library's."""

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

from llm_incident_manager.errors import Conflict, IncidentManagerError, Invalid, Unavailable

DATABASE_FAULTS = (SQLAlchemyError, sqlite3.Error)

_RETRY_AFTER_SECONDS = 2.0
# PostgreSQL's serialization_failure and deadlock_detected: the same work may succeed at once.
_WORTH_REPEATING = frozenset({"40001", "40P01"})


def worth_repeating(fault: BaseException) -> bool:
    """Whether the database gave up only because of others, so that the same work may succeed at once."""
    return isinstance(fault, DBAPIError) and getattr(fault.orig, "sqlstate", None) in _WORTH_REPEATING


def translated(fault: BaseException) -> IncidentManagerError:
    """Return what the caller learns: Conflict, Invalid, or Unavailable with code ``database_unavailable``."""
    said = str(getattr(fault, "orig", None) or fault).strip().splitlines()
    reason = said[0] if said else type(fault).__name__
    match fault:
        case IntegrityError():
            return Conflict(f"the database holds something that excludes this: {reason}")
        case DataError():
            return Invalid(f"the database cannot store this value: {reason}", code="invalid_value")
        case _ if isinstance(fault, ProgrammingError) or "no such table" in reason:
            remedy = "if the schema is missing or old, run `llm-incident-manager migrate`"
            return _unavailable(f"the database refused a statement: {reason}; {remedy}", reason)
        case _:
            return _unavailable(f"the database cannot be used now: {reason}; nothing was written", reason)


def _unavailable(message: str, reason: str) -> Unavailable:
    return Unavailable(message, code="database_unavailable", retry_after_seconds=_RETRY_AFTER_SECONDS, reason=reason)
