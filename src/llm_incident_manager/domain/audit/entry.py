"""One entry of the tenant's own chain: what somebody did to keys, policies or settings."""

from datetime import datetime
from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.incident import Actor


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what and when; ``body`` holds the facts. Its JSON is what the chain's digest covers."""

    at: datetime
    by: Actor
    event_type: str
    body: dict[str, Any] = msgspec.field(default_factory=dict)
