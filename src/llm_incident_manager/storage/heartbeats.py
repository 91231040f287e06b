"""⑤ Heartbeats: who is to be heard from, and when somebody must look."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, and_, bindparam, delete, select, update

from llm_incident_manager.engine.rows import Heartbeat
from llm_incident_manager.errors import NotFound
from llm_incident_manager.storage.instants import micros
from llm_incident_manager.storage.schema import HEARTBEATS
from llm_incident_manager.storage.statements import insert

_TENANT: BindParameter[Any] = bindparam("of_tenant")
_OF_SOURCE = and_(HEARTBEATS.c.tenant == _TENANT, HEARTBEATS.c.source == bindparam("of_source"))
_ONE = and_(_OF_SOURCE, HEARTBEATS.c.name == bindparam("of_name"))
_GET = select(HEARTBEATS.c.body).where(_ONE)
# To change it: nobody else does meanwhile.
_GET_LOCKED = _GET.with_for_update()
_ALL = select(HEARTBEATS.c.body).where(_OF_SOURCE).order_by(HEARTBEATS.c.name)
_DELETE = delete(HEARTBEATS).where(_ONE)
_INSERT = insert(HEARTBEATS)
_PUT = _INSERT.on_conflict_do_update(
    index_elements=["tenant", "source", "name"],
    set_={"look_at": _INSERT.excluded.look_at, "body": _INSERT.excluded.body},
)
_LOOK_LATER = update(HEARTBEATS).where(_ONE, HEARTBEATS.c.look_at.is_not(None)).values(look_at=bindparam("at"))
# Those of all tenants that must be looked at, the longest overdue first.
_DUE = (
    select(HEARTBEATS.c.body)
    .where(HEARTBEATS.c.look_at.is_not(None), HEARTBEATS.c.look_at <= bindparam("at"))
    .order_by(HEARTBEATS.c.look_at)
    .limit(bindparam("most"))
)
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Heartbeat)


class SqlHeartbeats:
    """The heartbeats of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str, *, locks: bool = False) -> None:
        self._connection = connection
        self._tenant = tenant
        self._get = _GET_LOCKED if locks else _GET

    def of_source(self, source: str) -> list[Heartbeat]:
        rows = self._connection.execute(_ALL, {"of_tenant": self._tenant, "of_source": source})
        return [_DECODER.decode(row.body) for row in rows]

    def get(self, source: str, name: str) -> Heartbeat:
        row = self._connection.execute(self._get, self._of(source, name)).one_or_none()
        if row is None:
            raise NotFound(f"there is no heartbeat {name}")
        return _DECODER.decode(row.body)

    def put(self, heartbeat: Heartbeat) -> None:
        waits = heartbeat.enabled and not heartbeat.told
        row = {
            "tenant": self._tenant,
            "source": heartbeat.source,
            "name": heartbeat.name,
            "look_at": micros(heartbeat.due_at) if waits else None,
            "body": _ENCODER.encode(heartbeat),
        }
        self._connection.execute(_PUT, row)

    def look_later(self, source: str, name: str, at: datetime) -> None:
        self._connection.execute(_LOOK_LATER, self._of(source, name) | {"at": micros(at)})

    def delete(self, source: str, name: str) -> None:
        if self._connection.execute(_DELETE, self._of(source, name)).rowcount == 0:
            raise NotFound(f"there is no heartbeat {name}")

    def _of(self, source: str, name: str) -> dict[str, Any]:
        return {"of_tenant": self._tenant, "of_source": source, "of_name": name}


def due(connection: Connection, at: datetime, limit: int) -> list[Heartbeat]:
    """Return those of all tenants that must be looked at by ``at``."""
    return [_DECODER.decode(row.body) for row in connection.execute(_DUE, {"at": micros(at), "most": limit})]
