"""API keys; only digests are stored."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BindParameter, Connection, Row, bindparam, func, or_, select, update

from llm_incident_manager.domain.vocabulary import Scope
from llm_incident_manager.engine.rows import ApiKey
from llm_incident_manager.errors import NotFound
from llm_incident_manager.storage.configuration import count_up
from llm_incident_manager.storage.instants import instant, micros
from llm_incident_manager.storage.pages import after, page_of
from llm_incident_manager.storage.schema import API_KEYS
from llm_incident_manager.storage.statements import insert

_K = API_KEYS.c
_TENANT: BindParameter[Any] = bindparam("of_tenant")
_OF_ID = (_K.tenant == _TENANT) & (_K.id == bindparam("of_id"))
_INSERT = insert(API_KEYS)
_GET = select(API_KEYS).where(_OF_ID)
_PAGE = select(API_KEYS).where(_K.tenant == _TENANT)
_COUNT = select(func.count()).select_from(API_KEYS).where(_K.tenant == _TENANT)
_SAVED = ("name", "scopes", "source", "user_id", "rotate_after", "expires_at", "revoked_at", "last_used_at", "replaces")
_SAVE = update(API_KEYS).where(_OF_ID).values({each: bindparam(each) for each in _SAVED})
# Every key that is not revoked, of all tenants.
_VALID = select(API_KEYS).where(_K.revoked_at.is_(None)).order_by(_K.tenant, _K.id)
# When a key was used last; never earlier than known.
_TOUCH = (
    update(API_KEYS)
    .where(_K.id == bindparam("of_id"), or_(_K.last_used_at.is_(None), _K.last_used_at < bindparam("last_used_at")))
    .values(last_used_at=bindparam("last_used_at"))
)
_INSTANTS = ("created_at", "rotate_after", "expires_at", "revoked_at", "last_used_at")


class SqlKeys:
    """The API keys of one tenant in one transaction."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    def add(self, key: ApiKey) -> None:
        self._connection.execute(_INSERT, self._row(key))
        count_up(self._connection, self._tenant)

    def get(self, key_id: str) -> ApiKey:
        row = self._connection.execute(_GET, {"of_tenant": self._tenant, "of_id": key_id}).one_or_none()
        if row is None:
            raise _unknown(key_id)
        return _key(row)

    def page(self, *, limit: int, cursor: str | None) -> tuple[list[ApiKey], str | None, int]:
        wanted = {"of_tenant": self._tenant}
        rows = self._connection.execute(after(_PAGE, (_K.id,), cursor, "keys", limit, descending=False), wanted).all()
        keys, next_cursor = page_of(rows, limit, "keys", lambda row: (row.id,))
        return [_key(row) for row in keys], next_cursor, self._connection.execute(_COUNT, wanted).scalar_one()

    def save(self, key: ApiKey) -> None:
        row = self._row(key)
        wanted = {name: row[name] for name in _SAVED} | {"of_tenant": self._tenant, "of_id": key.id}
        if self._connection.execute(_SAVE, wanted).rowcount == 0:
            raise _unknown(key.id)
        count_up(self._connection, self._tenant)

    def _row(self, key: ApiKey) -> dict[str, Any]:
        row = msgspec.structs.asdict(key)
        for each in _INSTANTS:
            row[each] = micros(row[each])
        return row | {"tenant": self._tenant, "scopes": " ".join(key.scopes)}


def valid_keys(connection: Connection) -> list[ApiKey]:
    """Return every key that is not revoked, of all tenants."""
    return [_key(row) for row in connection.execute(_VALID)]


def touch(connection: Connection, used: Mapping[str, datetime]) -> None:
    """Record last use by key id; nobody needs to read keys again for that."""
    if used:
        connection.execute(
            _TOUCH, [{"of_id": key_id, "last_used_at": micros(at)} for key_id, at in sorted(used.items())]
        )


def _key(row: Row[Any]) -> ApiKey:
    fields = dict(row._mapping)
    for each in _INSTANTS:
        fields[each] = instant(fields[each])
    fields["scopes"] = tuple(Scope(each) for each in row.scopes.split())
    return ApiKey(**fields)


def _unknown(key_id: str) -> NotFound:
    return NotFound(f"there is no API key {key_id}", key_id=key_id)
