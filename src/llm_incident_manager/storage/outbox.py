"""What must leave the database after the commit."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from llm_incident_manager.engine.rows import OutboxRow
from llm_incident_manager.storage.schema import OUTBOX
from llm_incident_manager.storage.statements import insert, pieces

_INSERT = insert(OUTBOX)
# The oldest rows.
_TAKE = select(OUTBOX).order_by(OUTBOX.c.id).limit(bindparam("most"))
# What has been done.
_DELETE = delete(OUTBOX).where(OUTBOX.c.id.in_(bindparam("ids", expanding=True)))


class SqlOutbox:
    """The outbox of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def put(self, kind: str, body: Mapping[str, Any]) -> None:
        self._connection.execute(
            _INSERT, {"tenant": self._tenant, "kind": kind, "body": msgspec.json.encode(dict(body))}
        )


def take(connection: Connection, limit: int) -> list[OutboxRow]:
    """Return the oldest rows of all tenants; they stay until :func:`done`, so two relays may see the same row."""
    return [
        OutboxRow(id=row.id, tenant=row.tenant, kind=row.kind, body=msgspec.json.decode(row.body))
        for row in connection.execute(_TAKE, {"most": limit})
    ]


def done(connection: Connection, row_ids: Sequence[int]) -> None:
    """Delete rows; those that are gone already do no harm."""
    for piece in pieces(row_ids):
        connection.execute(_DELETE, {"ids": piece})
