"""Tenants, one-time links, remembered answers, checkpoints and leases: what the loops that serve all tenants need."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, or_, select

from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.rows import SignInLink, Tenant
from llm_incident_manager.errors import Conflict
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.schema import ANSWERS, CHECKPOINTS, LEASES, SIGN_IN_LINKS, TENANTS
from llm_incident_manager.storage.statements import insert

_ALL_TENANTS = select(TENANTS).order_by(TENANTS.c.id)
_INSERT_TENANT = insert(TENANTS).on_conflict_do_nothing().returning(TENANTS.c.id)
_INSERT_LINK = insert(SIGN_IN_LINKS)
# A link works once.
_REDEEM = (
    delete(SIGN_IN_LINKS)
    .where(SIGN_IN_LINKS.c.digest == bindparam("of_digest"), SIGN_IN_LINKS.c.expires_at > bindparam("now"))
    .returning(*SIGN_IN_LINKS.c)
)
_ANSWER = select(ANSWERS.c.digest, ANSWERS.c.answer).where(
    ANSWERS.c.tenant == bindparam("of_tenant"), ANSWERS.c.key == bindparam("of_key")
)
# The first answer stands.
_REMEMBER = insert(ANSWERS).on_conflict_do_nothing()
_SPEND = _REMEMBER.returning(ANSWERS.c.key)
_INSERT_CHECKPOINT = insert(CHECKPOINTS)
_FOR_EVER = 2**62
_CHECKPOINTS = (
    select(CHECKPOINTS.c.at, CHECKPOINTS.c.body, CHECKPOINTS.c.signature)
    .where(CHECKPOINTS.c.at < bindparam("before"))
    .order_by(CHECKPOINTS.c.id.desc())
    .limit(bindparam("most"))
)
_LEASE = insert(LEASES)
# A lease goes to its holder again, or to anybody once it has ended.
_TAKE_LEASE = _LEASE.on_conflict_do_update(
    index_elements=["name"],
    set_={"holder": _LEASE.excluded.holder, "until": _LEASE.excluded.until},
    where=or_(LEASES.c.holder == _LEASE.excluded.holder, LEASES.c.until <= bindparam("now")),
).returning(LEASES.c.name)


def all_tenants(connection: Connection) -> list[Tenant]:
    """Return every tenant in order of id."""
    return [
        Tenant(id=row.id, name=row.name, created_at=instant(row.created_at)) for row in connection.execute(_ALL_TENANTS)
    ]


def add_tenant(connection: Connection, tenant: Tenant) -> None:
    """Insert a tenant; raises Conflict."""
    row = {"id": tenant.id, "name": tenant.name, "created_at": micros(tenant.created_at)}
    if connection.execute(_INSERT_TENANT, row).one_or_none() is None:
        raise Conflict(f"there is a tenant {tenant.id} already", code="tenant_exists", tenant=tenant.id)


def add_link(connection: Connection, link: SignInLink) -> None:
    """Insert a one-time link."""
    connection.execute(
        _INSERT_LINK,
        {
            "digest": link.digest,
            "tenant": link.tenant,
            "user_id": link.user_id,
            "name": link.name,
            "scopes": " ".join(link.scopes),
            "platform": link.platform,
            "expires_at": micros(link.expires_at),
        },
    )


def redeem_link(connection: Connection, now: datetime, digest: bytes) -> SignInLink | None:
    """Return the link once, if it exists and has not expired."""
    row = connection.execute(_REDEEM, {"of_digest": digest, "now": micros(now)}).one_or_none()
    if row is None:
        return None
    return SignInLink(
        digest=row.digest,
        tenant=row.tenant,
        user_id=row.user_id,
        name=row.name,
        scopes=tuple(Scope(each) for each in row.scopes.split()),
        expires_at=instant(row.expires_at),
        platform=row.platform,
    )


def remembered_answer(connection: Connection, tenant: str, key: str) -> tuple[bytes, bytes] | None:
    """Return (request digest, answer) kept for an ``Idempotency-Key``."""
    row = connection.execute(_ANSWER, {"of_tenant": tenant, "of_key": key}).one_or_none()
    return None if row is None else (row.digest, row.answer)


def remember_answer(connection: Connection, now: datetime, tenant: str, key: str, digest: bytes, answer: bytes) -> None:
    """Keep an answer; the first of a key stands."""
    row = {"tenant": tenant, "key": key, "at": micros(now), "digest": digest, "answer": answer}
    connection.execute(_REMEMBER, row)


def spend(connection: Connection, tenant: str, key: str, kept_until: datetime) -> bool:
    """Remember that ``key`` was used; False if it was already. It is forgotten like an answer given at that instant."""
    row = {"tenant": tenant, "key": key, "at": micros(kept_until), "digest": b"", "answer": b""}
    return connection.execute(_SPEND, row).one_or_none() is not None


def add_checkpoint(connection: Connection, at: datetime, body: bytes, signature: bytes) -> None:
    """Keep a signed checkpoint over chain heads."""
    connection.execute(_INSERT_CHECKPOINT, {"at": micros(at), "body": body, "signature": signature})


def checkpoints(
    connection: Connection, limit: int, before: datetime | None = None
) -> list[tuple[datetime, bytes, bytes]]:
    """Return (instant, body, signature) of those made before an instant, newest first."""
    rows = connection.execute(_CHECKPOINTS, {"most": limit, "before": _FOR_EVER if before is None else micros(before)})
    return [(instant(row.at), row.body, row.signature) for row in rows]


def take_lease(connection: Connection, now: datetime, name: str, holder: str, seconds: float) -> bool:
    """Take or renew the lease ``name`` for ``seconds``; False while somebody else holds it."""
    until = now + timedelta(seconds=seconds)
    row = {"name": name, "holder": holder, "until": micros(until), "now": micros(now)}
    return connection.execute(_TAKE_LEASE, row).one_or_none() is not None
