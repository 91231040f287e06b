"""What cross-source keys would have folded."""

from typing import Literal

from pydantic import Field

from llm_incident_manager.api.rest.models.shapes import Answer, Instant
from llm_incident_manager.domain.vocabulary import Severity, Status


class FoldedIncident(Answer):
    """An incident that would have been part of another."""

    id: str
    source: str
    title: str
    severity: Severity
    status: Status
    created_at: Instant
    resolved_at: Instant | None


class FoldedGroup(Answer):
    """Incidents of one key, the oldest first."""

    cross_key: str
    key: str
    resolve: Literal["all", "any"]
    sources: list[str]
    incidents: list[FoldedIncident]


class KeyTally(Answer):
    """What one key would have done."""

    name: str
    enabled: bool
    matched: int = Field(description="Incidents that have the key.")
    folded: int = Field(description="Incidents that it would have spared.")


class FoldsPreview(Answer):
    """What the keys would have folded, the largest groups first."""

    hours: int
    looked_at: int = Field(description="Incidents of the last hours that events opened, at most 2,000.")
    keys: list[KeyTally]
    groups: list[FoldedGroup]
