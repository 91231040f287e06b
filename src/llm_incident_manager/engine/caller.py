"""Who asks: the tenant, the actor and the scopes, as an API found them out."""

import msgspec

from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.errors import Forbidden


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A request's identity. ``source`` binds an ingest key to one source; ``platform`` keys may name another tenant.

    ``lineage`` is the id of the first key of those that replaced each other by rotation, up to this one.

    A key that belongs to no source acts for whoever holds it and counts as a person; one of a source is an integration.
    """

    tenant: str
    actor: Actor
    scopes: frozenset[Scope]
    key_id: str = ""
    lineage: str = ""
    source: str | None = None
    platform: bool = False
    request: RequestFacts = RequestFacts()

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the caller has ``scope`` (``admin`` includes the others)."""
        if scope not in self.scopes and Scope.ADMIN not in self.scopes:
            had = ", ".join(sorted(self.scopes)) or "none"
            raise Forbidden(f"this needs the scope {scope}; this key has {had}", needed=str(scope))

    @property
    def is_person(self) -> bool:
        """Whether a person acts, so that taking and acknowledging count for MTTA."""
        return self.actor.type is ActorType.USER
