"""Users, teams, routes, policies …: documents by kind and id, and the revision that tells of a change."""

from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, Row, bindparam, delete, func, select, update

from llm_incident_manager.engine.rows import ConfigurationItem
from llm_incident_manager.errors import Conflict, NotFound
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.pages import after, page_of
from llm_incident_manager.storage.schema import CONFIGURATION, CONFIGURATION_REVISION
from llm_incident_manager.storage.statements import TOTAL_LIMIT, insert

_C = CONFIGURATION.c
_TENANT: BindParameter[Any] = bindparam("of_tenant")
_OF_ID = (_C.tenant == _TENANT) & (_C.kind == bindparam("of_kind")) & (_C.id == bindparam("of_id"))
_ALL = select(CONFIGURATION).where(_C.tenant == _TENANT).order_by(_C.kind, _C.id)
_GET = select(CONFIGURATION).where(_OF_ID)
_PAGE = select(CONFIGURATION).where(_C.tenant == _TENANT, _C.kind == bindparam("of_kind"))
# How many there are of a kind, counting no further than totals are exact.
_COUNT = select(func.count()).select_from(
    select(_C.id).where(_C.tenant == _TENANT, _C.kind == bindparam("of_kind")).limit(TOTAL_LIMIT).subquery()
)
# A new item, unless somebody was faster.
_INSERT = insert(CONFIGURATION).on_conflict_do_nothing().returning(_C.version)
# The next version of an item, unless somebody was faster.
_REPLACE = (
    update(CONFIGURATION)
    .where(_OF_ID, _C.version == bindparam("of_version"))
    .values({each: bindparam(each) for each in ("document", "version", "origin", "updated_at")})
    .returning(_C.version)
)
_DELETE = delete(CONFIGURATION).where(_OF_ID)
_FIRST = insert(CONFIGURATION_REVISION).values(tenant=_TENANT, revision=1)
# Every change counts.
_COUNT_UP = _FIRST.on_conflict_do_update(
    index_elements=["tenant"], set_={"revision": CONFIGURATION_REVISION.c.revision + 1}
)
_REVISIONS = select(CONFIGURATION_REVISION.c.tenant, CONFIGURATION_REVISION.c.revision)


class SqlConfiguration:
    """The configuration of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def all(self) -> list[ConfigurationItem]:
        return [_item(row) for row in self._connection.execute(_ALL, {"of_tenant": self._tenant})]

    def page(self, kind: str, *, limit: int, cursor: str | None) -> tuple[list[ConfigurationItem], str | None, int]:
        wanted = {"of_tenant": self._tenant, "of_kind": kind}
        query = after(_PAGE, (_C.id,), cursor, kind, limit, descending=False)
        rows, next_cursor = page_of(self._connection.execute(query, wanted).all(), limit, kind, lambda row: (row.id,))
        total = self._connection.execute(_COUNT, wanted).scalar_one()
        return [_item(row) for row in rows], next_cursor, total

    def get(self, kind: str, item_id: str) -> ConfigurationItem:
        row = self._find(kind, item_id)
        if row is None:
            raise _unknown(kind, item_id)
        return _item(row)

    def put(self, item: ConfigurationItem, *, expected_version: int | None = None) -> ConfigurationItem:
        row = self._find(item.kind, item.id)
        stored = 0 if row is None else row.version
        if expected_version is not None and expected_version != stored:
            raise _changed(item, stored)
        values = {
            "document": msgspec.json.encode(item.document),
            "version": stored + 1,
            "origin": item.origin,
            "updated_at": micros(item.updated_at),
        }
        if row is None:
            fixed = {"tenant": self._tenant, "kind": item.kind, "id": item.id, "created_by": item.created_by}
            written = self._connection.execute(_INSERT, values | fixed | {"created_at": micros(item.created_at)})
        else:
            written = self._connection.execute(
                _REPLACE, values | self._key(item.kind, item.id) | {"of_version": stored}
            )
        if written.one_or_none() is None:
            raise _changed(item, stored)
        count_up(self._connection, self._tenant)
        return self.get(item.kind, item.id)

    def delete(self, kind: str, item_id: str) -> None:
        if self._connection.execute(_DELETE, self._key(kind, item_id)).rowcount == 0:
            raise _unknown(kind, item_id)
        count_up(self._connection, self._tenant)

    def _find(self, kind: str, item_id: str) -> Row[Any] | None:
        return self._connection.execute(_GET, self._key(kind, item_id)).one_or_none()

    def _key(self, kind: str, item_id: str) -> dict[str, Any]:
        return {"of_tenant": self._tenant, "of_kind": kind, "of_id": item_id}


def count_up(connection: Connection, tenant: str) -> None:
    """Raise the tenant's configuration revision, so that every node reads its configuration and keys again."""
    connection.execute(_COUNT_UP, {"of_tenant": tenant})


def revisions(connection: Connection) -> dict[str, int]:
    """Return the revision of every tenant that has one."""
    return {row.tenant: row.revision for row in connection.execute(_REVISIONS)}


def _item(row: Row[Any]) -> ConfigurationItem:
    return ConfigurationItem(
        kind=row.kind,
        id=row.id,
        document=msgspec.json.decode(row.document),
        version=row.version,
        origin=row.origin,
        created_at=instant(row.created_at),
        updated_at=instant(row.updated_at),
        created_by=row.created_by,
    )


def _unknown(kind: str, item_id: str) -> NotFound:
    return NotFound(f"there is no {kind} {item_id}", kind=kind, item_id=item_id)


def _changed(item: ConfigurationItem, stored: int) -> Conflict:
    return Conflict(
        f"{item.kind} {item.id} has version {stored} now; read it again and change that",
        code="version_conflict",
        kind=item.kind,
        item_id=item.id,
        version=stored,
    )
