"""Tenants, for platform keys: each is a house of its own, with its people, settings, incidents and audit (SEC-01)."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.audit_note import moves, note
from llm_incident_manager.engine.caller import Caller
from llm_incident_manager.engine.documents.findings import Findings, quoted
from llm_incident_manager.engine.documents.part import Part
from llm_incident_manager.engine.ports import Store, SystemTransaction
from llm_incident_manager.engine.rows import Tenant
from llm_incident_manager.engine.views.instants import iso
from llm_incident_manager.errors import FieldFault, Forbidden, Invalid, NotFound

Document = dict[str, Any]
Page = tuple[Sequence[Document], str | None, int]
"""The documents of one page, the next cursor, and the total."""

_ID = re.compile(r"[a-z0-9-]{1,64}")


async def nobody_waits() -> None:
    """Do nothing: for those whom no change concerns."""


class Tenants:
    """Makes and lists tenants. Everything needs a platform key with the scope ``admin``: Forbidden otherwise."""

    def __init__(self, store: Store, on_changed: Callable[[], Awaitable[object]] = nobody_waits) -> None:
        self._store = store
        self._on_changed = on_changed

    async def create(self, caller: Caller, document: Document) -> Document:
        """Return the new tenant ``{id, name, created_at}``.

        Raises Invalid naming every bad field (ids are 1 to 64 lower-case letters, digits and hyphens), and Conflict
        (``tenant_exists``).
        """
        _require_platform(caller)
        tenant_id, name = _read(document)

        def work(tx: SystemTransaction) -> Document:
            tenant = Tenant(id=tenant_id, name=name, created_at=tx.now)
            tx.add_tenant(tenant)
            note(
                tx.of(tenant_id),
                by=caller.actor,
                request=caller.request,
                event_type="tenant_created",
                kind="tenants",
                item_id=tenant_id,
                changes=moves(None, {"name": name}),
            )
            return _document(tenant)

        made = await self._store.system(work, background=False)
        await self._on_changed()
        return made

    async def page(self, caller: Caller, limit: int = 50, cursor: str | None = None) -> Page:
        """Return tenants in order of id; ``cursor`` is the last id of the page before."""
        _require_platform(caller)
        if limit < 1:
            raise Invalid("limit is out of bounds", [FieldFault("limit", f"{limit} is less than 1")])
        tenants = await self._store.system_read(lambda tx: tx.tenants())
        behind = [tenant for tenant in tenants if cursor is None or tenant.id > cursor]
        following = behind[limit - 1].id if len(behind) > limit else None
        return [_document(tenant) for tenant in behind[:limit]], following, len(tenants)

    async def get(self, caller: Caller, tenant_id: str) -> Document:
        """Return one tenant; raises NotFound."""
        _require_platform(caller)
        for tenant in await self._store.system_read(lambda tx: tx.tenants()):
            if tenant.id == tenant_id:
                return _document(tenant)
        raise NotFound(f"there is no tenant {quoted(tenant_id)}", code="tenant_unknown")

    async def ensure(self, tenant_ids: Iterable[str]) -> list[str]:
        """Make those that do not exist yet (``default``, those of the config file) and return them."""
        wanted = sorted(set(tenant_ids))

        def work(tx: SystemTransaction) -> list[str]:
            known = {tenant.id for tenant in tx.tenants()}
            new = [tenant_id for tenant_id in wanted if tenant_id not in known]
            for tenant_id in new:
                tx.add_tenant(Tenant(id=tenant_id, name=tenant_id, created_at=tx.now))
            return new

        return await self._store.system(work, background=False)


def _require_platform(caller: Caller) -> None:
    caller.require(Scope.ADMIN)
    if not caller.platform:
        raise Forbidden("tenants are the platform's; use a platform key", code="platform_only")


def _read(document: Document) -> tuple[str, str]:
    findings = Findings()
    part = Part(document, "", findings)
    tenant_id = part.text("id", required=True, limit=64)
    if tenant_id and not _ID.fullmatch(tenant_id):
        part.fault("id", f"{quoted(tenant_id)} cannot be an id; use 1 to 64 lower-case letters, digits and hyphens")
    name = part.text("name", limit=200) or tenant_id
    part.done()
    findings.refuse("the tenant")
    return tenant_id, name


def _document(tenant: Tenant) -> Document:
    return {"id": tenant.id, "name": tenant.name, "created_at": iso(tenant.created_at)}
