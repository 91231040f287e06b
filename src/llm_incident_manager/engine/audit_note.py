"""⑧ What people do to keys, policies and settings, as entries of the tenant's own chain (AUD-02)."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from llm_incident_manager.domain.incidents.changes import RequestFacts
from llm_incident_manager.domain.incidents.incident import Actor
from llm_incident_manager.engine.ports import Transaction

Document = Mapping[str, Any]
HIDDEN = "…"
"""Stands for a secret wherever a document is shown."""


def note(
    tx: Transaction,
    *,
    by: Actor,
    request: RequestFacts,
    event_type: str,
    kind: str,
    item_id: str,
    changes: list[dict[str, Any]],
) -> None:
    """Write one entry in this transaction: what was changed, field by field, and where the request came from."""
    body = {
        "object": {"kind": kind, "id": item_id},
        "changes": changes,
        "metadata": msgspec.to_builtins(request),
    }
    tx.audit.add(tx.now, by, event_type, body)


def moves(
    before: Document | None, after: Document | None, *, shown: tuple[Document, Document] | None = None
) -> list[dict[str, Any]]:
    """Return ``{field, old_value, new_value}`` for every field that differs; fields inside others are ``a.b``.

    ``shown`` are both documents without their secrets: a secret that changed is named, its value is not.
    """
    old, new = dict(_fields(before or {})), dict(_fields(after or {}))
    old_shown, new_shown = (dict(_fields(each)) for each in shown) if shown is not None else (old, new)
    return [
        {"field": name, "old_value": old_shown.get(name), "new_value": new_shown.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _fields(document: Document, inside: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _fields(value, f"{inside}{name}.")
        else:
            yield f"{inside}{name}", value
