"""API keys: made, rotated with an overlap, revoked; the secret is answered once and only its digest kept (SEC-02)."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.incident import SYSTEM
from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.audit_note import moves, note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.identify import DEFAULT_TENANT, People, digest_of
from llm_incident_manager.engine.key_request import ROTATE_AFTER_DAYS, KeyWanted, read_key_request
from llm_incident_manager.engine.ports import Store, SystemTransaction, Transaction
from llm_incident_manager.engine.rows import ApiKey, Tenant
from llm_incident_manager.engine.tenants import Document, Page, Tenants, nobody_waits
from llm_incident_manager.engine.views.api_key import key_document
from llm_incident_manager.errors import Conflict, FieldFault, Forbidden, Invalid
from llm_incident_manager.ids import IdSource

LONGEST_OVERLAP_SECONDS = 30 * 86400
_NINETY_DAYS = timedelta(days=ROTATE_AFTER_DAYS)
_PAGE = 200


class Keys:
    """The keys of the caller's tenant. Everything needs the scope ``admin``; unknown and foreign ids are NotFound.

    Args:
        store: where keys are.
        ids: makes their ids (never the keys themselves).
        people: the present settings of a tenant.
        on_changed: awaited after every commit, so that this node knows at once (``Identify.refresh``).
    """

    def __init__(
        self,
        store: Store,
        ids: IdSource,
        people: Callable[[str], People],
        on_changed: Callable[[], Awaitable[object]] = nobody_waits,
    ) -> None:
        self._store = store
        self._ids = ids
        self._people = people
        self._on_changed = on_changed
        self._tenants = Tenants(store, on_changed)

    async def create(self, caller: Caller, document: Document) -> Document:
        """Return the new key's document with ``key``, this once.

        Raises Invalid naming every bad field, Forbidden for scopes the caller lacks or a tenant that is not its own.
        """
        caller.require(Scope.ADMIN)
        wanted = read_key_request(document)
        tenant = wanted.tenant_id or caller.tenant
        _require_rights(caller, wanted, tenant)
        secret = new_secret(wanted.format)

        def work(whole: SystemTransaction) -> ApiKey:
            self._require_known(whole, wanted, tenant)
            tx = whole.of(tenant)
            if wanted.expires_at is not None and wanted.expires_at <= tx.now:
                raise Invalid("the key would never work", [FieldFault("expires_at", "is in the past")])
            key = ApiKey(
                id=self._ids.new("key"),
                tenant=tenant,
                name=wanted.name,
                digest=digest_of(secret),
                scopes=wanted.scopes,
                platform=wanted.platform,
                source=wanted.source,
                user_id=wanted.user_id,
                created_at=tx.now,
                rotate_after=tx.now + timedelta(days=wanted.rotate_after_days),
                expires_at=wanted.expires_at,
            )
            tx.keys.add(key)
            _note(tx, caller, "api_key_created", None, key)
            return key

        key = await self._store.system(work, background=False)
        await self._on_changed()
        return key_document(key, now=key.created_at) | {"key": secret}

    async def page(self, caller: Caller, limit: int = 50, cursor: str | None = None) -> Page:
        """Return the documents of one page, the next cursor, and the total; revoked keys are among them."""
        caller.require(Scope.ADMIN)

        def work(tx: Transaction) -> Page:
            keys, following, total = tx.keys.page(limit=limit, cursor=cursor)
            successors = _successors(tx)
            shown = [key_document(key, now=tx.now, replaced_by=successors.get(key.id)) for key in keys]
            return shown, following, total

        return await self._store.read(caller.tenant, work)

    async def get(self, caller: Caller, key_id: str) -> Document:
        """Return one key's document."""
        caller.require(Scope.ADMIN)

        def work(tx: Transaction) -> Document:
            return key_document(tx.keys.get(key_id), now=tx.now, replaced_by=_successors(tx).get(key_id))

        return await self._store.read(caller.tenant, work)

    async def rotate(self, caller: Caller, key_id: str, overlap_seconds: float = 86400) -> Document:
        """Return the new key's document with ``key``, this once; the old one works until the overlap has passed.

        Raises Conflict for a key that was revoked, has ended or was replaced already.
        """
        caller.require(Scope.ADMIN)
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
            what = f"{overlap_seconds:g} is not between 0 and {LONGEST_OVERLAP_SECONDS} seconds"
            raise Invalid("the overlap is out of bounds", [FieldFault("overlap_seconds", what)])

        def work(tx: Transaction) -> tuple[ApiKey, str]:
            old = tx.keys.get(key_id)
            _require_platform(caller, old)
            _require_usable(old, tx.now, _successors(tx).get(key_id))
            secret = new_secret(None)
            new = msgspec.structs.replace(
                old,
                id=self._ids.new("key"),
                digest=digest_of(secret),
                created_at=tx.now,
                rotate_after=tx.now + ((old.rotate_after or old.created_at + _NINETY_DAYS) - old.created_at),
                expires_at=None if old.expires_at is None else tx.now + (old.expires_at - old.created_at),
                last_used_at=None,
                replaces=old.id,
            )
            overlap_ends = tx.now + timedelta(seconds=overlap_seconds)
            ended = msgspec.structs.replace(old, expires_at=min(old.expires_at or overlap_ends, overlap_ends))
            tx.keys.add(new)
            tx.keys.save(ended)
            _note(tx, caller, "api_key_created", None, new)
            _note(tx, caller, "api_key_rotated", old, ended)
            return new, secret

        new, secret = await self._store.transact(caller.tenant, work)
        await self._on_changed()
        return key_document(new, now=new.created_at) | {"key": secret}

    async def revoke(self, caller: Caller, key_id: str) -> Document:
        """Return the key's document after it stopped working; harmless when repeated."""
        caller.require(Scope.ADMIN)

        def work(tx: Transaction) -> Document:
            key = tx.keys.get(key_id)
            _require_platform(caller, key)
            if key.revoked_at is None:
                revoked = msgspec.structs.replace(key, revoked_at=tx.now)
                tx.keys.save(revoked)
                _note(tx, caller, "api_key_revoked", key, revoked)
                key = revoked
            return key_document(key, now=tx.now, replaced_by=_successors(tx).get(key_id))

        document = await self._store.transact(caller.tenant, work)
        await self._on_changed()
        return document

    async def tenants(self, caller: Caller, limit: int = 50, cursor: str | None = None) -> Page:
        """Return one page of tenants; see :class:`~llm_incident_manager.engine.tenants.Tenants`."""
        return await self._tenants.page(caller, limit, cursor)

    async def create_tenant(self, caller: Caller, document: Document) -> Document:
        """Return the new tenant; see :class:`~llm_incident_manager.engine.tenants.Tenants`."""
        return await self._tenants.create(caller, document)

    def _require_known(self, tx: SystemTransaction, wanted: KeyWanted, tenant: str) -> None:
        faults: list[FieldFault] = []
        if tenant != DEFAULT_TENANT and tenant not in {each.id for each in tx.tenants()}:
            faults.append(FieldFault("tenant_id", f"there is no tenant {tenant}; make it first with POST /tenants"))
        elif wanted.user_id is not None and wanted.user_id not in (users := self._people(tenant).users):
            known = ", ".join(sorted(users)[:20]) or "none yet"
            faults.append(FieldFault("user_id", f"there is no user {wanted.user_id}; known are {known}"))
        if faults:
            raise Invalid("the key cannot be made", faults)


