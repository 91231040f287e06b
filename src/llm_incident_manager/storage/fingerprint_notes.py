"""③ What is known of fingerprints beside their incidents: recoveries that may have overtaken their alarms."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, and_, bindparam, delete, select, tuple_

from llm_incident_manager.engine.fingerprint_notes import FingerprintNote, Overtaking
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import FINGERPRINT_NOTES, INCIDENTS
from llm_incident_manager.storage.statements import insert, pieces

_N = FINGERPRINT_NOTES.c
_TENANT: BindParameter[Any] = bindparam("of_tenant")
_OF = select(_N.body).where(_N.tenant == _TENANT, _N.fingerprint.in_(bindparam("wanted", expanding=True)))
_INSERT = insert(FINGERPRINT_NOTES)
# The newest recovery by its sender's time stands.
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "fingerprint"],
    set_={each: _INSERT.excluded[each] for each in ("said_at", "heard_at", "incident_id", "body")},
    where=_N.said_at <= _INSERT.excluded.said_at,
)
# Recoveries of nothing whose fingerprint is open by now, of all tenants: two nodes may have met at the same instant.
_OVERTAKING = (
    select(_N.tenant, _N.body, INCIDENTS.c.id)
    .join(INCIDENTS, and_(INCIDENTS.c.tenant == _N.tenant, INCIDENTS.c.fingerprint == _N.fingerprint))
    .where(_N.incident_id.is_(None), _N.heard_at > bindparam("since"), INCIDENTS.c.is_open)
    .order_by(_N.heard_at)
    .limit(bindparam("most"))
)
# Notes that are too old to matter.
_OLD = select(_N.tenant, _N.fingerprint).where(_N.heard_at <= bindparam("before")).limit(bindparam("most"))
_FORGET = delete(FINGERPRINT_NOTES).where(tuple_(_N.tenant, _N.fingerprint).in_(_OLD))
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(FingerprintNote)


class SqlFingerprintNotes:
    """The notes of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def of(self, fingerprints: Iterable[str]) -> dict[str, FingerprintNote]:
        found: dict[str, FingerprintNote] = {}
        for piece in pieces(sorted(set(fingerprints))):
            for row in self._connection.execute(_OF, {"of_tenant": self._tenant, "wanted": piece}):
                note = _DECODER.decode(row.body)
                found[note.fingerprint] = note
        return found

    def put(self, notes: Sequence[FingerprintNote]) -> None:
        # In one order on every node, so that two batches wait for each other instead of blocking each other for good.
        rows = [
            {
                "tenant": self._tenant,
                "fingerprint": note.fingerprint,
                "said_at": micros(note.said_at),
                "heard_at": micros(note.heard_at),
                "incident_id": note.incident_id,
                "body": _ENCODER.encode(note),
            }
            for note in sorted(notes, key=lambda note: note.fingerprint)
        ]
        if rows:
            self._connection.execute(_PUT, rows)


def overtaking(connection: Connection, since: datetime, limit: int) -> list[Overtaking]:
    """Return recoveries accepted after ``since`` that ended nothing, each with what is open of its fingerprint."""
    rows = connection.execute(_OVERTAKING, {"since": micros(since), "most": limit})
    return [Overtaking(tenant=row.tenant, note=_DECODER.decode(row.body), incident_id=row.id) for row in rows]


def forget(connection: Connection, before: datetime, limit: int) -> int:
    """Remove notes of recoveries that were accepted before; returns how many."""
    return connection.execute(_FORGET, {"before": micros(before), "most": limit}).rowcount
