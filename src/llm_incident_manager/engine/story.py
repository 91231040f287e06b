"""⑧ One page of an incident's story, from whichever end, in a storm too."""

from collections.abc import Iterator
from typing import Any

from llm_incident_manager.domain.incidents.incident import Incident
from llm_incident_manager.engine.ports import Transaction
from llm_incident_manager.engine.rows import StoredChange
from llm_incident_manager.engine.views.timeline import log_entries
from llm_incident_manager.errors import FieldFault, Invalid

COUNTED = 1000
"""Change sets whose entries are counted exactly for the total; a storm has far more."""
_CHUNK = 200


def timeline_page(
    tx: Transaction, incident: Incident, *, limit: int, cursor: str | None, newest_first: bool
) -> dict[str, Any]:
    """Return ``{entries, next_cursor, total}``, with ``total_at_least`` where a storm is too long to count."""
    version, shown = place_in(cursor)
    entries: list[dict[str, Any]] = []
    following: str | None = None
    for stored in _change_sets(tx, incident, version, newest_first=newest_first):
        found = log_entries(incident.id, stored)
        if newest_first:
            found.reverse()
        first = shown if stored.version == version else 0
        room = limit - len(entries)
        if len(found) - first > room:
            following = f"{stored.version}.{first + room}"
            entries += found[first : first + room]
            break
        entries += found[first:]
    counted = tx.incidents.changes(incident.id, limit=COUNTED)
    total = sum(len(log_entries(incident.id, stored)) for stored in counted)
    answer = {"entries": entries, "next_cursor": following, "total": total}
    return answer if incident.version <= COUNTED else answer | {"total_at_least": True}


def place_in(cursor: str | None) -> tuple[int, int]:
    """Return the two numbers of a cursor: where a page goes on, and how much of that was shown already."""
    if cursor is None:
        return 0, 0
    first, dot, second = cursor.partition(".")
    if not (dot and first.isdecimal() and second.isdecimal() and cursor.isascii() and len(cursor) <= 20):
        raise Invalid(
            "the cursor is not one of ours",
            [FieldFault("cursor", "cannot be read; leave it out to start anew")],
            code="invalid_cursor",
        )
    return int(first), int(second)


def _change_sets(tx: Transaction, incident: Incident, version: int, *, newest_first: bool) -> Iterator[StoredChange]:
    if newest_first:
        top = min(version or incident.version, incident.version)
        while top > 0:
            after = max(0, top - _CHUNK)
            yield from reversed(tx.incidents.changes(incident.id, after_version=after, limit=top - after))
            top = after
        return
    after = max(0, min(version, incident.version + 1) - 1)
    while found := tx.incidents.changes(incident.id, after_version=after, limit=_CHUNK):
        yield from found
        after = found[-1].version
