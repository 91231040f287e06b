"""The config file behind the API: what it would change, and the reload."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from llm_incident_manager.app.config_file import ConfigFileInvalid, describe_faults
from llm_incident_manager.app.file_settings import FileSettings
from llm_incident_manager.engine.documents.apply import Difference
from llm_incident_manager.engine.ports import Store
from llm_incident_manager.errors import Conflict, FieldFault, Invalid

Reload = Callable[[], Awaitable[Mapping[str, Difference]]]


class ConfigDoor:
    """Answers ``GET /config/diff`` and ``POST /config/reload``."""

    def __init__(self, file: FileSettings, store: Store, reload: Reload) -> None:
        self._file = file
        self._store = store
        self._reload = reload

    async def differences(self) -> dict[str, Any]:
        """Return what a reload would change."""
        return await self._told(lambda: self._file.differences(self._store))

    async def reload(self) -> dict[str, Any]:
        """Apply the file and return what changed."""
        return await self._told(self._reload)

    async def _told(self, look: Callable[[], Awaitable[Mapping[str, Difference]]]) -> dict[str, Any]:
        if self._file.path is None:
            raise Conflict("this server was started without a config file; set CONFIG_FILE", code="no_config_file")
        try:
            found = await look()
        except ConfigFileInvalid as invalid:
            faults = [FieldFault(f"{fault.file}:{fault.line}: {fault.path}", fault.message) for fault in invalid.found]
            raise Invalid(describe_faults(invalid.found), faults, code="invalid_config_file") from None
        changes = [
            {"tenant": tenant, "kind": kind, "id": item_id, "change": change}
            for tenant, difference in found.items()
            for change in ("added", "changed", "removed", "taken_over")
            for kind, item_id in getattr(difference, change)
        ]
        notes = [f"line {note.line}: {note.path}: {note.message}" for note in self._file.current.notes]
        return {"file": str(self._file.path), "changes": changes, "notes": notes}
