"""The config file, applied: read whole, checked whole, stored as the file's items, and reloaded on request."""

import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from llm_incident_manager.app.config_file import ConfigFile, read_config_file
from llm_incident_manager.engine.documents.apply import Difference, apply_file, difference
from llm_incident_manager.engine.ports import Store, SystemTransaction
from llm_incident_manager.engine.rows import Tenant
from llm_incident_manager.engine.templates import check as check_template

log = structlog.get_logger("config")


class FileSettings:
    """One config file, and the store it is applied to. Without a file the stored items of an earlier one stay."""

    def __init__(
        self, path: Path | None, channels: frozenset[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self.path = path
        self._channels = channels
        self._environment = environment if environment is not None else os.environ
        self.current = ConfigFile()

    def read(self) -> ConfigFile:
        """Return what the file says now; raises ConfigFileInvalid with every fault and its line."""
        if self.path is None:
            return ConfigFile()
        return read_config_file(
            self.path, environment=self._environment, channels=self._channels, check_template=check_template
        )

    async def apply(self, store: Store, read: ConfigFile) -> dict[str, Difference]:
        """Store the file's items, tenant by tenant; returns what changed. Applied again, nothing changes."""
        self.current = read
        changed: dict[str, Difference] = {}
        if self.path is None:
            return changed
        await store.system(lambda tx: _make_tenants(tx, read), background=False)
        for tenant, items in read.tenants.items():
            found = await store.transact(tenant, lambda tx, items=items: apply_file(tx, items))  # type: ignore[misc]
            if found:
                changed[tenant] = found
                log.info("config_applied", tenant=tenant, added=len(found.added), changed=len(found.changed))
        for note in read.notes:
            log.warning("config_note", where=note.path, line=note.line, message=note.message)
        return changed

    async def differences(self, store: Store) -> dict[str, Difference]:
        """Return what :meth:`apply` would change now; nothing is changed."""
        read = self.read()
        found: dict[str, Difference] = {}
        for tenant, items in read.tenants.items():
            stored = await store.read(tenant, lambda tx: tx.configuration.all())
            found[tenant] = difference(stored, items)
        return found


def _make_tenants(tx: SystemTransaction, read: ConfigFile) -> None:
    known = {tenant.id for tenant in tx.tenants()}
    for tenant_id in read.tenants:
        if tenant_id not in known:
            tx.add_tenant(Tenant(id=tenant_id, name=read.tenant_names.get(tenant_id, tenant_id), created_at=tx.now))
