"""The words of the field, spelled as in specification §5. Every other room uses exactly these."""

from enum import StrEnum


class Severity(StrEnum):
    """P0 (critical) to P4 (informational), specification §3.1.2. Smaller is worse: compare with :attr:`rank`."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"

    @property
    def rank(self) -> int:
        """0 for P0 … 4 for P4."""
        return int(self.value[1])

    def worse_than(self, other: "Severity") -> bool:
        """Whether this is more urgent than ``other``."""
        return self.rank < other.rank


class Status(StrEnum):
    """Where an incident is in its life, specification §3.1.5."""

    NEW = "NEW"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_PROGRESS = "IN_PROGRESS"
    ESCALATED = "ESCALATED"
    RESOLVED = "RESOLVED"
    CLOSED = "CLOSED"

    @property
    def is_open(self) -> bool:
        """Whether work is still due: neither RESOLVED nor CLOSED."""
        return self not in (Status.RESOLVED, Status.CLOSED)


class Action(StrEnum):
    """What moves an incident from one status to the next, specification §4.2."""

    ACKNOWLEDGE = "acknowledge"
    START_WORK = "start_work"
    ESCALATE = "escalate"
    DE_ESCALATE = "de-escalate"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    CLOSE = "close"


class Category(StrEnum):
    """What kind of trouble it is, specification §5.2."""

    PERFORMANCE = "performance"
    SECURITY = "security"
    AVAILABILITY = "availability"
    COMPLIANCE = "compliance"
    COST = "cost"
    OTHER = "other"


class Environment(StrEnum):
    """Where it runs, specification §5.2."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    QA = "qa"


class ActorType(StrEnum):
    """Who did it, specification §5.4."""

    USER = "user"
    SYSTEM = "system"
    INTEGRATION = "integration"


class NotificationType(StrEnum):
    """Why somebody is told, specification §5.5."""

    INCIDENT_CREATED = "incident_created"
    INCIDENT_UPDATED = "incident_updated"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    CUSTOM = "custom"


class TargetType(StrEnum):
    """Whom a level reaches, specification §5.3."""

    USER = "user"
    TEAM = "team"
    ON_CALL = "on_call"
    EXTERNAL = "external"


class Scope(StrEnum):
    """What an API key may do; ``admin`` includes the others."""

    INGEST = "ingest"
    READ = "read"
    RESPOND = "respond"
    ADMIN = "admin"


class LinkKind(StrEnum):
    """How two incidents belong together, specification §5.2."""

    RELATED = "related"
    PARENT = "parent"
    CHILD = "child"
    DUPLICATE_OF = "duplicate_of"
    RECURRENCE_OF = "recurrence_of"
    EXPLAINED_BY = "explained_by"
    EXPLAINS = "explains"
