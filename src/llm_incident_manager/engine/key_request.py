"""What somebody asks of a new API key, read from a document with every fault named."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.documents.findings import Findings, quoted
from llm_incident_manager.engine.documents.part import Part

ROTATE_AFTER_DAYS = 90
"""Rotation is due after so many days where nothing else is asked for (specification §6.2)."""
_LONGEST_DAYS = 3650


class KeyWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A new key as asked for; ``format`` is 32 where a vendor's client insists on that many characters."""

    name: str
    scopes: tuple[Scope, ...]
    tenant_id: str | None = None
    source: str | None = None
    user_id: str | None = None
    platform: bool = False
    rotate_after_days: int = ROTATE_AFTER_DAYS
    expires_at: datetime | None = None
    format: int | None = None


def read_key_request(document: dict[str, Any]) -> KeyWanted:
    """Return what is wanted; raises Invalid with every fault, unknown fields included."""
    findings = Findings()
    part = Part(document, "", findings)
    wanted = KeyWanted(
        name=part.text("name", required=True, limit=200),
        scopes=part.choices("scopes", Scope),
        tenant_id=part.text("tenant_id", limit=64) or None,
        source=part.text("source", limit=200) or None,
        user_id=part.text("user_id", limit=200) or None,
        platform=part.flag("platform", default=False),
        rotate_after_days=part.whole("rotate_after_days", low=1, high=_LONGEST_DAYS, unit="days") or ROTATE_AFTER_DAYS,
        expires_at=_instant(part, "expires_at"),
        format=part.whole("format", low=32, high=32, unit="characters"),
    )
    if not part.has("scopes") or document.get("scopes") == []:
        part.fault("scopes", f"is required: one or more of {', '.join(Scope)}")
    part.done()
    findings.refuse("the key")
    return wanted


def _instant(part: Part, name: str) -> datetime | None:
    written = part.text(name)
    if not written:
        return None
    try:
        instant = datetime.fromisoformat(written)
    except ValueError:
        part.fault(name, f"{quoted(written)} is not an instant such as 2027-03-01T00:00:00Z")
        return None
    if instant.tzinfo is None:
        part.fault(name, f"{quoted(written)} has no zone; end it with Z or an offset")
        return None
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        part.fault(name, f"{quoted(written)} is too far away")
        return None