async def make_first_key(store: Store, ids: IdSource) -> str | None:
    """Return a new platform admin key of tenant ``default``, or None where any key exists that is not revoked.

    For a first start without BOOTSTRAP_API_KEY; the caller keeps the secret where only its owner can read it.
    """
    secret = new_secret(None)

    def work(tx: SystemTransaction) -> bool:
        if tx.api_keys():
            return False
        if DEFAULT_TENANT not in {tenant.id for tenant in tx.tenants()}:
            tx.add_tenant(Tenant(id=DEFAULT_TENANT, name="Default", created_at=tx.now))
        key = ApiKey(
            id=ids.new("key"),
            tenant=DEFAULT_TENANT,
            name="admin",
            digest=digest_of(secret),
            scopes=tuple(Scope),
            platform=True,
            created_at=tx.now,
            rotate_after=tx.now + _NINETY_DAYS,
        )
        bound = tx.of(DEFAULT_TENANT)
        bound.keys.add(key)
        note(
            bound,
            by=SYSTEM,
            request=RequestFacts(),
            event_type="api_key_created",
            kind="api_keys",
            item_id=key.id,
            changes=moves(None, _recorded(key)),
        )
        return True

    return secret if await store.system(work, background=False) else None


def new_secret(length: int | None) -> str:
    """Return a random URL-safe key: ``lim_`` and 40 characters, or exactly 32 hexadecimal digits."""
    return secrets.token_hex(16) if length == 32 else f"lim_{secrets.token_urlsafe(30)}"


def _require_rights(caller: Caller, wanted: KeyWanted, tenant: str) -> None:
    if not caller.platform and (tenant != caller.tenant or wanted.platform):
        raise Forbidden("only a platform key makes keys for another tenant or for the platform", code="platform_only")
    missing = [] if Scope.ADMIN in caller.scopes else sorted(set(wanted.scopes) - caller.scopes)
    if missing:
        raise Forbidden(f"a key cannot give more than it has: {', '.join(missing)}", needed=missing)


def _require_platform(caller: Caller, key: ApiKey) -> None:
    if key.platform and not caller.platform:
        raise Forbidden("only a platform key changes a platform key", code="platform_only")


def _require_usable(key: ApiKey, now: datetime, successor: str | None) -> None:
    if successor is not None:
        raise Conflict(f"key {key.id} was replaced by {successor} already; rotate that one", replaced_by=successor)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise Conflict(f"key {key.id} does not work any more; make a new one")


def _successors(tx: Transaction) -> dict[str, str]:
    """Return the id of the key that replaces each key that was replaced."""
    found: dict[str, str] = {}
    cursor: str | None = None
    while True:
        keys, cursor, _ = tx.keys.page(limit=_PAGE, cursor=cursor)
        found |= {key.replaces: key.id for key in keys if key.replaces is not None and key.revoked_at is None}
        if cursor is None:
            return found


def _note(tx: Transaction, caller: Caller, event_type: str, before: ApiKey | None, after: ApiKey) -> None:
    note(
        tx,
        by=caller.actor,
        request=caller.request,
        event_type=event_type,
        kind="api_keys",
        item_id=after.id,
        changes=moves(_recorded(before) if before is not None else None, _recorded(after)),
    )


def _recorded(key: ApiKey) -> Document:
    shown = key_document(key, now=key.created_at)
    left_out = ("id", "rotation_due", "last_used_at", "replaced_by", "created_at")
    return {name: value for name, value in shown.items() if name not in left_out and value is not None}
