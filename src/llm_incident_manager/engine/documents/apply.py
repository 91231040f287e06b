"""Bringing a tenant's stored configuration to what the config file says, in one transaction."""

from collections.abc import Iterable

import msgspec

from llm_incident_manager.domain.incidents.incident import SYSTEM, Actor
from llm_incident_manager.engine.documents.kinds import Written
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import ConfigurationItem

FILE = "file"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changes, as (kind, id); ``taken_over`` names items made through the API that the file now owns."""

    added: tuple[tuple[str, str], ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    taken_over: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.taken_over)


def difference(old_items: Iterable[Written], new_items: Iterable[Written]) -> Difference:
    """Return what makes ``new_items`` of ``old_items``; stored items of other origin than the file stay as they are."""
    old = {(item.kind, item.id): item for item in old_items}
    new = {(item.kind, item.id): item for item in new_items}
    taken_over = {key for key in new if key in old and not _of_file(old[key])}
    return Difference(
        added=tuple(sorted(key for key in new if key not in old)),
        changed=tuple(
            sorted(
                key for key in new if key in old and key not in taken_over and new[key].document != old[key].document
            )
        ),
        removed=tuple(sorted(key for key, item in old.items() if key not in new and _of_file(item))),
        taken_over=tuple(sorted(taken_over)),
    )


def apply_file(tx: Transaction, items: Iterable[Written], *, by: Actor = SYSTEM) -> Difference:
    """Store the file's items as origin ``file``, delete those gone from it, and return what changed.

    Applied again, it changes nothing. Items made through the API stay, except where the file has the same id: the file
    wins, and the audit says so.
    """
    stored = {(item.kind, item.id): item for item in tx.configuration.all()}
    wanted = {(item.kind, item.id): item for item in items}
    found = difference(stored.values(), wanted.values())
    for kind, item_id in found.removed:
        tx.configuration.delete(kind, item_id)
    for key in (*found.added, *found.changed, *found.taken_over):
        before = stored.get(key)
        tx.configuration.put(
            ConfigurationItem(
                kind=key[0],
                id=key[1],
                document=wanted[key].document,
                origin=FILE,
                created_at=before.created_at if before is not None else tx.now,
                updated_at=tx.now,
                created_by=before.created_by if before is not None else by.id,
            )
        )
    if found:
        tx.audit.add(tx.now, by, "configuration_applied", _told(found))
    return found


def _of_file(item: Written) -> bool:
    return not isinstance(item, ConfigurationItem) or item.origin == FILE


def _told(found: Difference) -> dict[str, list[str]]:
    return {
        name: [f"{kind}/{item_id}" for kind, item_id in getattr(found, name)]
        for name in ("added", "changed", "removed", "taken_over")
    }
