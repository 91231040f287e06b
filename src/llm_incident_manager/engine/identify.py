"""Who asks: from a key or a session to a :class:`Caller`, from memory, fast enough for every event (SEC-01, SEC-02)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Protocol

import msgspec

from llm_incident_manager.clock import Clock
from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.domain.people import User
from llm_incident_manager.domain.vocabulary import ActorType, Scope
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.ports import Store, SystemTransaction
from llm_incident_manager.engine.rows import ApiKey
from llm_incident_manager.errors import NotFound, Unauthenticated, Unavailable

DEFAULT_TENANT = "default"
"""The tenant that the config file and the first key belong to; it always exists."""
ADMIN = "admin"
"""The actor of BOOTSTRAP_API_KEY, and of the first sign-in link: whoever holds the server."""
KEY_BYTES_AT_MOST = 4096

_NO_FACTS = RequestFacts()
_ROLES = {
    "viewer": (Scope.READ,),
    "responder": (Scope.READ, Scope.RESPOND),
    "manager": (Scope.READ, Scope.RESPOND),
    "admin": (Scope.READ, Scope.RESPOND, Scope.INGEST, Scope.ADMIN),
}


class People(Protocol):
    """What the settings of a tenant say about who may come in."""

    @property
    def users(self) -> Mapping[str, User]: ...

    def ingest_keys(self) -> Mapping[bytes, str]:
        """Return the source's name by the SHA-256 of the key that its settings hold."""
        ...

    def client_certificates(self) -> Mapping[str, tuple[str, ...]]:
        """Return the sources that each name of a client certificate stands for."""
        ...


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One key in memory; ``refused`` says why it is not accepted although it is right."""

    caller: Caller
    expires_at: datetime | None = None
    refused: str | None = None


class Identify:
    """The keys of every tenant by their digest. ``authenticate`` never waits; ``refresh`` keeps the memory young.

    Args:
        store: where keys and tenants are.
        clock: decides when a key has ended.
        bootstrap_key: BOOTSTRAP_API_KEY: an admin key of tenant ``default`` and of the platform, never stored.
        people: the present settings of a tenant.
    """

    def __init__(
        self, store: Store, clock: Clock, bootstrap_key: str | None, *, people: Callable[[str], People]
    ) -> None:
        self._store = store
        self._clock = clock
        self._people = people
        self._bootstrap = digest_of(bootstrap_key) if bootstrap_key else None
        self._entries: dict[bytes, _Entry] = {}
        self._keys: list[ApiKey] = []
        self._tenants: frozenset[str] = frozenset({DEFAULT_TENANT})
        self._revisions: Mapping[str, int] | None = None
        self._seen: dict[str, People] = {}
        self._used: dict[str, datetime] = {}
        self._rebuild()

    async def refresh(self) -> bool:
        """Read keys and tenants again if anything changed; returns whether it did.

        Called every 2 s and after every change made here, so that a revocation reaches every node within 5 s. Raises
        Unavailable while the store is away: the keys known so far stay.
        """
        last = self._revisions

        def work(tx: SystemTransaction) -> tuple[Mapping[str, int], frozenset[str], list[ApiKey] | None]:
            revisions = tx.configuration_revision()
            tenants = frozenset({DEFAULT_TENANT, *(tenant.id for tenant in tx.tenants())})
            return revisions, tenants, None if revisions == last else tx.api_keys()

        revisions, tenants, keys = await self._store.system_read(work)
        if keys is None and tenants == self._tenants and self._people_unchanged():
            return False
        self._revisions, self._tenants = revisions, tenants
        self._keys = self._keys if keys is None else keys
        self._rebuild()
        return True

    def authenticate(self, key: str | None, tenant: str | None = None, *, request: RequestFacts = _NO_FACTS) -> Caller:
        """Return the caller whose key this is; ``tenant`` is the value of ``X-Tenant``.

        Raises Unauthenticated for no key, a wrong, an expired or a revoked one (the key itself is never repeated),
        NotFound where ``tenant`` is unknown or not the key's to act in, Unavailable until keys were read once.
        """
        if not key:
            raise Unauthenticated("an API key is needed: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        entry = self._entries.get(digest_of(key))
        if entry is None:
            if self._revisions is None:
                raise Unavailable("API keys could not be read from the database yet; try again", code="keys_unread")
            raise Unauthenticated("this API key is not valid: it is mistyped, or it was revoked", code="key_unknown")
        if entry.expires_at is not None and self._clock.now() >= entry.expires_at:
            ended = f"{entry.expires_at:%Y-%m-%d %H:%M} UTC"
            raise Unauthenticated(f"this API key ended at {ended}; use a new one", code="key_expired")
        if entry.refused is not None:
            raise Unauthenticated(entry.refused, code="key_refused")
        caller = entry.caller
        if caller.key_id:
            self._used[caller.key_id] = self._clock.now()
        if tenant is not None and tenant != caller.tenant:
            caller = self._elsewhere(caller, tenant)
        return caller if request is _NO_FACTS else msgspec.structs.replace(caller, request=request)

    def certified(
        self, names: Iterable[str], tenant: str | None = None, *, request: RequestFacts = _NO_FACTS
    ) -> Caller | None:
        """Return the source that a client certificate stands for, by any of its names; ``None``: for nobody here.

        The certificate was verified before. Its names count in ``tenant`` alone (else in ``default``), so that no
        tenant's settings can claim what another one's sources send. Raises Unauthenticated where two sources claim it.
        """
        tenant = tenant or DEFAULT_TENANT
        if tenant not in self._tenants:
            return None
        claimed = self._people(tenant).client_certificates()
        sources = {source for name in names for source in claimed.get(name, ())}
        if len(sources) > 1:
            both = ", ".join(sorted(sources))
            raise Unauthenticated(f"the client certificate is that of several sources: {both}", code="key_refused")
        for source in sources:
            return msgspec.structs.replace(_source_caller(tenant, source), request=request)
        return None

    def session_caller(
        self,
        user_id: str,
        tenant: str,
        name: str,
        scopes: Iterable[str],
        session_id: str,
        request: RequestFacts = _NO_FACTS,
    ) -> Caller:
        """Return the caller of a dashboard session; a role that was lowered since signing in counts at once.

        Raises Unauthenticated if the user was removed or disabled.
        """
        granted = frozenset(Scope(scope) for scope in scopes)
        user = self._people(tenant).users.get(user_id)
        if user is None and user_id != ADMIN:
            raise Unauthenticated(f"user {user_id} was removed; ask for access again", code="user_removed")
        if user is not None:
            if not user.enabled:
                raise Unauthenticated(f"user {user_id} is disabled; ask for access again", code="user_disabled")
            granted &= frozenset(scopes_of_role(user.role))
        return Caller(
            tenant=tenant,
            actor=Actor(type=ActorType.USER, id=user_id, name=user.name if user is not None else name),
            scopes=granted,
            request=msgspec.structs.replace(request, session_id=session_id),
        )

    async def flush_last_use(self) -> int:
        """Write when keys were used last; returns how many. What cannot be written now is kept for the next time."""
        used, self._used = self._used, {}
        if not used:
            return 0
        try:
            await self._store.system(lambda tx: tx.touch_keys(used))
        except Unavailable:
            self._used = used | self._used
            raise
        return len(used)

    def tenants(self) -> frozenset[str]:
        """Return the tenants known at the last refresh."""
        return self._tenants

    def _elsewhere(self, caller: Caller, tenant: str) -> Caller:
        if not caller.platform or tenant not in self._tenants:
            raise NotFound(f"there is no tenant {tenant[:64]!r}", code="tenant_unknown")
        return msgspec.structs.replace(caller, tenant=tenant)

    def _people_unchanged(self) -> bool:
        return all(self._seen.get(tenant) is self._people(tenant) for tenant in self._tenants)

    def _rebuild(self) -> None:
        self._seen = {tenant: self._people(tenant) for tenant in self._tenants}
        entries: dict[bytes, _Entry] = {}
        for tenant, people in self._seen.items():
            for digest, source in people.ingest_keys().items():
                entries[digest] = _Entry(caller=_source_caller(tenant, source))
        before = {key.id: key.replaces for key in self._keys}
        for key in self._keys:
            entries[key.digest] = self._entry(key, _first_of(key, before))
        if self._bootstrap is not None:
            entries[self._bootstrap] = _Entry(caller=_bootstrap_caller())
        self._entries = entries

    def _entry(self, key: ApiKey, lineage: str) -> _Entry:
        refused = None
        if key.user_id is not None:
            user = self._people(key.tenant).users.get(key.user_id)
            if user is None or not user.enabled:
                what = "was removed" if user is None else "is disabled"
                refused = f"this API key belongs to user {key.user_id}, who {what}"
            actor = Actor(type=ActorType.USER, id=key.user_id, name=user.name if user is not None else key.user_id)
        elif key.source is not None:
            actor = Actor(type=ActorType.INTEGRATION, id=key.source, name=key.source)
        else:
            actor = Actor(type=ActorType.USER, id=f"key:{key.name}", name=key.name)
        caller = Caller(
            tenant=key.tenant,
            actor=actor,
            scopes=frozenset(key.scopes),
            key_id=key.id,
            lineage=lineage,
            source=key.source,
            platform=key.platform,
        )
        return _Entry(caller=caller, expires_at=key.expires_at, refused=refused)


def _first_of(key: ApiKey, before: Mapping[str, str | None]) -> str:
    """Return the id of the first of the keys that replaced each other up to this one."""
    first, earlier = key.id, key.replaces
    while earlier is not None:
        first, earlier = earlier, before.get(earlier)
    return first


def digest_of(key: str) -> bytes:
    """Return what is stored of a key: its SHA-256. Keys are random, so no slow hash is needed."""
    return sha256(key[:KEY_BYTES_AT_MOST].encode("utf-8", "surrogatepass")).digest()


def scopes_of_role(role: str) -> tuple[Scope, ...]:
    """Return what a user's role may do; an unknown role may read."""
    return _ROLES.get(role, (Scope.READ,))


def _bootstrap_caller() -> Caller:
    return Caller(
        tenant=DEFAULT_TENANT,
        actor=Actor(type=ActorType.USER, id=ADMIN, name="Administrator"),
        scopes=frozenset(Scope),
        platform=True,
    )


def _source_caller(tenant: str, source: str) -> Caller:
    return Caller(
        tenant=tenant,
        actor=Actor(type=ActorType.INTEGRATION, id=source, name=source),
        scopes=frozenset({Scope.INGEST}),
        key_id=f"source:{source}",
        source=source,
    )
